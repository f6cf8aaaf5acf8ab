//! A mirror as one SQLite file for other people's tools: tables in the shape of the vendor's snapshot
//! tables.
//!
//! | table | a row for |
//! | --- | --- |
//! | `snapshot` | the file: server, time, sequence, version |
//! | `repository` | each repository |
//! | `attribute` | each attribute that is known, with the table and the column of its values |
//! | `link` | each pair of attributes that a link says are equal |
//! | as `model::shape` calls them | items, languages, keys and values, codes, pairs of linked items |
//! | `items`, `changes`, `history`, `passes` | what the views of a mirror of these names say, where that is asked for |
//!
//! Guarantees:
//!
//! - No value is lost or rewritten: a text is its characters, null is NULL, any other value is the JSON as
//!   it came; a member that has no column is among the keys and values.
//! - Every foreign key that is declared holds. A value that is no known code comes to the codes without a
//!   description; a column that holds a list or an object anywhere has no key. Of a link with far more
//!   pairs than items there is a view in place of the table.
//! - It takes the same memory for any number of items.
//! - The file has no WAL, and an `application_id` only once it is complete.
//!
//! It does not know where the file stands or how it came there: the caller makes an empty file, and
//! puts the complete one in its place.

mod completion;
mod ddl;
mod error;
mod plan;
mod repository_plan;
#[cfg(test)]
mod tests;
mod writing;

pub use error::SnapshotFileError;
pub use repository_plan::SnapshotRepository;
pub use writing::{SnapshotFacts, SnapshotFile};
