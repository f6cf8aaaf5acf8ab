//! The configuration file as the `config` crate's values, with the place of each.
//!
//! The `config` crate parses TOML too, but keeps no line, gives up at the first error, refuses the
//! whole file for one integer beyond 64 bits without naming its key, and quotes the offending line,
//! which may hold a password. So the text is parsed here with the parser that `config` itself uses,
//! and the values are handed to `config` for the merge. An error names a place and what the parser
//! expected, never the text of the file.

use std::collections::HashMap;

use config::{Map, Value, ValueKind};
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, ConfigErrors, Location, SettingSource};

/// The most syntax errors told at once: what follows the first few is mostly their echo, as is
/// whatever follows the first of a line.
const TOLD_ERRORS: usize = 5;

/// A parsed file.
#[derive(Debug)]
pub struct Document {
    /// Its values, in the order of the file.
    pub table: Map<String, Value>,
    /// Where each stands.
    pub locations: Locations,
}

/// Where each key of a file stands.
#[derive(Debug)]
pub struct Locations {
    file: String,
    by_path: HashMap<String, Location>,
}

impl Locations {
    /// The source of the value at this path.
    pub fn source(&self, path: &str) -> SettingSource {
        let location = self.by_path.get(path).copied();
        SettingSource::File { name: self.file.clone(), location }
    }
}

impl Document {
    /// Parses TOML; `file` is the name under which errors are told.
    pub fn parse(text: &str, file: &str) -> Result<Self, ConfigErrors> {
        let lines = LineIndex::of(text);
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut errors: Vec<_> = errors
            .iter()
            .map(|error| (error.span().map(|span| lines.location(span.start)), error.message()))
            .collect();
        errors.dedup_by_key(|(location, _)| location.map(|it| it.line));
        let hint = "correct the syntax: text stands in quotes, a section in brackets";
        let told = errors.into_iter().take(TOLD_ERRORS).map(|(location, message)| {
            ConfigError::of_file(file, location, format!("is not TOML: {message}"), hint)
        });
        if let Some(errors) = ConfigErrors::new(told.collect()) {
            return Err(errors);
        }
        let mut reader = DocumentReader { lines, by_path: HashMap::new() };
        let table = reader.table("", table.into_inner());
        Ok(Self { table, locations: Locations { file: file.to_owned(), by_path: reader.by_path } })
    }
}

/// The path of a member; a name that is no bare TOML key is quoted.
pub fn joined(parent: &str, name: &str) -> String {
    let bare =
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let name = if bare { name.to_owned() } else { format!("{name:?}") };
    if parent.is_empty() { name } else { format!("{parent}.{name}") }
}

/// The path of an element, counted from 1.
pub fn element(parent: &str, index: usize) -> String {
    format!("{parent}[{}]", index.saturating_add(1))
}

/// Where the lines of a text begin.
pub struct LineIndex<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> LineIndex<'a> {
    pub fn of(text: &'a str) -> Self {
        let newlines = text.match_indices('\n').map(|(position, _)| position.saturating_add(1));
        Self { text, starts: std::iter::once(0).chain(newlines).collect() }
    }

    pub fn location(&self, offset: usize) -> Location {
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let before = self.text.get(start..offset).unwrap_or_default();
        Location { line, column: before.chars().count().saturating_add(1) }
    }
}

/// Turns the parsed text into values.
struct DocumentReader<'a> {
    lines: LineIndex<'a>,
    by_path: HashMap<String, Location>,
}

impl DocumentReader<'_> {
    fn table(&mut self, path: &str, table: DeTable<'_>) -> Map<String, Value> {
        let members = table.into_iter().map(|(name, value)| {
            let start = name.span().start;
            let name = name.into_inner().into_owned();
            let value = self.value(joined(path, &name), start, value.into_inner());
            (name, value)
        });
        members.collect()
    }

    /// The value at this path, whose key stands at this offset.
    fn value(&mut self, path: String, offset: usize, value: DeValue<'_>) -> Value {
        let kind = match value {
            DeValue::String(text) => ValueKind::String(text.into_owned()),
            DeValue::Boolean(flag) => ValueKind::Boolean(flag),
            DeValue::Datetime(time) => ValueKind::String(time.to_string()),
            DeValue::Integer(integer) => whole(integer.as_str(), integer.radix()),
            // The parser let only what is a float in TOML pass, which Rust's reading includes.
            DeValue::Float(float) => {
                ValueKind::Float(float.as_str().parse().unwrap_or(f64::INFINITY))
            }
            DeValue::Table(table) => ValueKind::Table(self.table(&path, table)),
            DeValue::Array(array) => {
                let elements = array.into_iter().enumerate().map(|(index, value)| {
                    let start = value.span().start;
                    self.value(element(&path, index), start, value.into_inner())
                });
                ValueKind::Array(elements.collect())
            }
        };
        self.by_path.insert(path, self.lines.location(offset));
        Value::new(None, kind)
    }
}

/// An integer. One beyond 64 bits, which TOML does not allow, becomes one of 128 bits, so that
/// the codec of the key refuses it under the key's name.
fn whole(digits: &str, radix: u32) -> ValueKind {
    match i64::from_str_radix(digits, radix) {
        Ok(number) => ValueKind::I64(number),
        Err(_) => ValueKind::I128(i128::from_str_radix(digits, radix).unwrap_or(i128::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_has_the_place_of_its_key() {
        let text = "[server]\n  url = 'x'\n\n[[repository]]\nid = 1\n[[repository]]\n'ä b' = 2\n";
        let locations = Document::parse(text, "f").unwrap().locations;
        let at = |path| locations.source(path).to_string();
        assert_eq!(at("server"), "f:1:2");
        assert_eq!(at("server.url"), "f:2:3");
        assert_eq!(at("repository[1]"), "f:4:1");
        assert_eq!(at("repository[2].\"ä b\""), "f:7:1");
        assert_eq!(at("nowhere"), "f");
    }

    #[test]
    fn a_syntax_error_tells_its_place_and_not_its_line() {
        let text = "[login]\nusername = \"ä\"\nurl = hunter2 hunter3\nfoo = \"hunter4\n";
        let errors = Document::parse(text, "f.toml").unwrap_err();
        let told = format!("{errors} {errors:?}");
        assert!(!told.contains("hunter"), "{told}");
        assert!(told.contains("f.toml:3:7: is not TOML: "), "{told}");
        assert!(told.contains("f.toml:4:"), "{told}");
    }

    #[test]
    fn an_integer_beyond_64_bits_keeps_its_key() {
        let text = "a = 9223372036854775807\nb = 9223372036854775808\nc = 0xffff_ffff_ffff_ffff\n";
        let table = Document::parse(text, "f").unwrap().table;
        assert_eq!(table["a"].kind, ValueKind::I64(i64::MAX));
        assert_eq!(table["b"].kind, ValueKind::I128(9_223_372_036_854_775_808));
        assert_eq!(table["c"].kind, ValueKind::I128(u64::MAX.into()));
    }
}
