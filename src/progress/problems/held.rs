//! Deletions that are held back, as a problem.

use super::problem::{ProblemKind, ProblemReport, Scope};
use crate::domain::RepositoryId;
use crate::text::CommandLine;

/// Deletions that wait for the operator.
pub const HELD: ProblemKind = ProblemKind { scope: Scope::Deletes, what: "held" };

/// What is to be said of deletions that wait for the operator; `command` is how the operator calls this program.
pub fn held(repository: RepositoryId, count: u64, command: &CommandLine) -> ProblemReport {
    let plural = if count == 1 { "" } else { "s" };
    let list = command.list_deletes(repository);
    let approve = command.approve_deletes(repository);
    ProblemReport {
        error: format!("{count} deletion{plural} held back: too many at once to be believed"),
        remedy: format!("see which, and whether they are gone for good: {list}; if so: {approve}"),
        retry_in: None,
        halts: false,
    }
}
