//! Items as the rows of a table. Pure.
//!
//! One column for each member that any item has. Texts stand bare, numbers and truths as written,
//! lists and objects as their JSON text; null and what is missing are empty fields.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::json::members;

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
    /// In the order in which they came.
    names: Vec<String>,
    places: Places,
}

impl Census {
    /// Takes in the members of one item.
    pub(super) fn take(&mut self, item: &[u8]) -> Result<(), TableError> {
        for (index, member) in members::of(item)?.into_iter().enumerate() {
            if self.places.find(&self.names, index, &member.name).is_none() {
                if self.names.len() >= MOST_COLUMNS {
                    return Err(TableError::TooManyColumns);
                }
                self.places.known.insert(member.name.clone().into_owned(), self.names.len());
                self.names.push(member.name.into_owned());
            }
        }
        Ok(())
    }

    /// The columns: the one of this name first, if there is one, and the others by name.
    pub(super) fn columns(self, first: &str) -> Columns {
        let mut names = self.names;
        names.sort_unstable_by(|a, b| (a != first, a).cmp(&(b != first, b)));
        Columns::of(names)
    }
}

/// Where each name stands in a list of names.
///
/// Items of a repository mostly have the same members in the same order. So a member is first held
/// against the name that the last one at its index in an item had, and only then looked up.
#[derive(Debug, Default)]
struct Places {
    known: HashMap<String, usize>,
    /// By the index of a member in its item.
    guesses: Vec<usize>,
}

impl Places {
    /// The place of this name, which is that of an item's member of this index, among these.
    fn find(&mut self, names: &[String], index: usize, name: &str) -> Option<usize> {
        let guess = self.guesses.get(index).copied();
        if let Some(guess) = guess.filter(|guess| names.get(*guess).is_some_and(|it| it == name)) {
            return Some(guess);
        }
        let place = self.known.get(name).copied()?;
        if index >= self.guesses.len() {
            self.guesses.resize(index + 1, place);
        }
        if let Some(guess) = self.guesses.get_mut(index) {
            *guess = place;
        }
        Some(place)
    }
}

/// The columns of a table, in an order that depends on their names alone.
#[derive(Debug)]
pub(super) struct Columns {
    names: Vec<String>,
    places: Places,
}

impl Columns {
    /// These columns. A member that has none of these names has no place.
    pub(super) fn of(names: Vec<String>) -> Self {
        let known = names.iter().cloned().zip(0..).collect();
        Self { names, places: Places { known, guesses: Vec::new() } }
    }

    /// The header.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// The row of an item whose members have all been counted.
    pub(super) fn row<'a>(&mut self, item: &'a [u8]) -> Result<Vec<Cow<'a, str>>, TableError> {
        let mut row = vec![Cow::Borrowed(""); self.names.len()];
        for (index, member) in members::of(item)?.into_iter().enumerate() {
            let place = self.places.find(&self.names, index, &member.name);
            if let Some(field) = place.and_then(|place| row.get_mut(place)) {
                let null = member.value.get() == "null";
                *field = if null { Cow::Borrowed("") } else { members::text(member.value) };
            }
        }
        Ok(row)
    }
}

/// A cell that no spreadsheet takes for a formula.
pub(super) fn harmless(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(first: &str, items: &[&str]) -> Columns {
        let mut census = Census::default();
        for item in items {
            census.take(item.as_bytes()).unwrap();
        }
        census.columns(first)
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
        assert_eq!(row, ["x\n\"y\"", "2e0", "true", "", "[1, 2]", "{\"g\":\"h\"}", ""]);
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
        let rows = items.map(|item| columns.row(item.as_bytes()).unwrap().join(","));
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
}
