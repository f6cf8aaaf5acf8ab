//! A database as the source or the target of a transfer. Its lock is held as long as it is open.
//!
//! Bodies of changes that have been dropped are kept in hidden rows of the log, as far as an item or a
//! later change needs them. In a record they stand in the item or in the later change; here a hidden row is
//! made of them again.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{OptionalExtension, Row, Transaction};

use super::error::OpenError;
use super::key::{self, OwnedSqlItemId, RANGES, RESTS, SqlItemId};
use super::open::{self, SqliteOptions};
use super::read::ReadError;
use super::schema::{self, Header};
use super::store::{Durability, WriteConnection};
use super::transfer_state;
use super::worker::Worker;
use super::write::last_sequence;
use super::write_error::WriteError;
use crate::domain::{Change, ItemId, Iteration, Op, RepositoryId, Sequence, item};
use crate::mirror::MirrorError;
use crate::mirror::contracts::MirrorFuture;
use crate::mirror::transfer::{
    ChangeRecord, ItemRecord, ItemRecords, MirrorExtent, StateRecords, TransferCursor,
    TransferOrigin, TransferSource, TransferTarget,
};

/// Records read at once are so many bytes of bodies, and one record more.
const PAGE_BYTES: usize = 4 << 20;

/// The most records read at once.
const PAGE_RECORDS: usize = 5000;

/// The iteration of a hidden row: which it was nobody asks.
const NO_ITERATION: i64 = 0;

/// A database that is transferred.
#[derive(Debug)]
pub(in crate::mirror) struct SqliteTransfer {
    worker: Worker<WriteConnection>,
    path: PathBuf,
}

impl SqliteTransfer {
    /// Opens the database of a mirror, and brings it up to date. Waits for the disk.
    ///
    /// # Errors
    ///
    /// There is none, it is in use, or it is the target of a transfer that was not finished.
    pub(in crate::mirror) fn source(path: &Path) -> Result<Self, MirrorError> {
        if schema::check_header(path)? == Header::Blank {
            return Err(ReadError::Missing { path: path.to_owned() }.into());
        }
        Ok(Self::start(path, open::open(path, SqliteOptions::default())?)?)
    }

    /// Opens the database that is to become a mirror, and makes it if there is none. Waits for the
    /// disk.
    ///
    /// # Errors
    ///
    /// It is in use, or no database of ours, or cannot be made.
    pub(in crate::mirror) fn target(path: &Path) -> Result<Self, MirrorError> {
        Ok(Self::start(path, open::open_unfinished(path, SqliteOptions::default())?)?)
    }

    fn start(path: &Path, store: WriteConnection) -> Result<Self, OpenError> {
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let worker = Worker::start("mirror-transfer", store)
            .map_err(|source| OpenError::Thread { path: path.clone(), source })?;
        Ok(Self { worker, path })
    }

    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut WriteConnection) -> Result<T, WriteError> + Send + 'static,
    ) -> Result<T, MirrorError> {
        Ok(self.worker.run(job).await??)
    }
}

impl TransferSource for SqliteTransfer {
    fn place(&self) -> String {
        format!("sqlite://{}", self.path.display())
    }

    fn extent(&self) -> MirrorFuture<'_, MirrorExtent> {
        Box::pin(self.run(|store| store.read(extent)))
    }

    fn changes(&self, after: Sequence) -> MirrorFuture<'_, Vec<ChangeRecord>> {
        let path = self.path.clone();
        Box::pin(self.run(move |store| {
            store.read(|transaction| changes(transaction, after.0.cast_signed(), &path))
        }))
    }

    fn items(
        &self,
        repository: RepositoryId,
        after: Option<ItemId>,
    ) -> MirrorFuture<'_, ItemRecords> {
        Box::pin(self.run(move |store| {
            store.read(|transaction| items(transaction, repository, after.as_ref()))
        }))
    }

    fn state(&self) -> MirrorFuture<'_, StateRecords> {
        Box::pin(self.run(|store| store.read(transfer_state::read)))
    }
}

impl TransferTarget for SqliteTransfer {
    fn begin(&self, origin: &TransferOrigin) -> MirrorFuture<'_, TransferCursor> {
        let (origin, path) = (origin.clone(), self.path.clone());
        Box::pin(self.run(move |store| {
            store.write(Durability::Synced, |transaction| begin(transaction, &origin, path))
        }))
    }

    fn put_changes(&self, changes: Vec<ChangeRecord>) -> MirrorFuture<'_, ()> {
        Box::pin(self.run(move |store| {
            store.write(Durability::Lazy, |transaction| put_changes(transaction, &changes))
        }))
    }

    fn put_items(&self, repository: RepositoryId, items: Vec<ItemRecord>) -> MirrorFuture<'_, ()> {
        Box::pin(self.run(move |store| {
            store.write(Durability::Lazy, |transaction| put_items(transaction, repository, &items))
        }))
    }

    fn put_state(&self, state: StateRecords) -> MirrorFuture<'_, ()> {
        Box::pin(self.run(move |store| {
            store.write(Durability::Lazy, |transaction| transfer_state::write(transaction, &state))
        }))
    }

    fn finish(&self) -> MirrorFuture<'_, ()> {
        Box::pin(self.run(|store| {
            store.write(Durability::Synced, |transaction| {
                Ok(transaction.execute_batch("DELETE FROM transfer")?)
            })
        }))
    }
}

fn extent(transaction: &Transaction<'_>) -> Result<MirrorExtent, WriteError> {
    let (dropped_through, dropped_ms, items) = transaction.query_row(
        "SELECT dropped_through, dropped_ms, (SELECT count(*) FROM item) FROM log",
        [],
        |row| Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get::<_, i64>(2)?)),
    )?;
    let mut repositories = transaction
        .prepare("SELECT id FROM repository UNION SELECT repository FROM item")?
        .query_map([], |row| Ok(RepositoryId(row.get::<_, i64>(0)?.cast_unsigned())))?
        .collect::<Result<Vec<_>, _>>()?;
    repositories.sort_unstable();
    Ok(MirrorExtent {
        last: Sequence(last_sequence(transaction)?.cast_unsigned()),
        dropped_through: Sequence(dropped_through.cast_unsigned()),
        dropped_ms,
        items: items.cast_unsigned(),
        repositories,
    })
}

fn changes(
    transaction: &Transaction<'_>,
    after: i64,
    path: &Path,
) -> Result<Vec<ChangeRecord>, WriteError> {
    let mut statement = transaction.prepare_cached(
        "SELECT change.sequence, change.repository, change.id, change.op, change.iteration,
         change.ts_ms, change.previous, earlier.ts_ms,
         CASE WHEN change.op IN ('u', 'd') THEN earlier.after END, change.after
         FROM change LEFT JOIN change AS earlier ON earlier.sequence = change.previous
         WHERE change.sequence > max(?1, (SELECT dropped_through FROM log))
         ORDER BY change.sequence LIMIT ?2",
    )?;
    let mut rows = statement.query((after, i64::try_from(PAGE_RECORDS).unwrap_or(i64::MAX)))?;
    let (mut records, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let record = change_record(row)?.ok_or_else(|| WriteError::Damaged {
            path: path.to_owned(),
            words: "a change of its log lacks what it changed".to_owned(),
        })?;
        let bodies = [&record.change.before, &record.change.after];
        bytes += bodies.into_iter().flatten().map(Vec::len).sum::<usize>();
        records.push(record);
        if bytes >= PAGE_BYTES {
            break;
        }
    }
    Ok(records)
}

/// A row of the log; `None`: it makes no sense.
fn change_record(row: &Row<'_>) -> rusqlite::Result<Option<ChangeRecord>> {
    let number = |column: usize| row.get(column).map(i64::cast_unsigned);
    let previous = row.get::<_, Option<i64>>(6)?.map(|number| Sequence(number.cast_unsigned()));
    let Some(op) = Op::of_letter(row.get_ref(3)?.as_str()?) else { return Ok(None) };
    let change = Change {
        sequence: Sequence(number(0)?),
        repository: RepositoryId(number(1)?),
        item: row.get::<_, OwnedSqlItemId>(2)?.0,
        op,
        iteration: Iteration(number(4)?),
        ts_ms: row.get(5)?,
        before: row.get(8)?,
        after: row.get(9)?,
    };
    let has_before = matches!(op, Op::Update | Op::Delete);
    let is_whole =
        change.before.is_some() == has_before && change.after.is_none() == matches!(op, Op::Delete);
    Ok(is_whole.then_some(ChangeRecord { change, previous, previous_ms: row.get(7)? }))
}

fn items(
    transaction: &Transaction<'_>,
    repository: RepositoryId,
    after: Option<&ItemId>,
) -> Result<ItemRecords, WriteError> {
    let repository = repository.0.cast_signed();
    let (mut found, mut bytes) = (ItemRecords::default(), 0);
    let first = after.map_or(0, key::range_of);
    for (place, range) in RANGES.iter().enumerate().skip(first) {
        let rest = after.filter(|_| place == first);
        let range = if rest.is_some() { RESTS[place] } else { range };
        let mut statement = transaction.prepare_cached(&format!(
            "SELECT id, sequence,
             (SELECT ts_ms FROM change WHERE change.sequence = item.sequence),
             CASE WHEN digest IS NOT NULL THEN
                 (SELECT after FROM change WHERE change.sequence = item.sequence) END
             FROM item WHERE repository = ?1 AND {range} ORDER BY id"
        ))?;
        let mut rows = match rest {
            Some(after) => statement.query((repository, SqlItemId(after)))?,
            None => statement.query([repository])?,
        };
        while let Some(row) = rows.next()? {
            let OwnedSqlItemId(id) = row.get(0)?;
            let body: Option<Vec<u8>> = row.get(3)?;
            bytes += body.as_ref().map_or(0, Vec::len);
            let sequence = Sequence(row.get::<_, i64>(1)?.cast_unsigned());
            found.records.push(ItemRecord { id, sequence, changed_ms: row.get(2)?, body });
            if bytes >= PAGE_BYTES || found.records.len() >= PAGE_RECORDS {
                found.more = true;
                return Ok(found);
            }
        }
    }
    Ok(found)
}

fn begin(
    transaction: &Transaction<'_>,
    origin: &TransferOrigin,
    path: PathBuf,
) -> Result<TransferCursor, WriteError> {
    let TransferOrigin { place, last, dropped_through, dropped_ms } = origin;
    let (last, dropped_through) = (last.0.cast_signed(), dropped_through.0.cast_signed());
    let begun = transaction
        .query_row(
            "SELECT source, last, dropped_through, sequence, repository, id FROM transfer",
            [],
            |row| {
                let from: (String, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
                let sequence = Sequence(row.get::<_, i64>(3)?.cast_unsigned());
                let repository = row.get::<_, Option<i64>>(4)?.map(i64::cast_unsigned);
                let id: Option<OwnedSqlItemId> = row.get(5)?;
                let item = repository.map(RepositoryId).zip(id.map(|id| id.0));
                Ok((from, TransferCursor { sequence, item }))
            },
        )
        .optional()?;
    if let Some((from, cursor)) = begun {
        let same = from == (place.clone(), last, dropped_through);
        return if same { Ok(cursor) } else { Err(WriteError::OtherSource { path, from: from.0 }) };
    }
    let is_empty: bool = transaction.query_row(
        "SELECT dropped_through = 0 AND NOT EXISTS (SELECT 1 FROM change)
         AND NOT EXISTS (SELECT 1 FROM item) AND NOT EXISTS (SELECT 1 FROM repository)
         AND NOT EXISTS (SELECT 1 FROM pass)
         AND NOT EXISTS (SELECT 1 FROM incremental_pass)
         AND NOT EXISTS (SELECT 1 FROM incremental_mark) FROM log",
        [],
        |row| row.get(0),
    )?;
    if !is_empty {
        return Err(WriteError::NotEmpty { path });
    }
    transaction.execute(
        "UPDATE log SET dropped_through = ?1, dropped_ms = ?2",
        (dropped_through, dropped_ms),
    )?;
    transaction.execute(
        "INSERT INTO transfer VALUES (1, ?1, ?2, ?3, ?3, NULL, NULL)",
        (place, last, dropped_through),
    )?;
    Ok(TransferCursor { sequence: origin.dropped_through, item: None })
}

fn put_changes(transaction: &Transaction<'_>, changes: &[ChangeRecord]) -> Result<(), WriteError> {
    let hide = hidden(transaction)?;
    let mut change =
        transaction.prepare_cached("INSERT INTO change VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
    for ChangeRecord { change: it, previous, previous_ms } in changes {
        let (repository, id) = (it.repository.0.cast_signed(), SqlItemId(&it.item));
        let previous = previous.map(|previous| previous.0.cast_signed());
        if let (Some(previous), Some(before)) = (previous, &it.before) {
            hide(previous, repository, id, previous_ms.unwrap_or(it.ts_ms), before)?;
        }
        change.execute((
            it.sequence.0.cast_signed(),
            repository,
            id,
            it.op.letter(),
            it.iteration.0.cast_signed(),
            it.ts_ms,
            previous,
            &it.after,
        ))?;
    }
    if let Some(last) = changes.last() {
        let last = last.change.sequence.0.cast_signed();
        transaction.execute("UPDATE transfer SET sequence = ?1", [last])?;
    }
    Ok(())
}

fn put_items(
    transaction: &Transaction<'_>,
    repository: RepositoryId,
    items: &[ItemRecord],
) -> Result<(), WriteError> {
    let repository = repository.0.cast_signed();
    let hide = hidden(transaction)?;
    let mut statement = transaction.prepare_cached("INSERT INTO item VALUES (?1, ?2, ?3, ?4)")?;
    for ItemRecord { id, sequence, changed_ms, body } in items {
        let (id, sequence) = (SqlItemId(id), sequence.0.cast_signed());
        if let Some(body) = body {
            hide(sequence, repository, id, *changed_ms, body)?;
        }
        let digest = body.as_ref().map(|body| item::digest(body).cast_signed());
        statement.execute((repository, id, sequence, digest))?;
    }
    if let Some(last) = items.last() {
        transaction.execute(
            "UPDATE transfer SET repository = ?1, id = ?2",
            (repository, SqlItemId(&last.id)),
        )?;
    }
    Ok(())
}

/// What makes a row of the log for the body of a change that was dropped; of others there is one.
#[expect(clippy::type_complexity, reason = "a closure that is returned has no shorter type")]
fn hidden<'a>(
    transaction: &'a Transaction<'_>,
) -> rusqlite::Result<impl Fn(i64, i64, SqlItemId<'_>, i64, &[u8]) -> rusqlite::Result<()> + use<'a>>
{
    let dropped_through: i64 =
        transaction.query_row("SELECT dropped_through FROM log", [], |row| row.get(0))?;
    Ok(move |sequence, repository, id: SqlItemId<'_>, ts_ms, body: &[u8]| {
        if sequence > dropped_through {
            return Ok(());
        }
        transaction
            .prepare_cached(
                "INSERT OR IGNORE INTO change VALUES (?1, ?2, ?3, 'r', ?4, ?5, NULL, ?6)",
            )?
            .execute((sequence, repository, id, NO_ITERATION, ts_ms, body))
            .map(drop)
    })
}
