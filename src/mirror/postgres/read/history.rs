//! The way of one item through the log.

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::columns::{column, natural, whole};
use super::error::PostgresReadError;
use crate::domain::{ItemId, RepositoryId, Sequence};
use crate::mirror::postgres::key;
use crate::mirror::postgres::numbers::signed;
use crate::mirror::{ItemHistory, LogError};

/// Which changes of an item there are; `None` where the mirror knows no such item.
pub(super) async fn history(
    client: &Client,
    repository: RepositoryId,
    item: &ItemId,
) -> Result<Option<ItemHistory>, PostgresReadError> {
    // What is left of a deleted item goes with the deletion, though maybe not at once.
    let found = client
        .query_typed_opt(
            "SELECT log.dropped_through, item.sequence, kept.sequences, kept.previous \
             FROM log \
             JOIN item ON item.repository = $1 AND item.key = $2 \
                AND (item.digest IS NOT NULL OR item.sequence > log.dropped_through) \
             CROSS JOIN LATERAL ( \
                SELECT array_agg(sequence ORDER BY sequence) AS sequences, \
                    array_agg(previous ORDER BY sequence) AS previous \
                FROM change \
                WHERE change.repository = $1 AND change.id = $3 AND change.key = $2 \
                    AND change.sequence > log.dropped_through \
             ) AS kept",
            &[
                (&signed(repository.0), Type::INT8),
                (&key::to_key(item), Type::BYTEA),
                (&item.to_string(), Type::TEXT),
            ],
        )
        .await?;
    let Some(row) = found else { return Ok(None) };
    let (dropped_through, latest) = (whole(&row, 0)?, whole(&row, 1)?);
    let sequences = column::<Option<Vec<i64>>>(&row, 2)?.unwrap_or_default();
    let previous = column::<Option<Vec<Option<i64>>>>(&row, 3)?.unwrap_or_default();
    let mut history = ItemHistory { sequences: Vec::new(), dropped_through: None };
    // Each change names the one before it, the item the last one.
    let mut next = Some(latest);
    for (sequence, previous) in sequences.into_iter().zip(previous).rev() {
        if next != Some(natural(sequence)?) {
            let missing = Sequence(next.unwrap_or(natural(sequence)?));
            return Err(LogError::Damaged { sequence: missing, what: "it is not there" }.into());
        }
        history.sequences.push(Sequence(natural(sequence)?));
        next = previous.map(natural).transpose()?;
    }
    history.sequences.reverse();
    match next {
        Some(next) if next > dropped_through => {
            let sequence = Sequence(next);
            Err(LogError::Damaged { sequence, what: "it is not there" }.into())
        }
        Some(_) => {
            history.dropped_through = Some(Sequence(dropped_through));
            Ok(Some(history))
        }
        None => Ok(Some(history)),
    }
}
