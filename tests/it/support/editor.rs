//! Somebody who works on a repository at random, and remembers what is gone for good.

use std::collections::BTreeSet;

use fastrand::Rng;
use serde_json::{Value, json};

use super::Sim;

/// The most items that one edit touches in each way.
const MOST_AT_ONCE: usize = 4;

/// Works on one repository. All that happens to it must go through its hands.
#[derive(Debug)]
pub(crate) struct Editor {
    repository: u64,
    /// Whether items may be put and moved to any place: in a shuffled repository alone.
    places: bool,
    present: Vec<u64>,
    /// The ids that have been taken away; the simulator never uses one again.
    gone: BTreeSet<u64>,
}

impl Editor {
    /// Begins with what is there.
    pub(crate) fn new(sim: &Sim, repository: u64, places: bool) -> Self {
        let id = |line: String| -> u64 {
            let item: Value = serde_json::from_str(&line).expect("items are JSON");
            item["itemId"].as_u64().expect("items have an id")
        };
        let present = sim.items(repository).into_iter().map(id).collect();
        Self { repository, places, present, gone: BTreeSet::new() }
    }

    /// Some insertions, deletions, updates and moves at one moment.
    pub(crate) fn edit(&mut self, sim: &Sim, rng: &mut Rng) {
        let delete: Vec<u64> = (0..rng.usize(..=MOST_AT_ONCE))
            .filter_map(|_| {
                let place = rng.usize(..self.present.len().max(1));
                (place < self.present.len()).then(|| self.present.swap_remove(place))
            })
            .collect();
        self.gone.extend(&delete);
        // As many come as go, in the long run.
        let mut edit = json!({
            "repository": self.repository,
            "insert": rng.usize(..=MOST_AT_ONCE),
            "delete": delete,
            "update": self.some(rng),
        });
        if self.places {
            let moves: Vec<Value> = self
                .some(rng)
                .into_iter()
                .map(|id| json!({"id": id, "to": rng.usize(..=self.present.len())}))
                .collect();
            edit["move"] = Value::from(moves);
            edit["at"] = Value::from(rng.usize(..=self.present.len()));
        }
        let done = sim.door("edit", &edit);
        let inserted = done["inserted"].as_array().expect("the door says what it inserted");
        self.present.extend(inserted.iter().filter_map(Value::as_u64));
    }

    /// How many items there are.
    pub(crate) fn len(&self) -> usize {
        self.present.len()
    }

    /// Every deletion that the mirror has told is true.
    pub(crate) fn vouch_for(&self, deleted: &BTreeSet<u64>) {
        let false_ones: Vec<_> = deleted.difference(&self.gone).collect();
        assert!(false_ones.is_empty(), "items are told to be gone and are there: {false_ones:?}");
    }

    /// Whether this item was taken away.
    pub(crate) fn has_taken_away(&self, id: u64) -> bool {
        self.gone.contains(&id)
    }

    fn some(&self, rng: &mut Rng) -> Vec<u64> {
        (0..rng.usize(..=MOST_AT_ONCE)).filter_map(|_| rng.choice(&self.present).copied()).collect()
    }
}
