//! The events of passes, and of deletions that a pass makes or holds back.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use tracing::{debug, error, info, warn};

use super::target::TARGET;
use crate::domain::{Iteration, RepositoryId};
use crate::progress::{LineSum, whole_millis};
use crate::text::CommandLine;

/// What a pass came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassComplete {
    /// The repository.
    pub repository: RepositoryId,
    /// The pass.
    pub iteration: Iteration,
    /// Pages read.
    pub pages: u64,
    /// Page requests sent, failed and refused ones included.
    pub requests: u64,
    /// Distinct items read.
    pub items: u64,
    /// Items that the mirror did not have.
    pub created: u64,
    /// Items that were different in the mirror.
    pub updated: u64,
    /// Items that the mirror had and the server no longer has.
    pub deleted: u64,
    /// Items that were the same in the mirror.
    pub unchanged: u64,
    /// Items that the pass did not see, and that are not deleted yet.
    pub suspects: u64,
    /// Of these, deletions that are held back.
    pub held: u64,
    /// How long the pass took.
    pub elapsed: Duration,
}

/// `pass complete` at a level.
macro_rules! tell_pass {
    ($level:ident, $pass:ident, $reason:expr) => {
        $level!(
            target: TARGET,
            repository = $pass.repository.0,
            iteration = $pass.iteration.0,
            pages = $pass.pages,
            requests = $pass.requests,
            items = $pass.items,
            created = $pass.created,
            updated = $pass.updated,
            deleted = $pass.deleted,
            unchanged = $pass.unchanged,
            suspects = $pass.suspects,
            held = $pass.held,
            elapsed_ms = whole_millis($pass.elapsed),
            certified = $reason.is_none(),
            reason = $reason.map(tracing::field::display),
            "pass complete"
        )
    };
}

/// A pass has ended: certified, unless there is a reason against it.
pub fn pass_complete(pass: &PassComplete, reason: Option<&dyn fmt::Display>) {
    tell_pass!(info, pass, reason);
}

/// A pass among many that found nothing new: told one by one to those who want to know.
pub fn quiet_pass_complete(pass: &PassComplete) {
    tell_pass!(debug, pass, None::<&str>);
}

/// Quiet passes of many repositories, summed up: each certified, with nothing new.
pub fn passes_complete(sum: &LineSum, uptime: Duration) {
    info!(
        target: TARGET,
        passes = sum.lines,
        repositories = sum.repositories.len(),
        pages = sum.pages,
        requests = sum.requests,
        items = sum.items,
        elapsed_ms = whole_millis(sum.elapsed),
        uptime_ms = whole_millis(uptime),
        "passes complete"
    );
}

/// A pass that was interrupted goes on where it was.
pub fn pass_resumed(repository: RepositoryId, iteration: Iteration, pages: u64, covered: u64) {
    info!(
        target: TARGET,
        repository = repository.0,
        iteration = iteration.0,
        pages,
        covered,
        "pass resumed"
    );
}

/// A pass that was interrupted cannot go on where it was; another begins.
pub fn pass_started_over(repository: RepositoryId, iteration: Iteration, error: &dyn Error) {
    info!(
        target: TARGET,
        repository = repository.0,
        iteration = iteration.0,
        reason = %error,
        "pass started over"
    );
}

/// So many items of the mirror's were not seen that none of them is deleted.
pub fn deletions_held(
    repository: RepositoryId,
    iteration: Iteration,
    count: u64,
    items: u64,
    command: &CommandLine,
) {
    let list = command.list_deletes(repository);
    let approve = command.approve_deletes(repository);
    error!(
        target: TARGET,
        repository = repository.0,
        iteration = iteration.0,
        count,
        items,
        list,
        approve,
        remedy = format!("see which, by `{list}`, and whether they are gone for good; if so: `{approve}`"),
        "deletions held"
    );
}

/// Deletions that the operator had approved were made.
pub fn approved_deletions_made(repository: RepositoryId, iteration: Iteration, count: u64) {
    info!(
        target: TARGET,
        repository = repository.0,
        iteration = iteration.0,
        count,
        "approved deletions made"
    );
}

/// Deletions that were held back no longer are: most of the items are there again.
pub fn deletions_no_longer_held(repository: RepositoryId, iteration: Iteration) {
    info!(
        target: TARGET,
        repository = repository.0,
        iteration = iteration.0,
        "deletions no longer held"
    );
}

/// A range of the list is read again, because an answer could not be joined to the one before.
pub fn stepped_back(repository: RepositoryId, iteration: Iteration, page: u64, reason: &str) {
    debug!(
        target: TARGET,
        repository = repository.0,
        iteration = iteration.0,
        page,
        reason,
        "stepped back"
    );
}

/// What nearly all items of a repository that a pass updated have in common: names of members.
#[derive(Clone, Copy, Debug)]
pub struct MostItemsChanged<'a> {
    /// The repository.
    pub repository: RepositoryId,
    /// The pass.
    pub iteration: Iteration,
    /// How many items it updated.
    pub updated: u64,
    /// Members that they did not have before.
    pub appeared: &'a str,
    /// Members that they have no longer.
    pub disappeared: &'a str,
    /// Members with another value.
    pub altered: &'a str,
}

/// Nearly all items of a repository changed at once, and alike.
pub fn most_items_changed(it: &MostItemsChanged<'_>) {
    let cause = if it.appeared.is_empty() && it.disappeared.is_empty() {
        "the members named have other values: a code that was edited, another language or format, or \
         members that change by themselves (name those in ignore)"
    } else {
        "items have other members than before: another preference (userPreferenceId) or an edited one, \
         other permissions of this user, or attributes that came or went"
    };
    let named = |members: &'_ str| (!members.is_empty()).then(|| members.to_owned());
    warn!(
        target: TARGET,
        repository = it.repository.0,
        iteration = it.iteration.0,
        updated = it.updated,
        appeared = named(it.appeared),
        disappeared = named(it.disappeared),
        altered = named(it.altered),
        cause,
        "most items changed at once"
    );
}

/// The comparison of items leaves these members out, though nobody has named them.
pub fn member_ignored(repository: RepositoryId, members: &str) {
    info!(target: TARGET, repository = repository.0, members, "member ignored");
}
