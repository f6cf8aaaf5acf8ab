//! The statements that make the views of the models. Pure.
//!
//! A value is the text of a JSON string, null for null and for a member that is not there, and of all else
//! the JSON as it was received, but for space between the tokens of lists and objects. Which SQLite is asked
//! is open, and none of its functions gives a number as it was written but `->`: so a string is
//! taken by `->>`, and all else by `->`. Of a member that stands there twice the last counts, and `->`
//! finds the first: where the text has the member's name twice, the first is taken away until one is left.
//!
//! A field id with a quote, a backslash or a control character cannot be written in a path that each version
//! reads alike. It is looked up among all members, where SQLite writes numbers its own way.

use crate::mirror::published::PublishedPair;
use crate::mirror::sql_text::{literal, quoted};
use crate::model::shape::{INTERNAL_RECORD_ID, ShapedPart, ShapedView};

/// What the statement of each view has in it, by which it is known for ours.
pub(super) const MARK: &str = "/* made of the model by ewmirror */";

/// The statement for a view of this number; `pairs` are all links'.
pub(super) fn create(number: i64, view: &ShapedView, pairs: &[PublishedPair]) -> String {
    let name = quoted(&view.name);
    let repository = view.repository.0.cast_signed();
    let select = match &view.part {
        ShapedPart::Main | ShapedPart::Language(_) => {
            let columns = view.columns.iter().map(|column| {
                format!(",\n    {} AS {}", value(&column.field_id), quoted(&column.name))
            });
            let columns: String = columns.collect();
            let id = quoted(INTERNAL_RECORD_ID);
            format!("SELECT id AS {id}{columns}\nFROM items WHERE repository = {repository}")
        }
        ShapedPart::KeyValues => key_values(number, repository),
        ShapedPart::CodeSet(_) => {
            format!(
                "SELECT code, description, parent FROM published_code WHERE \"view\" = {number}"
            )
        }
        ShapedPart::Link(_) => link(pairs.iter().filter(|pair| pair.view == number)),
    };
    format!("CREATE VIEW {name} AS {MARK}\n{select}")
}

/// The value of a member of `body`.
fn value(field_id: &str) -> String {
    if !is_plain(field_id) {
        let field_id = literal(field_id);
        return format!(
            "(SELECT CASE type WHEN 'null' THEN NULL WHEN 'true' THEN type WHEN 'false' THEN type \
             ELSE CAST(value AS TEXT) END FROM json_each(body) WHERE key = {field_id} \
             ORDER BY id DESC LIMIT 1)"
        );
    }
    let path = literal(&format!("$.\"{field_id}\""));
    let twice = literal(&format!("*\"{0}\"*\"{0}\"*", as_glob(field_id)));
    format!(
        "CASE WHEN body GLOB {twice} THEN {} ELSE {} END",
        last("body", &path),
        first("body", &path)
    )
}

/// The value of the first member.
fn first(body: &str, path: &str) -> String {
    format!(
        "CASE json_type({body}, {path}) WHEN 'text' THEN {body} ->> {path} WHEN 'null' THEN NULL \
         ELSE {body} -> {path} END"
    )
}

/// The value of the last of up to three members: of more the third counts. It has no query in it, of which
/// SQLite takes a few hundred in one statement.
fn last(body: &str, path: &str) -> String {
    let second = format!("json_remove({body}, {path})");
    let third = format!("json_remove({second}, {path})");
    format!(
        "CASE WHEN json_type({second}, {path}) IS NULL THEN {} \
         WHEN json_type({third}, {path}) IS NULL THEN {} ELSE {} END",
        first(body, path),
        first(&second, path),
        first(&third, path)
    )
}

/// Whether an item has a member twice is found out once for the item: a function that gives a table is called
/// once for each row before it, where an expression would be computed for each member.
fn key_values(number: i64, repository: i64) -> String {
    let path = "('$.\"' || member.key || '\"')";
    let plain = "instr(member.key, '\"') = 0 AND instr(member.key, '\\') = 0";
    // Whole numbers of 64 bits are written as SQLite writes them, but for a zero with a sign.
    let whole = "member.type = 'integer' AND typeof(member.atom) = 'integer' AND member.atom <> 0";
    format!(
        "SELECT item.id AS \"InternalRecordId\", a.name AS \"KeyName\", \
         a.restricted_name AS \"KeyRestrictedName\", \
         CASE WHEN member.type IN ('true', 'false') THEN member.type \
         WHEN member.type = 'real' OR member.type = 'integer' AND NOT ({whole}) THEN \
         CASE WHEN NOT ({plain}) THEN CAST(member.value AS TEXT) \
         WHEN twice.value THEN {} ELSE item.body -> {path} END \
         ELSE CAST(member.value AS TEXT) END AS \"KeyValue\", \
         a.field_id AS \"KeyFieldId\"\n\
         FROM (SELECT id, body FROM items WHERE repository = {repository}) AS item \
         CROSS JOIN json_each(json_array((SELECT count(*) > count(DISTINCT key) \
         FROM json_each(item.body)))) AS twice \
         CROSS JOIN json_each(item.body) AS member \
         CROSS JOIN published_attribute AS a\n\
         WHERE a.repository = {repository} AND a.field_id = member.key \
         AND a.key_values = {number} AND member.type <> 'null' \
         AND (NOT twice.value OR member.id = (SELECT max(other.id) FROM json_each(item.body) AS other \
         WHERE other.key = member.key))",
        last("item.body", path)
    )
}

/// Of a link that is no longer known its view stays, and is empty.
fn link<'a>(pairs: impl Iterator<Item = &'a PublishedPair>) -> String {
    let pairs: Vec<&PublishedPair> = pairs.collect();
    let Some(one) = pairs.first() else {
        return "SELECT id AS \"ParentInternalRecordId\", id AS \"ChildInternalRecordId\" \
                FROM items WHERE false"
            .to_owned();
    };
    // The limit has each side made once, with an index, and not read for each row of the other.
    let side = |repository: i64, of: fn(&PublishedPair) -> &String| {
        let values = pairs.iter().map(|pair| format!(", {} AS v{}", value(of(pair)), pair.number));
        let values: String = values.collect();
        format!("(SELECT id{values} FROM items WHERE repository = {repository} LIMIT -1)")
    };
    let equal = pairs
        .iter()
        .map(|pair| format!("parent.v{0} = child.v{0} AND parent.v{0} <> ''", pair.number));
    format!(
        "SELECT parent.id AS \"ParentInternalRecordId\", child.id AS \"ChildInternalRecordId\"\n\
         FROM {} AS parent JOIN {} AS child ON {}",
        side(one.parent.0, |pair| &pair.parent.1),
        side(one.child.0, |pair| &pair.child.1),
        equal.collect::<Vec<_>>().join(" AND ")
    )
}

/// Whether a member of this name can be written in a path.
fn is_plain(field_id: &str) -> bool {
    !field_id.is_empty() && !field_id.chars().any(|it| it == '"' || it == '\\' || it.is_control())
}

/// A text in a pattern of `GLOB`.
fn as_glob(text: &str) -> String {
    let mut pattern = String::new();
    for character in text.chars() {
        match character {
            '*' | '?' | '[' => {
                pattern.push('[');
                pattern.push(character);
                pattern.push(']');
            }
            other => pattern.push(other),
        }
    }
    pattern
}
