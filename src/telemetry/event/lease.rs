//! Events of daemons that share a mirror.

use std::time::Duration;

use tracing::{info, warn};

use super::target::TARGET;
use crate::domain::RepositoryId;
use crate::progress::whole_millis;

/// This daemon reads and writes a repository from now on.
pub fn lease_taken(repository: RepositoryId, generation: u64, vacant: Option<Duration>) {
    info!(
        target: TARGET,
        repository = repository.0,
        generation,
        vacant_ms = vacant.map(whole_millis),
        "lease taken"
    );
}

/// This daemon no longer reads and writes a repository, because another one does or may.
pub fn lease_lost(repository: RepositoryId, generation: u64, reason: &str) {
    warn!(target: TARGET, repository = repository.0, generation, reason, "lease lost");
}

/// This daemon lets go of a repository, because it is another one's share or no longer configured.
pub fn lease_given_up(repository: RepositoryId, generation: u64, reason: &str) {
    info!(target: TARGET, repository = repository.0, generation, reason, "lease lost");
}

/// This daemon reads nothing, and takes over when it can; `leader` is the one that reads.
pub fn standing_by(leader: Option<&str>) {
    info!(target: TARGET, leader, "standing by");
}

/// A repository of this daemon's configuration is read by nobody: `leader` leads and does not list it.
pub fn repository_unread(repository: RepositoryId, leader: &str, remedy: &str) {
    warn!(target: TARGET, repository = repository.0, leader, remedy, "repository unread");
}
