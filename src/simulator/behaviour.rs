//! How the server answers until a test says otherwise.
//!
//! A fault befalls one request; behaviour lasts. It is that of servers that are not wrong, only
//! different: one without a call for a single item, one that writes members in any order.

use std::collections::BTreeSet;

use fastrand::Rng;
use serde::Deserialize;

use super::lists::ListBehaviour;
use super::options::Options;

/// How the call for one item answers a good session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum SimulatedItemCall {
    /// With the item, or with 404 where it is gone.
    #[default]
    Honest,
    /// With 404, whatever it was asked for: a server without the call.
    NotFound,
    /// With an HTML page that is no sign-in page.
    Html,
    /// With a `status` other than 0 and no `data`.
    Status,
    /// With 500.
    Error,
}

/// What lasts.
#[derive(Debug)]
pub(super) struct Behaviour {
    pub(super) item_call: SimulatedItemCall,
    pub(super) lists: ListBehaviour,
    /// The repositories that the login may not read.
    pub(super) unreadable: BTreeSet<u64>,
    /// The repositories that are not offered to it.
    pub(super) unlisted: BTreeSet<u64>,
    /// Where the orders of members come from; `None` for the usual one.
    orders: Option<Rng>,
}

impl Behaviour {
    /// How a server of this kind answers.
    pub(super) fn of(options: &Options) -> Self {
        let item_call =
            if options.item_call { SimulatedItemCall::Honest } else { SimulatedItemCall::NotFound };
        Self {
            item_call,
            lists: ListBehaviour::of(options),
            unreadable: options.unreadable.clone(),
            unlisted: BTreeSet::new(),
            orders: None,
        }
    }

    /// From now on each answer has another order of members, or all have the usual one.
    pub(super) fn reorder(&mut self, on: bool, seed: u64) {
        self.orders = on.then(|| Rng::with_seed(seed));
    }

    /// What to order the members of one answer by; `None` for the usual order.
    pub(super) fn next_order(&mut self) -> Option<u64> {
        self.orders.as_mut().map(|orders| orders.u64(..))
    }
}
