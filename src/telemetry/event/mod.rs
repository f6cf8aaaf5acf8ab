//! Every event that is logged: one function is one message with its fields.
//!
//! Messages are constant and part of the contract, as are the names of the fields; values are in
//! the fields, times in milliseconds, and what went wrong is always called `error`. No function
//! takes a secret.

mod feed;
mod incremental;
mod lease;
mod model;
mod pass;
mod read;
mod target;

use std::error::Error;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use tracing::{debug, error, info, warn};

#[cfg(any(test, feature = "kafka"))]
pub use self::feed::kafka_client_said;
pub use self::feed::{
    ChangeParked, change_parked, feed_delivered, feed_delivers_again, feed_failed,
    feed_fell_behind, feed_paused,
};
pub use self::incremental::{
    CONDITION_REMEDY, IncrementalPassComplete, IncrementalPassFailed, IncrementalPassesComplete,
    ORDER_REMEDY, change_times_unreadable, incremental_condition_ignored,
    incremental_mark_held_back, incremental_pass_complete, incremental_pass_failed,
    incremental_passes_complete, list_out_of_order,
};
pub use self::lease::{lease_given_up, lease_lost, lease_taken, repository_unread, standing_by};
pub use self::model::{
    ModelChanged, model_call_unanswered, model_changed, repositories_not_taken,
    repository_no_longer_offered, repository_not_readable, repository_taken, view_not_published,
};
pub use self::pass::{
    MostItemsChanged, PassComplete, approved_deletions_made, deletions_held,
    deletions_no_longer_held, member_ignored, most_items_changed, pass_complete, pass_resumed,
    pass_started_over, passes_complete, quiet_pass_complete, stepped_back,
};
pub use self::read::{
    ItemUnreadable, PageRead, PagesRead, WINDOW_REMEDY, WindowUnreadable, item_unreadable,
    item_unreadable_again, page_read, page_read_in_haste, pages_read, pages_read_of_many,
    window_unreadable,
};
pub use self::target::TARGET;
use crate::domain::{RepositoryId, Sequence};
use crate::progress::whole_millis;
use crate::session::Generation;

/// The database is open.
pub fn mirror_opened(path: &Path) {
    info!(target: TARGET, path = %path.display(), "mirror opened");
}

/// The database of this URL, which holds no secret, is open.
pub fn mirror_opened_at(url: &str, schema: &str) {
    info!(target: TARGET, url, schema, "mirror opened");
}

/// A schema in PostgreSQL was made, or brought up to date; `from_version` is 0 where it was made.
pub fn mirror_migrated(schema: &str, from_version: i32, version: i32) {
    info!(target: TARGET, schema, from_version, version, "mirror migrated");
}

/// Changes became too old to be held any longer, or there was no room for them, and a feed had not delivered
/// them; `through` is the last of them.
pub fn undelivered_changes_dropped(feed: &str, changes: u64, through: Sequence) {
    error!(
        target: TARGET,
        feed,
        changes,
        through = through.0,
        remedy = "see why the feed stands still, and have its receiver read all items anew; a longer \
                  hold, and more room, keep them longer",
        "undelivered changes dropped"
    );
}

/// The first login.
pub fn signed_in(generation: Generation, elapsed: Duration) {
    info!(
        target: TARGET,
        generation = generation.number(),
        elapsed_ms = whole_millis(elapsed),
        "signed in"
    );
}

/// A later login, and what made it necessary.
pub fn session_renewed(generation: Generation, reason: &str, elapsed: Duration) {
    info!(
        target: TARGET,
        generation = generation.number(),
        reason,
        elapsed_ms = whole_millis(elapsed),
        "session renewed"
    );
}

/// A REST token taken from an answer.
pub fn rest_token_renewed(repository: RepositoryId, generation: Generation) {
    info!(
        target: TARGET,
        repository = repository.0,
        generation = generation.number(),
        "REST token renewed"
    );
}

/// A page request that the server refused to its credentials; it is sent again with new ones.
pub fn request_refused(repository: RepositoryId, generation: Generation, error: &dyn Error) {
    debug!(
        target: TARGET,
        repository = repository.0,
        generation = generation.number(),
        error = %Chain(error),
        "request refused"
    );
}

/// A request that failed and will be made again.
#[derive(Clone, Copy, Debug)]
pub struct RequestFailed<'a> {
    /// The repository it was for, if it was for one.
    pub repository: Option<RepositoryId>,
    /// The call, by its short name.
    pub endpoint: &'a str,
    /// How often it has failed in a row.
    pub attempt: u32,
    /// When it will be made again.
    pub retry_in: Duration,
    /// Why.
    pub error: &'a dyn Error,
    /// How the answer began, if there was one: redacted.
    pub answer: Option<&'a str>,
    /// What the operator can do.
    pub remedy: Option<&'a str>,
}

/// `request failed` at a level.
macro_rules! tell_failure {
    ($level:ident, $failure:ident) => {
        $level!(
            target: TARGET,
            repository = $failure.repository.map(|id| id.0),
            endpoint = $failure.endpoint,
            attempt = $failure.attempt,
            retry_in_ms = whole_millis($failure.retry_in),
            error = %Chain($failure.error),
            answer = $failure.answer,
            remedy = $failure.remedy,
            "request failed"
        )
    };
}

/// A failure worth telling: unexpected, but handled.
pub fn request_failed(failure: &RequestFailed<'_>) {
    tell_failure!(warn, failure);
}

/// A failure of an outage that has been told already.
pub fn request_failed_again(failure: &RequestFailed<'_>) {
    tell_failure!(debug, failure);
}

/// A failure that only a human can mend, such as a wrong password.
pub fn request_failed_for_good(failure: &RequestFailed<'_>) {
    tell_failure!(error, failure);
}

/// The end of an outage.
pub fn reconnected(
    repository: Option<RepositoryId>,
    endpoint: &str,
    outage: Duration,
    failures: u64,
) {
    info!(
        target: TARGET,
        repository = repository.map(|id| id.0),
        endpoint,
        outage_ms = whole_millis(outage),
        failures,
        "reconnected"
    );
}

/// New sessions are refused as soon as they are made; the next login waits.
pub fn sign_in_delayed(generation: Generation, retry_in: Duration) {
    warn!(
        target: TARGET,
        generation = generation.number(),
        retry_in_ms = whole_millis(retry_in),
        "sign-in delayed"
    );
}

/// Sessions ended soon after they began, again and again: how many in a row, how long the last one
/// lasted, how long the next login waits, and what to do.
pub fn sessions_cut_short(
    generation: Generation,
    (sessions, age, retry_in, remedy): (u32, Duration, Duration, &str),
) {
    warn!(
        target: TARGET,
        generation = generation.number(),
        sessions,
        session_age_ms = whole_millis(age),
        retry_in_ms = whole_millis(retry_in),
        remedy,
        "sessions cut short"
    );
}

/// The session is over on the server's side, too.
pub fn signed_out(generation: Generation) {
    info!(target: TARGET, generation = generation.number(), "signed out");
}

/// The server did not take the logout, or not in time; its session ends by itself.
pub fn sign_out_failed(error: &dyn Error) {
    warn!(target: TARGET, error = %Chain(error), "sign-out failed");
}

/// The daemon begins.
pub fn starting(version: &str, repositories: usize) {
    info!(target: TARGET, version, repositories, "starting");
}

/// The daemon was told to end.
pub fn stopping(signal: &str) {
    info!(target: TARGET, signal, "stopping");
}

/// A task that did not end in time and is given up.
pub fn task_late(task: &str) {
    warn!(target: TARGET, task, "task late");
}

/// The daemon has ended in order.
pub fn stopped(uptime: Duration) {
    info!(target: TARGET, uptime_ms = whole_millis(uptime), "stopped");
}

/// `status.listen` cannot be had: no browser and no scraper can ask the daemon how things stand.
pub fn status_unavailable(error: &dyn Error, remedy: &str) {
    warn!(target: TARGET, error = %Chain(error), remedy, "status endpoint unavailable");
}

/// It can be had after all.
pub fn status_available(listen: &str, outage: Duration, failures: u64) {
    let outage_ms = whole_millis(outage);
    info!(target: TARGET, listen, outage_ms, failures, "status endpoint available");
}

/// No control socket can be made: no command can ask the daemon how things stand.
pub fn control_unavailable(error: &dyn Error, remedy: &str) {
    warn!(target: TARGET, error = %Chain(error), remedy, "control socket unavailable");
}

/// It can be made after all.
pub fn control_available(listen: &str, outage: Duration, failures: u64) {
    let outage_ms = whole_millis(outage);
    info!(target: TARGET, listen, outage_ms, failures, "control socket available");
}

/// Something in the configuration that holds, but should not stay.
pub fn configuration_warning(key: &str, warning: &str) {
    warn!(target: TARGET, key, warning, "configuration warning");
}

/// A new configuration holds; `changed` names the keys.
pub fn configuration_reloaded(changed: &str) {
    info!(target: TARGET, changed, "configuration reloaded");
}

/// A new configuration was faulty; the old one holds.
pub fn configuration_rejected(error: &dyn Error) {
    error!(target: TARGET, error = %Chain(error), "configuration rejected");
}

/// A key that changed but holds only from the next start on.
pub fn restart_needed(key: &str) {
    warn!(target: TARGET, key, "restart needed");
}

/// A task that panicked, which is a defect of this program; it is started again.
pub fn task_failed(task: &str, failures: u32, retry_in: Duration) {
    error!(
        target: TARGET,
        task,
        failures,
        retry_in_ms = whole_millis(retry_in),
        "task failed"
    );
}

/// A task that has not been heard of for longer than it allowed itself, which is a defect of this
/// program; under systemd the watchdog starts the daemon anew.
pub fn task_hangs(task: &str, since: Duration) {
    error!(target: TARGET, task, since_ms = whole_millis(since), "task hangs");
}

/// A panic anywhere, with its location in the source; its message only where it is a constant.
pub fn panicked(thread: &str, location: &str, error: &str) {
    error!(target: TARGET, thread, location, error, "panic");
}

/// The next pass was asked for by signal.
pub fn pass_requested() {
    info!(target: TARGET, "pass requested");
}

/// An error and all that lies beneath it, in one line.
#[derive(Debug)]
pub struct Chain<'a>(pub &'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut beneath = self.0.source();
        while let Some(error) = beneath {
            write!(f, ": {error}")?;
            beneath = error.source();
        }
        Ok(())
    }
}
