//! What a pager has learnt of the server's answers.

use rusqlite::OptionalExtension;

use super::store::{Durability, WriteConnection};
use super::write_error::WriteError;
use crate::domain::RepositoryId;
use crate::mirror::{Knowledge, KnowledgeUpdate, KnownAnswer};

/// All that is kept.
pub(super) fn load(
    store: &mut WriteConnection,
    repository: RepositoryId,
) -> Result<Knowledge, WriteError> {
    let repository = repository.0.cast_signed();
    store.read(|transaction| {
        let habits = transaction
            .prepare_cached("SELECT bytes FROM server_habits WHERE repository = ?1")?
            .query_row([repository], |row| row.get(0))
            .optional()?;
        let answers = transaction
            .prepare_cached(
                "SELECT page, size, bytes FROM known_answer WHERE repository = ?1
                 ORDER BY size, page",
            )?
            .query_map([repository], |row| {
                let page = row.get::<_, i64>(0)?.cast_unsigned();
                Ok(KnownAnswer { page, size: row.get(1)?, bytes: row.get(2)? })
            })?
            .collect::<Result<_, _>>()?;
        Ok(Knowledge { habits, answers })
    })
}

/// Keeps what is new. A power cut may undo it.
pub(super) fn keep(
    store: &mut WriteConnection,
    repository: RepositoryId,
    update: &KnowledgeUpdate,
) -> Result<(), WriteError> {
    let repository = repository.0.cast_signed();
    store.write(Durability::Lazy, |transaction| {
        if let Some(habits) = &update.habits {
            transaction
                .prepare_cached("INSERT OR REPLACE INTO server_habits VALUES (?1, ?2)")?
                .execute((repository, habits))?;
        }
        let mut forget = transaction.prepare_cached(
            "DELETE FROM known_answer WHERE repository = ?1 AND size = ?2 AND page = ?3",
        )?;
        for &(page, size) in &update.forgotten {
            forget.execute((repository, size, page.cast_signed()))?;
        }
        let mut know = transaction
            .prepare_cached("INSERT OR REPLACE INTO known_answer VALUES (?1, ?2, ?3, ?4)")?;
        for KnownAnswer { page, size, bytes } in &update.known {
            know.execute((repository, size, page.cast_signed(), bytes))?;
        }
        Ok(())
    })
}
