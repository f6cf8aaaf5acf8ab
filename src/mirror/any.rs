//! The mirror that the configuration asks for.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{
    ChangeCounts, EndOfPass, Mirror, MirrorError, NoMirror, PageOfItems, ResumePoint, SqliteMirror,
    Suspects,
};
use crate::domain::{IdSet, ItemId, Iteration, RepositoryId};

/// One of the kinds of mirror.
#[derive(Debug)]
pub enum AnyMirror {
    /// `none`.
    None(NoMirror),
    /// `sqlite:`.
    Sqlite(SqliteMirror),
}

/// The same call to whichever mirror it is.
macro_rules! whichever {
    ($any:expr, $mirror:ident => $call:expr) => {
        match $any {
            AnyMirror::None($mirror) => $call.await,
            AnyMirror::Sqlite($mirror) => $call.await,
        }
    };
}

impl Mirror for AnyMirror {
    fn file(&self) -> Option<&Path> {
        match self {
            Self::None(mirror) => mirror.file(),
            Self::Sqlite(mirror) => mirror.file(),
        }
    }

    async fn load(&self, repository: RepositoryId) -> Result<ResumePoint, MirrorError> {
        whichever!(self, mirror => mirror.load(repository))
    }

    async fn begin_pass(
        &self,
        repository: RepositoryId,
        iteration: Iteration,
        ts_ms: i64,
    ) -> Result<(), MirrorError> {
        whichever!(self, mirror => mirror.begin_pass(repository, iteration, ts_ms))
    }

    async fn write_page(&self, page: Arc<PageOfItems>) -> Result<ChangeCounts, MirrorError> {
        whichever!(self, mirror => mirror.write_page(page))
    }

    async fn suspects(&self, repository: RepositoryId) -> Result<Suspects, MirrorError> {
        whichever!(self, mirror => mirror.suspects(repository))
    }

    async fn unseen(
        &self,
        repository: RepositoryId,
        seen: Arc<IdSet>,
        after: Option<ItemId>,
        limit: usize,
    ) -> Result<Vec<ItemId>, MirrorError> {
        whichever!(self, mirror => mirror.unseen(repository, seen, after, limit))
    }

    async fn delete(
        &self,
        repository: RepositoryId,
        iteration: Iteration,
        ts_ms: i64,
        items: Vec<ItemId>,
    ) -> Result<u64, MirrorError> {
        whichever!(self, mirror => mirror.delete(repository, iteration, ts_ms, items))
    }

    async fn end_pass(&self, end: EndOfPass) -> Result<ChangeCounts, MirrorError> {
        whichever!(self, mirror => mirror.end_pass(end))
    }

    async fn approved(&self, repository: RepositoryId) -> Result<bool, MirrorError> {
        whichever!(self, mirror => mirror.approved(repository))
    }

    async fn drop_changes(&self, now_ms: i64, keep: Duration) -> Result<bool, MirrorError> {
        whichever!(self, mirror => mirror.drop_changes(now_ms, keep))
    }
}
