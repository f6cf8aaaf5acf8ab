//! What the mirror in memory knows of repositories.

use std::sync::Arc;

use super::memory::{Memory, MemoryContent};
use crate::domain::RepositoryId;
use crate::mirror::{
    KeptModel, Lease, MirrorError, MirrorFuture, ModelChange, ModelUpdate, Models, RefusedView,
};
use crate::model::RawAnswer;
use crate::model::shape::MirrorShape;

/// What is known of a repository.
#[derive(Clone, Debug, Default)]
pub(super) struct StoredModel {
    kept: Option<KeptModel>,
    answers: Vec<RawAnswer>,
    changes: Vec<ModelChange>,
}

impl Memory {
    /// Keeps what is known of a repository, as far as the daemon reaches the mirror and may.
    pub(super) fn keep_model(
        &self,
        repository: RepositoryId,
        lease: &Lease,
        update: Arc<ModelUpdate>,
    ) -> MirrorFuture<'_, Vec<RefusedView>> {
        let lease = lease.clone();
        Box::pin(async move {
            if let Some(leases) = &self.leases {
                leases.pass().await?;
                leases.check(repository, &lease)?;
            }
            let mut content = self.content();
            let stored = content.models.entry(repository).or_default();
            let ModelUpdate { kept, answers, change } = ModelUpdate::clone(&update);
            let change = change.map(|what| ModelChange { changed_ms: kept.read_ms, what });
            stored.changes.extend(change);
            stored.kept = Some(kept);
            if let Some(answers) = answers {
                stored.answers = answers;
            }
            Ok(Vec::new())
        })
    }

    fn stored_model(&self, repository: RepositoryId) -> StoredModel {
        self.content().models.get(&repository).cloned().unwrap_or_default()
    }
}

impl MemoryContent {
    /// What is known of a repository.
    pub(super) fn model(&self, repository: RepositoryId) -> Option<KeptModel> {
        self.models.get(&repository).and_then(|stored| stored.kept.clone())
    }
}

impl Models for Memory {
    fn model(&self, repository: RepositoryId) -> MirrorFuture<'_, Option<KeptModel>> {
        let kept = self.stored_model(repository).kept;
        Box::pin(async { Ok::<_, MirrorError>(kept) })
    }

    fn model_answers(&self, repository: RepositoryId) -> MirrorFuture<'_, Vec<RawAnswer>> {
        let answers = self.stored_model(repository).answers;
        Box::pin(async { Ok::<_, MirrorError>(answers) })
    }

    fn model_changes(&self, repository: RepositoryId) -> MirrorFuture<'_, Vec<ModelChange>> {
        let changes = self.stored_model(repository).changes;
        Box::pin(async { Ok::<_, MirrorError>(changes) })
    }

    /// It has no views.
    fn shape(&self) -> MirrorFuture<'_, MirrorShape> {
        Box::pin(async { Ok(MirrorShape::default()) })
    }
}
