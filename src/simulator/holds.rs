//! Holds: a test holds a request before it is decided what becomes of it, and lets it go when the
//! stage is set.
//!
//! A request that is held counts as received. One whose client goes away meanwhile is forgotten: no
//! fault is spent on it.

use std::collections::{BTreeMap, VecDeque};

use serde::Deserialize;
use tokio::sync::oneshot;

use super::fault::SimulatedEndpoint;

/// Which request of a call is to be held.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HoldRequest {
    pub(super) endpoint: SimulatedEndpoint,
    /// How many requests it lets through first.
    #[serde(default)]
    pub(super) after: u32,
}

/// What is to be held, and what is.
#[derive(Debug, Default)]
pub(super) struct Holds {
    shut: BTreeMap<SimulatedEndpoint, VecDeque<HoldRequest>>,
    waiting: BTreeMap<SimulatedEndpoint, VecDeque<oneshot::Sender<()>>>,
}

impl Holds {
    /// Appends to what is to be held of the call.
    pub(super) fn hold(&mut self, hold: HoldRequest) {
        self.shut.entry(hold.endpoint).or_default().push_back(hold);
    }

    /// What a request that arrives has to wait for.
    pub(super) fn arrive(&mut self, endpoint: SimulatedEndpoint) -> Option<oneshot::Receiver<()>> {
        let shut = self.shut.get_mut(&endpoint)?;
        let first = shut.front_mut()?;
        if first.after > 0 {
            first.after -= 1;
            return None;
        }
        shut.pop_front();
        let (release, released) = oneshot::channel();
        self.waiting.entry(endpoint).or_default().push_back(release);
        Some(released)
    }

    /// Lets the request go that has waited longest; false where none waits.
    pub(super) fn release(&mut self, endpoint: SimulatedEndpoint) -> bool {
        let waiting = self.waiting.entry(endpoint).or_default();
        while let Some(release) = waiting.pop_front() {
            // A client that went away meanwhile takes nobody's turn.
            if release.send(()).is_ok() {
                return true;
            }
        }
        false
    }
}
