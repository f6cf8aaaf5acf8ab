//! Faults at random: nothing is lost, and the order of each item is kept.

use std::collections::BTreeSet;

use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr as Code};
use tokio::time::timeout;

use super::*;
use crate::feed::receiver::{DeliveryRefusal, Receiver as _};

const BROKERS: i32 = 3;

/// So many batches are delivered, of so many changes each, of so many items.
const BATCHES: u64 = 25;
const LINES: u64 = 12;
const ITEMS: u64 = 5;

/// A transaction ends soon where brokers are away.
const SHORT: &[(&str, &str)] = &[("transaction.timeout.ms", "4000")];

/// What brokers answer to requests now and then.
const ANSWERS: &[(RDKafkaApiKey, &[Code])] = &[
    (
        RDKafkaApiKey::Produce,
        &[
            Code::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
            Code::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
            Code::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
            Code::RD_KAFKA_RESP_ERR__TRANSPORT,
            Code::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
            Code::RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID,
            Code::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
            Code::RD_KAFKA_RESP_ERR_PRODUCER_FENCED,
        ],
    ),
    (
        RDKafkaApiKey::AddPartitionsToTxn,
        &[
            Code::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
            Code::RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS,
            Code::RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
            Code::RD_KAFKA_RESP_ERR__TRANSPORT,
            Code::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
            Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
        ],
    ),
    (
        RDKafkaApiKey::EndTxn,
        &[
            Code::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
            Code::RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
            Code::RD_KAFKA_RESP_ERR__TRANSPORT,
            Code::RD_KAFKA_RESP_ERR_INVALID_TXN_STATE,
            Code::RD_KAFKA_RESP_ERR_PRODUCER_FENCED,
        ],
    ),
    (
        RDKafkaApiKey::InitProducerId,
        &[
            Code::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
            Code::RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
            Code::RD_KAFKA_RESP_ERR__TRANSPORT,
        ],
    ),
];

/// Does one thing to the cluster.
fn disturb(cluster: &Cluster, chance: &mut fastrand::Rng) {
    match chance.u8(0..8) {
        0..=3 => {
            let (api, codes) = ANSWERS[chance.usize(0..ANSWERS.len())];
            let codes: Vec<_> =
                (0..chance.usize(1..4)).map(|_| codes[chance.usize(0..codes.len())]).collect();
            cluster.request_errors(api, &codes);
        }
        4 => cluster.broker_down(chance.i32(1..=BROKERS)).expect("it goes down"),
        5 => {
            let slow = Duration::from_millis(chance.u64(1..150));
            cluster.broker_round_trip_time(chance.i32(1..=BROKERS), slow).expect("it gets slow");
        }
        6 => {
            let (partition, leader) = (chance.i32(0..PARTITIONS), chance.i32(1..=BROKERS));
            cluster.partition_leader(TOPIC, partition, Some(leader)).expect("another leader");
        }
        _ => calm(cluster),
    }
}

/// Has all brokers up, as fast as they can be, and answer as they should.
fn calm(cluster: &Cluster) {
    for (api, _) in ANSWERS {
        cluster.clear_request_errors(*api);
    }
    cluster.broker_up(-1).expect("they come up");
    cluster.broker_round_trip_time(-1, Duration::ZERO).expect("they get fast");
}

/// One batch of changes, each with its number and the number of the try.
fn tried(number: u64, attempt: u64) -> Batch {
    let changes = (number * LINES..(number + 1) * LINES)
        .map(|change| line(change + 1, change % ITEMS, Op::Update, format!("{change} {attempt}")));
    batch(changes.collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_brokers_do_a_batch_that_is_delivered_is_there_as_a_whole_once_and_in_order() {
    let seed = fastrand::u64(..);
    let mut chance = fastrand::Rng::with_seed(seed);
    let cluster = cluster(BROKERS);
    let brokers = cluster.bootstrap_servers();
    let mut receiver = receiver(&cluster, SHORT);
    let (mut attempt, mut failures, mut dropped) = (0, 0, 0);
    let mut delivered = BTreeSet::new();
    for number in 0..BATCHES {
        for failed in 0.. {
            attempt += 1;
            let batch = tried(number, attempt);
            disturb(&cluster, &mut chance);
            if failed > 1 {
                calm(&cluster);
            }
            if failed == 10 {
                // It is the machine that is slow.
                receiver = super::receiver(&cluster, &[("transaction.timeout.ms", "60000")]);
            }
            assert!(failed < 100, "seed {seed}: batch {number} is never delivered");
            // A delivery that is slow is dropped now and then, as where the daemon ends.
            let patience = match chance.u8(0..4) {
                0 => Duration::from_millis(chance.u64(1..400)),
                _ => A_WHILE,
            };
            match timeout(patience, receiver.deliver(&batch)).await {
                Ok(Ok(_)) => {
                    delivered.insert(attempt);
                    break;
                }
                Ok(Err(DeliveryRefusal::Later { .. })) => failures += 1,
                Ok(Err(other)) => panic!("seed {seed}: {other:?}"),
                Err(_) => dropped += 1,
            }
            if failed < 10 && chance.bool() {
                // Another daemon, or this one after a kill.
                receiver = super::receiver(&cluster, SHORT);
            }
        }
    }
    receiver.close().await;
    calm(&cluster);
    let found = read(brokers).await;
    println!("seed {seed}: {attempt} tries, {failures} failed, {dropped} dropped");
    for item in 0..ITEMS {
        let of_item = |change: &u64| change % ITEMS == item;
        let expected: Vec<u64> = (0..BATCHES * LINES).filter(of_item).collect();
        // What others than those left, no reader of what is committed sees on a broker that fences.
        let told: Vec<u64> = found[&key(item)]
            .iter()
            .filter_map(|message| {
                let (number, attempt) = message.as_deref()?.split_once(' ')?;
                let attempt: u64 = attempt.parse().ok()?;
                delivered.contains(&attempt).then(|| number.parse().ok()).flatten()
            })
            .collect();
        assert_eq!(told, expected, "seed {seed}, item {item}");
    }
}
