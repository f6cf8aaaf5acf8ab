//! What a page has that the copy has not, and all that there is to write where it has nothing: one
//! statement, one round trip.

use std::sync::LazyLock;

use deadpool_postgres::ClientWrapper;
use tokio_postgres::types::ToSql;

use super::error::PostgresError;
use super::fence::{FENCED, FenceParameters};
use super::key::to_key;
use super::ledger::{CountParameters, PAGE_COUNTED, PageParameters};
use crate::domain::Item;
use crate::mirror::PageOfItems;

/// Finds the rows that differ. Where none does, it makes the transaction of the page; where one does, it
/// writes nothing and takes no lock: what it sends then may be much.
///
/// The commit of a page without changes does not wait for the disk: it gives out no sequence, and if a
/// power cut of the database undoes it, the page is read again. To wait took about half of the time of such a
/// page.
static COMPARE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "WITH differing AS MATERIALIZED (
            SELECT page.n, item.sequence, item.digest IS NOT NULL AS present, item.body
            FROM unnest($20::bytea[], $21::bigint[]) WITH ORDINALITY AS page (key, digest, n)
            LEFT JOIN LATERAL (
                SELECT sequence, digest, body FROM item
                WHERE item.repository = $1 AND item.key = page.key OFFSET 0
            ) AS item ON true
            WHERE item.digest IS DISTINCT FROM page.digest),
        {FENCED} AND NOT EXISTS (SELECT FROM differing)
            RETURNING set_config('synchronous_commit', 'off', true)),
        {PAGE_COUNTED}
        SELECT 0::bigint AS n, coalesce((SELECT first_pass_done FROM repository WHERE id = $1), false),
            NULL::text, EXISTS (SELECT FROM fenced)
        UNION ALL SELECT n, present, body, false FROM differing"
    )
});

/// What the comparison found.
#[derive(Debug)]
pub(super) struct PageComparison {
    /// Whether any pass over the repository has come to its end.
    pub(super) first_pass_done: bool,
    /// Whether the page's transaction has been made.
    pub(super) is_written: bool,
    /// The rows that differ.
    pub(super) differing: Vec<DifferingRow>,
}

/// A row that the copy has not, or has otherwise.
#[derive(Debug)]
pub(super) struct DifferingRow {
    /// Which of the rows that were asked for.
    pub(super) place: usize,
    /// The body that the copy has; `None`: the item is not there.
    pub(super) body: Option<String>,
}

/// Compares the rows of a page with the copy. `counts` are those of a page that has nothing new.
pub(super) async fn compare(
    connection: &ClientWrapper,
    fence: &FenceParameters,
    page: &PageOfItems,
    rows: &[(&Item, bool)],
    counts: &CountParameters,
) -> Result<PageComparison, PostgresError> {
    let of_page = PageParameters::new(page);
    let keys: Vec<Vec<u8>> = rows.iter().map(|(item, _)| to_key(&item.id)).collect();
    let digests: Vec<i64> = rows.iter().map(|(item, _)| item.digest.cast_signed()).collect();
    let mut parameters: Vec<&(dyn ToSql + Sync)> = Vec::new();
    fence.add_to(&mut parameters);
    counts.add_to(&mut parameters);
    of_page.add_to(&mut parameters);
    parameters.extend::<[&(dyn ToSql + Sync); 2]>([&keys, &digests]);
    let statement = connection.prepare_cached(&COMPARE).await?;
    let mut comparison =
        PageComparison { first_pass_done: false, is_written: false, differing: Vec::new() };
    for row in connection.query(&statement, &parameters).await? {
        let number: i64 = row.try_get(0)?;
        match usize::try_from(number).ok().map(|number| number.checked_sub(1)) {
            Some(Some(place)) if place < rows.len() => {
                let present: bool = row.try_get(1)?;
                let body = row.try_get::<_, Option<String>>(2)?.filter(|_| present);
                comparison.differing.push(DifferingRow { place, body });
            }
            Some(None) => {
                comparison.first_pass_done = row.try_get(1)?;
                comparison.is_written = row.try_get(3)?;
            }
            _ => return Err(PostgresError::Nonsense("a row that nobody asked for")),
        }
    }
    Ok(comparison)
}
