//! What is known of repositories: kept beside the items, read by all that call attributes by name.

use super::future::MirrorFuture;
use crate::domain::RepositoryId;
use crate::model::shape::MirrorShape;
use crate::model::{RawAnswer, RepositoryModel};

/// How many changes of a model are kept of a repository: the latest.
pub const MODEL_CHANGES_KEPT: i64 = 1000;

/// The model of a repository as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptModel {
    /// What is known.
    pub model: RepositoryModel,
    /// When that was last made out, in milliseconds since 1970 (UTC).
    pub read_ms: i64,
    /// When the server last told of its attributes; `None`: it never did.
    pub server_ms: Option<i64>,
    /// Whether the configuration's names file says something of it.
    pub from_file: bool,
}

/// A change of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelChange {
    /// When it was found, in milliseconds since 1970 (UTC).
    pub changed_ms: i64,
    /// What changed, in words.
    pub what: String,
}

/// What is to be kept of a model from now on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelUpdate {
    /// The model.
    pub kept: KeptModel,
    /// The server's answers; `None`: those that are kept stay.
    pub answers: Option<Vec<RawAnswer>>,
    /// What changed, in words; `None`: nothing.
    pub change: Option<String>,
}

/// A view of a model that the store did not make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedView {
    /// Which one; empty: all of them.
    pub view: String,
    /// What the store said.
    pub error: String,
}

/// Reads models.
pub trait Models: Send + Sync {
    /// What is known of a repository; `None`: nothing was ever kept.
    fn model(&self, repository: RepositoryId) -> MirrorFuture<'_, Option<KeptModel>>;

    /// The server's answers that it was made of, as they came.
    fn model_answers(&self, repository: RepositoryId) -> MirrorFuture<'_, Vec<RawAnswer>>;

    /// Its changes, the oldest first, as far as they are kept.
    fn model_changes(&self, repository: RepositoryId) -> MirrorFuture<'_, Vec<ModelChange>>;

    /// The views that are published of the models, of all repositories.
    fn shape(&self) -> MirrorFuture<'_, MirrorShape>;
}
