//! How fast batches come to the mock cluster.

use super::*;
use crate::feed::receiver::Receiver as _;

/// So many changes are delivered.
const CHANGES: u64 = 200_000;

#[tokio::test]
#[ignore = "it measures, and takes a release build"]
async fn batches_come_to_the_mock_cluster_this_fast() {
    for (bytes, lines) in [(200, 1000), (200, 10_000), (2000, 1000)] {
        let cluster = cluster(3);
        let mut receiver = receiver(&cluster, &[("linger.ms", "5")]);
        let text = format!("{{\"text\":\"{}\"}}", "x".repeat(bytes));
        let batches: Vec<Batch> = (0..CHANGES / lines)
            .map(|number| {
                let sequences = number * lines..(number + 1) * lines;
                batch(sequences.map(|it| line(it, it % 5000, Op::Update, text.clone())).collect())
            })
            .collect();
        receiver.deliver(&batches[0]).await.expect("it is delivered");
        let begun = Instant::now();
        for batch in &batches[1..] {
            receiver.deliver(batch).await.expect("it is delivered");
        }
        let seconds = begun.elapsed().as_secs_f64();
        let count = (CHANGES - lines) as f64;
        eprintln!("{bytes} bytes, {lines} a batch: {:.0} changes a second", count / seconds);
    }
}
