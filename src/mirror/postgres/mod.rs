//! The mirror in a PostgreSQL database.
//!
//! Guarantees: a page is one transaction, made whole or not at all under the lease of its writer;
//! sequences are given out in the order of commits; nothing of a row stands in an error.

mod connections;
mod dedicated;
mod error;
mod findings;
mod key;
mod leases;
mod names;
mod read;
mod schema;

#[cfg(test)]
mod tests;

pub(crate) use connections::{PostgresAddress, PostgresPool};
pub(crate) use read::PostgresReading;
