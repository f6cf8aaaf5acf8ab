//! What became of an item, as lines for people: one for each attribute, by its name where that is
//! known. Pure.
//!
//! Values are JSON texts on one line each, and nothing in them reaches the terminal that it would obey.

use std::fmt::Write as _;

use serde_json::value::RawValue;

use crate::cli::output;
use crate::json::difference;
use crate::model::Naming;

/// The lines, indented; none where it is the same.
pub(in crate::cli) fn of(before: Option<&[u8]>, after: Option<&[u8]>, naming: &Naming) -> String {
    let mut text = String::new();
    for member in difference::between(before, after) {
        let name = output::visible(naming.name(&member.name));
        let (before, after) = (shown(member.before), shown(member.after));
        writeln!(text, "    {name}: {before} -> {after}").expect("a string takes any text");
    }
    text
}

fn shown(value: Option<&RawValue>) -> String {
    value.map_or_else(
        || "(none)".to_owned(),
        |value| {
            // Line ends in a JSON text stand between its values only.
            output::visible(&value.get().replace(['\r', '\n'], ""))
        },
    )
}
