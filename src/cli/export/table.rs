//! Items as the rows of a table. Pure.
//!
//! One column for each member that any item has. Texts stand bare, numbers and truths as written,
//! lists and objects as their JSON text; null and what is missing are empty fields.
//!
//! Items of a repository mostly have the same members in the same order, and there may be millions: an
//! item is walked along from one member that was expected to the next, and read by the library only where
//! it is written in a way that the walk does not take.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::json::members;
use crate::json::plain::{self, PlainNext, PlainWalk};

/// Members beyond so many are no attributes but data, and a table of them would never end.
const MOST_COLUMNS: usize = 20_000;

/// Why an item has no place in a table.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum TableError {
    /// It has no members.
    #[error("it is no JSON object")]
    NoObject(#[from] serde_json::Error),
    /// It has members beyond every limit.
    #[error("with it there are more than {MOST_COLUMNS} columns")]
    TooManyColumns,
}

/// Collects the names of members.
#[derive(Debug, Default)]
pub(super) struct Census {
    names: ColumnNames,
}

impl Census {
    /// Takes in the members of one item.
    pub(super) fn take(&mut self, item: &[u8]) -> Result<(), TableError> {
        if self.walk(item).is_some() {
            return Ok(());
        }
        for member in members::of(item)? {
            if self.names.find(member.name.as_bytes()).is_none() {
                if self.names.names.len() >= MOST_COLUMNS {
                    return Err(TableError::TooManyColumns);
                }
                self.names.add(member.name.into_owned());
            }
        }
        Ok(())
    }

    /// Walks along an item whose members are all known; `None` where it is not such a one.
    fn walk(&mut self, item: &[u8]) -> Option<()> {
        let (mut walk, mut before) = (PlainWalk::along(item)?, None);
        loop {
            match self.names.next(&mut walk, before)? {
                ItemStep::Column(place) => before = Some(place),
                ItemStep::Stranger => return None,
                ItemStep::End => return Some(()),
            }
            walk.value()?;
        }
    }

    /// The columns: the one of this name first, if there is one, and the others by name.
    pub(super) fn columns(self, first: &str) -> Columns {
        let mut names = self.names.names;
        names.sort_unstable_by(|a, b| (a != first, a).cmp(&(b != first, b)));
        Columns::of(names)
    }
}

/// Names of members, the place of each among them, and which is likely to follow which.
#[derive(Debug, Default)]
struct ColumnNames {
    names: Vec<String>,
    places: HashMap<Vec<u8>, usize>,
    /// Each name as it mostly stands in an item.
    written: Vec<Option<Vec<u8>>>,
    /// For the beginning of an item, and then for each name, the place of the name that came next the
    /// last time.
    after: Vec<Option<usize>>,
}

impl ColumnNames {
    fn of(names: Vec<String>) -> Self {
        let mut all = Self::default();
        for name in names {
            all.add(name);
        }
        all
    }

    /// Puts a name behind the others. Of equal names the last one is found.
    fn add(&mut self, name: String) {
        self.places.insert(name.clone().into_bytes(), self.names.len());
        self.written.push(plain::written(name.as_bytes()));
        self.names.push(name);
    }

    fn find(&self, name: &[u8]) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// Goes on to the next member, which follows the one at this place; `None` where the walk is to be
    /// given up.
    fn next(&mut self, walk: &mut PlainWalk<'_>, before: Option<usize>) -> Option<ItemStep> {
        let follows = before.map_or(0, |place| place + 1);
        let guess = self.after.get(follows).copied().flatten();
        if let Some(guess) = guess
            && let Some(Some(written)) = self.written.get(guess)
            && walk.is_next(written)
        {
            return Some(ItemStep::Column(guess));
        }
        let PlainNext::Member(name) = walk.next_name()? else { return Some(ItemStep::End) };
        let Some(place) = self.find(name) else { return Some(ItemStep::Stranger) };
        let room = self.after.len().max(self.names.len() + 1);
        self.after.resize(room, None);
        if let Some(after) = self.after.get_mut(follows) {
            *after = Some(place);
        }
        Some(ItemStep::Column(place))
    }
}

/// What comes next in an item.
enum ItemStep {
    /// A member with the name at this place.
    Column(usize),
    /// One with another name.
    Stranger,
    /// Nothing.
    End,
}

/// The columns of a table, in an order that depends on their names alone.
#[derive(Debug)]
pub(super) struct Columns {
    names: ColumnNames,
}

impl Columns {
    /// These columns. A member that has none of these names has no place.
    pub(super) fn of(names: Vec<String>) -> Self {
        Self { names: ColumnNames::of(names) }
    }

    /// The header.
    pub(super) fn names(&self) -> &[String] {
        &self.names.names
    }

    /// The row of an item whose members have all been counted.
    pub(super) fn row<'a>(&mut self, item: &'a [u8]) -> Result<Vec<Cow<'a, [u8]>>, TableError> {
        if let Some(row) = self.walk(item) {
            return Ok(row);
        }
        let mut row = self.empty_row();
        for member in members::of(item)? {
            let place = self.names.find(member.name.as_bytes());
            if let Some(field) = place.and_then(|place| row.get_mut(place)) {
                *field = cell(member.value.get().as_bytes());
            }
        }
        Ok(row)
    }

    fn walk<'a>(&mut self, item: &'a [u8]) -> Option<Vec<Cow<'a, [u8]>>> {
        std::str::from_utf8(item).ok()?;
        let (mut walk, mut before) = (PlainWalk::along(item)?, None);
        let mut row = self.empty_row();
        loop {
            let place = match self.names.next(&mut walk, before)? {
                ItemStep::Column(place) => Some(place),
                ItemStep::Stranger => None,
                ItemStep::End => return Some(row),
            };
            let value = walk.value()?;
            if let Some(field) = place.and_then(|place| row.get_mut(place)) {
                *field = cell(value);
            }
            before = place.or(before);
        }
    }

    fn empty_row<'a>(&self) -> Vec<Cow<'a, [u8]>> {
        vec![Cow::Borrowed(&b""[..]); self.names.names.len()]
    }
}

/// A value as it stands in its cell.
fn cell(value: &[u8]) -> Cow<'_, [u8]> {
    match value {
        b"null" => Cow::Borrowed(b""),
        [b'"', inside @ .., b'"'] if !inside.contains(&b'\\') => Cow::Borrowed(inside),
        // A text that is not Unicode stays as it is written.
        [b'"', ..] => serde_json::from_slice::<String>(value)
            .map_or(Cow::Borrowed(value), |text| Cow::Owned(text.into_bytes())),
        other => Cow::Borrowed(other),
    }
}

/// Appends a row as RFC 4180 has it: with a comma between two cells, in quotation marks where a cell has
/// something in it that would be taken for another's, and a line end of two characters.
pub(super) fn write_row<'a>(cells: impl Iterator<Item = &'a [u8]>, line: &mut Vec<u8>) {
    let (begin, mut count) = (line.len(), 0_usize);
    for cell in cells {
        if count > 0 {
            line.push(b',');
        }
        count += 1;
        // Each byte is looked at, because that is many at a time.
        let marks = |mark: bool, byte: &u8| mark | matches!(byte, b',' | b'"' | b'\r' | b'\n');
        if !cell.iter().fold(false, marks) {
            line.extend_from_slice(cell);
            continue;
        }
        line.push(b'"');
        for (index, part) in cell.split(|byte| *byte == b'"').enumerate() {
            if index > 0 {
                line.extend_from_slice(b"\"\"");
            }
            line.extend_from_slice(part);
        }
        line.push(b'"');
    }
    if count == 1 && line.len() == begin {
        // An empty line would be no row.
        line.extend_from_slice(b"\"\"");
    }
    line.extend_from_slice(b"\r\n");
}

/// A cell that no spreadsheet takes for a formula.
pub(super) fn harmless(cell: &[u8]) -> Cow<'_, [u8]> {
    match cell {
        [b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r', ..] => Cow::Owned([b"'", cell].concat()),
        _ => Cow::Borrowed(cell),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn columns(first: &str, items: &[&str]) -> Columns {
        let mut census = Census::default();
        for item in items {
            census.take(item.as_bytes()).unwrap();
        }
        census.columns(first)
    }

    fn texts(row: &[Cow<'_, [u8]>]) -> Vec<String> {
        row.iter().map(|cell| String::from_utf8(cell.to_vec()).unwrap()).collect()
    }

    #[test]
    fn the_id_comes_first_and_the_others_by_name() {
        let items = ["{\"b\":1,\"itemId\":2}", "{\"a\":1,\"Z\":null}"];
        assert_eq!(columns("itemId", &items).names(), ["itemId", "Z", "a", "b"]);
        assert_eq!(columns("none", &items).names(), ["Z", "a", "b", "itemId"]);
    }

    #[test]
    fn values_stand_as_they_were_written() {
        let item =
            r#"{"a":"x\n\"y\"","b":1.50,"c":true,"d":null,"e":[1, 2],"f":{"g":"h"},"b":2e0}"#;
        let mut columns = columns("a", &[item, "{\"z\":1}"]);
        let row = columns.row(item.as_bytes()).unwrap();
        assert_eq!(texts(&row), ["x\n\"y\"", "2e0", "true", "", "[1, 2]", "{\"g\":\"h\"}", ""]);
    }

    #[test]
    fn members_in_whatever_order_come_into_their_columns() {
        let items = [
            r#"{"a":1,"b":2,"c":3}"#,
            r#"{"c":4,"a":5}"#,
            r#"{"d":6,"b":7,"b":8,"a":9}"#,
            r#"{"a":10,"b":11,"c":12}"#,
            r#"{"e":13}"#,
        ];
        let mut columns = columns("c", &items);
        assert_eq!(columns.names(), ["c", "a", "b", "d", "e"]);
        let rows = items.map(|item| texts(&columns.row(item.as_bytes()).unwrap()).join(","));
        assert_eq!(rows, ["3,1,2,,", "4,5,,,", ",9,8,6,", "12,10,11,,", ",,,,13"]);
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        assert!(matches!(Census::default().take(b"[1]"), Err(TableError::NoObject(_))));
        let mut census = Census::default();
        let many = (0..MOST_COLUMNS).map(|number| format!("\"{number}\":1")).collect::<Vec<_>>();
        census.take(format!("{{{}}}", many.join(",")).as_bytes()).unwrap();
        census.take(b"{\"7\":1}").unwrap();
        assert!(matches!(census.take(b"{\"x\":1}"), Err(TableError::TooManyColumns)));
    }

    /// Rows as the library writes them.
    fn by_the_library(rows: &[Vec<Vec<u8>>]) -> Vec<u8> {
        let mut table = csv::WriterBuilder::new()
            .terminator(csv::Terminator::CRLF)
            .flexible(true)
            .from_writer(Vec::new());
        for row in rows {
            table.write_record(row).unwrap();
        }
        table.into_inner().unwrap()
    }

    /// The row of an item as the library reads it.
    fn read(item: &[u8], names: &[String]) -> Option<Vec<String>> {
        let members = members::of(item).ok()?;
        let cell = |name: &String| {
            let member = members.iter().rev().find(|member| member.name == *name)?;
            let is_null = member.value.get() == "null";
            (!is_null).then(|| members::text(member.value).into_owned())
        };
        Some(names.iter().map(|name| cell(name).unwrap_or_default()).collect())
    }

    proptest! {
        #[test]
        fn rows_are_written_as_the_library_does(
            rows in prop::collection::vec(
                prop::collection::vec("[a,\"\r\n ']{0,5}".prop_map(String::into_bytes), 1..5), 0..5,
            ),
        ) {
            let mut written = Vec::new();
            for row in &rows {
                write_row(row.iter().map(Vec::as_slice), &mut written);
            }
            prop_assert_eq!(written, by_the_library(&rows));
        }

        #[test]
        fn items_of_whatever_form_are_told_as_the_library_reads_them(
            items in prop::collection::vec(
                prop::collection::vec((
                    prop_oneof!["[a-d]", Just("a\\n".to_owned()), Just("\\ud800".to_owned())],
                    prop_oneof![
                        "[0-9]{1,3}", "\"[a-c ]{0,4}\"", Just("null".to_owned()),
                        Just("\"x\\ty\"".to_owned()), Just("\"\\udc00\"".to_owned()),
                        Just("[1, 2]".to_owned()), Just("tru".to_owned()),
                    ],
                ), 0..6),
                1..8,
            ),
            spaced in prop::collection::vec(any::<bool>(), 8),
        ) {
            let items: Vec<String> = items.iter().zip(spaced).map(|(members, spaced)| {
                let colon = if spaced { " : " } else { ":" };
                let members: Vec<String> =
                    members.iter().map(|(name, value)| format!("\"{name}\"{colon}{value}")).collect();
                format!("{{{}}}", members.join(","))
            }).collect();
            let mut census = Census::default();
            for item in &items {
                let is_object = members::of(item.as_bytes()).is_ok();
                prop_assert_eq!(census.take(item.as_bytes()).is_ok(), is_object);
            }
            let mut columns = census.columns("b");
            let names = columns.names().to_vec();
            for item in &items {
                let row = columns.row(item.as_bytes()).ok().map(|row| texts(&row));
                prop_assert_eq!(row, read(item.as_bytes(), &names));
            }
        }
    }
}
