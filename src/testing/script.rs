//! What a test tells the server in memory, and what it learns of the requests.

use std::time::Duration;

use tokio::time::Instant;

use crate::client::RequestErrorKind;
use crate::domain::RepositoryId;
use crate::session::Generation;

/// The vendor's calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    Login,
    Reauth,
    Logout,
    Search,
    Item,
    Repositories,
}

/// How the server answers who asks for one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ItemCall {
    /// With the item, if it is in a list or hidden from them.
    Honest,
    /// As if there were no item at all.
    AllGone,
    /// With nothing that can be understood.
    Unclear,
}

/// What becomes of one request.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// What the state of the server says.
    Usual,
    /// The same, this much later.
    Late(Duration),
    /// All sessions end just before the request is judged.
    EndSessions,
    /// Not good for these credentials; of `reauth`: the session has ended.
    Refuse,
    /// The name or the password is wrong, in these words.
    Deny(&'static str),
    /// It fails so.
    Fail(RequestErrorKind),
    /// The server has no such call: 404.
    Missing,
    /// The server is busy and says for how long.
    Busy(Duration),
    /// Of a search: a page of half the size, in its own place.
    Cap,
    /// Of a search: the page before over again.
    Repeat,
    /// The server does its work, but the answer is lost.
    Lose,
    /// No answer ever.
    Hang,
    /// A defect of ours.
    Panic,
}

/// What the server says to one who keeps sending a REST token that it has replaced (open).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StaleRest {
    /// It hands out the current one again.
    Renewed,
    /// It refuses the old one, this long after the new one was issued.
    RefusedAfter(Duration),
    /// It hands out yet another one, as long as the newer ones have not been used; then it refuses.
    Another,
}

/// A request as a hook sees it before it is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) call: Call,
    /// Which request of this call, counted from 1.
    pub(crate) number: u64,
    pub(crate) at: Instant,
    pub(crate) repository: Option<RepositoryId>,
    pub(crate) page: u64,
    pub(crate) page_size: u32,
    /// Whether it is a search that has conditions.
    pub(crate) has_conditions: bool,
    /// Whether it came with what is known of its answer.
    pub(crate) is_known: bool,
    pub(crate) generation: Generation,
    pub(crate) revision: u64,
}

/// A request and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Logged {
    pub(crate) asked: Asked,
    /// When it was answered; `None` while it is under way, and for ever where it was given up.
    pub(crate) answered: Option<Instant>,
    pub(crate) refused: bool,
}
