//! What a page has that the copy has not, and all that there is to write where it has nothing: one
//! statement, one round trip. Where it is known to have nothing, the statement says no word of its items.

use std::pin::pin;
use std::sync::LazyLock;

use deadpool_postgres::ClientWrapper;
use futures_util::TryStreamExt;
use tokio_postgres::types::ToSql;

use super::any_page::AnyPage;
use super::append::NewChange;
use super::error::PostgresError;
use super::fence::{FENCED, FenceParameters};
use super::key::to_key;
use super::ledger::{
    CountParameters, INCREMENTAL_COUNTED, INCREMENTAL_PARAMETERS, PAGE_COUNTED, PAGE_PARAMETERS,
};
use crate::domain::{Item, Op};
use crate::mirror::ChangeCounts;
use crate::mirror::diff::StoredVersion;

/// Finds the rows that differ. Where none does, it makes the transaction of the page; where one does, it
/// writes nothing and takes no lock: what it sends then may be much.
///
/// The commit of a page without changes does not wait for the disk: it gives out no sequence, and if a
/// power cut of the database undoes it, the page is read again. To wait took about half of the time of such a
/// page.
///
/// The transaction puts `counted` down, which has so many parameters with those before it.
fn compare_statement(counted: &str, parameters: usize) -> String {
    let (keys, digests) = (parameters + 1, parameters + 2);
    format!(
        "WITH differing AS MATERIALIZED (
            SELECT page.n, item.sequence, item.digest IS NOT NULL AS present, item.body
            FROM unnest(${keys}::bytea[], ${digests}::bigint[]) WITH ORDINALITY AS page (key, digest, n)
            LEFT JOIN LATERAL (
                SELECT sequence, digest, body FROM item
                WHERE item.repository = $1 AND item.key = page.key OFFSET 0
            ) AS item ON true
            WHERE item.digest IS DISTINCT FROM page.digest),
        {FENCED} AND NOT EXISTS (SELECT FROM differing)
            RETURNING set_config('synchronous_commit', 'off', true)),
        {counted}
        SELECT 0::bigint AS n, false, NULL::text, EXISTS (SELECT FROM fenced), false
        UNION ALL SELECT n, present, body, false,
            coalesce((SELECT first_pass_done FROM repository WHERE id = $1), false)
        FROM differing"
    )
}

static COMPARE: LazyLock<String> =
    LazyLock::new(|| compare_statement(PAGE_COUNTED, PAGE_PARAMETERS));

static COMPARE_INCREMENTAL: LazyLock<String> =
    LazyLock::new(|| compare_statement(INCREMENTAL_COUNTED, INCREMENTAL_PARAMETERS));

fn statement_for(page: AnyPage<'_>) -> &'static str {
    match page {
        AnyPage::Whole(_) => &COMPARE,
        AnyPage::Incremental(_) => &COMPARE_INCREMENTAL,
    }
}

/// Makes the transaction of a page of a whole pass that has nothing new, as is known. Its commit does not wait for the
/// disk either.
static NOTE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "WITH {FENCED} RETURNING set_config('synchronous_commit', 'off', true)),
        {PAGE_COUNTED}
        SELECT EXISTS (SELECT FROM fenced)"
    )
});

/// What the comparison found.
#[derive(Debug)]
pub(super) enum PageComparison<'a> {
    /// Nothing new, and the page's transaction has been made.
    Written,
    /// Nothing new, and nothing is written, because the fence is closed.
    Fenced,
    /// Rows that differ, and nothing is written.
    Differing(PageDifferences<'a>),
}

/// What a page changes.
#[derive(Debug, Default)]
pub(super) struct PageDifferences<'a> {
    /// The changes, in the order of the page. A row that differs by its spelling alone is none.
    pub(super) changes: Vec<NewChange<'a>>,
    /// How many of each kind, and how many rows are as they were.
    pub(super) counts: ChangeCounts,
}

/// Compares the rows of a page with the copy. `counts` are those of a page that has nothing new. The
/// bodies that the copy has are taken one after the other, so that they take no memory.
pub(super) async fn compare<'a>(
    connection: &ClientWrapper,
    fence: &FenceParameters,
    page: AnyPage<'a>,
    rows: &[(&'a Item, bool)],
    counts: &CountParameters,
) -> Result<PageComparison<'a>, PostgresError> {
    let of_page = page.parameters();
    let keys: Vec<Vec<u8>> = rows.iter().map(|(item, _)| to_key(&item.id)).collect();
    let digests: Vec<i64> = rows.iter().map(|(item, _)| item.digest.cast_signed()).collect();
    let mut parameters: Vec<&(dyn ToSql + Sync)> = Vec::new();
    fence.add_to(&mut parameters);
    counts.add_to(&mut parameters);
    of_page.add_to(&mut parameters);
    parameters.extend::<[&(dyn ToSql + Sync); 2]>([&keys, &digests]);
    let statement = connection.prepare_cached(statement_for(page)).await?;
    let parameters = parameters.iter().map(|parameter| *parameter as &dyn ToSql);
    let mut found = pin!(connection.query_raw(&statement, parameters).await?);
    let (mut is_written, mut ops) = (false, vec![None; rows.len()]);
    let mut is_differing = false;
    while let Some(row) = found.try_next().await? {
        let number: i64 = row.try_get(0)?;
        let Some(place) = usize::try_from(number).ok().map(|number| number.checked_sub(1)) else {
            return Err(NOT_ASKED_FOR);
        };
        let Some(place) = place else {
            is_written = row.try_get(3)?;
            continue;
        };
        let (Some((item, _)), Some(op)) = (rows.get(place), ops.get_mut(place)) else {
            return Err(NOT_ASKED_FOR);
        };
        let rules = page.rules(row.try_get(4)?);
        let known = if row.try_get(1)? {
            // Which digest it is does not matter: it is another one.
            StoredVersion::Present(!item.digest)
        } else {
            StoredVersion::Absent
        };
        let body = || Ok(row.try_get::<_, &str>(2)?.as_bytes().to_vec());
        *op = rules.judge::<PostgresError>(item, known, body)?;
        is_differing = true;
    }
    if !is_differing {
        return Ok(if is_written { PageComparison::Written } else { PageComparison::Fenced });
    }
    Ok(PageComparison::Differing(changes(rows, &ops)))
}

const NOT_ASKED_FOR: PostgresError = PostgresError::Nonsense("a row that nobody asked for");

/// What has happened to each of these rows, in one.
fn changes<'a>(rows: &[(&'a Item, bool)], ops: &[Option<Op>]) -> PageDifferences<'a> {
    let mut found = PageDifferences::default();
    for (&(item, newly_seen), op) in rows.iter().zip(ops) {
        let counts = &mut found.counts;
        match *op {
            None => counts.unchanged += u64::from(newly_seen),
            Some(op) => {
                *(if op == Op::Update { &mut counts.updated } else { &mut counts.created }) += 1;
                found.changes.push(NewChange { id: &item.id, op, item: Some(item) });
            }
        }
    }
    found
}

/// Makes the transaction of a page of a whole pass that has nothing new; false: not, because the fence is closed.
pub(super) async fn note(
    connection: &ClientWrapper,
    fence: &FenceParameters,
    page: AnyPage<'_>,
    counts: &CountParameters,
) -> Result<bool, PostgresError> {
    let of_page = page.parameters();
    let mut parameters: Vec<&(dyn ToSql + Sync)> = Vec::new();
    fence.add_to(&mut parameters);
    counts.add_to(&mut parameters);
    of_page.add_to(&mut parameters);
    let statement = connection.prepare_cached(&NOTE).await?;
    Ok(connection.query_one(&statement, &parameters).await?.try_get(0)?)
}
