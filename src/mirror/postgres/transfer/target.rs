//! Records on their way into a database that is to become a mirror.

use deadpool_postgres::Transaction;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use crate::domain::{ItemId, RepositoryId, Sequence, item};
use crate::json::jsonb;
use crate::mirror::postgres::append::refused;
use crate::mirror::postgres::error::PostgresError;
use crate::mirror::postgres::{PostgresPool, key};
use crate::mirror::transfer::{ChangeRecord, ItemRecord, TransferCursor, TransferOrigin};

/// So many changes make a part of the log full.
const FULL_PART: i64 = 10_000_000;

const BEGUN: &str = "
    UPDATE transfer SET owner = $1
    RETURNING source, last, dropped_through, sequence, repository, key";

const IS_EMPTY: &str = "
    SELECT last = 0 AND dropped_through = 0 AND NOT EXISTS (SELECT FROM item)
        AND NOT EXISTS (SELECT FROM repository) AND NOT EXISTS (SELECT FROM pass)
        AND NOT EXISTS (SELECT FROM incremental_pass)
        AND NOT EXISTS (SELECT FROM incremental_mark)
    FROM log FOR UPDATE";

const BEGIN: &str = "
    WITH bounds AS (UPDATE log SET last = $3, dropped_through = $3, dropped_ms = $4),
    part AS (UPDATE log_part SET after_sequence = $3),
    unknown AS (DELETE FROM known_pages)
    INSERT INTO transfer (source, last, dropped_through, sequence, owner)
    VALUES ($1, $2, $3, $3, $5)";

/// What is called exact is seen to be taken as `jsonb`: the views cast it without a further look.
const PUT_CHANGES: &str = "
    WITH reached AS (UPDATE transfer SET sequence = $1 WHERE owner = $15 RETURNING 1),
    given AS (UPDATE log SET last = $1 FROM reached RETURNING part)
    INSERT INTO change (part, sequence, repository, key, id, op, iteration, ts_ms, previous,
        previous_ms, before, after, before_exact, after_exact)
    SELECT given.part, it.sequence, it.repository, it.key, it.id, it.op, it.iteration, it.ts_ms, it.previous,
        it.previous_ms, it.before, it.after,
        CASE WHEN it.before_exact THEN it.before::jsonb IS NOT NULL ELSE false END,
        CASE WHEN it.after_exact THEN it.after::jsonb IS NOT NULL ELSE false END
    FROM given, unnest($2::bigint[], $3::bigint[], $4::bytea[], $5::text[],
        $6::text[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::text[],
        $12::text[], $13::boolean[], $14::boolean[]) AS it (sequence, repository, key, id, op, iteration,
        ts_ms, previous, previous_ms, before, after, before_exact, after_exact)";

const PUT_ITEMS: &str = "
    WITH reached AS (UPDATE transfer SET repository = $1, key = $2 WHERE owner = $10 RETURNING 1)
    INSERT INTO item (repository, key, id, sequence, changed_ms, digest, body, json)
    SELECT $1, key, id, sequence, changed_ms, digest, body, CASE WHEN exact THEN body::jsonb END
    FROM reached, unnest($3::bytea[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[],
        $9::boolean[]) AS it (key, id, sequence, changed_ms, digest, body, exact)";

/// Whether it holds all; and who waits for changes is told.
const FINISH: &str = "
    WITH done AS (DELETE FROM transfer WHERE owner = $1 RETURNING 1)
    SELECT pg_notify('ewmirror', last::text) FROM log, done";

/// Keeps others from taking it over while this transaction lasts.
const HELD: &str = "SELECT FROM transfer WHERE owner = $1 FOR UPDATE";

/// What befalls one whose target somebody else has begun to take over.
const TAKEN_OVER: PostgresError = PostgresError::Nonsense("another move goes on with this one");

/// Sees that a database is not the target of a transfer that was not finished.
///
/// # Errors
///
/// It is. A role that may not know is told nothing.
pub(in crate::mirror) async fn expect_finished(pool: &PostgresPool) -> Result<(), PostgresError> {
    let client = pool.get().await?;
    match client.query_opt("SELECT source FROM transfer", &[]).await {
        Ok(None) => Ok(()),
        Ok(Some(row)) => Err(PostgresError::Unfinished { from: row.try_get(0)? }),
        Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn begin(
    pool: &PostgresPool,
    owner: &str,
    origin: TransferOrigin,
) -> Result<TransferCursor, PostgresError> {
    let TransferOrigin { place, last, dropped_through, dropped_ms } = origin;
    let (last, dropped) = (last.0.cast_signed(), dropped_through.0.cast_signed());
    let mut client = pool.get().await?;
    let transaction = client.transaction().await?;
    if let Some(row) = transaction.query_opt(BEGUN, &[&owner]).await? {
        let from: String = row.try_get(0)?;
        if (from.as_str(), row.try_get(1)?, row.try_get(2)?) != (place.as_str(), last, dropped) {
            return Err(PostgresError::OtherSource { from });
        }
        let repository = row.try_get::<_, Option<i64>>(4)?;
        let id = row.try_get::<_, Option<&[u8]>>(5)?.map(key::from_key).transpose()?;
        let item = repository.map(|it| RepositoryId(it.cast_unsigned())).zip(id);
        let sequence = Sequence(row.try_get::<_, i64>(3)?.cast_unsigned());
        transaction.commit().await?;
        return Ok(TransferCursor { sequence, item });
    }
    if !transaction.query_one(IS_EMPTY, &[]).await?.try_get::<_, bool>(0)? {
        return Err(PostgresError::NotEmpty);
    }
    transaction.execute(BEGIN, &[&place, &last, &dropped, &dropped_ms, &owner]).await?;
    transaction.commit().await?;
    Ok(TransferCursor { sequence: dropped_through, item: None })
}

/// Changes as the columns of a statement's arrays.
#[derive(Default)]
struct ChangeArrays<'a> {
    sequences: Vec<i64>,
    repositories: Vec<i64>,
    keys: Vec<Vec<u8>>,
    ids: Vec<String>,
    ops: Vec<&'static str>,
    iterations: Vec<i64>,
    times: Vec<i64>,
    previous: Vec<Option<i64>>,
    previous_times: Vec<Option<i64>>,
    before: Vec<Option<&'a str>>,
    after: Vec<Option<&'a str>>,
    before_exact: Vec<bool>,
    after_exact: Vec<bool>,
}

impl<'a> ChangeArrays<'a> {
    /// `is_exact` says of a body whether `jsonb` can hold it.
    fn of(changes: &'a [ChangeRecord], is_exact: fn(&str) -> bool) -> Result<Self, PostgresError> {
        let mut arrays = Self::default();
        for ChangeRecord { change, previous, previous_ms } in changes {
            let (before, after) = (text(change.before.as_deref())?, text(change.after.as_deref())?);
            arrays.sequences.push(change.sequence.0.cast_signed());
            arrays.repositories.push(change.repository.0.cast_signed());
            arrays.keys.push(key::to_key(&change.item));
            arrays.ids.push(written(&change.item));
            arrays.ops.push(change.op.letter());
            arrays.iterations.push(change.iteration.0.cast_signed());
            arrays.times.push(change.ts_ms);
            arrays.previous.push(previous.map(|previous| previous.0.cast_signed()));
            arrays.previous_times.push(*previous_ms);
            arrays.before_exact.push(before.is_some_and(is_exact));
            arrays.after_exact.push(after.is_some_and(is_exact));
            arrays.before.push(before);
            arrays.after.push(after);
        }
        Ok(arrays)
    }
}

pub(super) async fn put_changes(
    pool: &PostgresPool,
    owner: &str,
    changes: Vec<ChangeRecord>,
) -> Result<(), PostgresError> {
    put_arrays(pool, owner, ChangeArrays::of(&changes, jsonb::is_exact)?).await
}

async fn put_arrays(
    pool: &PostgresPool,
    owner: &str,
    mut arrays: ChangeArrays<'_>,
) -> Result<(), PostgresError> {
    let Some(last) = arrays.sequences.last().copied() else { return Ok(()) };
    let client = pool.get().await?;
    let statement = client.prepare_cached(PUT_CHANGES).await?;
    let put = async |it: &ChangeArrays<'_>| -> Result<(), PostgresError> {
        let values: [&(dyn ToSql + Sync); 15] = [
            &last,
            &it.sequences,
            &it.repositories,
            &it.keys,
            &it.ids,
            &it.ops,
            &it.iterations,
            &it.times,
            &it.previous,
            &it.previous_times,
            &it.before,
            &it.after,
            &it.before_exact,
            &it.after_exact,
            &owner,
        ];
        expect_put(client.execute(&statement, &values).await?, it.sequences.len())
    };
    match put(&arrays).await {
        Err(error) if error.is_of_data() => {
            let ChangeArrays { before, after, before_exact, after_exact, .. } = &mut arrays;
            for (bodies, exact) in [(before, before_exact), (after, after_exact)] {
                let places = refused(&client, bodies, exact).await?;
                call_inexact(exact, &places);
            }
            put(&arrays).await?;
        }
        done => done?,
    }
    client.query_one("SELECT roll_over(interval '1000 years', $1)", &[&FULL_PART]).await?;
    Ok(())
}

pub(super) async fn put_items(
    pool: &PostgresPool,
    owner: &str,
    repository: RepositoryId,
    items: Vec<ItemRecord>,
) -> Result<(), PostgresError> {
    let Some(last) = items.last() else { return Ok(()) };
    let (repository, last) = (repository.0.cast_signed(), key::to_key(&last.id));
    let bodies = items.iter().map(|it| text(it.body.as_deref())).collect::<Result<Vec<_>, _>>()?;
    let keys: Vec<Vec<u8>> = items.iter().map(|it| key::to_key(&it.id)).collect();
    let ids: Vec<String> = items.iter().map(|it| written(&it.id)).collect();
    let sequences: Vec<i64> = items.iter().map(|it| it.sequence.0.cast_signed()).collect();
    let times: Vec<i64> = items.iter().map(|it| it.changed_ms).collect();
    let digest = |it: &ItemRecord| it.body.as_ref().map(|body| item::digest(body).cast_signed());
    let digests: Vec<Option<i64>> = items.iter().map(digest).collect();
    let mut exact: Vec<bool> =
        bodies.iter().map(|body| body.is_some_and(jsonb::is_exact)).collect();
    let client = pool.get().await?;
    let statement = client.prepare_cached(PUT_ITEMS).await?;
    let put = async |exact: &[bool]| -> Result<(), PostgresError> {
        let values: [&(dyn ToSql + Sync); 10] = [
            &repository,
            &last,
            &keys,
            &ids,
            &sequences,
            &times,
            &digests,
            &bodies,
            &exact,
            &owner,
        ];
        expect_put(client.execute(&statement, &values).await?, items.len())
    };
    match put(&exact).await {
        Err(error) if error.is_of_data() => {
            let places = refused(&client, &bodies, &exact).await?;
            call_inexact(&mut exact, &places);
            put(&exact).await
        }
        done => done,
    }
}

pub(super) async fn finish(pool: &PostgresPool, owner: &str) -> Result<(), PostgresError> {
    let client = pool.get().await?;
    client.query_opt(FINISH, &[&owner]).await?.map(drop).ok_or(TAKEN_OVER)
}

/// Keeps a target for this owner until the transaction ends.
///
/// # Errors
///
/// It is another's by now.
pub(super) async fn hold(transaction: &Transaction<'_>, owner: &str) -> Result<(), PostgresError> {
    transaction.query_opt(HELD, &[&owner]).await?.map(drop).ok_or(TAKEN_OVER)
}

/// Takes back that the bodies at these places are exact.
fn call_inexact(exact: &mut [bool], places: &[usize]) {
    for place in places {
        if let Some(exact) = exact.get_mut(*place) {
            *exact = false;
        }
    }
}

/// Sees that so many rows were put in: all, or none where another goes on with it.
fn expect_put(rows: u64, given: usize) -> Result<(), PostgresError> {
    if rows == given as u64 { Ok(()) } else { Err(TAKEN_OVER) }
}

/// A body as a text that PostgreSQL can hold: UTF-8 without a NUL.
fn text(body: Option<&[u8]>) -> Result<Option<&str>, PostgresError> {
    let Some(body) = body else { return Ok(None) };
    match std::str::from_utf8(body) {
        Ok(text) if !text.contains('\0') => Ok(Some(text)),
        _ => Err(PostgresError::Nonsense("a body that is no text")),
    }
}

/// An id as people write it. PostgreSQL has no text with a NUL; the key has it.
fn written(id: &ItemId) -> String {
    id.to_string().replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Change, Iteration, Op};
    use crate::mirror::postgres::schema::migrate;
    use crate::mirror::postgres::tests::address;

    fn item(id: i128) -> ItemRecord {
        let body = Some(b"{}".to_vec());
        ItemRecord { id: ItemId::Integer(id), sequence: Sequence(2), changed_ms: 7, body }
    }

    #[tokio::test]
    async fn what_is_left_of_a_killed_move_does_nothing_once_another_goes_on() {
        let Some(address) = address() else { return };
        let pool = PostgresPool::new(address).unwrap();
        migrate(&pool).await.unwrap();
        let origin = TransferOrigin {
            place: "there".to_owned(),
            last: Sequence(2),
            dropped_through: Sequence(2),
            dropped_ms: Some(7),
        };
        let one = RepositoryId(1);
        begin(&pool, "killed", origin.clone()).await.unwrap();
        put_items(&pool, "killed", one, vec![item(1)]).await.unwrap();
        let cursor = begin(&pool, "next", origin).await.unwrap();
        assert_eq!(cursor.item, Some((one, ItemId::Integer(1))));
        // What was on its way when it was killed comes only now.
        let late = put_items(&pool, "killed", one, vec![item(2)]).await;
        assert!(matches!(late, Err(PostgresError::Nonsense(_))), "{late:?}");
        assert!(finish(&pool, "killed").await.is_err());
        put_items(&pool, "next", one, vec![item(2)]).await.unwrap();
        finish(&pool, "next").await.unwrap();
        let client = pool.get().await.unwrap();
        let row = client.query_one("SELECT count(*) FROM item", &[]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), 2);
    }

    #[tokio::test]
    async fn a_body_that_jsonb_refuses_is_not_in_the_way_of_the_views() {
        let Some(address) = address() else { return };
        let pool = PostgresPool::new(address).unwrap();
        migrate(&pool).await.unwrap();
        let origin = TransferOrigin {
            place: "there".to_owned(),
            last: Sequence(4),
            dropped_through: Sequence(0),
            dropped_ms: None,
        };
        begin(&pool, "it", origin).await.unwrap();
        let bodies = [r#"{"a":1}"#, r#"{"a":"\u0000"}"#, "1e400000", "[]"];
        let change = |(place, after): (usize, &str)| {
            let sequence = place as u64 + 1;
            let before = place.checked_sub(1).map(|place| bodies[place].as_bytes().to_vec());
            let change = Change {
                sequence: Sequence(sequence),
                repository: RepositoryId(1),
                item: ItemId::Integer(7),
                op: if before.is_some() { Op::Update } else { Op::Create },
                iteration: Iteration(1),
                ts_ms: 7,
                before,
                after: Some(after.as_bytes().to_vec()),
            };
            let previous = Sequence(sequence - 1);
            let previous = change.before.is_some().then_some(previous);
            ChangeRecord { change, previous, previous_ms: previous.map(|_| 7) }
        };
        let changes: Vec<_> = bodies.into_iter().enumerate().map(change).collect();
        // As if our own check knew nothing.
        let arrays = ChangeArrays::of(&changes, |_| true).unwrap();
        put_arrays(&pool, "it", arrays).await.unwrap();
        finish(&pool, "it").await.unwrap();
        let client = pool.get().await.unwrap();
        let sql = "SELECT body, json IS NULL FROM history ORDER BY from_sequence";
        let rows = client.query(sql, &[]).await.unwrap();
        let found: Vec<(&str, bool)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let told: Vec<_> = bodies.into_iter().zip([false, true, true, false]).collect();
        // The last version stands in the table of items, which has been given none.
        assert_eq!(found, told[..found.len()]);
        assert!(found.len() >= 3, "{found:?}");
    }
}
