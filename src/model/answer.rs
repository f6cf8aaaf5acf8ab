//! Members of an answer by any of their spellings, and the texts in them. Pure.
//!
//! Spellings differ by case and by what stands between words: `restrictedName`, `RestrictedName` and
//! `restricted_name` are one. A text may stand in an object of its own, or come in several languages.

use serde_json::{Map, Value};

/// How deep an answer is looked into.
pub(super) const DEEPEST_LOOK: usize = 12;
/// The most characters that are held of a name or a description.
const LONGEST_TEXT: usize = 500;

/// Members in which a list may stand, whatever it is of.
const CONTAINERS: [&str; 16] = [
    "data", "content", "embedded", "result", "results", "items", "itemlist", "elements", "rows",
    "records", "list", "payload", "response", "body", "entries", "objects",
];

/// Members that hold nothing of what is asked for.
const BESIDE: [&str; 9] =
    ["page", "pageable", "sort", "repository", "error", "errors", "links", "messages", "metadata"];

/// A member name without case and without what stands between words.
pub(super) fn plain(name: &str) -> String {
    name.chars().filter(|it| it.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether a list may stand in a member of this name, as [`plain`] has it.
pub(super) fn is_container(name: &str) -> bool {
    CONTAINERS.contains(&name)
}

/// Whether a member of this name, as [`plain`] has it, is of something else.
pub(super) fn is_beside(name: &str) -> bool {
    BESIDE.contains(&name)
}

/// The text of the first of these members that has one.
pub(super) fn text_in(object: &Map<String, Value>, names: &[&str]) -> Option<String> {
    value_in(object, names, |value| text(value, 0))
}

/// What can be read of the first of these members of which something can.
pub(super) fn value_in<'a, T>(
    object: &'a Map<String, Value>,
    names: &[&str],
    read: impl Fn(&'a Value) -> Option<T>,
) -> Option<T> {
    let mut best: Option<(usize, T)> = None;
    for (name, value) in object {
        let name = plain(name);
        let Some(rank) = names.iter().position(|known| *known == name) else { continue };
        let is_better = best.as_ref().is_none_or(|(than, _)| rank < *than);
        if is_better && let Some(found) = read(value) {
            best = Some((rank, found));
        }
    }
    best.map(|(_, found)| found)
}

/// A text: as it stands, a number or a truth as written, inside an object, or the first of several
/// languages. `None` where there is none, or an empty one.
pub(super) fn text(value: &Value, depth: usize) -> Option<String> {
    const INSIDE: [&str; 9] =
        ["name", "value", "text", "label", "displayname", "description", "code", "default", "id"];
    const ENGLISH: [&str; 3] = ["en", "enus", "english"];
    match value {
        Value::String(text) => clean(text),
        Value::Number(number) => clean(&number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ if depth > 3 => None,
        Value::Array(list) => {
            let english = list.iter().filter_map(Value::as_object).find(|entry| {
                let language = text_in(entry, &["language", "lang", "locale"]);
                language.is_some_and(|it| ENGLISH.contains(&plain(&it).as_str()))
            });
            let english = english.and_then(|entry| text_in(entry, &INSIDE));
            english.or_else(|| list.iter().take(100).find_map(|entry| text(entry, depth + 1)))
        }
        Value::Object(object) => value_in(object, &INSIDE, |inside| text(inside, depth + 1))
            .or_else(|| value_in(object, &ENGLISH, |inside| text(inside, depth + 1)))
            .or_else(|| object.values().find_map(Value::as_str).and_then(clean)),
        Value::Null => None,
    }
}

/// A truth, however it is written.
pub(super) fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::Number(number) => number.as_i64().map(|number| number != 0),
        Value::String(text) => match text.trim().to_lowercase().as_str() {
            "true" | "yes" | "y" | "1" => Some(true),
            "false" | "no" | "n" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// A text on one line, with an end; `None` where nothing is left.
pub(super) fn clean(text: &str) -> Option<String> {
    let mut clean = String::new();
    for character in text.trim().chars().take(LONGEST_TEXT) {
        clean.push(if character.is_control() { ' ' } else { character });
    }
    let clean = clean.trim();
    (!clean.is_empty()).then(|| clean.to_owned())
}

/// A field id as items have it. Servers may tell its number alone.
pub(super) fn field_id(text: &str) -> String {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.strip_prefix("f_") {
        Some(number) => format!("F_{number}"),
        None if is_number => format!("F_{text}"),
        None => text.to_owned(),
    }
}

/// Whether a text looks as field ids do.
pub(super) fn is_field_id(text: &str) -> bool {
    let number = text.strip_prefix("F_").or_else(|| text.strip_prefix("f_")).unwrap_or(text);
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}
