//! A database of PostgreSQL as the source or the target of a transfer.
//!
//! Two things keep others out as long as it is held. All leases are taken, so that no daemon writes; and
//! an advisory lock of a connection of our own tells another transfer that this one is alive, which a
//! killed one no longer is.

mod guard;
mod source;
mod state;
mod target;

use crate::domain::{ItemId, RepositoryId, Sequence};
use crate::mirror::MirrorError;
use crate::mirror::contracts::MirrorFuture;
use crate::mirror::postgres::error::PostgresError;
use crate::mirror::postgres::{PostgresAddress, PostgresPool, schema};
use crate::mirror::transfer::{
    ChangeRecord, ItemRecord, ItemRecords, MirrorExtent, StateRecords, TransferCursor,
    TransferOrigin, TransferSource, TransferTarget,
};

use self::guard::TransferGuard;
pub(in crate::mirror) use self::target::expect_finished;

/// A database that is transferred.
#[derive(Debug)]
pub(in crate::mirror) struct PostgresTransfer {
    pool: PostgresPool,
    guard: TransferGuard,
    /// What a target is marked with, so that a statement of one that was killed does nothing any more.
    owner: String,
}

impl PostgresTransfer {
    /// Takes hold of the mirror in a database.
    ///
    /// # Errors
    ///
    /// It is in use, or the target of a transfer that was not finished.
    pub(in crate::mirror) async fn source(address: PostgresAddress) -> Result<Self, MirrorError> {
        let pool = PostgresPool::new(address)?;
        expect_finished(&pool).await?;
        if !schema::is_current(&pool).await? {
            let schema = pool.address().schema.to_string();
            return Err(PostgresError::OlderSchema { schema }.into());
        }
        Self::hold(pool).await
    }

    /// Takes hold of the database that is to become a mirror, and makes its tables if there are none.
    ///
    /// # Errors
    ///
    /// It is in use, or its tables cannot be made.
    pub(in crate::mirror) async fn target(address: PostgresAddress) -> Result<Self, MirrorError> {
        let pool = PostgresPool::new(address)?;
        schema::migrate(&pool).await?;
        Self::hold(pool).await
    }

    async fn hold(pool: PostgresPool) -> Result<Self, MirrorError> {
        let guard = TransferGuard::take(&pool).await?;
        Ok(Self { pool, guard, owner: format!("{:016x}", fastrand::u64(..)) })
    }

    /// Does something as long as all others are kept out.
    async fn held<T>(
        &self,
        call: impl Future<Output = Result<T, PostgresError>>,
    ) -> Result<T, MirrorError> {
        self.guard.renew().await?;
        Ok(call.await?)
    }
}

impl TransferSource for PostgresTransfer {
    fn place(&self) -> String {
        let PostgresAddress { url, schema, .. } = self.pool.address();
        format!("{url}, schema {schema}")
    }

    fn extent(&self) -> MirrorFuture<'_, MirrorExtent> {
        Box::pin(self.held(source::extent(&self.pool)))
    }

    fn changes(&self, after: Sequence) -> MirrorFuture<'_, Vec<ChangeRecord>> {
        Box::pin(self.held(source::changes(&self.pool, after)))
    }

    fn items(
        &self,
        repository: RepositoryId,
        after: Option<ItemId>,
    ) -> MirrorFuture<'_, ItemRecords> {
        Box::pin(self.held(source::items(&self.pool, repository, after)))
    }

    fn state(&self) -> MirrorFuture<'_, StateRecords> {
        Box::pin(self.held(state::read(&self.pool)))
    }

    fn release(&self) -> MirrorFuture<'_, ()> {
        Box::pin(self.guard.release())
    }
}

impl TransferTarget for PostgresTransfer {
    fn begin(&self, origin: &TransferOrigin) -> MirrorFuture<'_, TransferCursor> {
        Box::pin(self.held(target::begin(&self.pool, &self.owner, origin.clone())))
    }

    fn put_changes(&self, changes: Vec<ChangeRecord>) -> MirrorFuture<'_, ()> {
        Box::pin(self.held(target::put_changes(&self.pool, &self.owner, changes)))
    }

    fn put_items(&self, repository: RepositoryId, items: Vec<ItemRecord>) -> MirrorFuture<'_, ()> {
        Box::pin(self.held(target::put_items(&self.pool, &self.owner, repository, items)))
    }

    fn put_state(&self, state: StateRecords) -> MirrorFuture<'_, ()> {
        Box::pin(self.held(state::write(&self.pool, &self.owner, state)))
    }

    fn finish(&self) -> MirrorFuture<'_, ()> {
        Box::pin(self.held(target::finish(&self.pool, &self.owner)))
    }
}
