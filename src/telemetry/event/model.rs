//! Events of what is known of repositories.

use tracing::{info, warn};

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

/// With `id = "all"`: a repository is read from now on.
pub fn repository_taken(repository: RepositoryId, name: Option<&str>) {
    info!(target: TARGET, repository = repository.0, name, "repository taken");
}

/// With `id = "all"`: a repository is read no longer, since the server does not offer it any more.
pub fn repository_no_longer_offered(repository: RepositoryId) {
    warn!(target: TARGET, repository = repository.0, "repository no longer offered");
}

/// With `id = "all"`: a repository is left out, since this login may not read it.
pub fn repository_not_readable(repository: RepositoryId, name: Option<&str>, remedy: &str) {
    warn!(target: TARGET, repository = repository.0, name, remedy, "repository not readable");
}

/// With `id = "all"`: which repositories there are is not known, or they are too many.
pub fn repositories_not_taken(error: &str, remedy: &str) {
    warn!(target: TARGET, error, remedy, "repositories not taken");
}

/// The mirror's store did not make a view of the model.
pub fn view_not_published(repository: RepositoryId, view: &str, error: &str) {
    warn!(target: TARGET, repository = repository.0, view, error, "view not published");
}
