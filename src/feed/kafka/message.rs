//! What is sent of a batch. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

use crate::config::KafkaTopic;
use crate::domain::envelope::BareId;
use crate::domain::{Op, RepositoryId};
use crate::feed::batch::Batch;

/// What librdkafka adds to the size of a message when it holds it against `message.max.bytes`, and more.
const OVERHEAD: usize = 100;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KafkaMessage {
    pub(super) topic: Arc<str>,
    /// The item: messages of one key stay in their order.
    pub(super) key: Bytes,
    /// The envelope; `None`: the item is gone.
    pub(super) value: Option<Bytes>,
}

impl KafkaMessage {
    /// How large it is, in bytes.
    pub(super) fn size(&self) -> usize {
        self.key.len() + self.value.as_ref().map_or(0, Bytes::len) + OVERHEAD
    }
}

/// The key of an item.
#[derive(Serialize)]
struct ItemKey<'a> {
    repository: RepositoryId,
    item: BareId<'a>,
}

/// The messages of a batch, in its order; behind that of a deletion one without a value, where that is wanted.
pub(super) fn messages(batch: &Batch, topic: &KafkaTopic, tombstones: bool) -> Vec<KafkaMessage> {
    let mut topics: BTreeMap<RepositoryId, Arc<str>> = BTreeMap::new();
    let mut messages = Vec::with_capacity(batch.lines.len());
    for line in &batch.lines {
        let of_repository = || topic.of(line.repository.0).into();
        let topic = Arc::clone(topics.entry(line.repository).or_insert_with(of_repository));
        let key = ItemKey { repository: line.repository, item: BareId(&line.item) };
        let key: Bytes = serde_json::to_vec(&key).expect("numbers and texts are JSON").into();
        let tombstone = (tombstones && line.op == Op::Delete).then(|| KafkaMessage {
            topic: Arc::clone(&topic),
            key: key.clone(),
            value: None,
        });
        messages.push(KafkaMessage { topic, key, value: Some(line.envelope.clone()) });
        messages.extend(tombstone);
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ItemId, Sequence};
    use crate::feed::batch::FeedLine;

    #[test]
    fn a_message_has_the_item_as_its_key_and_a_deletion_is_followed_by_nothing_where_asked_for() {
        let line = |repository, item, op| FeedLine {
            sequence: Sequence(1),
            repository: RepositoryId(repository),
            item,
            op,
            ts_ms: 5,
            envelope: Bytes::from_static(b"{}"),
        };
        let lines = vec![
            line(7, ItemId::Integer(5), Op::Update),
            line(10149, ItemId::Text("a\"b".into()), Op::Delete),
        ];
        let batch = Batch { id: "ewm_1".to_owned(), lines };
        let topic = KafkaTopic::named("ewmirror.{repository}");
        let shown = |tombstones| -> Vec<String> {
            let messages = messages(&batch, &topic, tombstones);
            let shown = messages.iter().map(|it| {
                let key = String::from_utf8_lossy(&it.key);
                format!("{} {key} {}", it.topic, it.value.is_some())
            });
            shown.collect()
        };
        let both = [
            r#"ewmirror.7 {"repository":7,"item":5} true"#,
            r#"ewmirror.10149 {"repository":10149,"item":"a\"b"} true"#,
            r#"ewmirror.10149 {"repository":10149,"item":"a\"b"} false"#,
        ];
        assert_eq!(shown(false), both[..2]);
        assert_eq!(shown(true), both);
    }
}
