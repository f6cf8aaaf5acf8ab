//! The mirror in a SQLite database.

mod error;
mod key;
mod schema;

pub use error::OpenError;
