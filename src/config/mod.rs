//! The configuration: plain values that cannot be wrong, one struct a section.
//!
//! `table` has a row for each key; whatever else knows keys derives from it: the structs below, their
//! parsing, the effective configuration, what a reload does, the commented file and the manual page.
//!
//! [`load()`] merges built-in defaults, the file and the environment with the `config` crate and
//! parses the result once, collecting every error; what comes out needs no further check. A module
//! is handed its own section, never the whole [`Config`].
//!
//! The way of a value: `document` parses the file and keeps places, `merge` checks that keys exist
//! and lays the layers over each other, `secrets` finds what no file holds, `parser` hands each
//! setting to the codec of its row, and `rules` sees to what holds between keys.

mod address;
mod codec;
mod document;
mod environment;
mod error;
mod load;
mod merge;
mod numbers;
mod parser;
mod rules;
mod schema;
mod search;
mod secret;
mod secrets;
mod section;
mod sensitivity;
mod settings;
mod similarity;
mod table;
#[cfg(test)]
mod tests;
mod trusted_file;
mod values;
mod words;

pub use environment::Environment;
#[cfg(any(test, fuzzing))]
pub use error::ConfigErrors;
#[cfg(any(test, fuzzing))]
pub use error::SettingSource;
pub use error::{ConfigError, Warning};
pub use load::{
    Loaded, load, load_for_queries, load_for_queries_leniently, load_text, password_source,
};
#[cfg(test)]
pub use schema::Schema;
pub use schema::{ConfigKey, OnReload, Requirement, SectionSchema};
pub use secret::Secret;
pub use settings::{Config, QueryConfig};
#[cfg(test)]
pub use table::ChangesConfig;
#[cfg(test)]
pub use table::StatusConfig;
pub use table::{
    DeletesConfig, LogConfig, LoginConfig, PagingConfig, RepositoryConfig, SCHEMA, ServerConfig,
    SessionConfig,
};
pub use values::{
    AutoOr, LogFormat, LogLevel, LoginMethod, MOST_IN_FLIGHT, MirrorUrl, Rate, SecretSource,
    StatusListen, Transport,
};
