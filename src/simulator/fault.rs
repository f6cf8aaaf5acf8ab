//! What can go wrong with one request, and which calls it can hit.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

/// How a refused request is answered. How a real server does it is open; these are the readings
/// of the API page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SimulatedRefusal {
    /// HTTP 401.
    Unauthorized,
    /// HTTP 403.
    Forbidden,
    /// HTTP 200 with `"success": false`.
    Success,
    /// HTTP 200 with a `status` other than 0 and no `data`.
    Status,
    /// HTTP 200 with an HTML sign-in page.
    Html,
    /// A redirect to the sign-in page.
    Redirect,
}

impl SimulatedRefusal {
    /// All shapes.
    pub const ALL: [Self; 6] = [
        Self::Unauthorized,
        Self::Forbidden,
        Self::Success,
        Self::Status,
        Self::Html,
        Self::Redirect,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unauthorized => "401",
            Self::Forbidden => "403",
            Self::Success => "success",
            Self::Status => "status",
            Self::Html => "html",
            Self::Redirect => "redirect",
        }
    }
}

/// One thing that goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SimulatedFault {
    /// The request is refused, in this shape or (`None`) in any; the session lives on.
    Refuse(Option<SimulatedRefusal>),
    /// The request is worked on, then the connection is closed without an answer. Where it had
    /// served others before, that looks like one that was closed while idle; so the new connection on
    /// which a client sends the request again at once is closed as well, and counted nowhere.
    Drop,
    /// No answer until the client gives up, and no work done.
    Hang,
    /// The right answer, in small pieces over [`Options::slow`](super::Options::slow).
    Slow,
    /// Half of the right answer under the length of the whole, then the connection is closed.
    Truncate,
    /// Status 200 with something that is no answer: text, other JSON, broken JSON, other HTML.
    Garbage,
    /// HTTP 500.
    E500,
    /// HTTP 502, with the HTML page of a proxy.
    E502,
    /// HTTP 503, every other time with `Retry-After` in seconds.
    E503,
    /// HTTP 429 with `Retry-After`, in seconds or as a date.
    E429,
    /// A page whose `returnTotal` claims more items than its `itemList` carries.
    Short,
    /// A page of at most 50 items; where at most 50 were asked for, of at most 20. The window starts
    /// as if that had been the page size. Always hit, it is a server with a largest page size.
    Cap,
    /// A well-formed answer of a gibibyte, streamed.
    Huge,
    /// A page of the size asked for that begins where the one answered before did, whatever page was
    /// asked for.
    Repeat,
    /// A page without items, under the true total.
    Empty,
    /// A page with one item more than was asked for, where the list has one.
    Excess,
    /// A page whose `searchTotal` is half of what there is.
    Less,
    /// A page whose `searchTotal` is a thousand more than there is.
    More,
    /// The answer that a test has queued with it; never by chance.
    Canned,
}

impl SimulatedFault {
    /// All faults that chance may choose.
    pub const ALL: [Self; 24] = [
        Self::Refuse(None),
        Self::Refuse(Some(SimulatedRefusal::Unauthorized)),
        Self::Refuse(Some(SimulatedRefusal::Forbidden)),
        Self::Refuse(Some(SimulatedRefusal::Success)),
        Self::Refuse(Some(SimulatedRefusal::Status)),
        Self::Refuse(Some(SimulatedRefusal::Html)),
        Self::Refuse(Some(SimulatedRefusal::Redirect)),
        Self::Drop,
        Self::Hang,
        Self::Slow,
        Self::Truncate,
        Self::Garbage,
        Self::E500,
        Self::E502,
        Self::E503,
        Self::E429,
        Self::Short,
        Self::Cap,
        Self::Huge,
        Self::Repeat,
        Self::Empty,
        Self::Excess,
        Self::Less,
        Self::More,
    ];

    /// The name on the command line and in the control API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refuse(None) => "refuse",
            Self::Refuse(Some(SimulatedRefusal::Unauthorized)) => "refuse-401",
            Self::Refuse(Some(SimulatedRefusal::Forbidden)) => "refuse-403",
            Self::Refuse(Some(SimulatedRefusal::Success)) => "refuse-success",
            Self::Refuse(Some(SimulatedRefusal::Status)) => "refuse-status",
            Self::Refuse(Some(SimulatedRefusal::Html)) => "refuse-html",
            Self::Refuse(Some(SimulatedRefusal::Redirect)) => "refuse-redirect",
            Self::Drop => "drop",
            Self::Hang => "hang",
            Self::Slow => "slow",
            Self::Truncate => "truncate",
            Self::Garbage => "garbage",
            Self::E500 => "e500",
            Self::E502 => "e502",
            Self::E503 => "e503",
            Self::E429 => "e429",
            Self::Short => "short",
            Self::Cap => "cap",
            Self::Huge => "huge",
            Self::Repeat => "repeat",
            Self::Empty => "empty",
            Self::Excess => "excess",
            Self::Less => "less",
            Self::More => "more",
            Self::Canned => "canned",
        }
    }

    /// What it does, in a few words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Refuse(None) => "a refusal in any shape, though the session stands",
            Self::Refuse(Some(SimulatedRefusal::Unauthorized)) => "a refusal as HTTP 401",
            Self::Refuse(Some(SimulatedRefusal::Forbidden)) => "a refusal as HTTP 403",
            Self::Refuse(Some(SimulatedRefusal::Success)) => "a refusal as {\"success\":false}",
            Self::Refuse(Some(SimulatedRefusal::Status)) => "a refusal as a status in the body",
            Self::Refuse(Some(SimulatedRefusal::Html)) => "a refusal as a login page",
            Self::Refuse(Some(SimulatedRefusal::Redirect)) => {
                "a refusal as a redirect to the login page"
            }
            Self::Drop => "the connection is closed after the work was done",
            Self::Hang => "no answer, until the client gives up",
            Self::Slow => "the right answer in small pieces, over --slow",
            Self::Truncate => "half of the answer, then the connection is closed",
            Self::Garbage => "status 200 with something that is no answer",
            Self::E500 => "HTTP 500",
            Self::E502 => "HTTP 502 with a proxy's page",
            Self::E503 => "HTTP 503, every other time with Retry-After",
            Self::E429 => "HTTP 429 with Retry-After",
            Self::Short => "a page that claims more items than it has",
            Self::Cap => "a page of at most 50 items, or 20 where 50 were asked for",
            Self::Huge => "an answer of a gibibyte",
            Self::Repeat => "the page before over again",
            Self::Empty => "a page without items, under the true total",
            Self::Excess => "a page with one item too many",
            Self::Less => "a page that announces half of what there is",
            Self::More => "a page that announces more than there is",
            Self::Canned => "an answer as a test wants it",
        }
    }

    /// Whether the fault has a meaning for this call, so that a test may queue it.
    pub(super) fn fits(self, endpoint: SimulatedEndpoint) -> bool {
        match self {
            Self::Short
            | Self::Cap
            | Self::Huge
            | Self::Repeat
            | Self::Empty
            | Self::Excess
            | Self::Less
            | Self::More => endpoint == SimulatedEndpoint::Search,
            _ => true,
        }
    }

    /// Whether chance may choose the fault for this call.
    pub(super) fn may_befall(self, endpoint: SimulatedEndpoint) -> bool {
        let signs_in =
            [SimulatedEndpoint::Login, SimulatedEndpoint::Logout, SimulatedEndpoint::Token]
                .contains(&endpoint);
        self.fits(endpoint) && !(matches!(self, Self::Refuse(_)) && signs_in)
    }
}

impl fmt::Display for SimulatedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SimulatedFault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let found = Self::ALL.into_iter().find(|fault| fault.name() == text);
        found.ok_or_else(|| UnknownFault(text.to_owned()))
    }
}

/// In the control API, where `canned` is a fault like any other.
impl<'de> Deserialize<'de> for SimulatedFault {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        if name == Self::Canned.name() {
            return Ok(Self::Canned);
        }
        name.parse().map_err(serde::de::Error::custom)
    }
}

/// A word that names no fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownFault(String);

impl fmt::Display for UnknownFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = SimulatedFault::ALL.iter().map(|fault| fault.name()).collect();
        write!(f, "there is no fault \"{}\"; the faults are {}", self.0, names.join(", "))
    }
}

impl std::error::Error for UnknownFault {}

/// The calls that faults can hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SimulatedEndpoint {
    /// `enable-api/login`.
    Login,
    /// `enable-api/reauth`.
    Reauth,
    /// `enable-api/logout`.
    Logout,
    /// `webcm/rest/oauth/token`.
    Token,
    /// `webcm/rest/api/items/search`.
    Search,
    /// `webcm/rest/api/items/count`.
    Count,
    /// `webcm/rest/api/items/{id}`.
    Item,
    /// `webcm/rest/api/repositories`.
    Repositories,
    /// The calls for the model: below `webcm/rest/api/repositories` and `webcm/rest/api/links`, and
    /// `webcm/rest/api/items/attrValueOptions`.
    Metadata,
}
