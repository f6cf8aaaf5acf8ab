//! Doors to what is private here, for the fuzz targets in `fuzz/`; compiled for nobody else
//! (`--cfg fuzzing`).

use serde_json::value::RawValue;

use super::export;
use crate::domain::ItemId;
use crate::json::difference;

/// Items as `ewmirror export --format csv` writes them; the error says which does not fit.
pub fn table(items: &[&[u8]], first_column: &str) -> Result<Vec<u8>, String> {
    let mut written = Vec::new();
    let each = |write: &mut export::EachItem<'_>| {
        items.iter().zip(0..).try_for_each(|(item, id)| write(&ItemId::Integer(id), item))
    };
    export::csv(
        each,
        export::ColumnOrder::FirstIs(first_column),
        export::TableStyle::Plain,
        &mut written,
    )
    .map_err(|error| error.to_string())?;
    Ok(written)
}

/// A member that differs: its name, and its value before and after, as written.
pub type MemberDifference = (String, Option<String>, Option<String>);

/// What `ewmirror history` tells of an item's way from one state to the next.
pub fn differences(before: Option<&[u8]>, after: Option<&[u8]>) -> Vec<MemberDifference> {
    let written = |value: Option<&RawValue>| value.map(|value| value.get().to_owned());
    difference::between(before, after)
        .into_iter()
        .map(|it| (it.name.into_owned(), written(it.before), written(it.after)))
        .collect()
}
