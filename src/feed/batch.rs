//! What is delivered at once, and what it is called. Pure.

use bytes::Bytes;
use xxhash_rust::xxh3::Xxh3;

use crate::domain::{ItemId, Op, RepositoryId, Sequence};

/// A change as it is delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedLine {
    /// Its place in the log; in the reading of all items at one instant, that instant.
    pub sequence: Sequence,
    /// The repository.
    pub repository: RepositoryId,
    /// The item.
    pub item: ItemId,
    /// What happened.
    pub op: Op,
    /// When it was found, or read, in milliseconds since 1970 (UTC).
    pub ts_ms: i64,
    /// The envelope: one JSON object without a line end.
    pub envelope: Bytes,
}

/// What is delivered at once, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The same at every try, also after a kill and from another daemon.
    pub id: String,
    /// The changes; at least one.
    pub lines: Vec<FeedLine>,
}

/// What a batch of these lines is called: made of the mirror, the feed, its identity and its sequences; in the
/// reading at one instant, of that instant and the items.
pub fn batch_id(
    (mirror, feed, identity): (&str, &str, &str),
    lines: &[FeedLine],
    is_reading: bool,
) -> String {
    let mut hash = Xxh3::new();
    for text in [mirror, feed, identity, if is_reading { "items" } else { "changes" }] {
        hash.update(text.as_bytes());
        // No name holds it, so that no two of these are one text.
        hash.update(b"\0");
    }
    for line in lines {
        hash.update(&line.sequence.0.to_le_bytes());
        if is_reading {
            hash.update(&line.repository.0.to_le_bytes());
            let (kind, id) = match &line.item {
                ItemId::Integer(number) => (b'i', number.to_string()),
                ItemId::Text(text) => (b't', text.to_string()),
            };
            hash.update(&[kind]);
            hash.update(&id.len().to_le_bytes());
            hash.update(id.as_bytes());
        }
    }
    format!("ewm_{:032x}", hash.digest128())
}
