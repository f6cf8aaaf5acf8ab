//! The rows of a table, as RFC 4180 has them. Pure.
//!
//! Texts stand bare, numbers and truths as written, lists and objects as their JSON text; null and what is
//! missing are empty cells. Between two cells is a comma, and a row ends with two characters. A cell stands
//! in quotation marks where it has something in it that would be taken for another's.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter};

use crate::json::plain::{PlainForm, PlainValue};

/// Who reads a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum TableStyle {
    /// A program: each cell is the value.
    Plain,
    /// A spreadsheet, which guesses at the encoding and calculates what looks like a formula.
    Spreadsheet,
}

/// Appends the row of an item of which these are the values, one for each column; `members` are all that it
/// has.
///
/// What the walk has seen of a value is not looked for again. So all that would put a text without escapes
/// into quotation marks is a comma; and an item in which there are no more commas than between its members
/// has none in a text.
pub(super) fn write_values(
    item: &[u8],
    members: usize,
    values: &[Option<PlainValue>],
    style: TableStyle,
    row: &mut Vec<u8>,
) {
    let has_commas = memchr_iter(b',', item).count() >= members;
    let begin = row.len();
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            row.push(b',');
        }
        let Some(value) = value else { continue };
        match value.form {
            PlainForm::Null => {}
            PlainForm::Word => {
                let word = value.written(item);
                row.extend_from_slice(prefix(word, style));
                row.extend_from_slice(word);
            }
            PlainForm::Text => {
                let text = value.inside(item);
                let mark: &[u8] =
                    if has_commas && memchr(b',', text).is_some() { b"\"" } else { b"" };
                row.extend_from_slice(mark);
                row.extend_from_slice(prefix(text, style));
                row.extend_from_slice(text);
                row.extend_from_slice(mark);
            }
            PlainForm::EscapedText | PlainForm::Nested => {
                write_cell(&cell(value.written(item)), style, row);
            }
        }
    }
    end(values.len(), begin, row);
}

/// Appends a row of these cells.
pub(super) fn write_cells<'a>(
    cells: impl Iterator<Item = &'a [u8]>,
    style: TableStyle,
    row: &mut Vec<u8>,
) {
    let (begin, mut count) = (row.len(), 0_usize);
    for cell in cells {
        if count > 0 {
            row.push(b',');
        }
        count += 1;
        write_cell(cell, style, row);
    }
    end(count, begin, row);
}

/// A value as it stands in its cell.
pub(super) fn cell(value: &[u8]) -> Cow<'_, [u8]> {
    match value {
        b"null" => Cow::Borrowed(b""),
        [b'"', inside @ .., b'"'] if !inside.contains(&b'\\') => Cow::Borrowed(inside),
        // A text that is not Unicode stays as it is written.
        [b'"', ..] => serde_json::from_slice::<String>(value)
            .map_or(Cow::Borrowed(value), |text| Cow::Owned(text.into_bytes())),
        other => Cow::Borrowed(other),
    }
}

fn write_cell(cell: &[u8], style: TableStyle, row: &mut Vec<u8>) {
    // Each byte is looked at, because that is many at a time.
    let marks = |mark: bool, byte: &u8| mark | matches!(byte, b',' | b'"' | b'\r' | b'\n');
    if !cell.iter().fold(false, marks) {
        row.extend_from_slice(prefix(cell, style));
        row.extend_from_slice(cell);
        return;
    }
    row.push(b'"');
    row.extend_from_slice(prefix(cell, style));
    let mut rest = cell;
    while let Some((before, after)) =
        memchr(b'"', rest).and_then(|at| rest.split_at_checked(at + 1))
    {
        // The mark is the last of what is before, and stands twice.
        row.extend_from_slice(before);
        row.push(b'"');
        rest = after;
    }
    row.extend_from_slice(rest);
    row.push(b'"');
}

/// What is put before a cell so that no spreadsheet takes it for a formula.
fn prefix(cell: &[u8], style: TableStyle) -> &'static [u8] {
    match (style, cell) {
        (TableStyle::Spreadsheet, [b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r', ..]) => b"'",
        _ => b"",
    }
}

/// Ends a row of so many cells that begins there.
fn end(count: usize, begin: usize, row: &mut Vec<u8>) {
    if count == 1 && row.len() == begin {
        // An empty line would be no row.
        row.extend_from_slice(b"\"\"");
    }
    row.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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

    #[test]
    fn a_spreadsheet_calculates_no_cell() {
        for (cell, told) in [
            ("=1", "'=1\r\n"),
            ("+1", "'+1\r\n"),
            ("-1,5", "\"'-1,5\"\r\n"),
            ("@\"", "\"'@\"\"\"\r\n"),
            ("\r", "\"'\r\"\r\n"),
            ("\t", "'\t\r\n"),
            ("1=1", "1=1\r\n"),
            ("", "\"\"\r\n"),
        ] {
            let mut row = Vec::new();
            write_cells([cell.as_bytes()].into_iter(), TableStyle::Spreadsheet, &mut row);
            assert_eq!(String::from_utf8(row).unwrap(), told);
        }
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
                write_cells(row.iter().map(Vec::as_slice), TableStyle::Plain, &mut written);
            }
            prop_assert_eq!(written, by_the_library(&rows));
        }
    }
}
