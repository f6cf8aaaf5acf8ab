//! How fast batches come to the mock cluster.

use super::*;
use crate::feed::receiver::Receiver as _;

const BATCHES: u64 = 200;
const LINES: u64 = 1000;

#[tokio::test]
#[ignore = "it measures, and takes a release build"]
async fn batches_come_to_the_mock_cluster_this_fast() {
    for bytes in [200, 2000] {
        let cluster = cluster(3);
        let mut receiver = receiver(&cluster, &[("linger.ms", "5")]);
        let text = format!("{{\"text\":\"{}\"}}", "x".repeat(bytes));
        let batches: Vec<Batch> = (0..BATCHES)
            .map(|number| {
                let sequences = number * LINES..(number + 1) * LINES;
                batch(sequences.map(|it| line(it, it % 5000, Op::Update, text.clone())).collect())
            })
            .collect();
        receiver.deliver(&batches[0]).await.expect("it is delivered");
        let begun = Instant::now();
        for batch in &batches[1..] {
            receiver.deliver(batch).await.expect("it is delivered");
        }
        let seconds = begun.elapsed().as_secs_f64();
        let count = ((BATCHES - 1) * LINES) as f64;
        eprintln!("{bytes} bytes: {:.0} changes a second", count / seconds);
    }
}
