//! The mirror that the configuration asks for.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{
    EndOfPass, Mirror, MirrorError, Nothing, PageOfItems, Recalled, SqliteMirror, Suspicion, Tally,
};
use crate::domain::{IdSet, ItemId, Iteration, RepositoryId};

/// One of the kinds of mirror.
#[derive(Debug)]
pub enum AnyMirror {
    /// `none`.
    Nothing(Nothing),
    /// `sqlite:`.
    Sqlite(SqliteMirror),
}

/// The same call to whichever mirror it is.
macro_rules! whichever {
    ($any:expr, $mirror:ident => $call:expr) => {
        match $any {
            AnyMirror::Nothing($mirror) => $call.await,
            AnyMirror::Sqlite($mirror) => $call.await,
        }
    };
}

impl Mirror for AnyMirror {
    fn file(&self) -> Option<&Path> {
        match self {
            Self::Nothing(mirror) => mirror.file(),
            Self::Sqlite(mirror) => mirror.file(),
        }
    }

    async fn recall(&self, repository: RepositoryId) -> Result<Recalled, MirrorError> {
        whichever!(self, mirror => mirror.recall(repository))
    }

    async fn begin_pass(
        &self,
        repository: RepositoryId,
        iteration: Iteration,
        ts_ms: i64,
    ) -> Result<(), MirrorError> {
        whichever!(self, mirror => mirror.begin_pass(repository, iteration, ts_ms))
    }

    async fn write_page(&self, page: Arc<PageOfItems>) -> Result<Tally, MirrorError> {
        whichever!(self, mirror => mirror.write_page(page))
    }

    async fn suspicion(&self, repository: RepositoryId) -> Result<Suspicion, MirrorError> {
        whichever!(self, mirror => mirror.suspicion(repository))
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

    async fn end_pass(&self, end: EndOfPass) -> Result<Tally, MirrorError> {
        whichever!(self, mirror => mirror.end_pass(end))
    }

    async fn released(&self, repository: RepositoryId) -> Result<bool, MirrorError> {
        whichever!(self, mirror => mirror.released(repository))
    }

    async fn drop_changes(&self, now_ms: i64, keep: Duration) -> Result<bool, MirrorError> {
        whichever!(self, mirror => mirror.drop_changes(now_ms, keep))
    }
}
