//! What belongs to a feed, how it is written, and that nothing is lost, doubled or out of order whatever
//! the receiver answers and whenever the daemon is killed.

mod deliveries;
mod lines;
mod readings;
mod refusals;
mod shop;
mod tasks;
mod whole;

use super::batch::FeedLine;
use super::place::FeedCursor;
use crate::domain::{Change, ItemId, Iteration, Op, RepositoryId, Sequence};

/// A change of an item of repository 1.
fn change(sequence: u64, item: i128, op: Op, bodies: (Option<&str>, Option<&str>)) -> Change {
    let body = |body: Option<&str>| body.map(|body| body.as_bytes().to_vec());
    Change {
        sequence: Sequence(sequence),
        repository: RepositoryId(1),
        item: ItemId::Integer(item),
        op,
        iteration: Iteration(1),
        ts_ms: 5,
        before: body(bodies.0),
        after: body(bodies.1),
    }
}

/// Does what a task does where the stored batch is unfit; the one change that is parked then, under this
/// sequence or its own.
fn find_unfit(
    cursor: &mut FeedCursor,
    lines: &[FeedLine],
    sequence: Option<Sequence>,
) -> Option<FeedLine> {
    let [only] = lines else {
        cursor.halve(lines.len());
        return None;
    };
    let line = FeedLine { sequence: sequence.unwrap_or(only.sequence), ..only.clone() };
    cursor.park(&line);
    Some(line)
}
