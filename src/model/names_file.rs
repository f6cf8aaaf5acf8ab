//! What a site says of its attributes in a file: csv with a header, or JSON. Pure.
//!
//! No fault of it repeats a word of the file: it may be any file, a password's too.

use serde_json::{Map, Value};

use super::answer::{clean, field_id};
use super::repository_model::{Attribute, MOST_ATTRIBUTES, RepositoryModel};

/// The heads that are known, in the order of [`Attribute`]'s members here.
const HEADS: [&str; 6] = ["id", "name", "restricted_name", "type", "language", "code_set"];

/// What a names file says of attributes; what a row leaves empty it does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameRows(Vec<Attribute>);

/// Why a file is no names file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamesFileFault {
    /// The line, counted from 1; in JSON that of a syntax error, or the entry, counted from 1.
    pub place: String,
    /// What is wrong there.
    pub error: &'static str,
}

impl NameRows {
    /// Reads a file: JSON where it begins with a bracket, else csv.
    ///
    /// # Errors
    ///
    /// Where it is neither, and what is wrong there.
    pub fn read(bytes: &[u8]) -> Result<Self, NamesFileFault> {
        let text = match str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
                return Err(at_line(line_after(before), "is not UTF-8"));
            }
        };
        let rows = match text.trim_start().chars().next() {
            Some('[' | '{') => json(text)?,
            _ => csv(text)?,
        };
        let mut ids: Vec<(&str, &str)> =
            rows.iter().map(|(place, row)| (row.id.as_str(), place.as_str())).collect();
        ids.sort_unstable_by_key(|(id, _)| *id);
        for (one, other) in ids.iter().zip(ids.iter().skip(1)) {
            if one.0 == other.0 {
                let place = other.1.to_owned();
                return Err(NamesFileFault { place, error: "has an id that stands there twice" });
            }
        }
        Ok(Self(rows.into_iter().map(|(_, row)| row).collect()))
    }

    /// Says it of a model: what stands in the file wins.
    pub fn apply(&self, model: &mut RepositoryModel) {
        for row in &self.0 {
            match model.attributes.binary_search_by(|known| known.id.cmp(&row.id)) {
                Ok(place) => {
                    let Some(known) = model.attributes.get_mut(place) else { continue };
                    let server = std::mem::replace(known, row.clone());
                    known.fill(server);
                    if let Some(language) = &row.language {
                        model.add_language(language);
                    }
                }
                Err(_) => model.add_attribute(row.clone()),
            }
        }
    }
}

/// An attribute, and where in the file it stands.
type PlacedRow = (String, Attribute);

fn csv(text: &str) -> Result<Vec<PlacedRow>, NamesFileFault> {
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut record = csv::StringRecord::new();
    let mut heads: Option<Vec<usize>> = None;
    let mut rows = Vec::new();
    loop {
        let line = usize::try_from(reader.position().line()).unwrap_or(usize::MAX);
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(_) => return Err(at_line(line, "is not csv")),
        }
        let line = record.position().map_or(line, |it| first_line(text, it.byte()));
        let Some(heads) = &heads else {
            heads = Some(header(&record, line)?);
            continue;
        };
        if record.len() > heads.len() {
            return Err(at_line(line, "has more fields than the header"));
        }
        let mut row: [Option<String>; HEADS.len()] = Default::default();
        for (place, field) in heads.iter().zip(record.iter()) {
            if let Some(slot) = row.get_mut(*place) {
                *slot = clean(field);
            }
        }
        if row.iter().all(Option::is_none) {
            continue;
        }
        let row = attribute(row).ok_or_else(|| at_line(line, "has no id"))?;
        rows.push((line.to_string(), row));
        if rows.len() > MOST_ATTRIBUTES {
            return Err(at_line(line, TOO_MANY));
        }
    }
    if heads.is_none() {
        return Err(at_line(1, "is empty: it needs a header"));
    }
    Ok(rows.into_iter().map(|(line, row)| (format!("line {line}"), row)).collect())
}

/// What is told where there is no end.
const TOO_MANY: &str = "is one attribute too many: 20000 are the most";

/// Which known head stands in each column.
fn header(record: &csv::StringRecord, line: usize) -> Result<Vec<usize>, NamesFileFault> {
    let mut heads = Vec::new();
    for head in record {
        let place = HEADS.iter().position(|known| head.trim().eq_ignore_ascii_case(known));
        let unknown =
            "has a head that is none of id, name, restricted_name, type, language, code_set";
        let place = place.ok_or_else(|| at_line(line, unknown))?;
        if heads.contains(&place) {
            return Err(at_line(line, "has a head twice"));
        }
        heads.push(place);
    }
    if heads.contains(&0) { Ok(heads) } else { Err(at_line(line, "has no head \"id\"")) }
}

fn json(text: &str) -> Result<Vec<PlacedRow>, NamesFileFault> {
    let value: Value =
        serde_json::from_str(text).map_err(|error| at_line(error.line(), "is not JSON"))?;
    match value {
        Value::Array(list) => {
            let entry = |(index, entry): (usize, Value)| {
                let fault = |error| NamesFileFault { place: format!("entry {}", index + 1), error };
                let Value::Object(object) = entry else { return Err(fault("is no object")) };
                let row = members(&object, None).map_err(fault)?;
                Ok((format!("entry {}", index + 1), row))
            };
            bounded(list.len())?;
            list.into_iter().enumerate().map(entry).collect()
        }
        Value::Object(map) => {
            bounded(map.len())?;
            let entry = |(index, (id, value)): (usize, (String, Value))| {
                let fault = |error| NamesFileFault { place: format!("entry {}", index + 1), error };
                let row = match value {
                    Value::Object(object) => members(&object, Some(&id)).map_err(fault)?,
                    Value::String(name) => {
                        let mut row = Attribute::of(field_id(id.trim()));
                        row.name = clean(&name);
                        row
                    }
                    _ => return Err(fault("is neither an object nor a name")),
                };
                Ok((format!("entry {}", index + 1), row))
            };
            map.into_iter().enumerate().map(entry).collect()
        }
        _ => Err(at_line(1, "is neither a list nor an object")),
    }
}

fn bounded(entries: usize) -> Result<(), NamesFileFault> {
    let place = format!("entry {}", MOST_ATTRIBUTES + 1);
    if entries > MOST_ATTRIBUTES { Err(NamesFileFault { place, error: TOO_MANY }) } else { Ok(()) }
}

fn members(object: &Map<String, Value>, id: Option<&str>) -> Result<Attribute, &'static str> {
    let mut row: [Option<String>; HEADS.len()] = Default::default();
    for (name, value) in object {
        let place = HEADS.iter().position(|known| known == name);
        let slot = place.and_then(|place| row.get_mut(place)).ok_or(
            "has a member that is none of id, name, restricted_name, type, language, code_set",
        )?;
        *slot = match value {
            Value::Null => None,
            Value::String(text) => clean(text),
            Value::Number(number) => Some(number.to_string()),
            _ => return Err("has a member that is no text"),
        };
    }
    if let (None, Some(id)) = (&row[0], id) {
        row[0] = clean(id);
    }
    attribute(row).ok_or("has no id")
}

fn attribute(row: [Option<String>; HEADS.len()]) -> Option<Attribute> {
    let [id, name, restricted_name, data_type, language, code_set] = row;
    let id = field_id(&id?);
    Some(Attribute { name, restricted_name, data_type, language, code_set, ..Attribute::of(id) })
}

fn at_line(line: usize, error: &'static str) -> NamesFileFault {
    NamesFileFault { place: format!("line {line}"), error }
}

/// The line in which a record begins, which is read from here on: empty lines before it are skipped.
fn first_line(text: &str, byte: u64) -> usize {
    let at = usize::try_from(byte).unwrap_or(usize::MAX).min(text.len());
    let rest = text.as_bytes().get(at..).unwrap_or_default();
    let empty = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    line_after(text.as_bytes().get(..at + empty).unwrap_or_default())
}

/// The number of the line that comes after these bytes, or that they end in.
fn line_after(bytes: &[u8]) -> usize {
    bytes.split(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fault(text: &str) -> String {
        let NamesFileFault { place, error } = NameRows::read(text.as_bytes()).unwrap_err();
        format!("{place} {error}")
    }

    #[test]
    fn csv_and_json_say_the_same() {
        let csv = "id,name,type,code_set,language,restricted_name\r\n\
                   F_1,\"Brand, the\",Text,Brands,en,Brand\r\n\r\n1004613,Grösse\r\n";
        let list = r#"[{"id":"F_1","name":"Brand, the","type":"Text","code_set":"Brands",
            "language":"en","restricted_name":"Brand"},{"id":1004613,"name":"Grösse","type":null}]"#;
        let map = r#"{"F_1":{"name":"Brand, the","type":"Text","code_set":"Brands",
            "language":"en","restricted_name":"Brand"},"1004613":"Grösse"}"#;
        let rows = NameRows::read(csv.as_bytes()).unwrap();
        assert_eq!(rows.0[1].id, "F_1004613");
        for other in [list, map] {
            assert_eq!(NameRows::read(other.as_bytes()).as_ref(), Ok(&rows), "{other}");
        }
    }

    #[test]
    fn a_file_wins_where_it_says_something() {
        let mut model = RepositoryModel::default();
        let (name, data_type) = (Some("Old".to_owned()), Some("Text".to_owned()));
        model.add_attribute(Attribute { name, data_type, ..Attribute::of("F_1") });
        let rows = NameRows::read(b"id,name,type\nF_1,New,\nF_2,Other,Date\n").unwrap();
        rows.apply(&mut model);
        let told = |id: &str| {
            let attribute = model.attribute(id).unwrap();
            (attribute.name.as_deref(), attribute.data_type.as_deref())
        };
        assert_eq!(told("F_1"), (Some("New"), Some("Text")));
        assert_eq!(told("F_2"), (Some("Other"), Some("Date")));
    }

    #[test]
    fn a_fault_is_told_with_its_place_and_no_word_of_the_file() {
        let cases = [
            ("", "line 1 is empty: it needs a header"),
            (
                "hunter2\n",
                "line 1 has a head that is none of id, name, restricted_name, type, language, code_set",
            ),
            ("name\nx", "line 1 has no head \"id\""),
            ("id,id\n", "line 1 has a head twice"),
            ("id,name\nF_1,a\n\nF_2,b,hunter2\n", "line 4 has more fields than the header"),
            ("id,name\nF_1,a\n,hunter2\n", "line 3 has no id"),
            ("id,name\nF_1,a\n1,hunter2\n", "line 3 has an id that stands there twice"),
            ("[{\"id\":\"F_1\"},\n hunter2]", "line 2 is not JSON"),
            ("[{\"id\":\"F_1\"},7]", "entry 2 is no object"),
            (
                "[{\"hunter2\":\"F_1\"}]",
                "entry 1 has a member that is none of id, name, restricted_name, type, language, code_set",
            ),
            ("{\"F_1\":[]}", "entry 1 is neither an object nor a name"),
            ("[{\"name\":\"hunter2\"}]", "entry 1 has no id"),
        ];
        for (text, told) in cases {
            assert_eq!(fault(text), told);
        }
        let NamesFileFault { place, .. } = NameRows::read(b"id\nF_1\n\xff").unwrap_err();
        assert_eq!(place, "line 3");
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            drop(NameRows::read(&bytes));
        }
    }
}
