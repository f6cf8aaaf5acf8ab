//! The items as of one instant: now, or as they were once an earlier change had been made.

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::columns::{bounds_in, whole};
use super::connection::SqliteReader;
use super::error::ReadError;
use super::scan::{ItemScan, THERE};
use super::versions;
use crate::domain::{ItemId, RepositoryId, Sequence};
use crate::mirror::contracts::ViewValue;
use crate::mirror::sqlite::models;
use crate::mirror::{ItemsPage, MirrorView, MirroredRepository};

/// A page of items is full with so many bytes of bodies, and one item more.
const PAGE_BYTES: usize = 1 << 20;

/// Some rows of a view are full with so many bytes, or so many rows.
const ROWS: usize = 2_000;

/// The body in an item's latest change. A join hands over the bytes of the page that has them, where a
/// subquery would copy them first.
const LATEST_BODY: &str =
    "LEFT JOIN (SELECT sequence AS latest, after FROM change) ON latest = item.sequence";

/// One state of a mirror. While it lasts the daemon's WAL can only grow.
#[derive(Debug)]
pub(crate) struct SqliteSnapshot {
    /// In a transaction that ends with it.
    connection: Connection,
    sequence: Sequence,
    /// Whether items have changed since.
    is_past: bool,
}

impl SqliteSnapshot {
    /// Takes the state of now, or the one that this change left.
    ///
    /// # Errors
    ///
    /// [`LogError::Dropped`](crate::mirror::LogError::Dropped) where later changes than that have been
    /// dropped, and [`LogError::Ahead`](crate::mirror::LogError::Ahead) where it has not come yet.
    pub(crate) fn take(reader: SqliteReader, as_of: Option<Sequence>) -> Result<Self, ReadError> {
        let connection = reader.connection;
        connection.execute_batch("BEGIN")?;
        // The transaction takes its state when it first reads.
        let bounds = bounds_in(&connection)?;
        let sequence = as_of.unwrap_or(bounds.last);
        bounds.expect(sequence)?;
        Ok(Self { connection, sequence, is_past: sequence < bounds.last })
    }

    /// The last change that is in it; 0: there was none yet.
    pub(crate) fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// The items of a repository in the order of their ids, each as received, from behind `after` on.
    pub(crate) fn items(
        &self,
        repository: RepositoryId,
        after: Option<&ItemId>,
    ) -> Result<ItemsPage, ReadError> {
        // What has not changed since has its body in its latest change, which one statement finds sooner
        // than one for each item. What is deleted now may have been there then.
        let (columns, condition) = if self.is_past {
            (format!(", sequence, iif(sequence <= {}, after, NULL)", self.sequence), "true")
        } else {
            (", sequence, after".to_owned(), THERE)
        };
        let scan = ItemScan {
            repository,
            columns: &columns,
            beside: LATEST_BODY,
            condition,
            page_bytes: PAGE_BYTES,
        };
        let page = scan.page(&self.connection, after, |_, row| {
            let body = match row.get(2)? {
                Some(body) => Some(body),
                None => versions::at(&self.connection, row.get(1)?, self.sequence)?
                    .map(|version| version.body),
            };
            Ok(body.map(|body| {
                let bytes = body.len();
                (body, bytes)
            }))
        })?;
        Ok(page.into())
    }
    /// The repositories that have ever been paged, by id.
    pub(crate) fn repositories(&self) -> Result<Vec<MirroredRepository>, ReadError> {
        let mut found =
            self.connection.prepare_cached("SELECT id, items FROM repository ORDER BY id")?;
        let found = found.query_and_then([], |row| {
            let id = RepositoryId(whole(row, 0)?);
            let model = models::model(&self.connection, id)?;
            Ok(MirroredRepository { id, items: whole(row, 1)?, model })
        })?;
        found.collect()
    }

    /// Hands over the rows of a view, some at a time, until nobody wants more.
    pub(crate) fn rows(
        &self,
        view: MirrorView,
        mut take: impl FnMut(Vec<Vec<ViewValue>>) -> bool,
    ) -> Result<(), ReadError> {
        let columns: Vec<String> =
            view.columns().iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let sql = format!("SELECT {} FROM {}", columns.join(", "), view.name());
        let mut statement = self.connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        let (mut page, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            let mut values = Vec::with_capacity(columns.len());
            for column in 0..columns.len() {
                let value = match row.get_ref(column)? {
                    ValueRef::Integer(number) => ViewValue::Number(number),
                    ValueRef::Text(text) => ViewValue::Text(text.to_vec()),
                    ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => ViewValue::Null,
                };
                if let ViewValue::Text(text) = &value {
                    bytes += text.len();
                }
                values.push(value);
            }
            page.push(values);
            if bytes >= PAGE_BYTES || page.len() >= ROWS {
                bytes = 0;
                if !take(std::mem::take(&mut page)) {
                    return Ok(());
                }
            }
        }
        take(page);
        Ok(())
    }
}
