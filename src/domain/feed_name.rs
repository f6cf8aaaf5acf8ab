//! What a feed is called.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// Every name that was ever asked for. A plain lock: it is held for a look.
static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

/// The name of a feed, which names its task and its problems as well.
///
/// Names come from the operator alone, are few, and are kept for as long as the process runs, so that they
/// can be copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeedName(&'static str);

impl FeedName {
    /// The name that is written so.
    pub fn of(text: &str) -> Self {
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = names.get(text) {
            return Self(known);
        }
        let name: &'static str = Box::leak(Box::from(text));
        names.insert(name);
        Self(name)
    }

    /// The text.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for FeedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
