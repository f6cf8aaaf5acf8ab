//! What belongs to a feed, how it is written, and that nothing is lost, doubled or out of order whatever
//! the receiver answers and whenever the daemon is killed.

mod deliveries;
mod lines;
mod readings;
mod refusals;
mod shop;
mod tasks;
mod whole;

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
