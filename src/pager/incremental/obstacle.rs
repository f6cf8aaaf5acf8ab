//! What keeps incremental passes from being of use although they are answered, as a problem.

use crate::domain::RepositoryId;
use crate::progress::Progress;
use crate::progress::problems::{ProblemKind, Scope};

/// The problem.
pub(super) const OBSTACLE: ProblemKind =
    ProblemKind { scope: Scope::Repository, what: "incremental" };

/// Nothing keeps incremental passes from being of use, or there are none.
pub(super) fn no_obstacle(progress: &Progress, repository: RepositoryId) {
    progress.problems.over(OBSTACLE.of(repository));
}
