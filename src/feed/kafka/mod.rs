//! Feeds to Kafka, each batch one transaction.
//!
//! | file | does |
//! | --- | --- |
//! | `message` | what is sent of a batch (pure) |
//! | `verdict` | what an error of librdkafka means for what was sent (pure) |
//! | `reports` | what librdkafka reports: deliveries, errors, its log |
//! | `settings` | what a client is made of |
//! | `patience` | how long a thread waits |
//! | `client` | the calls of librdkafka that wait, each with an end |
//! | `topics` | making a topic |
//! | `probe` | what brokers say, for who asks whether it would work |
//! | `receiver` | sends a batch, in a thread that may wait |
//!
//! A producer that is merely idempotent does not keep the order: what a broker still holds of one that was
//! given up comes after the messages of its successor. So there is one transaction a batch, under a
//! `transactional.id` that is the feed's own, and a task that makes a producer has the brokers refuse all earlier
//! ones of that id first, those of another daemon included. The cursor moves once a transaction is committed.

mod client;
mod message;
mod patience;
mod probe;
mod receiver;
mod reports;
mod settings;
#[cfg(test)]
mod tests;
mod topics;
mod verdict;

pub use self::probe::{KafkaTopics, TopicState};
pub use self::receiver::KafkaReceiver;
pub use self::settings::KafkaSettings;
