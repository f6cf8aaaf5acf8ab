//! What a client of Kafka is made of.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use crate::config::{KafkaProperties, KafkaTopic, Secret};
use crate::domain::FeedName;

/// How long a transaction may take where the configuration does not say (librdkafka's own default).
const TRANSACTION_MS: u64 = 60_000;

/// How large a message may be where it does not (the same).
const LARGEST_MESSAGE: usize = 1_000_000;

/// What stands in the place of a secret.
const MASK: &str = "***";

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

    /// A text from outside without the password: a broker that refuses a login may throw it back, as it is or
    /// as it was sent.
    pub(super) fn redact(&self, text: &str) -> String {
        let Some(password) = self.password.as_ref().map(Secret::expose).filter(|it| !it.is_empty())
        else {
            return text.to_owned();
        };
        let user = self.properties.get("sasl.username").unwrap_or_default();
        let sent = [format!("\0{user}\0{password}"), format!("{user}:{password}")];
        let hidden =
            sent.iter().map(String::as_str).chain([password]).map(|it| STANDARD.encode(it));
        let hidden: Vec<String> = hidden.chain([password.to_owned()]).collect();
        hidden.iter().fold(text.to_owned(), |text, hidden| text.replace(hidden, MASK))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_that_is_thrown_back_is_not_shown() {
        let user = [("sasl.username", "heron")];
        let mut settings = KafkaSettings {
            feed: FeedName::of("shop"),
            properties: KafkaProperties::of(&user),
            password: Some(Secret::new("hunter22")),
            topic: KafkaTopic::named("t"),
            tombstones: false,
            create_topics: false,
            transactional_id: String::new(),
        };
        let login = STANDARD.encode("\0heron\0hunter22");
        let thrown_back = format!("no heron:hunter22, no {login}");
        assert_eq!(settings.redact(&thrown_back), "no heron:***, no ***");
        settings.password = None;
        assert_eq!(settings.redact(&thrown_back), thrown_back);
    }
}
