//! How fast the server starts and answers.

use std::time::{Duration, Instant};

use super::super::Order;
use super::*;

/// Two seconds are promised; this is a debug build, maybe on a machine that is busy with other things.
#[tokio::test]
async fn a_hundred_thousand_items_start_without_a_long_wait() {
    for order in [Order::Id, Order::Modified, Order::Shuffled] {
        let begin = Instant::now();
        let client = Client::signed_in(Options { order, ..options(100_000) }).await;
        let total = client.search(5_000, 20).await.json()["data"]["searchTotal"].clone();
        println!("{order:?}: {:?}", begin.elapsed());
        assert_eq!(total, 100_000);
        assert!(begin.elapsed() < Duration::from_secs(20));
    }
}

#[tokio::test]
#[ignore = "a measurement: run it with --release --nocapture"]
async fn measure_a_million_items() {
    for order in [Order::Id, Order::Modified, Order::Shuffled] {
        let begin = Instant::now();
        let client = Client::signed_in(Options { order, ..options(1_000_000) }).await;
        println!("{order:?}: start {:?}", begin.elapsed());
        let begin = Instant::now();
        for page in 0..50 {
            client.search(1 + page * 20, 1_000).await;
        }
        println!("  50 pages of 1000 items: {:?}", begin.elapsed());
        let begin = Instant::now();
        let mut state = client.simulator.shared.lock();
        for step in 0..1_000 {
            let repository = &mut state.repositories[0];
            repository.insert(None).unwrap();
            let id = repository.window(step * 900, 1)[0].id;
            repository.update(id).unwrap();
            let id = repository.window(step * 700, 1)[0].id;
            repository.delete(id).unwrap();
        }
        println!("  1000 insertions, updates and deletions: {:?}", begin.elapsed());
    }
}
