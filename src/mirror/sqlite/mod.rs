//! The mirror in a SQLite database.

mod key;
