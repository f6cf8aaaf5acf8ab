//! What an answer says of a code set. Pure.
//!
//! Codes come as a list of texts, of objects or of pairs, as a map from code to description, flat or as
//! a tree.

use serde_json::{Map, Value};

use super::answer::{DEEPEST_LOOK, clean, is_beside, is_container, plain, text, text_in};
use super::repository_model::{Code, MOST_CODES};

const CODE: [&str; 6] = ["code", "codevalue", "value", "key", "codeid", "id"];
const DESCRIPTION: [&str; 9] = [
    "description",
    "desc",
    "codedescription",
    "label",
    "displayvalue",
    "displayname",
    "name",
    "text",
    "title",
];
const PARENT: [&str; 4] = ["parentcode", "parent", "parentid", "parentvalue"];
/// Members that hold codes: below another one, or all of a code set.
const LISTS: [&str; 12] = [
    "codes",
    "codelist",
    "values",
    "valuelist",
    "validvalues",
    "options",
    "codeset",
    "nodes",
    "children",
    "childcodes",
    "subcodes",
    "attrvalueoptions",
];

/// The codes of an answer, those of a tree with the code above each.
pub fn codes(answer: &Value) -> Vec<Code> {
    let mut codes = Vec::new();
    collect(answer, None, 0, &mut codes);
    codes
}

fn collect(value: &Value, above: Option<&str>, depth: usize, codes: &mut Vec<Code>) {
    if depth > 3 * DEEPEST_LOOK || codes.len() >= MOST_CODES {
        return;
    }
    match value {
        Value::Array(list) => list.iter().for_each(|entry| match entry {
            Value::Object(_) | Value::Null => collect(entry, above, depth + 1, codes),
            Value::Array(pair) => match pair.as_slice() {
                [code, description] if !code.is_array() && !code.is_object() => {
                    add(codes, text(code, 0), text(description, 0), above);
                }
                _ => collect(entry, above, depth + 1, codes),
            },
            _ => add(codes, text(entry, 0), None, above),
        }),
        Value::Object(object) => collect_object(object, above, depth, codes),
        _ => {}
    }
}

fn collect_object(
    object: &Map<String, Value>,
    above: Option<&str>,
    depth: usize,
    codes: &mut Vec<Code>,
) {
    let scalar = |value: &Value| !value.is_array() && !value.is_object();
    let code =
        super::answer::value_in(object, &CODE, |it| scalar(it).then(|| text(it, 0)).flatten());
    let nested = object.iter().filter(|(name, value)| {
        let name = plain(name);
        !scalar(value) && (LISTS.contains(&name.as_str()) || is_container(&name))
    });
    let nested: Vec<&Value> = nested.map(|(_, value)| value).collect();
    let described = text_in(object, &DESCRIPTION);
    // What has a list and no description but an id is the code set itself.
    let is_code = code.is_some() && (nested.is_empty() || has(object, &CODE[..4]));
    if is_code {
        let above = text_in(object, &PARENT).or_else(|| above.map(str::to_owned));
        add(codes, code.clone(), described, above.as_deref());
        for value in nested {
            collect(value, code.as_deref(), depth + 1, codes);
        }
        return;
    }
    if !nested.is_empty() {
        return nested.iter().for_each(|value| collect(value, above, depth + 1, codes));
    }
    for (name, value) in object.iter().filter(|(name, _)| !is_beside(&plain(name))) {
        match value {
            // Of an answer without a list, such as a status.
            Value::String(description) if depth > 0 => {
                add(codes, clean(name), clean(description), above);
            }
            Value::Object(entry) if depth > 0 && !has(entry, &CODE) => {
                add(codes, clean(name), text_in(entry, &DESCRIPTION), above);
            }
            Value::Array(_) | Value::Object(_) => collect(value, above, depth + 1, codes),
            _ => {}
        }
    }
}

fn has(object: &Map<String, Value>, names: &[&str]) -> bool {
    text_in(object, names).is_some()
}

fn add(
    codes: &mut Vec<Code>,
    code: Option<String>,
    description: Option<String>,
    above: Option<&str>,
) {
    if let Some(code) = code
        && codes.len() < MOST_CODES
    {
        codes.push(Code { code, description, parent: above.map(str::to_owned) });
    }
}
