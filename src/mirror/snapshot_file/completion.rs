//! What makes a file complete, once all items are in it: what it says of itself, links, indexes.

use std::collections::{HashMap, HashSet};

use rusqlite::Connection;

use super::ddl;
use super::error::SnapshotFileError;
use super::repository_plan::{ColumnPlace, RepositoryPlan};
use super::writing::{SnapshotFacts, SnapshotFile};
use crate::mirror::contracts::MirrorView;
use crate::mirror::sql_text::{literal, quoted};
use crate::model::Attribute;
use crate::model::shape::{
    CODE_COLUMNS, INTERNAL_RECORD_ID, KEY_VALUE_COLUMNS, LINK_COLUMNS, ShapedLink,
};
use crate::text::moment;

/// "ewms", by which the file is known; a mirror's is "ewmi".
const APPLICATION_ID: u32 = 0x6577_6d73;
/// The version of the tables that every file has.
const VERSION: u32 = 1;

/// A table of linked items has so many rows, and so many for each item of both repositories; a link with
/// more pairs is no relationship of items, and a view.
const PAIRS: u64 = 1_000_000;
const PAIRS_PER_ITEM: u64 = 10;

/// How many rows of an index are looked at for statistics.
const ANALYSED: u32 = 1_000;

impl SnapshotFile {
    /// Makes the file complete and lets go of it.
    ///
    /// # Errors
    ///
    /// SQLite says no.
    pub fn complete(self, facts: &SnapshotFacts) -> Result<(), SnapshotFileError> {
        self.describe(facts)?;
        let mut indexes = IndexMaker { connection: &self.connection, made: HashSet::new() };
        for (_, repository) in &self.plan.repositories {
            self.make_keys(repository, &mut indexes)?;
        }
        for table in &self.plan.code_tables {
            let [_, _, parent] = CODE_COLUMNS;
            indexes.make("foreign_key", &table.name, &[parent])?;
        }
        for (name, link) in &self.plan.links {
            self.link_items(name, link, &mut indexes)?;
        }
        if self.content.has_views {
            for view in [MirrorView::Items, MirrorView::Changes, MirrorView::History] {
                indexes.make("item", view.name(), &["repository", "id"])?;
            }
        }
        self.connection.execute_batch(&format!("PRAGMA analysis_limit = {ANALYSED}; ANALYZE;"))?;
        self.drop_keys()?;
        self.connection.execute_batch(&format!(
            "PRAGMA user_version = {VERSION}; PRAGMA application_id = {APPLICATION_ID}; COMMIT;"
        ))?;
        self.connection.close().map_err(|(_, error)| error.into())
    }

    /// Says what is in the file.
    fn describe(&self, facts: &SnapshotFacts) -> Result<(), SnapshotFileError> {
        let SnapshotFacts { server, taken_ms, sequence } = facts;
        let [_, _, _, key_value, _] = KEY_VALUE_COLUMNS;
        self.connection.execute(
            "INSERT INTO snapshot VALUES (?1, ?2, ?3, ?4)",
            (server, moment(*taken_ms), sequence.0.cast_signed(), env!("CARGO_PKG_VERSION")),
        )?;
        let mut put_attribute = self.connection.prepare(
            "INSERT INTO attribute VALUES \
             (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
        )?;
        for (repository, plan) in &self.plan.repositories {
            let id = repository.id.0.cast_signed();
            let items = self.content.items.get(&repository.id).copied().unwrap_or_default();
            self.connection.execute(
                "INSERT INTO repository VALUES (?1, ?2, ?3, ?4, ?5)",
                (
                    id,
                    &repository.model.name,
                    plan.main(),
                    items.cast_signed(),
                    repository.model_ms.map(moment),
                ),
            )?;
            let told: HashMap<&str, &Attribute> =
                repository.model.attributes.iter().map(|it| (it.id.as_str(), it)).collect();
            for (table, column, field_id) in plan.described() {
                // A column may be of an attribute that is gone.
                let it = told.get(field_id).copied();
                let of =
                    |text: fn(&Attribute) -> &Option<String>| it.and_then(|it| text(it).as_ref());
                let code_set = of(|it| &it.code_set);
                put_attribute.execute(rusqlite::params![
                    id,
                    table,
                    column.unwrap_or(key_value),
                    field_id,
                    of(|it| &it.name),
                    of(|it| &it.restricted_name),
                    of(|it| &it.data_type),
                    of(|it| &it.language),
                    code_set,
                    code_set.and_then(|name| self.plan.code_table(repository.id, name)),
                    of(|it| &it.precision),
                    of(|it| &it.scale),
                    of(|it| &it.size),
                    of(|it| &it.group),
                    of(|it| &it.association_group),
                    it.and_then(|it| it.relational),
                ])?;
            }
        }
        for (name, link) in &self.plan.links {
            for (pair, (of_parent, of_child)) in (1_i64..).zip(&link.pairs) {
                let (parent, child) = (link.parent.0.cast_signed(), link.child.0.cast_signed());
                self.connection.execute(
                    "INSERT INTO link VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    (&link.id, name, pair, parent, of_parent, child, of_child),
                )?;
            }
        }
        Ok(())
    }

    /// Makes what finds items by a key; a table of keys and values that nothing needs goes.
    fn make_keys(
        &self,
        repository: &RepositoryPlan,
        indexes: &mut IndexMaker<'_>,
    ) -> Result<(), SnapshotFileError> {
        for table in &repository.tables {
            for column in table.columns.iter().filter(|column| column.codes.is_some()) {
                indexes.make("foreign_key", &table.name, &[&column.name])?;
            }
        }
        let is_empty: bool = self.connection.query_row(
            &format!("SELECT NOT EXISTS (SELECT 1 FROM {})", quoted(&repository.key_values)),
            [],
            |row| row.get(0),
        )?;
        if is_empty && repository.keys.is_empty() {
            let table = quoted(&repository.key_values);
            self.connection.execute_batch(&format!("DROP TABLE {table}"))?;
            return Ok(());
        }
        indexes.make("foreign_key", &repository.key_values, &[INTERNAL_RECORD_ID])
    }

    /// Says which items belong together, as rows of a table; where these would be far too many, as a view.
    fn link_items(
        &self,
        name: &str,
        link: &ShapedLink,
        indexes: &mut IndexMaker<'_>,
    ) -> Result<(), SnapshotFileError> {
        let sides = [link.parent, link.child].map(|id| self.plan.repository(id));
        let [Some((_, parent)), Some((_, child))] = sides else { return Ok(()) };
        for (of_parent, of_child) in &link.pairs {
            for (side, field_id) in [(parent, of_parent), (child, of_child)] {
                let column = side.columns(field_id).next();
                if let Some((table, column)) = column.filter(|(_, column)| column.codes.is_none()) {
                    indexes.make("link", &table.name, &[&column.name])?;
                }
            }
        }
        let pairs = pairs(parent, child, &link.pairs);
        let items = [link.parent, link.child].map(|id| self.content.items.get(&id).copied());
        let most = PAIRS + PAIRS_PER_ITEM * items.into_iter().flatten().sum::<u64>();
        let [table, columns] = [quoted(name), LINK_COLUMNS.map(quoted).join(", ")];
        self.connection.execute_batch(&ddl::link(name, parent, child))?;
        let sql = format!("INSERT INTO {table} {pairs} LIMIT {}", most + 1);
        if self.connection.execute(&sql, [])? as u64 > most {
            self.connection.execute_batch(&format!(
                "DROP TABLE {table}; CREATE VIEW {table} ({columns}) AS {pairs};"
            ))?;
            return Ok(());
        }
        for column in LINK_COLUMNS {
            indexes.make("foreign_key", name, &[column])?;
        }
        Ok(())
    }

    /// Declares no key of a column that has held what no code can be. The rows are the same with it and
    /// without, so that the declaration is all that changes.
    fn drop_keys(&self) -> Result<(), SnapshotFileError> {
        if self.content.not_codes.is_empty() {
            return Ok(());
        }
        self.connection.execute_batch("PRAGMA writable_schema = ON")?;
        let sql = "UPDATE sqlite_schema SET sql = ?1 WHERE type = 'table' AND name = ?2";
        let mut declare = self.connection.prepare(sql)?;
        for (repository, plan) in &self.plan.repositories {
            for (number, table) in plan.tables.iter().enumerate() {
                let place = |column| (repository.id, ColumnPlace { table: number, column });
                let has_key = |column| !self.content.not_codes.contains(&place(column));
                if !(0..table.columns.len()).all(has_key) {
                    let sql = ddl::wide_table(&self.plan, plan, table, has_key);
                    declare.execute((sql, &table.name))?;
                }
            }
        }
        drop(declare);
        Ok(self.connection.execute_batch("PRAGMA writable_schema = OFF")?)
    }
}

/// Makes indexes, whose names are nobody else's.
struct IndexMaker<'a> {
    connection: &'a Connection,
    /// Table and columns of each: links may ask for the same.
    made: HashSet<(String, String)>,
}

impl IndexMaker<'_> {
    fn make(&mut self, what: &str, table: &str, columns: &[&str]) -> Result<(), SnapshotFileError> {
        let columns: Vec<String> = columns.iter().map(|column| quoted(column)).collect();
        let (table, columns) = (quoted(table), columns.join(", "));
        let sql = format!("ON {table} ({columns})");
        if !self.made.insert((table, columns)) {
            return Ok(());
        }
        let sql = format!("CREATE INDEX {what}_{}_idx {sql}", self.made.len());
        Ok(self.connection.execute_batch(&sql)?)
    }
}

/// The ids of the items that a link joins.
fn pairs(parent: &RepositoryPlan, child: &RepositoryPlan, pairs: &[(String, String)]) -> String {
    let mut from = Vec::new();
    let mut conditions = Vec::new();
    for (number, (of_parent, of_child)) in pairs.iter().enumerate() {
        from.push(format!("{} AS p{number}", values(parent, of_parent)));
        from.push(format!("{} AS c{number}", values(child, of_child)));
        conditions.push(format!("c{number}.value = p{number}.value AND p{number}.value <> ''"));
        if number > 0 {
            conditions.push(format!("p{number}.id = p0.id AND c{number}.id = c0.id"));
        }
    }
    format!("SELECT p0.id, c0.id FROM {} WHERE {}", from.join(", "), conditions.join(" AND "))
}

/// The values of an attribute, with the ids of the items.
fn values(repository: &RepositoryPlan, field_id: &str) -> String {
    let [id, _, _, value, key] = KEY_VALUE_COLUMNS.map(quoted);
    match repository.columns(field_id).next() {
        Some((table, column)) => {
            let (table, column) = (quoted(&table.name), quoted(&column.name));
            format!("(SELECT {id} AS id, {column} AS value FROM {table})")
        }
        None => format!(
            "(SELECT {id} AS id, {value} AS value FROM {} WHERE {key} = {})",
            quoted(&repository.key_values),
            literal(field_id)
        ),
    }
}
