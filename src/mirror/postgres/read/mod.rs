//! Reading a mirror in PostgreSQL, beside the daemons that write it or without one.
//!
//! Each question is a statement or two, or a transaction that cannot write; none waits for a lock of
//! the writers, nor they for one of its. The exceptions are a snapshot and a comparison: while one is held
//! the database keeps what has been replaced since.
//!
//! Partitions of the log may be dropped between two statements. So what a statement found in the log
//! counts only as far as the same statement says that the log reaches, and a transaction that reads the
//! log more than once locks it before it takes its state.
//!
//! Statements are sent with the types of their parameters and are planned for these: so the plan holds
//! the partitions that matter and no others.

mod bounds;
mod changes;
mod columns;
mod comparison;
mod error;
mod feeds;
mod held;
mod history;
mod instant;
mod log_time;
mod news;
mod open;
mod reading;
mod snapshot;
mod summary;
#[cfg(test)]
mod tests;

pub(crate) use reading::PostgresReading;
