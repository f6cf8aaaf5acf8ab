//! Delivery to librdkafka's own mock cluster, which answers as it is told.
//!
//! That cluster speaks the protocol of transactions and keeps none (`rdkafka_mock.c`, `rdkafka_mock_handlers.c`
//! of librdkafka 2.12): a second producer of the same `transactional.id` gets a producer id of its own, and the
//! first one's stays good, so nobody is fenced; `EndTxn` changes nothing in the log, so what was aborted is read
//! like what was committed, whatever the isolation. It does check a producer's epoch and the sequences of its
//! batches. So what is shown here is the client's part: that a delivery which has succeeded is in the log as a
//! whole, once, in order, and before anything of a later one; that it is succeeded by a committed transaction
//! alone; and what follows from each error. That the brokers refuse what an earlier producer still sends is
//! theirs to do, and not shown here.

mod answers;
mod faults;
mod speed;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::Message as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::{Offset, TopicPartitionList};

use super::{KafkaReceiver, KafkaSettings};
use crate::config::{KafkaProperties, KafkaTopic};
use crate::domain::{FeedName, ItemId, Op, RepositoryId, Sequence};
use crate::feed::batch::{Batch, FeedLine};

const TOPIC: &str = "ewmirror.7";

/// How many partitions the topic has.
const PARTITIONS: i32 = 3;

/// Longer than anything takes on the slowest machine.
const A_WHILE: Duration = Duration::from_secs(120);

type Cluster = MockCluster<'static, DefaultProducerContext>;

/// Brokers with the topic.
fn cluster(brokers: i32) -> Cluster {
    let cluster = MockCluster::new(brokers).expect("a mock cluster");
    cluster.create_topic(TOPIC, PARTITIONS, brokers.min(3)).expect("a topic");
    cluster
}

fn settings(brokers: &str, more: &[(&str, &str)]) -> KafkaSettings {
    let properties = [&[("bootstrap.servers", brokers), ("linger.ms", "1")], more].concat();
    KafkaSettings {
        feed: FeedName::of("shop"),
        properties: KafkaProperties::of(&properties),
        password: None,
        topic: KafkaTopic::named("ewmirror.{repository}"),
        tombstones: false,
        create_topics: false,
        transactional_id: "ewmirror-shop-1".to_owned(),
    }
}

fn receiver(cluster: &Cluster, more: &[(&str, &str)]) -> KafkaReceiver {
    KafkaReceiver::new(settings(&cluster.bootstrap_servers(), more))
}

/// A change of this item.
fn line(sequence: u64, item: u64, op: Op, envelope: String) -> FeedLine {
    FeedLine {
        sequence: Sequence(sequence),
        repository: RepositoryId(7),
        item: ItemId::Integer(item.into()),
        op,
        ts_ms: 5,
        envelope: envelope.into(),
    }
}

fn batch(lines: Vec<FeedLine>) -> Batch {
    Batch { id: "ewm_1".to_owned(), lines }
}

/// What is in the topic: by key, in the order of its partition. `None`: a message without a value.
async fn read(brokers: String) -> BTreeMap<String, Vec<Option<String>>> {
    tokio::task::spawn_blocking(move || read_all(&brokers)).await.expect("the log is read")
}

fn read_all(brokers: &str) -> BTreeMap<String, Vec<Option<String>>> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "judge")
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .create()
        .expect("a consumer");
    let mut left = BTreeMap::new();
    let mut assigned = TopicPartitionList::new();
    let deadline = Instant::now() + A_WHILE;
    for partition in 0..PARTITIONS {
        let end = loop {
            match consumer.fetch_watermarks(TOPIC, partition, Duration::from_secs(10)) {
                Ok((_, end)) => break end,
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
        };
        if end > 0 {
            left.insert(partition, end);
        }
        assigned.add_partition_offset(TOPIC, partition, Offset::Beginning).expect("an offset");
    }
    consumer.assign(&assigned).expect("it is assigned");
    let mut found: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
    while !left.is_empty() {
        assert!(Instant::now() < deadline, "not read to the end: {left:?}");
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        let key = message.key().map(text).expect("a key");
        found.entry(key).or_default().push(message.payload().map(text));
        if left.get(&message.partition()).is_some_and(|end| message.offset() + 1 >= *end) {
            left.remove(&message.partition());
        }
    }
    found
}

fn key(item: u64) -> String {
    format!("{{\"repository\":7,\"item\":{item}}}")
}

/// The same with a number of its own, so that no two tests have one name.
fn own(settings: KafkaSettings, id: &str) -> Arc<KafkaSettings> {
    Arc::new(KafkaSettings { transactional_id: id.to_owned(), ..settings })
}
