//! The calls to the server, by what came of them and by how long they took.

use std::time::Duration;

use crate::metrics::{Counter, Histogram};

/// From what a server on the same network takes for one item to the longest time-out that is
/// usual.
const BOUNDS: &[Duration] = &[
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2500),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
];

/// What the server is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// One page.
    Search,
    /// One item.
    Item,
    /// A session, in whichever way.
    Login,
    /// Whether the session still stands.
    Reauth,
    /// The end of the session.
    Logout,
    /// The model of a repository, and what repositories there are.
    Metadata,
}

impl Call {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 6] =
        [Self::Search, Self::Item, Self::Login, Self::Reauth, Self::Logout, Self::Metadata];

    /// The name, as logs have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Search => "search",
            Self::Item => "item",
            Self::Login => "login",
            Self::Reauth => "reauth",
            Self::Logout => "logout",
            Self::Metadata => "metadata",
        }
    }
}

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// What it was made for.
    Ok,
    /// The server did not accept the session.
    Refused,
    /// Connection, time-out, status or shape were wrong.
    Failed,
    /// The server did not accept the name or the password.
    Denied,
}

impl CallOutcome {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Refused, Self::Failed, Self::Denied];

    /// One word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Denied => "denied",
        }
    }
}

/// All calls since the start. One that was broken off before its end is not among them.
#[derive(Debug)]
pub struct Calls([CallCounts; Call::ALL.len()]);

/// The calls of one kind.
#[derive(Debug)]
struct CallCounts {
    outcomes: [Counter; CallOutcome::ALL.len()],
    took: Histogram,
}

impl Calls {
    /// None yet.
    pub fn new() -> Self {
        let none = |_| CallCounts { outcomes: Default::default(), took: Histogram::new(BOUNDS) };
        Self(Call::ALL.map(none))
    }

    /// One more.
    pub fn note(&self, call: Call, outcome: CallOutcome, took: Duration) {
        let counts = &self.0[call as usize];
        counts.outcomes[outcome as usize].increment();
        counts.took.observe(took);
    }

    /// How many calls had this outcome.
    pub fn count(&self, call: Call, outcome: CallOutcome) -> u64 {
        self.0[call as usize].outcomes[outcome as usize].get()
    }

    /// How long calls took, whatever came of them.
    pub fn took(&self, call: Call) -> &Histogram {
        &self.0[call as usize].took
    }
}

impl Default for Calls {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_and_each_outcome_has_a_place_of_its_own() {
        for (place, call) in Call::ALL.into_iter().enumerate() {
            assert_eq!(call as usize, place);
        }
        for (place, outcome) in CallOutcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, place);
        }
        let calls = Calls::new();
        calls.note(Call::Item, CallOutcome::Denied, Duration::from_secs(60));
        assert_eq!(calls.count(Call::Item, CallOutcome::Denied), 1);
        assert_eq!(calls.count(Call::Logout, CallOutcome::Denied), 0);
        assert_eq!(calls.took(Call::Item).buckets().last(), Some(&(f64::INFINITY, 1)));
    }
}
