//! The views of the models: what was published, and making the rest.
//!
//! They are made in the transaction that saves a model, and again at each saving as long as one was refused.
//! A mirror of an earlier version gets them at its first saving, soon after the start of the daemon.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, ToSql, Transaction};

use super::view_sql;
use crate::domain::RepositoryId;
use crate::mirror::contracts::RefusedView;
use crate::mirror::published::{KnownModels, NEEDED_MODELS, Publication, PublishedAttribute};
use crate::mirror::sql_text::quoted;
use crate::mirror::transfer::PublishedView;
use crate::model::shape::MirrorShape;

/// Publishes what the models say and the views do not yet. What is refused leaves all else as it was.
pub(super) fn publish(transaction: &Transaction<'_>) -> Vec<RefusedView> {
    let published = within(transaction, || try_publish(transaction));
    published
        .unwrap_or_else(|error| vec![RefusedView { view: String::new(), error: error.to_string() }])
}

fn try_publish(transaction: &Transaction<'_>) -> rusqlite::Result<Vec<RefusedView>> {
    let changed = "SELECT repository FROM model WHERE NOT published";
    let changed: rusqlite::Result<BTreeSet<RepositoryId>> =
        transaction.prepare_cached(changed)?.query_map([], repository)?.collect();
    let changed = changed?;
    if changed.is_empty() {
        return Ok(Vec::new());
    }
    let before = shape(transaction)?;
    let models = models(transaction)?;
    let publication = Publication::of(&before, &models, &changed);
    put(transaction, &publication.views)?;
    put_derived(transaction, &publication, &changed)?;
    let mut refused = Vec::new();
    for (number, view) in (1_i64..).zip(&publication.shape.views) {
        let statement = view_sql::create(number, view, &publication.pairs);
        let made = within(transaction, || make(transaction, &view.name, &statement));
        if let Err(error) = made {
            refused.push(RefusedView { view: view.name.clone(), error: error.to_string() });
        }
    }
    if refused.is_empty() {
        transaction.execute("UPDATE model SET published = 1 WHERE NOT published", [])?;
    }
    Ok(refused)
}

/// Does something whole or not at all.
fn within<T>(
    transaction: &Transaction<'_>,
    work: impl FnOnce() -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    transaction.execute_batch("SAVEPOINT published")?;
    let done = work();
    if done.is_err() {
        transaction.execute_batch("ROLLBACK TO published")?;
    }
    transaction.execute_batch("RELEASE published")?;
    done
}

/// Makes a view where it is not there as it should be.
fn make(transaction: &Transaction<'_>, name: &str, statement: &str) -> rusqlite::Result<()> {
    let there = "SELECT sql FROM sqlite_master WHERE type = 'view' AND name = ?1";
    let there: Option<String> =
        transaction.prepare_cached(there)?.query_row([name], |row| row.get(0)).optional()?;
    if there.as_deref() == Some(statement) {
        return Ok(());
    }
    // Whatever else has this name stays: then the database refuses ours.
    if there.is_some_and(|there| there.contains(view_sql::MARK)) {
        transaction.execute_batch(&format!("DROP VIEW {}", quoted(name)))?;
    }
    transaction.execute_batch(statement)?;
    // Whether it can be read, and not at somebody else's first look.
    transaction.prepare(&format!("SELECT * FROM {}", quoted(name))).map(drop)
}

/// What is published.
pub(super) fn shape(connection: &Connection) -> rusqlite::Result<MirrorShape> {
    let views = views(connection)?.into_iter().map(PublishedView::shaped).collect();
    Ok(MirrorShape { views })
}

/// The views that are published, in their order.
pub(super) fn views(connection: &Connection) -> rusqlite::Result<Vec<PublishedView>> {
    let sql = "SELECT number, name, repository, base, part, subject FROM published_view \
               ORDER BY number";
    let views = connection
        .prepare_cached(sql)?
        .query_map([], |row| {
            Ok(PublishedView {
                number: row.get(0)?,
                name: row.get(1)?,
                repository: row.get(2)?,
                base: row.get(3)?,
                part: (row.get(4)?, row.get(5)?),
                columns: Vec::new(),
            })
        })?
        .collect::<rusqlite::Result<Vec<_>>>();
    let mut views = views?;
    // All in one: a query for each view would be a million at the first start with a thousand repositories.
    let sql =
        "SELECT \"view\", name, field_id, called FROM published_column ORDER BY \"view\", number";
    let mut columns = connection.prepare_cached(sql)?;
    let mut rows = columns.query([])?;
    let mut left = views.iter_mut().peekable();
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        while left.next_if(|view| view.number < number).is_some() {}
        if let Some(view) = left.peek_mut().filter(|view| view.number == number) {
            view.columns.push((row.get(1)?, row.get(2)?, row.get(3)?));
        }
    }
    Ok(views)
}

/// Writes views, and columns of views, that are not there yet.
pub(super) fn put(transaction: &Transaction<'_>, views: &[PublishedView]) -> rusqlite::Result<()> {
    let mut view = transaction
        .prepare_cached("INSERT OR IGNORE INTO published_view VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    let mut column = transaction
        .prepare_cached("INSERT OR IGNORE INTO published_column VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for it in views {
        let (part, subject) = &it.part;
        view.execute((it.number, &it.name, it.repository, &it.base, part, subject))?;
        for (number, (name, field_id, called)) in (1_i64..).zip(&it.columns) {
            column.execute((it.number, number, name, field_id, called))?;
        }
    }
    Ok(())
}

/// Writes what follows from the models that have changed.
fn put_derived(
    transaction: &Transaction<'_>,
    publication: &Publication,
    changed: &BTreeSet<RepositoryId>,
) -> rusqlite::Result<()> {
    for id in changed {
        let id = [id.0.cast_signed()];
        transaction.execute("DELETE FROM published_attribute WHERE repository = ?1", id)?;
        transaction.execute(
            "DELETE FROM published_code WHERE \"view\" IN \
             (SELECT number FROM published_view WHERE repository = ?1)",
            id,
        )?;
    }
    let mut attribute = transaction.prepare_cached(
        "INSERT INTO published_attribute (repository, field_id, name, restricted_name, type, \
         language, code_set, \"precision\", scale, size, attribute_group, association_group, \
         relational, key_values) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    for it in &publication.attributes {
        let PublishedAttribute { repository, field_id, texts, relational, key_values } = it;
        let head: [&dyn ToSql; 2] = [repository, field_id];
        let texts = texts.iter().map(|text| text as &dyn ToSql);
        let end: [&dyn ToSql; 2] = [relational, key_values];
        let row: Vec<&dyn ToSql> = head.into_iter().chain(texts).chain(end).collect();
        attribute.execute(&row[..])?;
    }
    let mut code =
        transaction.prepare_cached("INSERT INTO published_code VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for it in &publication.codes {
        let (own, description, parent) = &it.texts;
        code.execute((it.view, it.number, own, description, parent))?;
    }
    transaction.execute("DELETE FROM published_pair", [])?;
    let mut pair =
        transaction.prepare_cached("INSERT INTO published_pair VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    for it in &publication.pairs {
        let (parent, child) = (&it.parent, &it.child);
        pair.execute((it.view, it.number, parent.0, &parent.1, child.0, &child.1))?;
    }
    Ok(())
}

fn models(transaction: &Transaction<'_>) -> rusqlite::Result<KnownModels> {
    let model = |row: &rusqlite::Row<'_>| {
        let document: String = row.get(1)?;
        // Of a document that cannot be read nothing is known.
        Ok((repository(row)?, serde_json::from_str(&document).unwrap_or_default()))
    };
    transaction
        .prepare_cached(&format!("SELECT repository, document FROM model WHERE {NEEDED_MODELS}"))?
        .query_map([], model)?
        .collect()
}

fn repository(row: &rusqlite::Row<'_>) -> rusqlite::Result<RepositoryId> {
    row.get(0).map(|id: i64| RepositoryId(id.cast_unsigned()))
}
