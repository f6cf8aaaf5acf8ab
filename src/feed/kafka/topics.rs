//! Making a topic.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::types::RDKafkaErrorCode;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::patience::Patience;
use super::reports::ClientReports;
use super::settings::KafkaSettings;
use super::verdict::{told, verdict};
use crate::feed::receiver::DeliveryRefusal;

/// How long it may take.
const MADE_WITHIN: Duration = Duration::from_secs(15);

/// So many partitions and replicas as the brokers give a topic.
const AS_THE_BROKERS_HAVE_IT: i32 = -1;

/// Makes a topic unless it is there.
pub(super) fn make_topic(
    settings: &Arc<KafkaSettings>,
    topic: &str,
    patience: &Patience,
) -> Result<(), DeliveryRefusal> {
    let about =
        |code, told: &str| verdict(code, Some(topic), &format!("it cannot be made: {told}"));
    let reports = ClientReports::new(settings);
    let made = AdminClient::from_config_and_context(&settings.client_config(), reports);
    let admin = made.map_err(|error| about(None, &told(&error)))?;
    let replication = TopicReplication::Fixed(AS_THE_BROKERS_HAVE_IT);
    let topics = [NewTopic::new(topic, AS_THE_BROKERS_HAVE_IT, replication)];
    let options = AdminOptions::new()
        .request_timeout(Some(MADE_WITHIN))
        .operation_timeout(Some(MADE_WITHIN / 2));
    let mut asked = Box::pin(admin.create_topics(&topics, &options));
    let patience = patience.again(MADE_WITHIN + Duration::from_secs(1));
    while let Some(slice) = patience.slice() {
        let answered = Handle::current().block_on(async { timeout(slice, &mut asked).await });
        let Ok(answered) = answered else { continue };
        let answered =
            answered.map_err(|error| about(error.rdkafka_error_code(), &told(&error)))?;
        return match answered.into_iter().next() {
            Some(Err((_, code))) if code != RDKafkaErrorCode::TopicAlreadyExists => {
                Err(about(Some(code), &code.to_string()))
            }
            _ => Ok(()),
        };
    }
    Err(about(None, "no broker has answered"))
}
