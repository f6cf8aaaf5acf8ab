//! The log, page by page.
//!
//! A page is two statements: where the log begins and ends and in which parts of it the page lies, and
//! then the changes. What was read in between is immutable but for being dropped, which the second
//! statement would see.

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use super::columns::{body, column, id, optional, whole};
use super::error::PostgresReadError;
use crate::domain::{Change, Iteration, Op, RepositoryId, Sequence};
use crate::mirror::postgres::numbers::signed;
use crate::mirror::{ChangesPage, LogBounds, LogError};

/// A page of changes is full with so many bytes of bodies, and one change more.
const PAGE_BYTES: i64 = 4 << 20;

/// How many changes one page looks at to find those of one repository.
const LOOKED_AT: u64 = 20_000;

/// The most changes of a page.
const MOST: usize = 20_000;

/// The changes of a page, each with how far the log had been dropped. One row without a change where
/// there is none. The lengths of bodies are known without reading them.
const PAGE: &str = "\
    SELECT page.sequence, page.repository, page.key, page.op, page.iteration, page.ts_ms, \
        page.before, page.after, log.dropped_through \
    FROM log LEFT JOIN ( \
        SELECT * FROM ( \
            SELECT *, sum(bytes) OVER (ORDER BY sequence ROWS UNBOUNDED PRECEDING) AS through \
            FROM ( \
                SELECT sequence, repository, key, op, iteration, ts_ms, before, after, \
                    coalesce(octet_length(before), 0)::bigint \
                        + coalesce(octet_length(after), 0) AS bytes \
                FROM change \
                WHERE part BETWEEN $1 AND $2 AND sequence > $3 AND sequence <= $4 \
                    AND ($5::bigint IS NULL OR repository = $5) \
                ORDER BY sequence LIMIT $6 \
            ) AS chosen \
        ) AS summed WHERE through - bytes < $7 \
    ) AS page ON true ORDER BY page.sequence";

/// Where a range of the log lies.
struct LogRange {
    bounds: LogBounds,
    /// The first change is the one after this one.
    after: Sequence,
    /// The last change of the range.
    until: Sequence,
    /// The parts that hold it.
    parts: (i32, i32),
}

/// The changes after this one (`None`: from the first that there is), of one repository or of all: at
/// most `limit`, fewer where their bodies are large.
pub(super) async fn changes(
    client: &Client,
    after: Option<Sequence>,
    repository: Option<RepositoryId>,
    limit: usize,
) -> Result<ChangesPage, PostgresReadError> {
    let limit = limit.clamp(1, MOST);
    loop {
        let most = if repository.is_some() { LOOKED_AT } else { limit as u64 };
        let range = range(client, after, most).await?;
        // What is dropped meanwhile is told as such when it is looked up anew.
        if let Some(page) = page(client, &range, repository, limit).await? {
            return Ok(page);
        }
    }
}

/// Where the changes after this one are, so many of them.
async fn range(
    client: &Client,
    after: Option<Sequence>,
    most: u64,
) -> Result<LogRange, PostgresReadError> {
    // A sequence beyond all that there can be must not overflow.
    let asked = after.map(|after| signed(after.0.min(i64::MAX as u64 - most)));
    let row = client
        .query_typed_one(
            "SELECT last, dropped_through, \
                (SELECT max(part) FROM log_part \
                 WHERE after_sequence <= coalesce($1, log.dropped_through)), \
                (SELECT max(part) FROM log_part \
                 WHERE after_sequence < coalesce($1, log.dropped_through) + $2) \
             FROM log",
            &[(&asked, Type::INT8), (&signed(most), Type::INT8)],
        )
        .await?;
    let bounds =
        LogBounds { last: Sequence(whole(&row, 0)?), dropped_through: Sequence(whole(&row, 1)?) };
    let after = after.unwrap_or(bounds.dropped_through);
    bounds.expect(after)?;
    let until = Sequence((after.0 + most).min(bounds.last.0));
    let part = |place| Ok::<_, PostgresReadError>(column::<Option<i32>>(&row, place)?.unwrap_or(0));
    Ok(LogRange { bounds, after, until, parts: (part(2)?, part(3)?) })
}

/// A page of a range; `None` where some of it has been dropped since it was looked up.
async fn page(
    client: &Client,
    range: &LogRange,
    repository: Option<RepositoryId>,
    limit: usize,
) -> Result<Option<ChangesPage>, PostgresReadError> {
    let rows = client
        .query_typed(
            PAGE,
            &[
                (&range.parts.0, Type::INT4),
                (&range.parts.1, Type::INT4),
                (&signed(range.after.0), Type::INT8),
                (&signed(range.until.0), Type::INT8),
                (&repository.map(|repository| signed(repository.0)), Type::INT8),
                (&i64::try_from(limit).unwrap_or(i64::MAX), Type::INT8),
                (&PAGE_BYTES, Type::INT8),
            ],
        )
        .await?;
    let LogBounds { dropped_through, last } = range.bounds;
    let (mut changes, mut bytes) = (Vec::new(), 0);
    let mut expected = range.after.0;
    for row in rows {
        if Sequence(whole(&row, 8)?) > range.after {
            return Ok(None);
        }
        if optional(&row, 0)?.is_none() {
            break;
        }
        let change = change_of(&row)?;
        expected += 1;
        if repository.is_none() && change.sequence.0 != expected {
            let sequence = Sequence(expected);
            return Err(LogError::Damaged { sequence, what: "it is not there" }.into());
        }
        bytes += [&change.before, &change.after].into_iter().flatten().map(Vec::len).sum::<usize>();
        changes.push(change);
    }
    let is_full = changes.len() >= limit || bytes as u64 >= PAGE_BYTES.cast_unsigned();
    let scanned_through = match changes.last() {
        Some(last) if is_full => last.sequence,
        _ if repository.is_none() && expected < range.until.0 => {
            let sequence = Sequence(expected + 1);
            return Err(LogError::Damaged { sequence, what: "it is not there" }.into());
        }
        _ => range.until,
    };
    Ok(Some(ChangesPage { changes, scanned_through, dropped_through, last }))
}

/// One change; `None` where it is not in the log, or no longer.
pub(super) async fn change(
    client: &Client,
    sequence: Sequence,
) -> Result<Option<Change>, PostgresReadError> {
    let part = client
        .query_typed_one(
            "SELECT coalesce(max(part), 0) FROM log_part WHERE after_sequence < $1",
            &[(&signed(sequence.0), Type::INT8)],
        )
        .await?;
    let found = client
        .query_typed_opt(
            "SELECT sequence, repository, key, op, iteration, ts_ms, before, after FROM change \
             WHERE part = $1 AND sequence = $2 AND sequence > (SELECT dropped_through FROM log)",
            &[(&column::<i32>(&part, 0)?, Type::INT4), (&signed(sequence.0), Type::INT8)],
        )
        .await?;
    found.map(|row| change_of(&row)).transpose()
}

/// The operation in a column.
pub(super) fn op(row: &Row, place: usize, sequence: Sequence) -> Result<Op, PostgresReadError> {
    let letter = column::<&str>(row, place)?;
    let unknown = LogError::Damaged { sequence, what: "its op is not known" };
    Ok(Op::of_letter(letter).ok_or(unknown)?)
}

/// A change that carries the bodies that its operation says.
fn change_of(row: &Row) -> Result<Change, PostgresReadError> {
    let sequence = Sequence(whole(row, 0)?);
    let op = op(row, 3, sequence)?;
    let change = Change {
        sequence,
        repository: RepositoryId(whole(row, 1)?),
        item: id(row, 2)?,
        op,
        iteration: Iteration(whole(row, 4)?),
        ts_ms: column(row, 5)?,
        before: body(row, 6)?,
        after: body(row, 7)?,
    };
    let was_there = matches!(op, Op::Update | Op::Delete);
    if change.before.is_some() != was_there || change.after.is_some() != (op != Op::Delete) {
        return Err(LogError::Damaged { sequence, what: "an item of it is lost" }.into());
    }
    Ok(change)
}
