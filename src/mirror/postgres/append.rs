//! Changes on their way into the log, and the copy that is kept to them: one statement, which is the
//! whole transaction of some deletions or of a page, or the end of it.

use std::sync::LazyLock;

use deadpool_postgres::ClientWrapper;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::error::PostgresError;
use super::fence::{FENCED, FenceParameters};
use super::key::to_key;
use super::ledger::{COUNT_PARAMETERS, COUNTED, CountParameters};
use crate::domain::{Item, ItemId, Op, RepositoryId};

/// Appends deletions.
static APPEND_DELETIONS: LazyLock<String> = LazyLock::new(|| {
    let (columns, count) = columns_from(COUNT_PARAMETERS + 1);
    append(COUNTED, &count, &columns)
});

/// The columns of changes as parameters from this one on, as a table, and how many there are.
pub(super) fn columns_from(first: usize) -> (String, String) {
    let types = ["bytea", "text", "text", "text", "boolean", "bigint"];
    let arrays = [0, 1, 2, 3, 4, 5].map(|place| format!("${}::{}[]", first + place, types[place]));
    let count = format!("cardinality({})", arrays[0]);
    (format!("unnest({}) WITH ORDINALITY", arrays.join(", ")), count)
}

/// The statement that appends changes: so many, from this table. An item that the copy has, if only as one
/// that was deleted, is put in as new where it is gone by then: deletions that the log drops are
/// forgotten meanwhile. Nothing is joined with the copy but by a look at its index for each row, whatever the
/// planner knows of it.
pub(super) fn append(counted: &str, count: &str, changes: &str) -> String {
    format!(
        "WITH {FENCED} RETURNING 1),
        {counted},
        given AS (
            UPDATE log SET last = log.last + {count} FROM fenced
            WHERE log.sole AND {count} > 0
            RETURNING log.last - {count} AS before, log.last, log.part),
        fresh AS MATERIALIZED (
            SELECT given.part, given.before + page.n AS sequence, page.key, page.id, page.op,
                page.body, page.exact, page.digest, old.sequence AS previous,
                old.changed_ms AS previous_ms, old.body AS before, old.json IS NOT NULL AS before_exact
            FROM given, {changes} AS page (key, id, op, body, exact, digest, n)
            LEFT JOIN LATERAL (
                SELECT sequence, changed_ms, body, json FROM item
                WHERE item.repository = $1 AND item.key = page.key OFFSET 0
            ) AS old ON true),
        logged AS (
            INSERT INTO change (part, sequence, repository, key, id, op, iteration, ts_ms, previous,
                previous_ms, before, after, before_exact, after_exact)
            SELECT part, sequence, $1, key, id, op, $5, $6, previous, previous_ms, before, body,
                before_exact, exact FROM fresh),
        added AS (
            INSERT INTO item (repository, key, id, sequence, changed_ms, digest, body, json)
            SELECT $1, key, id, sequence, $6, digest, body, CASE WHEN exact THEN body::jsonb END
            FROM fresh WHERE previous IS NULL),
        changed AS (
            INSERT INTO item (repository, key, id, sequence, changed_ms, digest, body, json)
            SELECT $1, key, id, sequence, $6, digest, body, CASE WHEN exact THEN body::jsonb END
            FROM fresh WHERE previous IS NOT NULL
            ON CONFLICT (repository, key) DO UPDATE SET sequence = excluded.sequence,
                changed_ms = excluded.changed_ms, digest = excluded.digest, body = excluded.body,
                json = excluded.json),
        more AS (
            INSERT INTO repository AS repository (id, items)
            SELECT $1, $7 - $9 FROM fenced WHERE $7 <> $9
            ON CONFLICT (id) DO UPDATE SET items = repository.items + excluded.items),
        told AS (SELECT pg_notify('ewmirror', given.last::text) FROM given)
        SELECT EXISTS (SELECT FROM fenced), (SELECT count(*) FROM told)"
    )
}

/// A change on its way into the log.
#[derive(Debug)]
pub(super) struct NewChange<'a> {
    /// Of which item.
    pub(super) id: &'a ItemId,
    /// What happened.
    pub(super) op: Op,
    /// What it is now; `None`: gone.
    pub(super) item: Option<&'a Item>,
}

/// Which of some bodies `jsonb` does not take.
const REFUSED: &str = "
    SELECT body.n FROM unnest($1::text[], $2::boolean[]) WITH ORDINALITY AS body (text, exact, n)
    WHERE body.exact AND as_jsonb(body.text) IS NULL";

/// Changes as the columns of a statement's arrays.
#[derive(Debug, Default)]
pub(super) struct ChangeColumns<'a> {
    keys: Vec<Vec<u8>>,
    ids: Vec<String>,
    ops: Vec<&'static str>,
    bodies: Vec<Option<&'a str>>,
    exact: Vec<bool>,
    digests: Vec<Option<i64>>,
}

impl<'a> ChangeColumns<'a> {
    /// The columns for these changes. Bodies that `is_exact` says so of are kept as `jsonb`, too.
    ///
    /// # Errors
    ///
    /// An id or a body that PostgreSQL has no text for.
    pub(super) fn of(
        repository: RepositoryId,
        changes: &[NewChange<'a>],
        is_exact: &(dyn Fn(&ItemId, &str) -> bool + Sync),
    ) -> Result<Self, PostgresError> {
        let mut columns = Self::default();
        for NewChange { id, op, item } in changes {
            let unstorable = || PostgresError::Unstorable { repository, item: (*id).clone() };
            let body = match item {
                Some(item) => Some(text(&item.bytes).ok_or_else(unstorable)?),
                None => None,
            };
            columns.keys.push(to_key(id));
            columns.ids.push(written(id));
            columns.ops.push(op.letter());
            columns.bodies.push(body);
            columns.exact.push(body.is_some_and(|body| is_exact(id, body)));
            columns.digests.push(item.map(|item| item.digest.cast_signed()));
        }
        Ok(columns)
    }

    /// Which of the bodies that were called exact the database refuses as `jsonb`.
    pub(super) async fn refused(
        &self,
        connection: &ClientWrapper,
    ) -> Result<Vec<usize>, PostgresError> {
        refused(connection, &self.bodies, &self.exact).await
    }

    /// Adds them as parameters, in the order of [`columns_from`].
    pub(super) fn add_to<'b>(&'b self, parameters: &mut Vec<&'b (dyn ToSql + Sync)>) {
        let Self { keys, ids, ops, bodies, exact, digests } = self;
        parameters.extend::<[&(dyn ToSql + Sync); 6]>([keys, ids, ops, bodies, exact, digests]);
    }
}

/// Which of these bodies the database refuses as `jsonb` although they were called exact.
pub(super) async fn refused(
    connection: &ClientWrapper,
    bodies: &[Option<&str>],
    exact: &[bool],
) -> Result<Vec<usize>, PostgresError> {
    let rows = connection.query(REFUSED, &[&bodies, &exact]).await?;
    let place = |row: &Row| Ok(usize::try_from(row.try_get::<_, i64>(0)? - 1).unwrap_or_default());
    rows.iter().map(place).collect()
}

/// Bytes as a text that PostgreSQL can hold: UTF-8 without a NUL.
fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

/// An id as people write it. PostgreSQL has no text with a NUL; the key has it.
fn written(id: &ItemId) -> String {
    id.to_string().replace('\0', "\u{fffd}")
}

/// Makes the transaction of these deletions; false: not, because the fence is closed.
pub(super) async fn deletions(
    connection: &ClientWrapper,
    fence: &FenceParameters,
    counts: &CountParameters,
    changes: &ChangeColumns<'_>,
) -> Result<bool, PostgresError> {
    let mut parameters: Vec<&(dyn ToSql + Sync)> = Vec::new();
    fence.add_to(&mut parameters);
    counts.add_to(&mut parameters);
    changes.add_to(&mut parameters);
    let statement = connection.prepare_cached(&APPEND_DELETIONS).await?;
    Ok(connection.query_one(&statement, &parameters).await?.try_get(0)?)
}
