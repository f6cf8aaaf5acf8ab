//! The events of incremental passes.

use std::error::Error;
use std::time::Duration;

use tracing::{debug, info, warn};

use super::target::TARGET;
use crate::domain::{Iteration, RepositoryId};
use crate::progress::whole_millis;

/// What an incremental pass came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IncrementalPassComplete {
    /// The repository.
    pub repository: RepositoryId,
    /// The whole pass under way, or the last one.
    pub iteration: Iteration,
    /// Pages read.
    pub pages: u64,
    /// Items read.
    pub items: u64,
    /// Items that the mirror did not have.
    pub created: u64,
    /// Items that were different in the mirror.
    pub updated: u64,
    /// Items that were the same in the mirror.
    pub unchanged: u64,
    /// How long the pass took.
    pub elapsed: Duration,
}

/// An incremental pass has ended: told aloud where it found something.
pub fn incremental_pass_complete(pass: &IncrementalPassComplete) {
    macro_rules! tell {
        ($level:ident) => {
            $level!(
                target: TARGET,
                repository = pass.repository.0,
                iteration = pass.iteration.0,
                pages = pass.pages,
                items = pass.items,
                created = pass.created,
                updated = pass.updated,
                unchanged = pass.unchanged,
                elapsed_ms = whole_millis(pass.elapsed),
                "incremental pass complete"
            )
        };
    }
    if pass.created + pass.updated > 0 { tell!(info) } else { tell!(debug) }
}

/// What the incremental passes of a while came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IncrementalPassesComplete {
    /// How many there were.
    pub passes: u64,
    /// Pages read.
    pub pages: u64,
    /// Items read.
    pub items: u64,
    /// Items that the mirror did not have.
    pub created: u64,
    /// Items that were different in the mirror.
    pub updated: u64,
}

/// The incremental passes of a while, most of which may have found nothing.
pub fn incremental_passes_complete(repository: RepositoryId, sum: &IncrementalPassesComplete) {
    info!(
        target: TARGET,
        repository = repository.0,
        passes = sum.passes,
        pages = sum.pages,
        items = sum.items,
        created = sum.created,
        updated = sum.updated,
        "incremental passes complete"
    );
}

/// The search of an incremental pass is not taken, or not answered.
#[derive(Clone, Copy, Debug)]
pub struct IncrementalPassFailed<'a> {
    /// The repository.
    pub repository: RepositoryId,
    /// How many failed in a row.
    pub attempt: u32,
    /// When the next one is made.
    pub retry_in: Duration,
    /// How it failed.
    pub error: &'a (dyn Error + 'static),
    /// How the answer began: redacted.
    pub answer: Option<&'a str>,
}

/// What to do about conditions that the server does not take, or does not obey.
pub const CONDITION_REMEDY: &str = "see what the server calls the condition and how it writes times (ewmirror learn \
                                    finds out), and set incremental.search, since_format and since_zone so; \
                                    whole passes go on";

/// An incremental pass came to nothing, because of what it asks for: told aloud the first time in a row.
pub fn incremental_pass_failed(failed: &IncrementalPassFailed<'_>, aloud: bool) {
    macro_rules! tell {
        ($level:ident) => {
            $level!(
                target: TARGET,
                repository = failed.repository.0,
                attempt = failed.attempt,
                retry_in_ms = whole_millis(failed.retry_in),
                error = failed.error,
                answer = failed.answer,
                remedy = CONDITION_REMEDY,
                "incremental pass failed"
            )
        };
    }
    if aloud { tell!(warn) } else { tell!(debug) }
}

/// The search of incremental passes is answered with items that changed earlier than it asks for.
pub fn incremental_condition_ignored(
    repository: RepositoryId,
    since: &str,
    total: u64,
    retry_in: Duration,
) {
    warn!(
        target: TARGET,
        repository = repository.0,
        since,
        total,
        retry_in_ms = whole_millis(retry_in),
        remedy = CONDITION_REMEDY,
        "incremental condition ignored"
    );
}

/// An item claims to have changed in the future; incremental passes do not go by it.
pub fn incremental_mark_held_back(repository: RepositoryId, claimed: &str, mark: &str) {
    warn!(
        target: TARGET,
        repository = repository.0,
        claimed,
        mark,
        remedy = "see which item it is and which clock is wrong; or set since_zone to the zone in which the site \
                  writes times",
        "incremental mark held back"
    );
}

/// Items whose time of change is not there, or not understood.
pub fn change_times_unreadable(repository: RepositoryId, items: u64, cursor: &str) {
    warn!(
        target: TARGET,
        repository = repository.0,
        items,
        cursor,
        remedy = "see how items write the time of their last change, and set incremental.cursor, since_format and \
                  since_zone so",
        "times of change unreadable"
    );
}

/// What to do about a list that is in another order than it is said to be.
pub const ORDER_REMEDY: &str = "take mode = \"newest_first\" out of incremental, or have the server sort the list by \
                                last change, latest first, by a condition in incremental.search; whole passes go on";

/// A list that is said to have the last change first has not.
pub fn list_out_of_order(repository: RepositoryId, retry_in: Duration) {
    warn!(
        target: TARGET,
        repository = repository.0,
        retry_in_ms = whole_millis(retry_in),
        remedy = ORDER_REMEDY,
        "list is not in the order of last change"
    );
}
