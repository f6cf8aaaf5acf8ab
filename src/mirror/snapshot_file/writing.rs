//! Items and rows of views on their way into the file.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ErrorCode, OpenFlags};
use serde_json::value::RawValue;

use super::ddl;
use super::error::SnapshotFileError;
use super::plan::{CodeTable, SnapshotPlan};
use super::repository_plan::{
    ColumnPlace, MemberPlaces, RepositoryPlan, SnapshotRepository, WideTable,
};
use crate::domain::{ItemId, RepositoryId, Sequence};
use crate::json::members::{self, Member};
use crate::mirror::contracts::{MirrorView, ViewValue};
use crate::mirror::sql_text::quoted;
use crate::model::shape::MirrorShape;

/// The page cache, in KiB; what does not fit is written before its time, which a file allows that is never
/// rolled back.
const CACHE_KIB: i64 = 32 << 10;

/// Statements that are kept prepared.
const STATEMENTS: usize = 256;

/// Steps of SQLite between two looks at whether it is to stop: some milliseconds.
const STEPS: std::ffi::c_int = 100_000;

/// The most codes of a set that are remembered as written; further ones are written again, which SQLite
/// ignores.
const MOST_REMEMBERED: usize = 100_000;

/// What a file says of itself.
#[derive(Clone, Debug)]
pub struct SnapshotFacts {
    /// The server, without a user.
    pub server: String,
    /// When the mirror was as it is there, in milliseconds since 1970 (UTC).
    pub taken_ms: i64,
    /// The last change that is in it.
    pub sequence: Sequence,
}

/// A file that is being written. Dropped before it is complete it is of no use to anybody.
#[derive(Debug)]
pub struct SnapshotFile {
    pub(super) connection: Connection,
    pub(super) plan: SnapshotPlan,
    pub(super) content: SnapshotContent,
}

/// What has come to be in it.
#[derive(Debug, Default)]
pub(super) struct SnapshotContent {
    /// Items of each repository.
    pub(super) items: BTreeMap<RepositoryId, u64>,
    /// Columns that have held what no code can be.
    pub(super) not_codes: HashSet<(RepositoryId, ColumnPlace)>,
    pub(super) has_views: bool,
}

impl SnapshotFile {
    /// Makes the tables in an empty file. What is written is not synced: the caller, who puts the file in
    /// its place, does that. `published` are the views of the mirror. `is_stopped` is asked every now and then, and ends what is going on.
    ///
    /// # Errors
    ///
    /// SQLite says no.
    pub fn begin(
        path: &Path,
        repositories: Vec<SnapshotRepository>,
        published: &MirrorShape,
        is_stopped: impl FnMut() -> bool + Send + 'static,
    ) -> Result<Self, SnapshotFileError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let mut connection = Connection::open_with_flags(path, flags)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        connection.progress_handler(STEPS, Some(is_stopped))?;
        // Keys refer to codes that come later. The file is nobody's until it is complete, so that nothing
        // of it is ever rolled back, and nobody else opens it.
        connection.execute_batch(&format!(
            "PRAGMA foreign_keys = OFF; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; \
             PRAGMA locking_mode = EXCLUSIVE; PRAGMA cache_size = -{CACHE_KIB}; BEGIN; {}",
            ddl::OURS
        ))?;
        let mut file = Self {
            connection,
            plan: SnapshotPlan::of(repositories, published),
            content: SnapshotContent::default(),
        };
        file.make_tables()?;
        Ok(file)
    }

    fn make_tables(&mut self) -> Result<(), SnapshotFileError> {
        for (_, repository) in &self.plan.repositories {
            for table in &repository.tables {
                let sql = ddl::wide_table(&self.plan, repository, table, |_| true);
                self.connection.execute_batch(&sql)?;
            }
            self.connection.execute_batch(&ddl::key_values(repository))?;
        }
        let known: Vec<_> =
            self.plan.code_tables.iter().map(|table| self.plan.codes(table)).collect();
        for (table, codes) in self.plan.code_tables.iter_mut().zip(known) {
            self.connection.execute_batch(&ddl::codes(table))?;
            let name = quoted(&table.name);
            let mut put = self.connection.prepare(&format!(
                "INSERT OR IGNORE INTO {name} VALUES (?1, ?2, ?3, ifnull(?2, ?1))"
            ))?;
            for code in &codes {
                put.execute((&code.code, &code.description, &code.parent))?;
                table.there.insert(code.code.clone());
            }
            drop(put);
            for parent in codes.into_iter().filter_map(|code| code.parent) {
                expect_code(&self.connection, table, &parent)?;
            }
        }
        Ok(())
    }

    /// Takes in some items of a repository. Each may come once.
    ///
    /// # Errors
    ///
    /// SQLite says no, or an item is no JSON object.
    pub fn add_items(
        &mut self,
        id: RepositoryId,
        items: &[(ItemId, Vec<u8>)],
    ) -> Result<(), SnapshotFileError> {
        let Self { connection, plan, content } = self;
        let Some((_, repository)) = plan.repositories.iter().find(|(it, _)| it.id == id) else {
            return Ok(());
        };
        *content.items.entry(id).or_default() += items.len() as u64;
        let tables = repository.tables.iter();
        let mut rows = RowWriter {
            connection,
            repository,
            code_tables: &mut plan.code_tables,
            id,
            content,
            wide: tables
                .map(|table| connection.prepare_cached(&insert_into(repository, table)))
                .collect::<Result<_, _>>()?,
            key_value: connection.prepare_cached(&format!(
                "INSERT INTO {} VALUES (?1, ?2, ?3, ?4, ?5)",
                quoted(&repository.key_values)
            ))?,
        };
        for (item, body) in items {
            rows.write(item, body)?;
        }
        Ok(())
    }

    /// Takes in some rows of a view; once asked for, all four are in the file, if only with no rows.
    ///
    /// # Errors
    ///
    /// SQLite says no.
    pub fn add_rows(
        &mut self,
        view: MirrorView,
        rows: &[Vec<ViewValue>],
    ) -> Result<(), SnapshotFileError> {
        if !self.content.has_views {
            for view in MirrorView::ALL {
                self.connection.execute_batch(&ddl::view(view))?;
            }
            self.content.has_views = true;
        }
        let mut put = self.connection.prepare_cached(&ddl::insert_into_view(view))?;
        for row in rows {
            for (place, value) in row.iter().enumerate() {
                let value = match value {
                    ViewValue::Null => ValueRef::Null,
                    ViewValue::Number(number) => ValueRef::Integer(*number),
                    ViewValue::Text(text) => ValueRef::Text(text),
                };
                put.raw_bind_parameter(place + 1, ToSqlOutput::Borrowed(value))?;
            }
            put.raw_execute()?;
        }
        Ok(())
    }
}

/// The statement that inserts a row of a table with a column an attribute.
fn insert_into(repository: &RepositoryPlan, table: &WideTable) -> String {
    let has_body = repository.holds_bodies && table.name == repository.main();
    let count = 1 + table.columns.len() + usize::from(has_body);
    let values: Vec<String> = (1..=count).map(|number| format!("?{number}")).collect();
    format!("INSERT INTO {} VALUES ({})", quoted(&table.name), values.join(", "))
}

/// Writes items of one repository.
struct RowWriter<'a> {
    connection: &'a Connection,
    repository: &'a RepositoryPlan,
    code_tables: &'a mut [CodeTable],
    id: RepositoryId,
    content: &'a mut SnapshotContent,
    /// Of each table the statement that inserts a row.
    wide: Vec<CachedStatement<'a>>,
    key_value: CachedStatement<'a>,
}

impl RowWriter<'_> {
    fn write(&mut self, item: &ItemId, body: &[u8]) -> Result<(), SnapshotFileError> {
        for statement in &mut self.wide {
            statement.clear_bindings();
        }
        if self.repository.holds_bodies {
            if let Some(main) = self.wide.first_mut() {
                main.raw_bind_parameter(2, ToSqlOutput::Borrowed(ValueRef::Text(body)))?;
            }
            self.insert(item)?;
            return Ok(());
        }
        let members = members::of(body)
            .map_err(|source| SnapshotFileError::Item { item: item.clone(), source })?;
        let mut others: BTreeMap<&str, &RawValue> = BTreeMap::new();
        for Member { name, value } in &members {
            let MemberPlaces { columns, is_key_value } = self.repository.places(name);
            // Of members with one name the last counts.
            for place in columns {
                self.bind(*place, value)?;
            }
            if is_key_value {
                others.insert(name, value);
            }
        }
        let id = self.insert(item)?;
        for (field_id, value) in others.into_iter().filter(|(_, value)| !is_null(value)) {
            let names = self.repository.keys.get(field_id);
            let (name, restricted_name) = names.cloned().unwrap_or_default();
            let value = members::text(value);
            self.key_value.execute((&id, name, restricted_name, value, field_id))?;
        }
        Ok(())
    }

    /// Gives a column its value.
    fn bind(&mut self, place: ColumnPlace, value: &RawValue) -> Result<(), SnapshotFileError> {
        let text = (!is_null(value)).then(|| members::text(value));
        let column = self.repository.tables.get(place.table);
        let column = column.and_then(|table| table.columns.get(place.column));
        if let (Some(text), Some(codes)) = (&text, column.and_then(|column| column.codes)) {
            if value.get().starts_with(['[', '{']) {
                self.content.not_codes.insert((self.id, place));
            } else if let Some(table) = self.code_tables.get_mut(codes) {
                expect_code(self.connection, table, text)?;
            }
        }
        if let Some(statement) = self.wide.get_mut(place.table) {
            // Behind the id.
            statement.raw_bind_parameter(place.column + 2, text)?;
        }
        Ok(())
    }

    /// Inserts the rows whose values have been given; returns what the item is called in them. A text that
    /// looks like the number of another item is called as it stands in JSON.
    fn insert(&mut self, item: &ItemId) -> Result<String, SnapshotFileError> {
        let mut id = item.to_string();
        for (place, statement) in self.wide.iter_mut().enumerate() {
            loop {
                statement.raw_bind_parameter(1, &id)?;
                match statement.raw_execute() {
                    // It ends: what is tried is ever longer.
                    Err(error)
                        if place == 0
                            && error.sqlite_error_code()
                                == Some(ErrorCode::ConstraintViolation) =>
                    {
                        id = serde_json::Value::from(id).to_string();
                    }
                    done => {
                        done?;
                        break;
                    }
                }
            }
        }
        Ok(id)
    }
}

/// Sees that a code is in its table: one that nobody knows is there without a description.
fn expect_code(
    connection: &Connection,
    table: &mut CodeTable,
    code: &str,
) -> Result<(), SnapshotFileError> {
    if table.there.contains(code) {
        return Ok(());
    }
    let name = quoted(&table.name);
    let sql = format!("INSERT OR IGNORE INTO {name} (code, name) VALUES (?1, ?1)");
    connection.prepare_cached(&sql)?.execute([code])?;
    if table.there.len() < MOST_REMEMBERED {
        table.there.insert(code.to_owned());
    }
    Ok(())
}

fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}
