//! What is told of the end of passes until it is over: the problems of one repository.

use super::task::Pager;
use crate::domain::RepositoryId;
use crate::progress::problems::{self, ProblemKind, ProblemReport, Scope};
use crate::progress::{ACCESS_REMEDY, AccessDenied, Progress};

/// From how many passes in a row on it is told that they are not certified: one pass may meet a list
/// that moves, two mean something.
const TOLD_FROM: u64 = 2;

/// Passes that prove nothing.
const UNCERTIFIED: ProblemKind = ProblemKind { scope: Scope::Repository, what: "uncertified" };

/// A search that finds nothing because the login may not read the repository.
const ACCESS: ProblemKind = ProblemKind { scope: Scope::Repository, what: "access" };

/// A window that cannot be read.
const WINDOW: ProblemKind = ProblemKind { scope: Scope::Repository, what: "window" };

/// Items that the list lacks and the server has.
const SUSPECTS: ProblemKind = ProblemKind { scope: Scope::Repository, what: "suspects" };

/// After how many certified passes in a row it is told that the server has items that its list lacks:
/// an item may be on its way from one place to another.
const LASTING: u32 = 3;

/// Tells of a window that ended the pass because it cannot be read, or that none did.
pub(super) fn window(
    progress: &Progress,
    repository: RepositoryId,
    unreadable: Option<ProblemReport>,
) {
    let source = WINDOW.of(repository);
    match unreadable {
        Some(report) => progress.problems.stands(source, report),
        None => progress.problems.over(source),
    }
}

/// Tells of a search that finds nothing because this login may not read the repository, or that it is
/// not so.
pub(super) fn access(progress: &Progress, repository: RepositoryId, denied: Option<AccessDenied>) {
    let source = ACCESS.of(repository);
    let Some(denied) = denied else { return progress.problems.over(source) };
    let error = format!("its search finds nothing: {denied}");
    let remedy = ACCESS_REMEDY.to_owned();
    progress.problems.stands(source, ProblemReport { error, remedy, retry_in: None, halts: true });
}

/// Tells of items that pass after pass the list lacks and the server has: `count` of them now, and
/// some in each of the last `passes` certified passes.
pub(super) fn lasting_suspects(
    progress: &Progress,
    repository: RepositoryId,
    count: u64,
    passes: u32,
) {
    let source = SUSPECTS.of(repository);
    if passes < LASTING {
        progress.problems.over(source);
        return;
    }
    let error = format!(
        "{count} items are missing from the list, pass after pass, and the server still has them"
    );
    let remedy = "see whether this user may list them; they stay in the mirror as they were";
    let remedy = remedy.to_owned();
    progress.problems.stands(source, ProblemReport { error, remedy, retry_in: None, halts: false });
}

/// Tells of deletions that wait for the operator, or that none does.
pub(super) fn held(progress: &Progress, repository: RepositoryId, waiting: u64) {
    let source = problems::HELD.of(repository);
    if waiting > 0 {
        let report = problems::held(repository, waiting, &progress.command);
        progress.problems.repeated(source, waiting, report);
    } else {
        progress.problems.over(source);
    }
}

/// Tells of passes that prove nothing, from the second in a row on; returns how many they are, the
/// one that has just ended included.
pub(super) fn uncertified<A, M>(
    pager: &Pager<A, M>,
    repository: RepositoryId,
    reason: Option<&str>,
) -> u64 {
    let problems = &pager.fetcher.progress.problems;
    let source = UNCERTIFIED.of(repository);
    let Some(reason) = reason else {
        problems.over(source);
        return 0;
    };
    let in_a_row = pager.progress.borrow().uncertified_in_a_row + 1;
    if in_a_row >= TOLD_FROM {
        let report = ProblemReport {
            error: format!("{in_a_row} passes in a row were not certified: {reason}"),
            remedy: "look the reason up in docs/operate.md, under \"Is it right?\"".to_owned(),
            retry_in: None,
            halts: false,
        };
        problems.repeated(source, in_a_row, report);
    }
    in_a_row
}
