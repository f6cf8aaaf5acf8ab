//! What goes wrong on purpose, where it may, and when: by chance, or queued by a test.
//!
//! By chance, each fault has a probability per request. Which faults may hit which call:
//!
//! - `drop`, `hang`, `slow`, `truncate`, `garbage`, `e500`, `e502`, `e503`, `e429`: every vendor
//!   call, the sign-in ones included.
//! - `refuse` and its six shapes: all but login, logout and the OAuth token call, where a refusal
//!   would mean a wrong password. The session does not end: only the one request is refused.
//! - `short`, `cap`, `huge`, `repeat`, `empty`, `excess`, `less`, `more`: the search alone.
//!
//! A test may queue a fault for any call for which it has a meaning; a refusal of a login is then
//! a login that fails. It alone may queue `canned`: any answer of its own.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use fastrand::Rng;
use serde::Deserialize;

use super::fault::{SimulatedEndpoint, SimulatedFault};

/// An answer as a test wants it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Canned {
    pub(super) status: u16,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) body: String,
}

/// A fault that a test has queued for one call.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scripted {
    pub(super) endpoint: SimulatedEndpoint,
    pub(super) kind: SimulatedFault,
    /// What is answered where the kind is [`SimulatedFault::Canned`].
    pub(super) answer: Option<Canned>,
    /// How many requests it hits.
    #[serde(default = "one")]
    pub(super) times: u32,
    /// How many requests it lets through first.
    #[serde(default)]
    pub(super) after: u32,
}

fn one() -> u32 {
    1
}

/// Decides for each request whether something goes wrong.
#[derive(Debug)]
pub(super) struct SimulatedFaults {
    odds: Vec<(SimulatedFault, f64)>,
    queues: BTreeMap<SimulatedEndpoint, VecDeque<Scripted>>,
    /// The calls whose next request on a new connection is dropped as well.
    dropped: BTreeSet<SimulatedEndpoint>,
    rng: Rng,
}

impl SimulatedFaults {
    pub(super) fn new(odds: Vec<(SimulatedFault, f64)>, seed: u64) -> Self {
        let (queues, dropped) = (BTreeMap::new(), BTreeSet::new());
        Self { odds, queues, dropped, rng: Rng::with_seed(seed) }
    }

    /// What happens to the next request, with a number that decides among its variations, and with
    /// the answer of one that is canned. A queued fault comes before chance; while it lets requests
    /// through, chance stays in force.
    pub(super) fn draw(
        &mut self,
        endpoint: SimulatedEndpoint,
    ) -> (Option<SimulatedFault>, u64, Option<Canned>) {
        let salt = self.rng.u64(..);
        if let Some((fault, canned)) = self.scripted(endpoint) {
            return (Some(fault), salt, canned);
        }
        let mut hit = None;
        for (fault, probability) in &self.odds {
            // Every fault draws each time, so that changing one's odds leaves the others alone.
            let drawn = self.rng.f64() < *probability;
            if drawn && hit.is_none() && fault.may_befall(endpoint) {
                hit = Some(*fault);
            }
        }
        (hit, salt, None)
    }

    /// Appends to the queue of the call.
    pub(super) fn queue(&mut self, scripted: Scripted) {
        if scripted.times > 0 {
            self.queues.entry(scripted.endpoint).or_default().push_back(scripted);
        }
    }

    /// Forgets everything queued.
    pub(super) fn clear(&mut self) {
        self.queues.clear();
        self.dropped.clear();
    }

    /// The next request of this call on a new connection is one that was dropped, sent again.
    pub(super) fn drop_again(&mut self, endpoint: SimulatedEndpoint) {
        self.dropped.insert(endpoint);
    }

    /// Whether this request of the call, on a new connection, is that one.
    pub(super) fn drops_again(&mut self, endpoint: SimulatedEndpoint) -> bool {
        self.dropped.remove(&endpoint)
    }

    /// Replaces the probabilities.
    pub(super) fn set_odds(&mut self, odds: Vec<(SimulatedFault, f64)>) {
        self.odds = odds;
    }

    fn scripted(
        &mut self,
        endpoint: SimulatedEndpoint,
    ) -> Option<(SimulatedFault, Option<Canned>)> {
        let queue = self.queues.get_mut(&endpoint)?;
        let first = queue.front_mut()?;
        if first.after > 0 {
            first.after -= 1;
            return None;
        }
        let hit = (first.kind, first.answer.clone());
        first.times = first.times.saturating_sub(1);
        if first.times == 0 {
            queue.pop_front();
        }
        Some(hit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(faults: &mut SimulatedFaults, count: usize) -> Vec<Option<SimulatedFault>> {
        (0..count).map(|_| faults.draw(SimulatedEndpoint::Search).0).collect()
    }

    #[test]
    fn every_fault_is_found_by_its_name() {
        for fault in SimulatedFault::ALL {
            assert_eq!(fault.to_string().parse(), Ok(fault));
        }
        let error = "refuze".parse::<SimulatedFault>().unwrap_err().to_string();
        assert!(error.contains("refuze") && error.contains("refuse-html"), "{error}");
    }

    #[test]
    fn the_queue_skips_then_hits_then_goes_on_with_the_next() {
        let mut faults = SimulatedFaults::new(Vec::new(), 1);
        let endpoint = SimulatedEndpoint::Search;
        let queued = |kind, times, after| Scripted { endpoint, kind, answer: None, times, after };
        faults.queue(queued(SimulatedFault::Hang, 2, 1));
        faults.queue(queued(SimulatedFault::Drop, 1, 0));
        assert_eq!(faults.draw(SimulatedEndpoint::Login).0, None);
        let hang = Some(SimulatedFault::Hang);
        assert_eq!(drawn(&mut faults, 5), [None, hang, hang, Some(SimulatedFault::Drop), None]);
    }

    #[test]
    fn chance_keeps_its_probability_and_repeats_itself_for_a_seed() {
        let odds = vec![(SimulatedFault::E500, 0.2), (SimulatedFault::Slow, 0.1)];
        let first = drawn(&mut SimulatedFaults::new(odds.clone(), 7), 10_000);
        assert_eq!(first, drawn(&mut SimulatedFaults::new(odds, 7), 10_000));
        let count = |kind| first.iter().filter(|fault| **fault == Some(kind)).count();
        assert!((1_800..2_200).contains(&count(SimulatedFault::E500)));
        assert!(
            (650..950).contains(&count(SimulatedFault::Slow)),
            "a tenth of what the first left over"
        );
    }

    #[test]
    fn chance_never_makes_a_login_look_like_a_wrong_password() {
        let mut faults = SimulatedFaults::new(
            vec![(SimulatedFault::Refuse(None), 1.0), (SimulatedFault::Cap, 1.0)],
            1,
        );
        assert_eq!(faults.draw(SimulatedEndpoint::Login).0, None);
        assert_eq!(faults.draw(SimulatedEndpoint::Reauth).0, Some(SimulatedFault::Refuse(None)));
    }
}
