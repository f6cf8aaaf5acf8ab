//! What the supervisor keeps about the repositories that the server offers.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;

use crate::client::RepositoryList;
use crate::config::ChosenRepositories;
use crate::domain::RepositoryId;
use crate::task::Cancellation;

/// What the server offers.
#[derive(Debug)]
pub(super) struct Offer {
    /// Where the latest list is put, and where it is heard of.
    pub(super) latest: watch::Sender<Option<Arc<RepositoryList>>>,
    pub(super) news: watch::Receiver<Option<Arc<RepositoryList>>>,
    /// Ends the task that asks; it is started again where the configuration still wants all.
    pub(super) cancellation: Cancellation,
    /// Whether any has come.
    pub(super) is_known: bool,
    /// What is taken from it.
    pub(super) taken: Vec<RepositoryId>,
    /// What is left out because the login may not read it, and was told.
    pub(super) left_out: BTreeSet<RepositoryId>,
    /// What is taken and was not in the last list.
    pub(super) lacking: BTreeSet<RepositoryId>,
    /// What was told of a list that cannot be taken.
    pub(super) told: Option<String>,
}

impl Offer {
    /// Before there is any list.
    pub(super) fn new() -> Self {
        let (latest, news) = watch::channel(None);
        Self {
            latest,
            news,
            cancellation: Cancellation::new(),
            is_known: false,
            taken: Vec::new(),
            left_out: BTreeSet::new(),
            lacking: BTreeSet::new(),
            told: None,
        }
    }

    /// What is read from now on. One that was read before is given up only where two whole lists in a row
    /// lack it: a list may be short by mistake, and a repository that is read for an hour too long
    /// harms nobody. Together they are `most` at most, and what the list has goes first.
    pub(super) fn reconcile(
        &mut self,
        chosen: &ChosenRepositories,
        is_whole: bool,
        most: usize,
    ) -> Vec<RepositoryId> {
        let is_lacking =
            |id: &&RepositoryId| !chosen.taken.contains(id) && !chosen.unreadable.contains(id);
        let lacking: BTreeSet<RepositoryId> =
            self.taken.iter().filter(is_lacking).copied().collect();
        let is_kept = |id: &&RepositoryId| !is_whole || !self.lacking.contains(id);
        let mut taken = chosen.taken.clone();
        let room = most.saturating_sub(taken.len());
        taken.extend(lacking.iter().filter(is_kept).take(room));
        if is_whole {
            self.lacking = lacking;
        }
        taken.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(taken: &[u64], unreadable: &[u64]) -> ChosenRepositories {
        let [taken, unreadable] =
            [taken, unreadable].map(|ids| ids.iter().copied().map(RepositoryId).collect());
        ChosenRepositories { taken, unreadable }
    }

    #[test]
    fn what_two_whole_lists_in_a_row_lack_is_given_up() {
        let mut offer = Offer::new();
        let mut reconcile = |taken: &[u64], unreadable: &[u64], is_whole| -> Vec<u64> {
            offer.taken = offer.reconcile(&chosen(taken, unreadable), is_whole, 3);
            offer.taken.iter().map(|id| id.0).collect()
        };
        assert_eq!(reconcile(&[1, 2, 3], &[], true), [1, 2, 3]);
        assert_eq!(reconcile(&[1, 3], &[], true), [1, 2, 3], "one list may be short");
        assert_eq!(reconcile(&[1, 2, 3], &[], true), [1, 2, 3]);
        assert_eq!(reconcile(&[1, 3], &[], true), [1, 2, 3], "it was there in between");
        assert_eq!(reconcile(&[1], &[], false), [1, 2, 3], "entries of it could not be read");
        assert_eq!(reconcile(&[1, 3], &[], true), [1, 3]);
        assert_eq!(reconcile(&[1], &[3], true), [1], "the server says so");
        assert_eq!(reconcile(&[1, 2], &[], true), [1, 2]);
        assert_eq!(reconcile(&[3, 4], &[], true), [1, 3, 4], "there is no room for more");
    }
}
