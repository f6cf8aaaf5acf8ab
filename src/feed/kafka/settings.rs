//! What a client of Kafka is made of.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use crate::config::{KafkaProperties, KafkaTopic, Secret};
use crate::domain::FeedName;

/// How long a transaction may take where the configuration does not say (librdkafka's own default).
const TRANSACTION_MS: u64 = 60_000;

/// How large a message may be where it does not (the same).
const LARGEST_MESSAGE: usize = 1_000_000;

/// What a client is made of.
#[derive(Clone, Debug)]
pub struct KafkaSettings {
    /// The feed.
    pub feed: FeedName,
    /// What is passed through.
    pub properties: KafkaProperties,
    /// The password of the login, where there is one.
    pub password: Option<Secret>,
    /// The topic of a repository.
    pub topic: KafkaTopic,
    /// Whether a deletion is followed by a message without a value.
    pub tombstones: bool,
    /// Whether topics are made.
    pub create_topics: bool,
    /// The feed's own: who has it last has the brokers refuse all others.
    pub transactional_id: String,
}

impl KafkaSettings {
    /// What librdkafka is told, but for transactions.
    pub(super) fn client_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set_log_level(RDKafkaLogLevel::Info);
        config.set("client.id", "ewmirror");
        // As the clients in Java have it: so a topic can be joined with theirs.
        config.set("partitioner", "murmur2_random");
        // A topic that is missing is told soon.
        config.set("topic.metadata.propagation.max.ms", "10000");
        for (name, value) in self.properties.iter() {
            config.set(name, value);
        }
        if let Some(password) = &self.password {
            config.set("sasl.password", password.expose());
        }
        // By choice, and then by us.
        config.set("allow.auto.create.topics", "false");
        config.set("enable.metrics.push", "false");
        config
    }

    fn number(&self, property: &str) -> Option<u64> {
        self.properties.get(property)?.parse().ok()
    }

    /// How long a transaction may take.
    pub(super) fn transaction_within(&self) -> Duration {
        Duration::from_millis(self.number("transaction.timeout.ms").unwrap_or(TRANSACTION_MS))
    }

    /// How large a message may be, in bytes.
    pub(super) fn largest_message(&self) -> usize {
        let set = self.number("message.max.bytes").and_then(|it| usize::try_from(it).ok());
        set.unwrap_or(LARGEST_MESSAGE)
    }
}
