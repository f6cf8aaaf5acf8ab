//! The log lines about the records of a pass that cannot be read.
//!
//! Guarantees: each record is logged aloud once in a pass, however often its windows show it, and no
//! more than [`ALOUD`] records are: a server that spoils every record must not fill the log.

use std::collections::HashSet;

use crate::client::UnreadableItem;
use crate::domain::{Iteration, RepositoryId};
use crate::telemetry::event::{self, ItemUnreadable};

/// How many unreadable records of one pass are logged aloud.
const ALOUD: usize = 10;

/// Which records of a pass have been told of, by their digests.
#[derive(Debug, Default)]
pub(crate) struct ReportedRecords(HashSet<u64>);

impl ReportedRecords {
    /// Tells of the records of an answer whose window begins at this position.
    pub(crate) fn report(
        &mut self,
        (repository, iteration): (RepositoryId, Iteration),
        start: u64,
        records: &[UnreadableItem],
    ) {
        for record in records {
            let event = ItemUnreadable {
                repository,
                iteration,
                position: start.saturating_add(record.place as u64),
                item: record.id.as_ref(),
                error: &record.what,
                answer: record.around.as_deref(),
            };
            if self.is_news(record.digest) {
                event::item_unreadable(&event);
            } else {
                event::item_unreadable_again(&event);
            }
        }
    }

    fn is_news(&mut self, digest: u64) -> bool {
        self.0.len() < ALOUD && self.0.insert(digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_record_is_told_of_aloud_once_and_only_the_first_of_many() {
        let mut told = ReportedRecords::default();
        let twice = (0..20).chain(0..20).filter(|digest| told.is_news(*digest));
        assert_eq!(twice.collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    }
}
