//! How urgent a request is: until when it is to be let through, and what it is for. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// How long a page of a whole pass, and a question for one item, may wait for others that are more
/// urgent: so that a small repository is not held up by a large one for as long as the pass of that takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestClass {
    /// A page of a whole pass.
    Whole {
        /// When it must be let through for its pass to end in time, if all that are left of the pass take as long.
        needed: Instant,
        /// Which page of the pass it is, by the number of its request.
        ticket: u64,
    },
    /// A page of an incremental pass.
    Incremental,
    /// A question: for one item, or for what is known of a repository.
    Question,
}

/// How urgent a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Urgency {
    /// When it is to be let through; what is late goes first, the latest of all foremost.
    pub deadline: Instant,
    /// What it is for.
    pub class: RequestClass,
}

impl Urgency {
    /// The page of a whole pass that this request of it asks for; each of its pages may take `each` from now on.
    pub fn whole(now: Instant, each: Duration, ticket: u64) -> Self {
        let deadline = now + each.min(PATIENCE);
        // What is further away than any clock goes is not urgent at all.
        let needed = now.checked_add(each).unwrap_or(deadline);
        Self { deadline, class: RequestClass::Whole { needed, ticket } }
    }

    /// A page of an incremental pass, which is to be let through by then.
    pub fn incremental(deadline: Instant) -> Self {
        Self { deadline, class: RequestClass::Incremental }
    }

    /// A question.
    pub fn question(now: Instant) -> Self {
        Self { deadline: now + PATIENCE, class: RequestClass::Question }
    }
}
