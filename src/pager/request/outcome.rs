//! What comes of the request for a window.

use std::time::Duration;

use tokio::time::Instant;

use crate::client::{Failure, SearchAnswer};
use crate::pager::rate::PageBytes;
use crate::pager::readings::Reading;

/// A page and how long the request took that brought it.
#[derive(Debug)]
pub struct Fetched {
    /// The answer.
    pub answer: SearchAnswer,
    /// When the request was sent, the last time if it was sent again.
    pub begun: Instant,
    /// From then to the end of its answer.
    pub elapsed: Duration,
    /// What is kept of the memory for pages until it is written or thrown away.
    pub bytes: Option<PageBytes>,
    /// Holds what the answer may not overwrite, until it is written.
    pub reading: Reading,
}

/// A window that the server does not answer, though it answers the top of the list.
#[derive(Debug)]
pub struct Unanswered {
    /// The last of its failures.
    pub failure: Failure,
    /// The total that came with the top of the list.
    pub total: u64,
    /// When the window was asked for the last time.
    pub begun: Instant,
}

/// What came of the request for a window.
#[derive(Debug)]
pub enum FetchOutcome {
    /// Its page.
    Answered(Fetched),
    /// Nothing, and no more tries would help.
    Unanswered(Unanswered),
}

impl FetchOutcome {
    /// When the request was sent, the last time if it was sent again.
    pub fn begun(&self) -> Instant {
        match self {
            Self::Answered(fetched) => fetched.begun,
            Self::Unanswered(unanswered) => unanswered.begun,
        }
    }
}
