//! The configuration: plain values that cannot be wrong, one struct a section.
//!
//! `table` has a row for each key; whatever else knows keys derives from it: the structs below, their
//! parsing, the effective configuration, what a reload does, the commented file and the manual page.
//!
//! [`load()`] merges built-in defaults, the file and the environment with the `config` crate and
//! parses the result once, collecting every error; what comes out needs no further check. A module
//! is handed its own section, never the whole [`Config`].
//!
//! [`crate::settings`] brings each value from its layer to the codec of its row, and tells what is
//! wrong; `rules` sees to what holds between keys.

mod address;
mod budget;
mod every;
mod feed_kafka;
mod feed_rules;
mod feed_table;
mod feed_values;
mod ignored;
mod incremental;
mod load;
mod names_file;
mod numbers;
mod rules;
mod search;
mod since;
mod table;
#[cfg(test)]
mod tests;
mod values;
mod whole;
mod words;

pub use crate::mirror_url::{
    ChannelBinding, MirrorUrl, PostgresHost, PostgresUrl, SslMode, TargetSession,
};
pub use crate::settings::environment::Environment;
#[cfg(any(test, fuzzing))]
pub use crate::settings::error::SettingSource;
pub use crate::settings::error::{ConfigError, ConfigErrors, Warning};
pub use crate::settings::masked_url::MaskedUrl;
#[cfg(test)]
pub use crate::settings::schema::Schema;
pub use crate::settings::schema::{ConfigKey, OnReload, Requirement, SectionSchema};
pub use crate::settings::secret::Secret;
pub use crate::settings::secrets::{SecretSource, mode_for_others};
pub use crate::settings::signing_keys::SigningKeys;
pub use address::is_loopback;
pub use budget::SharedBudget;
pub use every::{ChosenRepositories, EveryRepository, UnfitOffer};
pub use feed_kafka::KafkaProperties;
#[cfg(feature = "kafka")]
pub use feed_kafka::KafkaTopic;
pub use feed_table::FeedConfig;
pub use feed_values::{FeedStart, FeedType};
pub use incremental::{IncrementalConfig, IncrementalMode};
pub use load::{
    Loaded, load, load_for_queries, load_for_queries_leniently, load_text, password_source,
};
pub use since::Since;
#[cfg(test)]
pub use since::SinceForm;
#[cfg(test)]
pub use table::{ChangesConfig, StatusConfig};
pub use table::{
    DeletesConfig, InstanceConfig, LogConfig, LoginConfig, MirrorConfig, PagingConfig,
    RepositoryConfig, SCHEMA, ServerConfig, SessionConfig,
};
#[cfg(test)]
pub use values::Refresh;
pub use values::{
    AUTO_IN_FLIGHT, AutoOr, LARGEST_AUTO_PAGE, LogFormat, LogLevel, LoginMethod, MOST_IN_FLIGHT,
    Rate, SMALLEST_AUTO_PAGE, StatusListen, Transport,
};
pub use whole::{Config, QueryConfig};
