//! Who follows the changes, as `changes --follow` would, and folds them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::domain::{ItemId, RepositoryId, Sequence};
use crate::mirror::sqlite::{SqliteReader, SqliteSnapshot};

/// Changes read at a time.
const PAGE: usize = 1000;

/// The follower.
pub(super) struct Follower {
    database: PathBuf,
    items: BTreeMap<(RepositoryId, ItemId), Vec<u8>>,
    last: Sequence,
}

impl Follower {
    pub(super) fn new(database: &Path) -> Self {
        Self { database: database.to_owned(), items: BTreeMap::new(), last: Sequence(0) }
    }

    /// Takes in what has been added since.
    pub(super) fn catch_up(&mut self) {
        let mut reader = SqliteReader::beside_writer(&self.database).unwrap();
        loop {
            let page = reader.changes(Some(self.last), None, PAGE).unwrap();
            for change in page.changes {
                assert_eq!(change.sequence.0, self.last.0 + 1, "sequences neither skip nor repeat");
                self.last = change.sequence;
                let key = (change.repository, change.item);
                assert_eq!(self.items.get(&key), change.before.as_ref(), "{key:?} was another");
                match change.after {
                    Some(after) => drop(self.items.insert(key, after)),
                    None => drop(self.items.remove(&key)),
                }
            }
            if self.last == page.last {
                return;
            }
        }
    }

    /// What the changes lead to.
    pub(super) fn items(&self, repository: u64) -> BTreeSet<Vec<u8>> {
        let of = self.items.iter().filter(|((owner, _), _)| owner.0 == repository);
        of.map(|(_, item)| item.clone()).collect()
    }

    /// What the mirror has.
    pub(super) fn mirror(&self, repository: u64) -> BTreeSet<Vec<u8>> {
        let reader = SqliteReader::open(&self.database).unwrap();
        let snapshot = SqliteSnapshot::take(reader, None).unwrap();
        let (mut items, mut after) = (BTreeSet::new(), None);
        loop {
            let page = snapshot.items(RepositoryId(repository), after.as_ref()).unwrap();
            items.extend(page.items.into_iter().map(|(_, body)| body));
            match page.scanned_through {
                Some(last) => after = Some(last),
                None => return items,
            }
        }
    }
}
