//! All repositories together, as the status document has them. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::document::{ProblemStatus, RepositoryStatus, StateStatus};
use super::readiness::is_ready;

/// All repositories together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TotalsStatus {
    /// How many they are.
    pub repositories: u64,
    /// Those whose last certified pass is recent enough; where nobody says what that is, those that have one.
    pub certified: u64,
    /// Those whose pages are being read.
    pub paging: u64,
    /// Those that have problems of their own.
    pub with_problems: u64,
    /// Those of which deletions are held back.
    pub held_back: u64,
    /// Items in the mirror; null where that is not known.
    pub items: Option<u64>,
}

impl TotalsStatus {
    /// Those of these repositories.
    pub(super) fn of(
        repositories: &[RepositoryStatus],
        problems: &[ProblemStatus],
        max_age: Option<Duration>,
    ) -> Self {
        let count = |counts: &dyn Fn(&RepositoryStatus) -> bool| {
            repositories.iter().filter(|repository| counts(repository)).count() as u64
        };
        let troubled: BTreeSet<u64> = problems.iter().filter_map(|it| it.repository).collect();
        let items = repositories.iter().filter_map(|repository| repository.items);
        Self {
            repositories: repositories.len() as u64,
            certified: count(&|it| is_ready(it, max_age.unwrap_or(Duration::MAX))),
            paging: count(&|it| it.state == Some(StateStatus::Paging)),
            with_problems: count(&|it| troubled.contains(&it.id)),
            held_back: count(&|it| it.held_deletions.is_some()),
            items: items.reduce(u64::saturating_add),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_repository_counts_for_what_it_is() {
        let repository = |id, certified_age_ms, state, items| RepositoryStatus {
            id,
            certified_age_ms,
            state: Some(state),
            items,
            ..RepositoryStatus::default()
        };
        let all = [
            repository(1, Some(60_000), StateStatus::Paging, Some(10)),
            repository(2, Some(60_001), StateStatus::Resting, Some(5)),
            repository(3, None, StateStatus::Paging, None),
        ];
        let problem = |repository| ProblemStatus { repository, ..ProblemStatus::default() };
        let problems = [problem(Some(3)), problem(Some(3)), problem(None)];
        let totals = TotalsStatus::of(&all, &problems, Some(Duration::from_secs(60)));
        let expected = TotalsStatus {
            repositories: 3,
            certified: 1,
            paging: 2,
            with_problems: 1,
            held_back: 0,
            items: Some(15),
        };
        assert_eq!(totals, expected);
        assert_eq!(TotalsStatus::of(&all, &[], None).certified, 2);
        assert_eq!(TotalsStatus::of(&all[2..], &[], None).items, None);
    }
}
