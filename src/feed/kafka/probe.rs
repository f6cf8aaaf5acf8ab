//! What brokers say, for who asks whether it would work. Nothing is delivered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::producer::{Producer as _, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;
use tokio::task::spawn_blocking;

use super::reports::ClientReports;
use super::settings::KafkaSettings;
use super::verdict::{told, verdict};
use crate::domain::RepositoryId;

/// How long the brokers may take to answer, all questions together.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// The least time that is left for a question.
const AT_LEAST: Duration = Duration::from_millis(100);

/// What the brokers have said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaTopics {
    /// How many brokers there are.
    pub brokers: usize,
    /// The topics that were asked for.
    pub topics: Vec<(String, TopicState)>,
}

/// What is known of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicState {
    /// It is there, with so many partitions.
    There(usize),
    /// It is not there.
    Missing,
    /// Nobody knows, and why.
    Unknown(String),
}

impl KafkaTopics {
    /// Asks for the topics of these repositories.
    ///
    /// # Errors
    ///
    /// In words for people: no broker was reached, or none let the user in.
    pub async fn ask(
        settings: KafkaSettings,
        repositories: Vec<RepositoryId>,
    ) -> Result<Self, String> {
        let settings = Arc::new(settings);
        let asked = spawn_blocking(move || Self::of(&settings, &repositories));
        asked.await.unwrap_or_else(|error| Err(error.to_string()))
    }

    fn of(settings: &Arc<KafkaSettings>, repositories: &[RepositoryId]) -> Result<Self, String> {
        let reports = ClientReports::new(settings);
        let made = ThreadedProducer::from_config_and_context(&settings.client_config(), reports);
        let producer: ThreadedProducer<ClientReports> = made.map_err(|error| told(&error))?;
        let client = producer.client();
        let mut names: Vec<_> =
            repositories.iter().map(|repository| settings.topic.of(repository.0)).collect();
        names.dedup();
        let (mut brokers, mut topics) = (0, Vec::new());
        let deadline = Instant::now() + ANSWERED_WITHIN;
        for name in names {
            let left = deadline.saturating_duration_since(Instant::now()).max(AT_LEAST);
            let answer = client.fetch_metadata(Some(&name), left).map_err(|error| match client
                .context()
                .error()
            {
                Some(error) => verdict(error.code, None, &error.reason).to_string(),
                None => verdict(error.rdkafka_error_code(), None, &told(&error)).to_string(),
            })?;
            brokers = answer.brokers().len();
            let found = answer.topics().iter().find(|topic| topic.name() == name);
            let state = match found.map(|topic| (topic.error(), topic.partitions().len())) {
                Some((None, partitions)) if partitions > 0 => TopicState::There(partitions),
                Some((Some(error), _)) => match RDKafkaErrorCode::from(error) {
                    RDKafkaErrorCode::UnknownTopicOrPartition => TopicState::Missing,
                    code => TopicState::Unknown(
                        verdict(Some(code), None, &code.to_string()).to_string(),
                    ),
                },
                _ => TopicState::Missing,
            };
            topics.push((name, state));
        }
        Ok(Self { brokers, topics })
    }
}
