//! What feeds have delivered: writing it for the one who delivers.
//!
//! One process alone has the database open to write, so a right that another process had is free: that
//! one is gone.

use rusqlite::{OptionalExtension, Row, Transaction, named_params};

use super::key::SqlItemId;
use super::read;
use super::store::{Durability, WriteConnection};
use super::write_error::WriteError;
use crate::domain::Sequence;
use crate::mirror::contracts::{FeedLease, FeedState, ParkedChange};
use crate::mirror::retention::{FeedHolds, RetentionFloor, UndeliveredChanges};
use crate::mirror::transfer::FeedRecord;

/// Takes the right to deliver a feed for this process, or renews it.
pub(super) fn take(
    store: &mut WriteConnection,
    owner: &str,
    feed: String,
) -> Result<FeedLease, WriteError> {
    let held = store.read(|transaction| {
        let held = transaction
            .prepare_cached("SELECT term FROM feed_lease WHERE feed = ?1 AND owner = ?2")?
            .query_row((&feed, owner), |row| row.get(0))
            .optional()?;
        Ok(held)
    })?;
    let term: i64 = match held {
        Some(term) => term,
        None => store.write(Durability::Lazy, |transaction| {
            let take = "INSERT INTO feed_lease (feed, owner, term) VALUES (?1, ?2, 1)
                ON CONFLICT DO UPDATE SET owner = excluded.owner, term = term + 1 RETURNING term";
            Ok(transaction.prepare_cached(take)?.query_row((&feed, owner), |row| row.get(0))?)
        })?,
    };
    Ok(FeedLease { feed, term: term.cast_unsigned() })
}

/// Lets go of it.
pub(super) fn release(
    store: &mut WriteConnection,
    owner: &str,
    lease: &FeedLease,
) -> Result<(), WriteError> {
    store.write(Durability::Lazy, |transaction| {
        let release = "UPDATE feed_lease SET owner = ''
            WHERE feed = ?1 AND owner = ?2 AND term = ?3";
        let row = (&lease.feed, owner, lease.term.cast_signed());
        transaction.prepare_cached(release)?.execute(row)?;
        Ok(())
    })
}

/// What is to be saved of a feed.
#[derive(Debug)]
pub(super) struct FeedUpdate {
    pub(super) lease: FeedLease,
    pub(super) state: FeedState,
    pub(super) parked: Vec<ParkedChange>,
    pub(super) unparked: Vec<Sequence>,
}

/// Saves it where lease and revision hold; the new revision.
pub(super) fn save(
    store: &mut WriteConnection,
    owner: &str,
    update: &FeedUpdate,
) -> Result<Option<u64>, WriteError> {
    store.write(Durability::Synced, |transaction| {
        let FeedUpdate { lease, state, parked, unparked } = update;
        let held = transaction
            .prepare_cached(
                "SELECT 1 FROM feed_lease WHERE feed = ?1 AND owner = ?2 AND term = ?3",
            )?
            .exists((&lease.feed, owner, lease.term.cast_signed()))?;
        let statement = if state.revision == 0 { INSERT } else { UPDATE };
        if !held || !put(transaction, statement, &lease.feed, state)? {
            return Ok(None);
        }
        let mut unpark = transaction
            .prepare_cached("DELETE FROM feed_parked WHERE feed = ?1 AND sequence = ?2")?;
        for sequence in unparked {
            unpark.execute((&lease.feed, sequence.0.cast_signed()))?;
        }
        for change in parked {
            park(transaction, &lease.feed, change)?;
        }
        Ok(Some(state.revision + 1))
    })
}

/// A feed that was never saved.
const INSERT: &str = "
    INSERT INTO feed VALUES
        (:feed, :through, :progress, :paused, :delivered, :success, :revision + 1)
    ON CONFLICT DO NOTHING";

const UPDATE: &str = "
    UPDATE feed SET delivered_through = :through, progress = :progress, paused = :paused,
        delivered = :delivered, last_success_ms = :success, revision = revision + 1
    WHERE name = :feed AND revision = :revision";

/// Writes the state of a feed in place of the one that it was read from; whether that still was there.
fn put(
    transaction: &Transaction<'_>,
    statement: &str,
    feed: &str,
    state: &FeedState,
) -> rusqlite::Result<bool> {
    let changed = transaction.prepare_cached(statement)?.execute(named_params! {
        ":feed": feed,
        ":through": state.delivered_through.min(Sequence::MOST).0.cast_signed(),
        ":progress": state.progress,
        ":paused": state.paused,
        ":delivered": state.delivered.cast_signed(),
        ":success": state.last_success_ms,
        ":revision": state.revision.cast_signed(),
    })?;
    Ok(changed == 1)
}

/// Parks a change, in place of what is there of it.
fn park(transaction: &Transaction<'_>, feed: &str, change: &ParkedChange) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO feed_parked VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute((
            feed,
            change.sequence.0.cast_signed(),
            change.repository.0.cast_signed(),
            SqlItemId(&change.item),
            &change.reason,
            change.parked_at_ms,
            change.behind.map(|behind| behind.0.cast_signed()),
            change.released,
        ))
        .map(drop)
}

/// Has what feeds have not delivered held, as far as the next `most` changes are concerned.
pub(super) fn heed(
    transaction: &Transaction<'_>,
    floor: &mut RetentionFloor<'_>,
    holds: &FeedHolds,
    most: u32,
) -> rusqlite::Result<()> {
    let mut feed =
        transaction.prepare_cached("SELECT delivered_through FROM feed WHERE name = ?1")?;
    let mut parked = transaction.prepare_cached(
        "SELECT sequence FROM feed_parked
         WHERE feed = ?1 AND sequence > (SELECT dropped_through FROM log)
         ORDER BY sequence LIMIT ?2",
    )?;
    let sequence = |row: &Row<'_>| row.get(0).map(|it: i64| Sequence(it.cast_unsigned()));
    for name in holds.names() {
        let Some(through) = feed.query_row([name], sequence).optional()? else { continue };
        let parked: Vec<Sequence> =
            parked.query_map((name, most), sequence)?.collect::<Result<_, _>>()?;
        floor.heed(name, through, parked);
    }
    Ok(())
}

/// Changes up to this one are dropped, these among them: their feeds go on after it, and nothing of it is
/// parked any more. A feed that is to begin again, and has not yet, begins as it was told.
pub(super) fn drop_through(
    transaction: &Transaction<'_>,
    last: i64,
    undelivered: &[UndeliveredChanges],
) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM feed_parked WHERE sequence <= ?1")?.execute([last])?;
    let mut go_on = transaction.prepare_cached(
        "UPDATE feed SET delivered_through = max(delivered_through, ?2), revision = revision + 1
         WHERE name = ?1 AND progress <> ''",
    )?;
    for UndeliveredChanges { feed, .. } in undelivered {
        go_on.execute((feed, last))?;
    }
    Ok(())
}

/// All feeds, as records of a transfer.
pub(super) fn records(transaction: &Transaction<'_>) -> rusqlite::Result<Vec<FeedRecord>> {
    let feeds = read::feeds_in(transaction)?.into_iter();
    let record = |(name, state): (String, FeedState)| {
        let parked = read::parked_in(transaction, &name, Sequence(0), usize::MAX)?;
        Ok(FeedRecord { name, state, parked })
    };
    feeds.map(record).collect()
}

/// Writes them where there are none.
pub(super) fn put_records(
    transaction: &Transaction<'_>,
    records: &[FeedRecord],
) -> rusqlite::Result<()> {
    for FeedRecord { name, state, parked } in records {
        // To write it counts it up.
        let revision = state.revision.saturating_sub(1);
        put(transaction, INSERT, name, &FeedState { revision, ..state.clone() })?;
        for change in parked {
            park(transaction, name, change)?;
        }
    }
    Ok(())
}
