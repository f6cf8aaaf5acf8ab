//! Whether the database is kept up: vacuumed, and not held back from it.

use deadpool_postgres::Object;

use crate::mirror::ExaminationFinding;
use crate::mirror::postgres::error::PostgresError;

pub(super) const AUTOVACUUM: &str = "autovacuum";
pub(super) const DEAD_ROWS: &str = "dead rows";
pub(super) const TRANSACTIONS: &str = "transactions";

/// Dead rows that are no matter, however few live ones there are.
const FEW_DEAD: i64 = 100_000;

/// A transaction that is open for so long, in seconds, holds vacuum back for no good reason.
const LONG_S: i64 = 3600;

/// Whether dead rows are cleared away at all.
pub(super) async fn autovacuum(
    connection: &Object,
    schema: &str,
) -> Result<ExaminationFinding, PostgresError> {
    let row = connection
        .query_one(
            "SELECT current_setting('autovacuum')::bool, current_setting('track_counts')::bool, \
                 (SELECT coalesce(string_agg(c.relname, ', ' ORDER BY c.relname), '') \
                  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                  WHERE n.nspname = $1 \
                      AND 'autovacuum_enabled=false' = ANY (lower(c.reloptions::text)::text[]))",
            &[&schema],
        )
        .await?;
    let (is_on, counts): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
    let excepted: String = row.try_get(2)?;
    let remedy = "turn it on: else tables and indexes grow for ever, and pages become slow";
    Ok(if !is_on {
        ExaminationFinding::warning(AUTOVACUUM, "off", remedy)
    } else if !counts {
        let found = "on, but track_counts is off, without which it does nothing";
        ExaminationFinding::warning(AUTOVACUUM, found, remedy)
    } else if !excepted.is_empty() {
        ExaminationFinding::warning(AUTOVACUUM, format!("off for {excepted}"), remedy)
    } else {
        ExaminationFinding::sound(AUTOVACUUM, "on")
    })
}

/// How much of our tables is dead, by the server's estimate.
pub(super) async fn dead_rows(
    connection: &Object,
    schema: &str,
) -> Result<ExaminationFinding, PostgresError> {
    let row = connection
        .query_one(
            "SELECT coalesce(sum(n_live_tup), 0)::bigint, coalesce(sum(n_dead_tup), 0)::bigint, \
                 coalesce(sum(pg_total_relation_size(relid)), 0)::bigint, \
                 coalesce((array_agg(relname::text ORDER BY n_dead_tup DESC))[1], '') \
             FROM pg_stat_all_tables WHERE schemaname = $1",
            &[&schema],
        )
        .await?;
    let (live, dead, bytes): (i64, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let most: String = row.try_get(3)?;
    let size = bytesize::ByteSize(u64::try_from(bytes).unwrap_or_default()).display();
    let found = format!("about {dead} beside {live} live ones, {size} with indexes");
    Ok(if dead > FEW_DEAD && dead > live {
        let found = format!("{found}, most of them in {most}");
        let remedy = "VACUUM (VERBOSE) that table says what holds it back; see \"transactions\"";
        ExaminationFinding::warning(DEAD_ROWS, found, remedy)
    } else {
        ExaminationFinding::sound(DEAD_ROWS, found)
    })
}

/// Transactions and replication slots that keep dead rows from being cleared away.
pub(super) async fn transactions(connection: &Object) -> Result<ExaminationFinding, PostgresError> {
    let row = connection
        .query_one(
            "SELECT \
                 (SELECT coalesce(string_agg(format('process %s (%s, open for %s s)', pid, \
                      usename, extract(epoch FROM clock_timestamp() - xact_start)::bigint), ', '), \
                      '') FROM pg_stat_activity \
                  WHERE clock_timestamp() - xact_start > $1 * interval '1 second' \
                      AND backend_xmin IS NOT NULL), \
                 (SELECT coalesce(string_agg(format('prepared transaction %s', gid), ', '), '') \
                  FROM pg_prepared_xacts \
                  WHERE clock_timestamp() - prepared > $1 * interval '1 second'), \
                 (SELECT coalesce(string_agg(format('replication slot %s, which nobody reads', \
                      slot_name), ', '), '') FROM pg_replication_slots WHERE NOT active), \
                 pg_has_role('pg_read_all_stats', 'USAGE')",
            // A float, which the product takes.
            &[&(LONG_S as f64)],
        )
        .await?;
    let causes: [String; 3] = [row.try_get(0)?, row.try_get(1)?, row.try_get(2)?];
    let sees_all: bool = row.try_get(3)?;
    let found = causes.into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join(", ");
    Ok(if !found.is_empty() {
        let remedy = "they keep dead rows from being cleared away: end what is not needed";
        ExaminationFinding::warning(TRANSACTIONS, found, remedy)
    } else if sees_all {
        ExaminationFinding::sound(TRANSACTIONS, "none is open for longer than an hour")
    } else {
        let found = "of those that this role may see (pg_read_all_stats), none is open for longer \
                     than an hour";
        ExaminationFinding::sound(TRANSACTIONS, found)
    })
}
