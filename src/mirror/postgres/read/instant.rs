//! A connection that sees one instant, and reads it page by page.

use tokio_postgres::types::Type;

use super::bounds;
use super::columns::{Parameter, column};
use super::error::PostgresReadError;
use crate::domain::Sequence;
use crate::mirror::LogBounds;
use crate::mirror::postgres::PostgresPool;
use crate::mirror::postgres::dedicated::DedicatedConnection;
use crate::mirror::postgres::numbers::signed;

/// A page of items is full with so many bytes of bodies, and one item more.
pub(super) const PAGE_BYTES: i64 = 1 << 20;

/// The fewest and the most items that one page looks at.
const FEWEST: i64 = 64;
const MOST: i64 = 20_000;

/// Settings of the transaction: none ends it, however long it is held (not every version has all such
/// limits), and items are read by their index, in the order of it, whatever the statistics say or do not
/// say yet.
const SETTINGS: &str = "\
    SELECT set_config(name, CASE setting WHEN 'on' THEN 'off' ELSE '0' END, true) \
    FROM pg_settings WHERE name IN ( \
        'idle_in_transaction_session_timeout', 'transaction_timeout', \
        'enable_seqscan', 'enable_bitmapscan', 'enable_sort', 'jit') AND setting <> 'off'";

/// Keeps the parts of the log from being dropped.
pub(super) const LOG: &str = "; LOCK TABLE change IN ACCESS SHARE MODE";

/// The transaction, which ends with its connection.
#[derive(Debug)]
pub(super) struct InstantReader {
    pub(super) connection: DedicatedConnection,
    /// How many items the next page looks at: about as many as fit in it.
    limit: i64,
}

impl InstantReader {
    /// Begins a transaction that has one state for as long as its connection is held. It takes it when it
    /// first reads; with this `lock` nothing that it will need of the log is dropped from then on.
    pub(super) async fn begin(
        pool: &PostgresPool,
        lock: &str,
    ) -> Result<(Self, LogBounds), PostgresReadError> {
        let mut connection = pool.dedicated().await?;
        let (client, wire) = connection.parts();
        let begin = format!("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY{lock}");
        wire.run(client.batch_execute(&begin)).await?;
        wire.run(client.query_typed(SETTINGS, &[])).await?;
        let bounds = wire.run(bounds::row(client)).await?;
        Ok((Self { connection, limit: FEWEST }, bounds::of(&bounds)?))
    }

    /// The part of the log that has the first change after this one.
    pub(super) async fn part_after(
        &mut self,
        sequence: Sequence,
    ) -> Result<i32, PostgresReadError> {
        let (client, wire) = self.connection.parts();
        let after = signed(sequence.0);
        let parameters: [Parameter<'_>; 1] = [(&after, Type::INT8)];
        let part = client.query_typed_one(
            "SELECT coalesce(max(part), 0) FROM log_part WHERE after_sequence <= $1",
            &parameters,
        );
        Ok(column(&wire.run(part).await?, 0)?)
    }

    /// How many items the next page looks at.
    pub(super) fn limit(&self) -> i64 {
        self.limit
    }

    /// Whether a page that found so many items with so many bytes of bodies is the last one; the next
    /// looks at as many as will fit.
    pub(super) fn is_end(&mut self, found: i64, bytes: u64) -> bool {
        let looked_at = self.limit;
        let is_cut = bytes >= PAGE_BYTES.cast_unsigned();
        let fits = if is_cut { found + found / 2 } else { looked_at * 2 };
        self.limit = fits.clamp(FEWEST, MOST);
        !is_cut && found < looked_at
    }
}
