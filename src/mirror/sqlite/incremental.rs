//! Pages of incremental passes: what they change, how far they have come, and their part of the ledger.

use rusqlite::Transaction;

use super::store::{Durability, WriteConnection};
use super::write::{self, LogAppender};
use super::write_error::WriteError;
use crate::domain::{RepositoryId, Sequence};
use crate::mirror::diff::{self, ComparisonRules};
use crate::mirror::{ChangeCounts, IncrementalPage, IncrementalPass};

/// Incremental passes of one repository that the ledger keeps.
const KEPT: u32 = 1000;

/// Takes one page; also returns the last change that it made, if it made any.
pub(super) fn page(
    store: &mut WriteConnection,
    repository: RepositoryId,
    page: &IncrementalPage,
) -> Result<(ChangeCounts, Option<Sequence>), WriteError> {
    // Looked for before the transaction that writes, as for a page of a whole pass.
    let found = store.read(|transaction| {
        let first_pass_done = write::first_pass_done(transaction, repository)?;
        let rules = ComparisonRules::of_incremental(page, first_pass_done);
        write::changes_of(transaction, repository, rules, diff::incremental_rows(page))
    })?;
    let changed = found.changed();
    if found.is_empty() && page.mark.is_none() && page.end.is_none() {
        return Ok((changed, None));
    }
    let durability = if found.is_empty() { Durability::Lazy } else { Durability::Synced };
    store.write(durability, |transaction| {
        let log = LogAppender::new(repository, page.iteration, page.ts_ms);
        let last = log.append(transaction, found.entries())?;
        if let Some(mark) = &page.mark {
            set_mark(transaction, repository, mark)?;
        }
        if let Some(end) = &page.end {
            let pass = IncrementalPass::ended(page, end, changed);
            record(transaction, repository, &pass)?;
        }
        Ok((changed, last))
    })
}

/// Puts down how far they have come, in place of what was there.
fn set_mark(
    transaction: &Transaction<'_>,
    repository: RepositoryId,
    mark: &[u8],
) -> Result<(), WriteError> {
    transaction
        .prepare_cached("INSERT OR REPLACE INTO incremental_mark VALUES (?1, ?2)")?
        .execute((repository.0.cast_signed(), mark))?;
    Ok(())
}

/// Adds a pass to the ledger, and drops what is too old there.
fn record(
    transaction: &Transaction<'_>,
    repository: RepositoryId,
    pass: &IncrementalPass,
) -> Result<(), WriteError> {
    let repository = repository.0.cast_signed();
    let number: i64 = transaction
        .prepare_cached(
            "INSERT INTO incremental_pass SELECT ?1, ifnull(max(number), 0) + 1, ?2, ?3, ?4, ?5,
             ?6, ?7, ?8, ?9, ?10 FROM incremental_pass WHERE repository = ?1 RETURNING number",
        )?
        .query_row(
            (
                repository,
                pass.iteration.0.cast_signed(),
                pass.started_ms,
                pass.ended_ms,
                pass.pages.cast_signed(),
                pass.requests.cast_signed(),
                pass.items.cast_signed(),
                pass.changed.created.cast_signed(),
                pass.changed.updated.cast_signed(),
                pass.changed.unchanged.cast_signed(),
            ),
            |row| row.get(0),
        )?;
    transaction
        .prepare_cached("DELETE FROM incremental_pass WHERE repository = ?1 AND number <= ?2")?
        .execute((repository, number - i64::from(KEPT)))?;
    Ok(())
}
