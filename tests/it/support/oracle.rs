//! What must be true of a mirror: its log folds to it at every instant, it equals a server at rest,
//! and nothing is said to be gone that was there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::kept::{Change, Kept};
use super::{Daemon, Sim};

/// The fold of a mirror's changes, kept up with as it grows.
#[derive(Debug, Default)]
pub(crate) struct Fold {
    /// The items of each repository, as their last change left them.
    items: BTreeMap<u64, BTreeMap<u64, String>>,
    /// The last sequence.
    last: u64,
    /// The last iteration of each repository.
    iterations: BTreeMap<u64, u64>,
    /// Repository, item and operation of each change, in order.
    pub(crate) told: Vec<(u64, u64, String)>,
}

impl Fold {
    /// Applies what has been added since, and holds it against the items that the mirror has.
    /// Only for a mirror that nobody writes meanwhile.
    pub(crate) fn check(&mut self, kept: &Kept, repositories: &[u64]) {
        for change in kept.changes(self.last) {
            self.apply(&change);
        }
        for repository in repositories {
            let folded = self.items.entry(*repository).or_default();
            // The order of an export is that of the ids, which here are numbers.
            let folded: Vec<&String> = folded.values().collect();
            let exported = kept.export(*repository);
            let exported: Vec<&String> = exported.iter().collect();
            same(&exported, &folded, "the mirror", "the fold of its changes");
        }
    }

    /// How many changes there were of this operation.
    pub(crate) fn count(&self, op: &str) -> usize {
        self.told.iter().filter(|(_, _, told)| told == op).count()
    }

    /// The items of which a deletion was told.
    pub(crate) fn deleted(&self) -> BTreeSet<u64> {
        let deletions = self.told.iter().filter(|(_, _, op)| op == "d");
        deletions.map(|(_, item, _)| *item).collect()
    }

    fn apply(&mut self, change: &Change) {
        let Change { op, before, after, ts_ms, source } = change;
        let sequence = source.sequence;
        assert_eq!(sequence, self.last + 1, "sequences neither skip nor repeat");
        self.last = sequence;
        assert!(*ts_ms > 0, "change {sequence} has no time");
        let iteration = self.iterations.entry(source.repository).or_default();
        assert!(source.iteration >= *iteration, "change {sequence} is of a pass before the last");
        *iteration = source.iteration;
        let [before, after] = [before, after].map(|it| it.as_ref().map(|raw| raw.get().to_owned()));
        let items = self.items.entry(source.repository).or_default();
        let had = items.get(&source.item).cloned();
        assert_eq!(before, had, "before of change {sequence} ({op}) is what there was");
        match op.as_str() {
            "r" | "c" => assert!(before.is_none() && after.is_some(), "change {sequence}: {op}"),
            "u" => assert!(before != after && after.is_some(), "change {sequence}: {op}"),
            "d" => assert!(before.is_some() && after.is_none(), "change {sequence}: {op}"),
            _ => panic!("change {sequence} is of operation {op}"),
        }
        if op == "r" {
            let again = self.told.iter().any(|told| told.1 == source.item);
            assert!(!again, "change {sequence}: an item is first seen once");
        }
        match after {
            Some(after) => drop(items.insert(source.item, after)),
            None => drop(items.remove(&source.item)),
        }
        self.told.push((source.repository, source.item, op.clone()));
    }
}

/// Waits for a certified pass that began later than now and leaves no suspect: where the server
/// cannot be asked for single items, that is the second one.
pub(crate) fn wait_for_certified_pass(daemon: &Daemon, repository: u64) {
    let mark = daemon.mark();
    let under_way = daemon.wait_from(mark, |it| it.is_of("pass complete", repository));
    daemon.wait_from(under_way.index + 1, |it| {
        it.is_of("pass complete", repository) && it.truth("certified") && it.number("suspects") == 0
    });
}

/// A mirror that has seen a server at rest is what the server has, to the byte.
pub(crate) fn equals_server(kept: &Kept, sim: &Sim, repository: u64) {
    let exported: BTreeSet<String> = kept.export(repository).into_iter().collect();
    let served: BTreeSet<String> = sim.items(repository).into_iter().collect();
    let exported: Vec<&String> = exported.iter().collect();
    let served: Vec<&String> = served.iter().collect();
    same(&exported, &served, "the mirror", "the server");
}

/// The same, where the server wrote the members of its items now in one order and now in another.
pub(crate) fn means_the_same(kept: &Kept, sim: &Sim, repository: u64) {
    // Members sorted by name, at every depth.
    let sorted = |lines: Vec<String>| -> BTreeSet<String> {
        let meant = |line: String| {
            let item: Value = serde_json::from_str(&line).expect("items are JSON");
            in_order(item).to_string()
        };
        lines.into_iter().map(meant).collect()
    };
    let (exported, served) = (sorted(kept.export(repository)), sorted(sim.items(repository)));
    let exported: Vec<&String> = exported.iter().collect();
    let served: Vec<&String> = served.iter().collect();
    same(&exported, &served, "the mirror", "the server");
}

fn in_order(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let sorted: BTreeMap<String, Value> =
                members.into_iter().map(|(name, value)| (name, in_order(value))).collect();
            Value::Object(sorted.into_iter().collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(in_order).collect()),
        other => other,
    }
}

fn same(left: &[&String], right: &[&String], left_name: &str, right_name: &str) {
    if left == right {
        return;
    }
    let [left_set, right_set] = [left, right].map(|it| it.iter().collect::<BTreeSet<_>>());
    let brief = |it: &&&String| it.chars().take(60).collect::<String>();
    let only_left: Vec<_> = left_set.difference(&right_set).map(&brief).collect();
    let only_right: Vec<_> = right_set.difference(&left_set).map(brief).collect();
    panic!(
        "{left_name} has {} items and {right_name} {}; only in {left_name}: {only_left:?}; only in \
         {right_name}: {only_right:?}; if none is, their order differs",
        left.len(),
        right.len(),
    );
}
