//! The mirror in a SQLite database.
//!
//! One thread owns the one connection that writes; each reader has a thread and a connection of its
//! own. Calls reach them through a short queue ([`worker`]).
//!
//! Numbers of 64 bits without sign (repositories, iterations, counts, digests) are stored as the
//! signed numbers of the same bits.

mod connect;
mod error;
mod examine;
mod feeds;
mod findings;
mod incremental;
mod key;
mod knowledge;
mod ledger;
mod lookup;
mod mirror;
mod models;
mod open;
mod published;
mod read;
mod reading;
mod schema;
mod store;
mod suspects;
mod transfer;
mod transfer_state;
mod view_sql;
mod wal;
mod worker;
mod write;
mod write_error;

pub(super) use examine::lock_owner;
pub(super) use findings::findings;
pub(crate) use mirror::SqliteMirror;
pub(crate) use open::SqliteOptions;
pub(super) use open::check_folder;
#[cfg(test)]
pub(crate) use read::SqliteReader;
#[cfg(test)]
pub(crate) use read::SqliteSnapshot;
pub(super) use reading::SqliteReading;
pub(super) use transfer::SqliteTransfer;

#[cfg(test)]
pub(super) mod tests;
