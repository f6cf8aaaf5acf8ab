//! Reading a mirror's database beside the daemon that writes it.
//!
//! A [`SqliteReader`] has a connection of its own that cannot write. It never blocks the daemon: SQLite's
//! WAL lets one write while others read. What it could do is to keep the WAL from being
//! checkpointed, by reading from one old state for long; so each question is one short transaction.
//! The exceptions are a [`SqliteSnapshot`] and a [`SqliteComparison`], and who takes one must not wait for
//! anybody while it lasts.
//!
//! Nothing here changes the file, brings it up to date, or waits for it to be there.

mod changes;
mod columns;
mod comparison;
mod connection;
mod error;
mod feeds;
mod held;
mod log_time;
mod scan;
mod snapshot;
mod summary;
#[cfg(test)]
mod tests;
mod versions;

pub(crate) use comparison::SqliteComparison;
pub(crate) use connection::SqliteReader;
pub(super) use error::ReadError;
pub(super) use feeds::{
    change_feed, change_feed_beside_writer, feeds_in, parked_in, remove_feed,
    remove_feed_beside_writer,
};
pub(super) use held::{approve, approve_beside_writer};
pub(crate) use snapshot::SqliteSnapshot;
