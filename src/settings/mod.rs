//! Settings: tables of keys, and how their values get from files, the environment and credentials
//! into structs. Knows no single key; which there are and what holds between them is in `config`.
//!
//! The way of a value: [`document`] parses the file and keeps places, [`merge`] checks that keys
//! exist and lays the layers over each other, [`secrets`] finds what no file holds, [`parser`] hands
//! each setting to the [`codec`] of its row, and [`error`] says everything that is wrong at once.

pub mod choice;
pub mod codec;
pub mod document;
pub mod environment;
pub mod error;
pub mod masked_url;
pub mod merge;
pub mod parser;
pub mod schema;
pub mod secret;
pub mod secrets;
pub mod section;
pub mod sensitivity;
pub mod signing_keys;
pub mod similarity;
pub mod trusted_file;

pub use similarity::nearest;
