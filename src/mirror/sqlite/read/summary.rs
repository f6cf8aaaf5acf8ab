//! What a mirror holds, in figures: for `status`.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Row};

use super::columns::{bounds_in, optional, signed, whole};
use super::connection::SqliteReader;
use super::error::ReadError;
use super::held;
use crate::domain::{Iteration, Op, RepositoryId, Sequence};
use crate::mirror::sqlite::error::OpenError;
use crate::mirror::sqlite::key::OwnedSqlItemId;
use crate::mirror::{
    CertifiedPass, ChangeCounts, ChangeHead, HeldSummary, IncrementalPass, LedgerEntry, LogError,
    MirrorSummary, PassStatistics, RepositorySummary, StorageUse,
};

/// How many entries of the ledger are told of each repository.
const NEWEST_PASSES: i64 = 5;

/// How many changes are told of: as many as a screen shows.
const NEWEST_CHANGES: i64 = 20;

/// How many of the deletions that are held back are named: enough to recognise what they are.
const FIRST_HELD: usize = 5;

impl SqliteReader {
    /// The mirror in figures, as of one moment but for the sizes of its files.
    pub(crate) fn summary(&mut self) -> Result<MirrorSummary, ReadError> {
        let database = self.connection.path().map(PathBuf::from).unwrap_or_default();
        let mut wal = OsString::from(&database);
        wal.push("-wal");
        let storage = vec![
            StorageUse { label: "database", bytes: size(&database)? },
            StorageUse { label: "wal", bytes: size(Path::new(&wal))? },
        ];
        let transaction = self.connection.transaction()?;
        let bounds = bounds_in(&transaction)?;
        let mut statement = transaction.prepare_cached(
            "SELECT id, items, certified_iteration, certified_ms FROM repository ORDER BY id",
        )?;
        let repositories = statement.query_and_then([], |row| repository(&transaction, row))?;
        Ok(MirrorSummary {
            storage,
            last: bounds.last,
            dropped_through: bounds.dropped_through,
            newest: newest(&transaction, bounds.dropped_through)?,
            repositories: repositories.collect::<Result<_, _>>()?,
        })
    }

    /// The passes of a repository, the newest first.
    pub(crate) fn ledger(&self, repository: RepositoryId) -> Result<Vec<LedgerEntry>, ReadError> {
        ledger(&self.connection, repository, -1)
    }

    /// The incremental passes of a repository, the newest first.
    pub(crate) fn incremental_ledger(
        &self,
        repository: RepositoryId,
    ) -> Result<Vec<IncrementalPass>, ReadError> {
        incremental(&self.connection, repository, -1)
    }
}

fn newest(
    connection: &Connection,
    dropped_through: Sequence,
) -> Result<Vec<ChangeHead>, ReadError> {
    let mut statement = connection.prepare_cached(
        "SELECT sequence, ts_ms, op, repository, id FROM change WHERE sequence > ?1 \
         ORDER BY sequence DESC LIMIT ?2",
    )?;
    let rows = statement.query_and_then((signed(dropped_through.0), NEWEST_CHANGES), |row| {
        let sequence = Sequence(whole(row, 0)?);
        let letter = row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?;
        let op = Op::of_letter(letter)
            .ok_or(LogError::Damaged { sequence, what: "its op is not known" })?;
        let OwnedSqlItemId(item) = row.get(4)?;
        let repository = RepositoryId(whole(row, 3)?);
        Ok(ChangeHead { sequence, ts_ms: row.get(1)?, op, repository, item })
    })?;
    rows.collect()
}

fn size(path: &Path) -> Result<u64, ReadError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
        Err(source) => Err(OpenError::File { path: path.to_owned(), source }.into()),
    }
}

fn repository(connection: &Connection, row: &Row<'_>) -> Result<RepositorySummary, ReadError> {
    let id = RepositoryId(whole(row, 0)?);
    let certified = optional(row, 2)?
        .zip(row.get(3)?)
        .map(|(iteration, ended_ms)| CertifiedPass { iteration: Iteration(iteration), ended_ms });
    let suspects = connection
        .prepare_cached(
            "SELECT suspect_count, held_count, held_iteration, held_ms, approved_count \
             FROM suspects WHERE repository = ?1",
        )?
        .query_row([signed(id.0)], |row| {
            let held = HeldSummary {
                count: whole(row, 1)?,
                iteration: optional(row, 2)?.map(Iteration),
                since_ms: row.get(3)?,
                approved: whole(row, 4)?,
                first: Vec::new(),
            };
            Ok((whole(row, 0)?, held))
        })
        .optional()?;
    let (suspects, held) = suspects.map_or((0, None), |(suspects, held)| (suspects, Some(held)));
    let mut held = held.filter(|held| held.count > 0);
    if let Some(held) = held.as_mut().filter(|held| held.approved < held.count) {
        held.first = held::first_waiting(connection, id, FIRST_HELD)?;
    }
    let passes = ledger(connection, id, NEWEST_PASSES)?;
    let incremental = incremental(connection, id, NEWEST_PASSES)?;
    Ok(RepositorySummary {
        id,
        items: whole(row, 1)?,
        certified,
        suspects,
        held,
        passes,
        incremental,
    })
}

/// The newest passes in the ledger, the newest first; -1: all.
fn ledger(
    connection: &Connection,
    repository: RepositoryId,
    most: i64,
) -> Result<Vec<LedgerEntry>, ReadError> {
    let mut statement = connection.prepare_cached(
        "SELECT iteration, started_ms, ended_ms, pages, requests, first_total, last_total, \
         distinct_ids, repeats, step_backs, created, updated, deleted, unchanged, suspects, \
         held, certified, reason FROM pass WHERE repository = ?1 \
         ORDER BY iteration DESC LIMIT ?2",
    )?;
    let passes = statement.query_map((signed(repository.0), most), entry)?;
    Ok(passes.collect::<Result<_, _>>()?)
}

/// The newest incremental passes in the ledger, likewise.
fn incremental(
    connection: &Connection,
    repository: RepositoryId,
    most: i64,
) -> Result<Vec<IncrementalPass>, ReadError> {
    let mut statement = connection.prepare_cached(
        "SELECT iteration, started_ms, ended_ms, pages, requests, distinct_ids, created, updated, \
         unchanged FROM incremental_pass WHERE repository = ?1 ORDER BY number DESC LIMIT ?2",
    )?;
    let passes = statement.query_map((signed(repository.0), most), |row| {
        Ok(IncrementalPass {
            iteration: Iteration(whole(row, 0)?),
            started_ms: row.get(1)?,
            ended_ms: row.get(2)?,
            pages: whole(row, 3)?,
            requests: whole(row, 4)?,
            items: whole(row, 5)?,
            changed: ChangeCounts {
                created: whole(row, 6)?,
                updated: whole(row, 7)?,
                deleted: 0,
                unchanged: whole(row, 8)?,
            },
        })
    })?;
    Ok(passes.collect::<Result<_, _>>()?)
}

fn entry(row: &Row<'_>) -> rusqlite::Result<LedgerEntry> {
    Ok(LedgerEntry {
        iteration: Iteration(whole(row, 0)?),
        started_ms: row.get(1)?,
        ended_ms: row.get(2)?,
        statistics: PassStatistics {
            pages: whole(row, 3)?,
            requests: whole(row, 4)?,
            first_total: whole(row, 5)?,
            last_total: whole(row, 6)?,
            distinct: whole(row, 7)?,
            repeats: whole(row, 8)?,
            step_backs: whole(row, 9)?,
        },
        changed: ChangeCounts {
            created: whole(row, 10)?,
            updated: whole(row, 11)?,
            deleted: whole(row, 12)?,
            unchanged: whole(row, 13)?,
        },
        suspects: whole(row, 14)?,
        held: whole(row, 15)?,
        certified: row.get(16)?,
        reason: row.get(17)?,
    })
}
