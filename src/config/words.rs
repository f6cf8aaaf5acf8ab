//! Texts, words, lists and files: how each is parsed, and how it is shown.
//!
//! Pure functions, but for that of a file which must be there.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use config::ValueKind;
use toml::Value;

use crate::json::{JsonPointer, PointerError};
use crate::settings::codec::{Codec, Input, InvalidValue, Parsed, invalid};
use crate::settings::error::quoted;
use crate::settings::secret::{MASK, Secret};
use crate::settings::sensitivity::{Sensitivity, type_name};

/// The longest name of a schema, in bytes (PostgreSQL).
const LONGEST_SCHEMA: usize = 63;

/// The longest name of a daemon, in bytes: as long as the name of a host.
const LONGEST_INSTANCE: usize = 253;

/// The shortest token, in characters.
const SHORTEST_TOKEN: usize = 32;

/// A token, which stands in no file of ours: what is parsed here has been found elsewhere.
pub(super) const TOKEN: Codec<Secret> =
    Codec::new(token, |_| Value::from(MASK)).with(Sensitivity::Secret);

fn token(input: Input<'_>) -> Parsed<Secret> {
    const HINT: &str = "take what \"openssl rand -hex 32\" prints";
    let text = input.text("it")?;
    if text.len() < SHORTEST_TOKEN {
        return invalid(format!("is shorter than {SHORTEST_TOKEN} characters"), HINT);
    }
    // It is sent in a header.
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return invalid("holds a space, or a character beyond ASCII", HINT);
    }
    Ok(Secret::new(text))
}

/// Any text but the empty one.
pub(super) const TEXT: Codec<String> =
    Codec::plain(|input| input.text("\"text\"").map(str::to_owned));

/// The path of a call, below another one.
pub(super) const CALL_PATH: Codec<String> = Codec::plain(|input| {
    const HINT: &str = "write its path below webcm/rest/api, such as \"items/list\"";
    let path = input.text("\"items/list\"")?;
    let is_plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.' | '~');
    let is_segment = |it: &str| !matches!(it, "" | "." | "..") && it.chars().all(is_plain);
    if path.split('/').all(is_segment) {
        return Ok(path.to_owned());
    }
    invalid("is no path of plain segments", HINT)
});

/// The name of a schema. PostgreSQL cuts longer ones off, and keeps some for itself.
pub(super) const SCHEMA_NAME: Codec<String> = Codec::plain(|input| {
    const HINT: &str = "write a name such as \"ewmirror\"";
    let name = input.text("\"ewmirror\"")?;
    if name.contains(char::is_control) {
        return invalid("holds a control character", HINT);
    }
    if name.len() > LONGEST_SCHEMA {
        return invalid(format!("is longer than {LONGEST_SCHEMA} bytes"), HINT);
    }
    if name.starts_with("pg_") || name == "information_schema" {
        return invalid("is a name that PostgreSQL keeps for itself", HINT);
    }
    Ok(name.to_owned())
});

/// The name of a daemon among others, which logs and pages show.
pub(super) const INSTANCE_NAME: Codec<String> = Codec::plain(|input| {
    const HINT: &str = "write a name such as \"ewmirror-a\"";
    let name = input.text("\"ewmirror-a\"")?;
    if name.contains(char::is_control) {
        return invalid("holds a control character", HINT);
    }
    if name.len() > LONGEST_INSTANCE {
        return invalid(format!("is longer than {LONGEST_INSTANCE} bytes"), HINT);
    }
    Ok(name.to_owned())
});

/// A file that must be there and readable, but is not read here.
pub(super) const READABLE_FILE: Codec<PathBuf> = Codec::plain(readable_file);

/// `true` or `false`.
pub(super) const FLAG: Codec<bool> = Codec::plain(|input| match input.kind {
    ValueKind::Boolean(flag) => Ok(*flag),
    _ => input.variable_as().map_or_else(
        || input.is_not("true or false", format!("write true or false{}", input.unquoted())),
        Ok,
    ),
});

/// A list of words; in a variable separated by commas.
pub(super) const WORDS: Codec<Vec<String>> = Codec::plain(words);

/// A JSON pointer.
pub(super) const POINTER: Codec<JsonPointer> = Codec::text(|input| {
    const HINT: &str = "write a JSON pointer, such as \"/itemId\" or \"/a/b\"";
    let text = input.text("\"/itemId\"")?;
    text.parse().or_else(|error: PointerError| invalid(error.to_string(), HINT))
});

/// A list of JSON pointers.
pub(super) const POINTERS: Codec<Arc<[JsonPointer]>> = Codec::new(pointers, |pointers| {
    pointers.iter().map(JsonPointer::to_string).collect::<Vec<_>>().into()
});

/// What to write in place of pointers that are none, or that may not stand there.
pub(super) const POINTERS_HINT: &str =
    "write JSON pointers to other members, such as [\"/F_100999\"]";

fn readable_file(input: Input<'_>) -> Parsed<PathBuf> {
    let path = PathBuf::from(input.text("\"/etc/ewmirror/file.pem\"")?);
    let hint = "name a file that the user of the daemon can read";
    let unreadable = |error| InvalidValue::new(format!("cannot be read: {error}"), hint);
    if !fs::metadata(&path).map_err(unreadable)?.is_file() {
        return invalid("is not a file", hint);
    }
    fs::File::open(&path).map_err(unreadable)?;
    Ok(path)
}

fn words(input: Input<'_>) -> Parsed<Vec<String>> {
    const HINT: &str = "write a list of texts, such as [\"localhost\", \".example.com\"]";
    match input.kind {
        ValueKind::String(text) if input.is_variable => {
            let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
            Ok(words.map(str::to_owned).collect())
        }
        ValueKind::Array(list) => list
            .iter()
            .map(|value| match &value.kind {
                ValueKind::String(word) if !word.is_empty() => Ok(word.clone()),
                ValueKind::String(_) => invalid("holds an empty text", HINT),
                other => invalid(format!("holds {}", type_name(other)), HINT),
            })
            .collect(),
        _ => input.is_not("a list", HINT),
    }
}

fn pointers(input: Input<'_>) -> Parsed<Arc<[JsonPointer]>> {
    let pointer = |word: &String| {
        word.parse().or_else(|error: PointerError| {
            invalid(format!("holds {}, which {error}", quoted(word)), POINTERS_HINT)
        })
    };
    words(input)?.iter().map(pointer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(kind: &ValueKind) -> Input<'_> {
        Input { kind, is_variable: false }
    }

    fn variable(kind: &ValueKind) -> Input<'_> {
        Input { kind, is_variable: true }
    }

    #[test]
    fn a_list_in_a_variable_is_split_at_its_commas() {
        let list = words(variable(&"a, .b ,,c".into())).unwrap();
        assert_eq!(list, ["a", ".b", "c"]);
        assert_eq!(words(variable(&"".into())), Ok(Vec::new()));
        assert!(words(file(&"a".into())).is_err());
    }
}
