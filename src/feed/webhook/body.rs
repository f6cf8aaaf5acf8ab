//! The body of a webhook. Pure.

use bytes::Bytes;

use crate::feed::batch::Batch;
use crate::text::moment;

/// What is in it, as Standard Webhooks 1.0 names types.
const TYPE: &str = "ewmirror.changes";

/// The body for a batch of this feed: the envelopes as they are, in their order. Its time is when the last of
/// them was found, so that the body is the same at every try.
pub(super) fn body(feed: &str, batch: &Batch) -> Bytes {
    let size: usize = batch.lines.iter().map(|line| line.envelope.len() + 1).sum();
    let found_ms = batch.lines.iter().map(|line| line.ts_ms).max().unwrap_or_default();
    let time = moment(found_ms);
    let feed = serde_json::Value::from(feed);
    let head = format!(
        "{{\"type\":\"{TYPE}\",\"timestamp\":\"{time}\",\"data\":{{\"feed\":{feed},\"changes\":["
    );
    let mut body = Vec::with_capacity(head.len() + size + 3);
    body.extend_from_slice(head.as_bytes());
    for (index, line) in batch.lines.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(&line.envelope);
    }
    body.extend_from_slice(b"]}}");
    body.into()
}
