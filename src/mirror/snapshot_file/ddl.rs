//! The tables in SQL. Pure.

use super::plan::{CodeTable, SnapshotPlan};
use super::repository_plan::{RepositoryPlan, WideTable};
use crate::mirror::contracts::{MirrorView, ViewColumnKind};
use crate::mirror::sql_text::quoted;
use crate::model::shape::{CODE_COLUMNS, INTERNAL_RECORD_ID, KEY_VALUE_COLUMNS, LINK_COLUMNS};

/// What every file has. `attribute` has the columns of the view of that name in a mirror.
pub(super) const OURS: &str = "
    CREATE TABLE snapshot (
        server TEXT NOT NULL, time TEXT NOT NULL, sequence INTEGER NOT NULL, version TEXT NOT NULL
    );
    CREATE TABLE repository (
        id INTEGER PRIMARY KEY, name TEXT, table_name TEXT NOT NULL, items INTEGER NOT NULL,
        model_time TEXT
    );
    CREATE TABLE attribute (
        repository INTEGER NOT NULL REFERENCES repository (id), \"view\" TEXT NOT NULL,
        \"column\" TEXT NOT NULL, field_id TEXT NOT NULL, name TEXT, restricted_name TEXT, type TEXT,
        language TEXT, code_set TEXT, code_view TEXT, \"precision\" TEXT, scale TEXT, size TEXT,
        attribute_group TEXT, association_group TEXT, relational INTEGER,
        PRIMARY KEY (repository, \"view\", \"column\", field_id)
    );
    CREATE TABLE link (
        id TEXT NOT NULL, name TEXT NOT NULL, pair INTEGER NOT NULL,
        parent INTEGER NOT NULL REFERENCES repository (id), parent_field_id TEXT NOT NULL,
        child INTEGER NOT NULL REFERENCES repository (id), child_field_id TEXT NOT NULL,
        PRIMARY KEY (id, pair)
    );";

/// A table with a column an attribute. The first of a repository has the items; a language's refers to
/// it. `has_key` says which columns refer to their codes.
pub(super) fn wide_table(
    plan: &SnapshotPlan,
    repository: &RepositoryPlan,
    table: &WideTable,
    has_key: impl Fn(usize) -> bool,
) -> String {
    let id = quoted(INTERNAL_RECORD_ID);
    let main = quoted(repository.main());
    let is_main = table.name == repository.main();
    let of_main = if is_main { String::new() } else { format!(" REFERENCES {main} ({id})") };
    let mut columns = vec![format!("{id} TEXT NOT NULL PRIMARY KEY{of_main}")];
    for (place, column) in table.columns.iter().enumerate() {
        let codes = column.codes.and_then(|codes| plan.code_tables.get(codes));
        let key = codes.filter(|_| has_key(place)).map(|codes| {
            let [code, ..] = CODE_COLUMNS;
            format!(" REFERENCES {} ({code})", quoted(&codes.name))
        });
        columns.push(format!("{} TEXT{}", quoted(&column.name), key.unwrap_or_default()));
    }
    if is_main && repository.holds_bodies {
        columns.push("body TEXT".to_owned());
    }
    format!("CREATE TABLE {} ({})", quoted(&table.name), columns.join(", "))
}

/// The table of keys and values.
pub(super) fn key_values(repository: &RepositoryPlan) -> String {
    let [id, name, restricted_name, value, field_id] = KEY_VALUE_COLUMNS.map(quoted);
    format!(
        "CREATE TABLE {} ({id} TEXT NOT NULL REFERENCES {} ({id}), {name} TEXT, \
         {restricted_name} TEXT, {value} TEXT NOT NULL, {field_id} TEXT NOT NULL)",
        quoted(&repository.key_values),
        quoted(repository.main()),
    )
}

/// A table of codes. `name` is what a tool shows in place of the code: the description, where there is one.
pub(super) fn codes(table: &CodeTable) -> String {
    let [code, description, parent] = CODE_COLUMNS;
    let table = quoted(&table.name);
    format!(
        "CREATE TABLE {table} ({code} TEXT NOT NULL PRIMARY KEY, {description} TEXT, \
         {parent} TEXT REFERENCES {table} ({code}), name TEXT NOT NULL)"
    )
}

/// The table of the pairs of items that a link joins.
pub(super) fn link(name: &str, parent: &RepositoryPlan, child: &RepositoryPlan) -> String {
    let [of_parent, of_child] = LINK_COLUMNS.map(quoted);
    let id = quoted(INTERNAL_RECORD_ID);
    let [name, parent, child] = [name, parent.main(), child.main()].map(quoted);
    format!(
        "CREATE TABLE {name} ({of_parent} TEXT NOT NULL REFERENCES {parent} ({id}), \
         {of_child} TEXT NOT NULL REFERENCES {child} ({id}))"
    )
}

/// What a view of the mirror says, as a table. `json` is the body over again, as in the view.
pub(super) fn view(view: MirrorView) -> String {
    let mut columns = Vec::new();
    for (name, kind) in view.columns() {
        let kind = match kind {
            ViewColumnKind::Number | ViewColumnKind::Truth => "INTEGER",
            ViewColumnKind::Text | ViewColumnKind::Time => "TEXT",
        };
        columns.push(format!("\"{name}\" {kind}"));
        if *name == "body" {
            columns.push("json TEXT".to_owned());
        }
    }
    format!("CREATE TABLE {} ({})", view.name(), columns.join(", "))
}

/// The statement that inserts a row of it.
pub(super) fn insert_into_view(view: MirrorView) -> String {
    let names: Vec<String> = view.columns().iter().map(|(name, _)| quoted(name)).collect();
    let values: Vec<String> = (1..=names.len()).map(|number| format!("?{number}")).collect();
    let body = view.columns().iter().position(|(name, _)| *name == "body");
    let (json, value) = match body {
        Some(place) => (", json", format!(", ?{}", place + 1)),
        None => ("", String::new()),
    };
    let (names, values) = (names.join(", "), values.join(", "));
    format!("INSERT INTO {} ({names}{json}) VALUES ({values}{value})", view.name())
}
