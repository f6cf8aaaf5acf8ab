//! What of the status document is told where there are many repositories, unless more is asked for. Pure.
//!
//! A few repositories are told whole. Of many, those that differ from the others are: what is wrong with them
//! is what somebody looks for, and a thousand that are well are one sentence.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use super::document::{PassStatus, RepositoryStatus, StateStatus, StatusDocument};
use super::readiness::is_ready;
use crate::progress::FEW_REPOSITORIES;

/// Of a repository of many that differs, so many passes are told: enough to see whether it mends.
const PASSES: usize = 3;

/// A repository lags whose last certified pass is older than so many times that of the one in the middle...
const LAGS_BY: u64 = 4;

/// ... and by at least so much, in milliseconds: of ages of seconds nothing follows.
const LAGS_FROM_MS: u64 = 60_000;

impl StatusDocument {
    /// Whether there are too many repositories to tell all of each.
    pub fn is_of_many(&self) -> bool {
        self.repositories.len() > FEW_REPOSITORIES
    }

    /// The repositories that differ from the others: each of a few.
    pub fn differing(&self) -> BTreeSet<u64> {
        let all = self.repositories.iter();
        if !self.is_of_many() {
            return all.map(|repository| repository.id).collect();
        }
        let troubled: HashSet<u64> = self.problems.iter().filter_map(|it| it.repository).collect();
        let lagging_from = self.lagging_from();
        all.filter(|it| troubled.contains(&it.id) || self.differs(it, lagging_from))
            .map(|repository| repository.id)
            .collect()
    }

    /// The document without the passes of repositories that are as all others are.
    #[must_use]
    pub fn brief(&self) -> Self {
        let mut brief = self.clone();
        if self.is_of_many() {
            let differing = self.differing();
            for repository in &mut brief.repositories {
                let told = if differing.contains(&repository.id) { PASSES } else { 0 };
                repository.passes.truncate(told);
            }
        }
        brief
    }

    /// The document with these repositories only.
    #[must_use]
    pub fn only(&self, wanted: &BTreeSet<u64>) -> Self {
        let mut some = Self { repositories: Vec::new(), ..self.clone() };
        let all = self.repositories.iter().filter(|repository| wanted.contains(&repository.id));
        some.repositories = all.cloned().collect();
        some
    }

    /// From which age on, in milliseconds, the last certified pass of a repository lags behind the others'.
    fn lagging_from(&self) -> u64 {
        let mut ages: Vec<u64> =
            self.repositories.iter().filter_map(|repository| repository.certified_age_ms).collect();
        ages.sort_unstable();
        let middle = ages.get(ages.len() / 2).copied().unwrap_or(u64::MAX);
        middle.saturating_mul(LAGS_BY).max(middle.saturating_add(LAGS_FROM_MS))
    }

    fn differs(&self, repository: &RepositoryStatus, lagging_from: u64) -> bool {
        // What no daemon reads, or another one does, is told by its state alone.
        let is_read = repository.state.is_some_and(|state| state != StateStatus::Standby);
        let max_age = self.max_age_ms.map_or(Duration::MAX, Duration::from_millis);
        let is_old = !is_ready(repository, max_age)
            || repository.certified_age_ms.is_some_and(|age| age > lagging_from);
        let ended = |pass: &&PassStatus| pass.ended_at_ms.is_some();
        let is_doubtful = repository.passes.iter().find(ended).is_some_and(|it| !it.certified);
        let halts = matches!(repository.state, Some(StateStatus::Waiting | StateStatus::Stopped));
        repository.held_deletions.is_some()
            || repository.suspects.is_some_and(|suspects| suspects > 0)
            || halts
            || is_doubtful
            || (is_old && (is_read || self.daemon.is_none()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::document::{DaemonStatus, HeldStatus, ProblemStatus};

    fn document(count: u64) -> StatusDocument {
        let pass = PassStatus { ended_at_ms: Some(1), certified: true, ..PassStatus::default() };
        let repositories = (1..=count).map(|id| RepositoryStatus {
            id,
            state: Some(StateStatus::Resting),
            certified_age_ms: Some(1000 * id),
            passes: vec![pass.clone(); 5],
            ..RepositoryStatus::default()
        });
        let bare: StatusDocument = serde_json::from_str(r#"{"version": "1"}"#).unwrap();
        StatusDocument {
            daemon: Some(DaemonStatus::default()),
            max_age_ms: Some(3_600_000),
            repositories: repositories.collect(),
            ..bare
        }
    }

    fn passes(document: &StatusDocument) -> Vec<usize> {
        document.repositories.iter().map(|it| it.passes.len()).collect()
    }

    #[test]
    fn a_few_are_told_whole_and_of_many_those_that_differ() {
        let few = document(10);
        assert_eq!((few.differing().len(), few.brief()), (10, few));
        let mut many = document(20);
        assert_eq!((many.differing(), passes(&many.brief())), (BTreeSet::new(), vec![0; 20]));
        many.repositories[2].suspects = Some(1);
        assert_eq!(many.differing(), BTreeSet::from([3]));
        let brief = many.brief();
        assert_eq!(
            (brief.repositories[2].passes.len(), brief.repositories[3].passes.len()),
            (3, 0)
        );
        let only = many.only(&many.differing());
        assert_eq!((only.repositories.len(), only.repositories[0].passes.len()), (1, 5));
    }

    #[test]
    fn whatever_is_not_as_it_should_be_differs() {
        let changes: [fn(&mut RepositoryStatus); 7] = [
            |it| it.held_deletions = Some(HeldStatus::default()),
            |it| it.certified_age_ms = None,
            |it| it.certified_age_ms = Some(3_600_001),
            |it| it.certified_age_ms = Some(72_001),
            |it| it.state = Some(StateStatus::Waiting),
            |it| it.state = Some(StateStatus::Stopped),
            |it| {
                it.passes[1].certified = false;
                it.passes[0].ended_at_ms = None;
            },
        ];
        for (place, change) in changes.into_iter().enumerate() {
            let mut many = document(20);
            change(&mut many.repositories[6]);
            assert_eq!(many.differing(), BTreeSet::from([7]), "{place}");
        }
        let mut many = document(20);
        let problem = ProblemStatus { repository: Some(5), ..ProblemStatus::default() };
        many.problems = vec![problem];
        assert_eq!(many.differing(), BTreeSet::from([5]));
        // Another daemon's are not this one's to judge.
        many.problems.clear();
        many.repositories[6].certified_age_ms = None;
        many.repositories[6].state = Some(StateStatus::Standby);
        assert_eq!(many.differing(), BTreeSet::new());
    }
}
