//! The mirror in a PostgreSQL database.
//!
//! Guarantees: a page is one transaction, made whole or not at all under the lease of its writer;
//! sequences are given out in the order of commits; nothing of a row stands in an error.

mod address;
mod any_page;
mod append;
mod compare;
mod connect;
mod connections;
mod database_error;
mod dedicated;
mod error;
mod feeds;
mod fence;
mod findings;
mod key;
mod knowledge;
mod known_pages;
mod leases;
mod ledger;
mod log_parts;
mod mirror;
mod models;
mod numbers;
mod page_append;
mod page_digest;
mod passes;
mod plans;
mod published;
mod read;
mod restored_pages;
mod retention;
mod schema;
mod suspects;
mod tls;
mod transfer;
mod writer;

#[cfg(test)]
mod tests;

pub use address::PostgresAddress;
pub(crate) use connections::PostgresPool;
pub(crate) use feeds::PostgresFeedWriter;
pub(in crate::mirror) use findings::findings;
pub(crate) use leases::PostgresLeases;
pub(in crate::mirror) use leases::prepare;
pub(crate) use mirror::PostgresMirror;
pub(crate) use read::PostgresReading;
pub(super) use transfer::{PostgresTransfer, expect_finished};
