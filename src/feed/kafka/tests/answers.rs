//! What follows from what brokers answer.

use std::time::{Duration, Instant};

use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use tokio::time::timeout;

use super::super::{KafkaTopics, TopicState};
use super::*;
use crate::feed::receiver::{DeliveryRefusal, Receiver as _};

/// One change of each of these items, the number of the change its envelope.
fn changes(first: u64, items: &[u64]) -> Batch {
    let numbered = (first..).zip(items);
    batch(numbered.map(|(n, item)| line(n, *item, Op::Update, n.to_string())).collect())
}

fn later(delivered: Result<Option<String>, DeliveryRefusal>) -> (String, Option<Duration>) {
    match delivered {
        Err(DeliveryRefusal::Later { reason, after }) => (reason, after),
        other => panic!("{other:?}"),
    }
}

fn unfit(delivered: Result<Option<String>, DeliveryRefusal>) -> String {
    match delivered {
        Err(DeliveryRefusal::Unfit { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_batch_is_in_its_topic_once_it_is_delivered_and_a_deletion_is_followed_by_nothing() {
    let cluster = cluster(1);
    let brokers = cluster.bootstrap_servers();
    let settings = KafkaSettings { tombstones: true, ..settings(&brokers, &[]) };
    let mut receiver = KafkaReceiver::new(settings);
    let lines = vec![
        line(1, 5, Op::Create, "c".to_owned()),
        line(2, 6, Op::Create, "o".to_owned()),
        line(3, 5, Op::Delete, "d".to_owned()),
    ];
    assert_eq!(receiver.deliver(&batch(lines)).await, Ok(None));
    assert_eq!(receiver.deliver(&changes(4, &[5, 5])).await, Ok(None));
    receiver.close().await;
    let found = read(brokers).await;
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(found[&key(5)], [text("c"), text("d"), None, text("4"), text("5")]);
    assert_eq!(found[&key(6)], [text("o")]);
}

#[tokio::test]
async fn a_message_that_is_too_large_is_unfit_and_the_next_one_is_delivered() {
    let cluster = cluster(1);
    let mut receiver = receiver(&cluster, &[("message.max.bytes", "2000")]);
    let large = batch(vec![line(1, 5, Op::Update, "x".repeat(2000))]);
    let told = unfit(receiver.deliver(&large).await);
    assert!(told.starts_with("topic ewmirror.7: ") && told.contains("message.max.bytes"), "{told}");
    for code in [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_RECORD,
    ] {
        assert_eq!(receiver.deliver(&changes(1, &[5])).await, Ok(None));
        cluster.request_errors(RDKafkaApiKey::Produce, &[code]);
        let told = unfit(receiver.deliver(&changes(2, &[5])).await);
        assert!(told.starts_with("topic ewmirror.7: "), "{told}");
    }
    assert_eq!(receiver.deliver(&changes(3, &[5])).await, Ok(None));
}

#[tokio::test]
async fn what_is_about_the_login_or_the_topic_is_told_and_tried_again() {
    let cluster = cluster(1);
    let mut receiver = receiver(&cluster, &[]);
    for (api, code, word) in [
        (
            RDKafkaApiKey::InitProducerId,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            "transactional ids",
        ),
        (
            RDKafkaApiKey::AddPartitionsToTxn,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
            "write to the topic",
        ),
        (
            RDKafkaApiKey::Produce,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
            "topic ewmirror.7: ",
        ),
    ] {
        cluster.request_errors(api, &[code]);
        let (told, after) = later(receiver.deliver(&changes(1, &[5])).await);
        assert!(told.contains(word) && after.is_none(), "{told}");
        assert_eq!(receiver.deliver(&changes(1, &[5])).await, Ok(None));
    }
    let settings = KafkaSettings {
        topic: KafkaTopic::named("nowhere"),
        ..settings(&cluster.bootstrap_servers(), &[])
    };
    let mut receiver = KafkaReceiver::new(KafkaSettings::clone(&own(settings, "other")));
    let (told, _) = later(receiver.deliver(&changes(1, &[5])).await);
    assert!(told.starts_with("topic nowhere: ") && told.contains("create_topics"), "{told}");
}

#[tokio::test]
async fn who_is_fenced_out_waits_until_it_has_asked_whose_the_feed_is() {
    let cluster = cluster(1);
    let mut receiver = receiver(&cluster, &[]);
    for api in [RDKafkaApiKey::Produce, RDKafkaApiKey::AddPartitionsToTxn, RDKafkaApiKey::EndTxn] {
        assert_eq!(receiver.deliver(&changes(1, &[5])).await, Ok(None));
        cluster.request_errors(api, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_PRODUCER_FENCED]);
        let (told, after) = later(receiver.deliver(&changes(2, &[5])).await);
        assert!(told.contains("another daemon delivers this feed"), "{told}");
        assert_eq!(after, Some(Duration::from_secs(5)));
        assert_eq!(receiver.deliver(&changes(2, &[5])).await, Ok(None));
    }
}

#[tokio::test]
async fn brokers_that_are_away_are_told_by_their_names_and_delivered_to_once_they_are_back() {
    let cluster = cluster(1);
    let mut receiver = receiver(&cluster, &[("transaction.timeout.ms", "10000")]);
    assert_eq!(receiver.deliver(&changes(1, &[5])).await, Ok(None));
    cluster.broker_down(-1).expect("it goes down");
    let (told, _) = later(receiver.deliver(&changes(2, &[5])).await);
    assert!(told.contains("127.0.0.1"), "{told}");
    cluster.broker_up(-1).expect("it comes up");
    let back =
        timeout(A_WHILE, async { while receiver.deliver(&changes(2, &[5])).await.is_err() {} });
    back.await.expect("it is delivered once the broker is back");
}

#[tokio::test]
async fn a_call_that_is_dropped_leaves_the_receiver_fit_and_its_end_takes_no_two_seconds() {
    let cluster = cluster(1);
    let mut receiver = receiver(&cluster, &[]);
    assert_eq!(receiver.deliver(&changes(1, &[5])).await, Ok(None));
    cluster.broker_round_trip_time(-1, Duration::from_secs(3)).expect("it gets slow");
    let two = changes(2, &[5, 5]);
    assert!(timeout(Duration::from_millis(300), receiver.deliver(&two)).await.is_err());
    cluster.broker_round_trip_time(-1, Duration::ZERO).expect("it gets fast");
    let delivered = timeout(A_WHILE, async { while receiver.deliver(&two).await.is_err() {} });
    delivered.await.expect("it is delivered");
    cluster.broker_down(-1).expect("it goes down");
    assert!(timeout(Duration::from_millis(300), receiver.deliver(&two)).await.is_err());
    let begun = Instant::now();
    receiver.close().await;
    // Two seconds and what a busy machine adds.
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn what_brokers_say_of_a_topic_is_known_without_delivering() {
    let cluster = cluster(2);
    let settings = settings(&cluster.bootstrap_servers(), &[]);
    let asked = KafkaTopics::ask(settings.clone(), vec![RepositoryId(7), RepositoryId(8)]).await;
    let topics = vec![
        (TOPIC.to_owned(), TopicState::There(3)),
        ("ewmirror.8".to_owned(), TopicState::Missing),
    ];
    assert_eq!(asked, Ok(KafkaTopics { brokers: 2, topics }));
    cluster.broker_down(-1).expect("they go down");
    let told = KafkaTopics::ask(settings, vec![RepositoryId(7)]).await.unwrap_err();
    assert!(told.contains("127.0.0.1"), "{told}");
}
