//! The fold of the changes that were followed.
//!
//! The look-alike server never gives an id a second time, so that an item which is told as deleted
//! and found again was not gone: a false deletion.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::Fallible;

/// The items that the changes lead to.
#[derive(Debug, Default)]
pub(crate) struct Fold {
    items: BTreeMap<(u64, u64), String>,
    gone: BTreeSet<(u64, u64)>,
    found_again: usize,
    last: u64,
}

#[derive(Deserialize)]
struct Change {
    op: String,
    before: Option<Box<RawValue>>,
    after: Option<Box<RawValue>>,
    source: Source,
}

#[derive(Deserialize)]
struct Source {
    repository: u64,
    item: u64,
    sequence: u64,
}

impl Fold {
    /// Applies a change, which must be the one after the last and begin where the last one of its
    /// item ended.
    pub(crate) fn apply(&mut self, line: &str) -> Fallible<()> {
        let Change { op, before, after, source } = serde_json::from_str(line)?;
        if source.sequence != self.last + 1 {
            return Err(format!("change {} came after {}", source.sequence, self.last).into());
        }
        self.last = source.sequence;
        let key = (source.repository, source.item);
        let had = self.items.get(&key).map(String::as_str);
        if before.as_deref().map(RawValue::get) != had {
            return Err(format!("change {} ({op}) begins elsewhere", source.sequence).into());
        }
        if let Some(after) = after {
            if had.is_none() && self.gone.contains(&key) {
                self.found_again += 1;
            }
            drop(self.items.insert(key, after.get().to_owned()));
        } else {
            drop(self.items.remove(&key));
            self.gone.insert(key);
        }
        Ok(())
    }

    /// The sequence of the last change.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// How many changes there were, and of them how many deletions.
    pub(crate) fn told(&self) -> String {
        format!("{}, of which deletions {}", self.last, self.gone.len())
    }

    /// How many items came back.
    pub(crate) fn false_deletions(&self) -> usize {
        self.found_again
    }

    /// The items of a repository.
    pub(crate) fn items(&self, repository: u64) -> BTreeSet<String> {
        let of = self.items.iter().filter(|((owner, _), _)| *owner == repository);
        of.map(|(_, item)| item.clone()).collect()
    }
}
