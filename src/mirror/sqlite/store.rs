//! The one connection that writes, and its transactions.

use std::fs::File;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::journal::{self, Journal};
use crate::mirror::MirrorError;

/// What must be on the disk when a transaction has been committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// The transaction: somebody may hear of a sequence next, and a power cut must not let it be
    /// given out again.
    Synced,
    /// Nothing yet: a power cut may undo it together with what came after. A kill does not.
    Lazy,
}

/// The connection of the one who writes.
#[derive(Debug)]
pub(super) struct Store {
    // Fields are dropped in this order: the lock goes last.
    connection: Connection,
    journal: Journal,
    /// What the connection is set to.
    durability: Option<Durability>,
    _lock: File,
}

impl Store {
    pub(super) fn new(connection: Connection, journal: Journal, lock: File) -> Self {
        Self { connection, journal, durability: None, _lock: lock }
    }

    /// Reads from one state of the database.
    pub(super) fn read<T>(
        &mut self,
        read: impl FnOnce(&Transaction<'_>) -> Result<T, MirrorError>,
    ) -> Result<T, MirrorError> {
        self.recover()?;
        read(&self.connection.transaction()?)
    }

    /// Writes all or nothing.
    pub(super) fn write<T>(
        &mut self,
        durability: Durability,
        write: impl FnOnce(&Transaction<'_>) -> Result<T, MirrorError>,
    ) -> Result<T, MirrorError> {
        self.recover()?;
        self.journal.admit(&self.connection)?;
        if self.durability != Some(durability) {
            let mode = match durability {
                Durability::Synced => "FULL",
                Durability::Lazy => "NORMAL",
            };
            self.connection.pragma_update(None, "synchronous", mode)?;
            self.durability = Some(durability);
        }
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let written = write(&transaction)?;
        transaction.commit()?;
        self.journal.settle(&self.connection);
        Ok(written)
    }

    /// Ends a transaction that could not even be rolled back when it failed.
    fn recover(&self) -> Result<(), MirrorError> {
        if !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK")?;
        }
        Ok(())
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        journal::work_off(&self.connection);
    }
}

impl From<rusqlite::Error> for MirrorError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(Box::new(error))
    }
}
