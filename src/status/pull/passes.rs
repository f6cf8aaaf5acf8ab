//! The passes of a repository, as the ledger has them.

use crate::status::document::PassStatus;

/// A line of JSON for each, with the members that a pass has in the status document.
pub(super) fn lines<'a, T>(passes: &'a [T]) -> Vec<u8>
where
    PassStatus: From<&'a T>,
{
    let mut lines = Vec::new();
    for pass in passes {
        // Plain fields become JSON, and memory takes what is written.
        if serde_json::to_writer(&mut lines, &PassStatus::from(pass)).is_ok() {
            lines.push(b'\n');
        }
    }
    lines
}
