//! A deletion that is held back, as `approve-deletes --list` and the pull API tell it. Pure.

use crate::domain::envelope::BareId;
use crate::domain::{ItemId, RepositoryId, item};

/// Appends it as a JSON object on one line: of which repository and item, since when (a time, for people), and
/// the item's body.
pub fn write_line(
    repository: RepositoryId,
    id: &ItemId,
    since: Option<&str>,
    body: &[u8],
    line: &mut Vec<u8>,
) {
    let json = |value: serde_json::Result<String>| value.expect("numbers and texts are JSON");
    let (item, since) =
        (json(serde_json::to_string(&BareId(id))), json(serde_json::to_string(&since)));
    let head =
        format!("{{\"repository\":{repository},\"item\":{item},\"held_since\":{since},\"body\":");
    line.extend_from_slice(head.as_bytes());
    line.extend_from_slice(&item::one_line(body));
    line.extend_from_slice(b"}\n");
}
