//! Events of what is known of repositories.

use tracing::info;

use super::target::TARGET;
use crate::domain::RepositoryId;

/// What changed in a model.
#[derive(Clone, Copy, Debug)]
pub struct ModelChanged<'a> {
    /// Of which repository.
    pub repository: RepositoryId,
    /// How many attributes came.
    pub added: usize,
    /// How many became others.
    pub changed: usize,
    /// How many went.
    pub removed: usize,
    /// All that changed, in words.
    pub what: &'a str,
}

/// The model of a repository is another one.
pub fn model_changed(it: &ModelChanged<'_>) {
    info!(
        target: TARGET,
        repository = it.repository.0,
        added = it.added,
        changed = it.changed,
        removed = it.removed,
        what = it.what,
        "model changed"
    );
}

/// The server does not answer a call for the model, or not to this login.
pub fn model_call_unanswered(repository: RepositoryId, call: &str, reason: &str) {
    info!(target: TARGET, repository = repository.0, call, reason, "model call unanswered");
}
