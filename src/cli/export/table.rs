//! Items as the rows of a table. Pure.
//!
//! One column for each member that any item has.
//!
//! Items of a repository mostly have the same members in the same order, and there may be millions: an
//! item is walked along from one member that was expected to the next, and read by the library only where
//! it is written in a way that the walk does not take.

use std::borrow::Cow;
use std::collections::HashMap;

use super::row::{self, TableStyle};
use crate::json::members;
use crate::json::plain::{PlainNext, PlainValue, PlainWalk};

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
    /// For the beginning of an item, and then for each name, what came next the last time.
    after: Vec<Follower>,
}

/// A name that came after another.
#[derive(Clone, Debug, Default)]
struct Follower {
    place: usize,
    /// As it mostly stands there, [`PlainWalk::is_next`]; empty: none came.
    written: Vec<u8>,
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
        self.names.push(name);
    }

    fn find(&self, name: &[u8]) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// Goes on to the next member, which follows the one at this place; `None` where the walk is to be
    /// given up.
    fn next(&mut self, walk: &mut PlainWalk<'_>, before: Option<usize>) -> Option<ItemStep> {
        let follows = before.map_or(0, |place| place + 1);
        match self.after.get(follows) {
            Some(Follower { place, written }) if !written.is_empty() && walk.is_next(written) => {
                Some(ItemStep::Column(*place))
            }
            _ => self.look_up(walk, follows),
        }
    }

    /// The same where another member comes than the last time. Apart, so that the common way stays short.
    #[cold]
    fn look_up(&mut self, walk: &mut PlainWalk<'_>, follows: usize) -> Option<ItemStep> {
        let PlainNext::Member(name) = walk.next_name()? else { return Some(ItemStep::End) };
        let Some(place) = self.find(name) else { return Some(ItemStep::Stranger) };
        let room = self.after.len().max(self.names.len() + 1);
        self.after.resize(room, Follower::default());
        if let Some(after) = self.after.get_mut(follows) {
            after.place = place;
            after.written.clear();
            let before: &[u8] = if follows == 0 { b"\"" } else { b",\"" };
            for part in [before, name, b"\":"] {
                after.written.extend_from_slice(part);
            }
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
    /// Those of the item that was last walked along, one for each column.
    values: Vec<Option<PlainValue>>,
}

impl Columns {
    /// These columns. A member that has none of these names has no place.
    pub(super) fn of(names: Vec<String>) -> Self {
        Self { values: vec![None; names.len()], names: ColumnNames::of(names) }
    }

    /// The header.
    pub(super) fn names(&self) -> &[String] {
        &self.names.names
    }

    /// Appends the header.
    pub(super) fn write_names(&self, style: TableStyle, row: &mut Vec<u8>) {
        row::write_cells(self.names().iter().map(String::as_bytes), style, row);
    }

    /// Appends the row of an item; members without a column have no cell.
    pub(super) fn write(
        &mut self,
        item: &[u8],
        style: TableStyle,
        row: &mut Vec<u8>,
    ) -> Result<(), TableError> {
        if let Some(members) = self.walk(item) {
            row::write_values(item, members, &self.values, style, row);
            return Ok(());
        }
        let mut cells = vec![Cow::Borrowed(&b""[..]); self.names.names.len()];
        for member in members::of(item)? {
            let place = self.names.find(member.name.as_bytes());
            if let Some(cell) = place.and_then(|place| cells.get_mut(place)) {
                *cell = row::cell(member.value.get().as_bytes());
            }
        }
        row::write_cells(cells.iter().map(|cell| &**cell), style, row);
        Ok(())
    }

    /// Walks along an item and takes its values; tells how many members it has, and `None` where the walk was
    /// given up.
    fn walk(&mut self, item: &[u8]) -> Option<usize> {
        // Most are ASCII, which is found out sooner than that they are UTF-8.
        if !item.is_ascii() {
            std::str::from_utf8(item).ok()?;
        }
        self.values.fill(None);
        let (mut walk, mut before, mut members) = (PlainWalk::along(item)?, None, 0);
        loop {
            let place = match self.names.next(&mut walk, before)? {
                ItemStep::Column(place) => Some(place),
                ItemStep::Stranger => None,
                ItemStep::End => return Some(members),
            };
            let value = walk.value()?;
            members += 1;
            if let Some(found) = place.and_then(|place| self.values.get_mut(place)) {
                *found = Some(value);
            }
            before = place.or(before);
        }
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

    /// The row of an item.
    fn row(columns: &mut Columns, item: &str, style: TableStyle) -> Result<String, TableError> {
        let mut row = Vec::new();
        columns.write(item.as_bytes(), style, &mut row)?;
        Ok(String::from_utf8(row).unwrap())
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
        let told = "\"x\n\"\"y\"\"\",2e0,true,,\"[1, 2]\",\"{\"\"g\"\":\"\"h\"\"}\",\r\n";
        assert_eq!(row(&mut columns, item, TableStyle::Plain).unwrap(), told);
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
        let rows = items.map(|item| row(&mut columns, item, TableStyle::Plain).unwrap());
        let told = ["3,1,2,,", "4,5,,,", ",9,8,6,", "12,10,11,,", ",,,,13"];
        assert_eq!(rows, told.map(|row| format!("{row}\r\n")));
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

    /// The row of an item as the libraries read and write it.
    fn read(item: &str, names: &[String], style: TableStyle) -> Option<String> {
        let members = members::of(item.as_bytes()).ok()?;
        let cell = |name: &String| {
            let member = members.iter().rev().find(|member| member.name == *name)?;
            let is_null = member.value.get() == "null";
            let text = (!is_null).then(|| members::text(member.value))?;
            let is_formula = style == TableStyle::Spreadsheet
                && text.starts_with(['=', '+', '-', '@', '\t', '\r']);
            Some(format!("{}{text}", if is_formula { "'" } else { "" }))
        };
        let mut table =
            csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
        table.write_record(names.iter().map(|name| cell(name).unwrap_or_default())).unwrap();
        Some(String::from_utf8(table.into_inner().unwrap()).unwrap())
    }

    proptest! {
        #[test]
        fn items_of_whatever_form_are_told_as_the_libraries_read_and_write_them(
            items in prop::collection::vec(
                prop::collection::vec((
                    prop_oneof!["[a-d]", Just("a\\n".to_owned()), Just("\\ud800".to_owned())],
                    prop_oneof![
                        "-?[1-9]{1,3}", "\"[a-c ,=]{0,20}\"", Just("null".to_owned()),
                        Just("\"\\tx\\ny\"".to_owned()), Just("\"\\udc00\"".to_owned()),
                        Just("[1, \"2\"]".to_owned()), Just("{}".to_owned()), Just("true".to_owned()),
                    ],
                ), 0..6),
                1..8,
            ),
            spaced in prop::collection::vec(any::<bool>(), 8),
            damaged in prop::option::weighted(0.2, 0_usize..8),
            style in prop::sample::select(vec![TableStyle::Plain, TableStyle::Spreadsheet]),
        ) {
            let mut items: Vec<String> = items.iter().zip(spaced).map(|(members, spaced)| {
                let colon = if spaced { " : " } else { ":" };
                let members: Vec<String> =
                    members.iter().map(|(name, value)| format!("\"{name}\"{colon}{value}")).collect();
                format!("{{{}}}", members.join(","))
            }).collect();
            if let Some(damaged) = damaged.and_then(|place| items.get_mut(place)) {
                damaged.insert(damaged.len() / 2, ':');
            }
            let mut census = Census::default();
            for item in &items {
                let is_object = members::of(item.as_bytes()).is_ok();
                prop_assert_eq!(census.take(item.as_bytes()).is_ok(), is_object);
            }
            let mut columns = census.columns("b");
            let names = columns.names().to_vec();
            for item in items.iter().filter(|_| !names.is_empty()) {
                prop_assert_eq!(row(&mut columns, item, style).ok(), read(item, &names, style));
            }
        }
    }
}
