//! What an error of librdkafka means for what was sent. Pure.

use std::time::Duration;

use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

use crate::feed::receiver::DeliveryRefusal;

/// A daemon that was fenced out does nothing before it has asked again whether the feed is still its own.
const ASK_FIRST: Duration = Duration::from_secs(5);

/// What an error of this code means that was about this topic, where it was about one. `told` is what
/// librdkafka says.
///
/// Only what is about a message itself finds it unfit: to park for a login or a topic that is missing would
/// park everything.
pub(super) fn verdict(
    code: Option<RDKafkaErrorCode>,
    topic: Option<&str>,
    told: &str,
) -> DeliveryRefusal {
    use RDKafkaErrorCode as Code;
    let about = topic.map(|topic| format!("topic {topic}: ")).unwrap_or_default();
    let later = |hint: &str| {
        let hint = if hint.is_empty() { String::new() } else { format!("; {hint}") };
        DeliveryRefusal::Later { reason: format!("{about}{told}{hint}"), after: None }
    };
    match code {
        Some(
            Code::MessageSizeTooLarge
            | Code::MessageBatchTooLarge
            | Code::InvalidMessageSize
            | Code::InvalidRecord,
        ) => DeliveryRefusal::Unfit { reason: format!("{about}{told}") },
        Some(Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch) => {
            let reason = format!(
                "{about}another daemon delivers this feed, or did a moment ago, and its producer has taken \
                 over; or a transaction took longer than transaction.timeout.ms"
            );
            DeliveryRefusal::Later { reason, after: Some(ASK_FIRST) }
        }
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition) => {
            later("make the topic, or set create_topics = true, and let the user see it")
        }
        Some(Code::TopicAuthorizationFailed) => later(
            "let the user write to the topic and describe it, and create it where create_topics is true",
        ),
        Some(Code::TransactionalIdAuthorizationFailed) => later(
            "let the user write and describe transactional ids that begin with \"ewmirror-\" and the feed's name",
        ),
        Some(Code::ClusterAuthorizationFailed) => later("let the user create topics"),
        Some(Code::Authentication | Code::SaslAuthenticationFailed) => {
            later("see that sasl.username, sasl.mechanism and the feed's secret are right")
        }
        Some(Code::SSL) => {
            later("see that ssl.ca.location names the CA of the brokers' certificates")
        }
        Some(Code::InvalidTransactionTimeout) => {
            later("make transaction.timeout.ms at most as long as the brokers allow")
        }
        Some(Code::UnsupportedFeature | Code::UnsupportedVersion) => {
            later("the brokers have no transactions, which a feed needs")
        }
        _ => later(""),
    }
}

/// What an error says.
pub(super) fn told(error: &KafkaError) -> String {
    match error {
        KafkaError::Transaction(error) => error.string(),
        KafkaError::ClientCreation(reason) | KafkaError::ClientConfig(_, reason, ..) => {
            reason.clone()
        }
        other => match other.rdkafka_error_code() {
            Some(code) => code.to_string(),
            None => other.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use RDKafkaErrorCode as Code;

    use super::*;

    #[test]
    fn only_what_is_about_a_message_finds_it_unfit() {
        let reason = |code| match verdict(Some(code), Some("t"), "no") {
            DeliveryRefusal::Unfit { reason } => format!("unfit: {reason}"),
            DeliveryRefusal::Later { reason, after } => format!("{after:?}: {reason}"),
            DeliveryRefusal::Gone { reason } => format!("gone: {reason}"),
        };
        for code in [Code::MessageSizeTooLarge, Code::InvalidRecord] {
            assert_eq!(reason(code), "unfit: topic t: no");
        }
        for (code, word) in [
            (Code::TopicAuthorizationFailed, "let the user write"),
            (Code::UnknownTopicOrPartition, "create_topics"),
            (Code::TransactionalIdAuthorizationFailed, "\"ewmirror-\""),
            (Code::SaslAuthenticationFailed, "sasl.username"),
            (Code::AllBrokersDown, "no"),
            (Code::InvalidMessage, "no"),
        ] {
            let told = reason(code);
            assert!(told.starts_with("None: topic t: no") && told.contains(word), "{told}");
        }
        assert!(reason(Code::ProducerFenced).starts_with("Some(5s): topic t: another daemon"));
    }
}
