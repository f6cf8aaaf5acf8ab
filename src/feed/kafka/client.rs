//! The calls of librdkafka that wait, each with an end. They run in a thread that may wait.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;

use super::message::KafkaMessage;
use super::patience::{Patience, SLICE};
use super::reports::{ClientReports, FailedDelivery};
use super::settings::KafkaSettings;
use super::topics::make_topic;
use super::verdict::{told, verdict};
use crate::feed::receiver::DeliveryRefusal;

/// How long a producer may take to have the brokers refuse earlier ones of its id, and no longer than a
/// transaction.
const TAKE_OVER_WITHIN: Duration = Duration::from_secs(30);

/// How long it may take to give up a transaction, and no longer than a quarter of one.
const ABORT_WITHIN: Duration = Duration::from_secs(10);

/// The same where the daemon ends.
const ABORT_AT_END_WITHIN: Duration = Duration::from_millis(700);

/// A producer that the brokers take for the only one of its id.
pub(super) struct KafkaClient {
    producer: ThreadedProducer<ClientReports>,
    settings: Arc<KafkaSettings>,
    largest: usize,
    /// Topics that are known to be there, where topics are made.
    known: BTreeSet<Arc<str>>,
}

/// A transaction that came to nothing, or may have.
#[derive(Debug)]
pub(super) struct FailedTransaction {
    pub(super) refusal: DeliveryRefusal,
    /// Whether nothing of it was begun, so that the client is good for another one.
    pub(super) is_unbegun: bool,
}

impl fmt::Debug for KafkaClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaClient").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl KafkaClient {
    /// Makes a producer and has the brokers refuse all earlier ones of its id: what these have not committed
    /// by then never counts.
    pub(super) fn connect(
        settings: &Arc<KafkaSettings>,
        patience: &Patience,
    ) -> Result<Self, DeliveryRefusal> {
        let mut config = settings.client_config();
        config.set("transactional.id", &settings.transactional_id);
        let reports = ClientReports::new(settings);
        let made = ThreadedProducer::from_config_and_context(&config, reports);
        let producer = made.map_err(|error| verdict(None, None, &told(&error)))?;
        let client = Self {
            producer,
            settings: Arc::clone(settings),
            largest: settings.largest_message(),
            known: BTreeSet::new(),
        };
        let within = TAKE_OVER_WITHIN.min(settings.transaction_within());
        let patience = patience.again(within);
        while let Some(slice) = patience.slice() {
            match client.producer.init_transactions(slice) {
                Ok(()) => return Ok(client),
                Err(KafkaError::Transaction(error)) if error.is_retriable() => {}
                Err(error) => return Err(client.refusal(&error, None)),
            }
        }
        Err(client.unanswered("to begin with transactions", within))
    }

    /// Delivers these messages in one transaction. Once it is `Ok` they are committed.
    pub(super) fn deliver(
        &mut self,
        messages: &[KafkaMessage],
        patience: &Patience,
    ) -> Result<(), FailedTransaction> {
        if let Some(large) = messages.iter().find(|it| it.size() > self.largest) {
            let told = format!(
                "a message of {} bytes is larger than message.max.bytes, {}",
                large.size(),
                self.largest
            );
            let code = Some(RDKafkaErrorCode::MessageSizeTooLarge);
            let refusal = verdict(code, Some(&large.topic), &told);
            return Err(FailedTransaction { refusal, is_unbegun: true });
        }
        self.make_topics(messages, patience)?;
        let patience = patience.again(self.settings.transaction_within());
        let begun = self.producer.begin_transaction();
        let done = begun
            .map_err(|error| self.refusal(&error, None))
            .and_then(|()| self.send(messages, &patience))
            .and_then(|()| self.commit(&patience));
        if done.is_ok() {
            self.reports().forget_error();
        }
        done.map_err(|refusal| {
            self.abort(&patience);
            FailedTransaction { refusal, is_unbegun: false }
        })
    }

    /// Sends all of them, and waits until the brokers have each.
    fn send(&self, messages: &[KafkaMessage], patience: &Patience) -> Result<(), DeliveryRefusal> {
        let reports = self.reports();
        let transaction = reports.begin();
        for message in messages {
            let mut record =
                BaseRecord::with_opaque_to(&message.topic, transaction).key(&*message.key);
            if let Some(value) = &message.value {
                record = record.payload(&**value);
            }
            loop {
                reports.sent();
                let Err((error, unsent)) = self.producer.send(record) else { break };
                reports.unsent();
                if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                    return Err(self.refusal(&error, Some(&message.topic)));
                }
                let Some(slice) = patience.slice() else {
                    return Err(self.unsent(messages));
                };
                reports.pause(slice / 10);
                record = unsent;
            }
        }
        while let Some(slice) = patience.slice() {
            match reports.wait(slice) {
                (_, Some(failed)) => return Err(self.undelivered(&failed)),
                (true, None) => return Ok(()),
                (false, None) => {}
            }
        }
        Err(self.unsent(messages))
    }

    /// Commits the transaction. After an error nobody knows whether it is.
    fn commit(&self, patience: &Patience) -> Result<(), DeliveryRefusal> {
        while let Some(slice) = patience.slice() {
            match self.producer.commit_transaction(slice) {
                Ok(()) => return Ok(()),
                Err(KafkaError::Transaction(error)) if error.is_retriable() => {}
                Err(KafkaError::Flush(_)) => {}
                Err(error) => return Err(self.refusal(&error, None)),
            }
        }
        Err(self.unanswered("to commit a transaction", self.settings.transaction_within()))
    }

    /// Gives the transaction up, as far as that can be done here: readers wait for its end. What is left of it
    /// the next producer has the brokers refuse.
    fn abort(&self, patience: &Patience) {
        let patience = if patience.is_stopped() {
            Patience::unstopped(ABORT_AT_END_WITHIN)
        } else {
            patience.again(ABORT_WITHIN.min(self.settings.transaction_within() / 4))
        };
        while let Some(slice) = patience.slice() {
            match self.producer.abort_transaction(slice) {
                Err(KafkaError::Transaction(error)) if error.is_retriable() => {}
                _ => return,
            }
        }
    }

    /// Makes the topics of these messages, where that is wanted and they are not known to be there.
    fn make_topics(
        &mut self,
        messages: &[KafkaMessage],
        patience: &Patience,
    ) -> Result<(), FailedTransaction> {
        if !self.settings.create_topics {
            return Ok(());
        }
        let topics: BTreeSet<_> = messages.iter().map(|it| &it.topic).collect();
        for topic in topics {
            if !self.known.contains(topic) {
                make_topic(&self.settings, topic, patience)
                    .map_err(|refusal| FailedTransaction { refusal, is_unbegun: true })?;
                self.known.insert(Arc::clone(topic));
            }
        }
        Ok(())
    }

    fn reports(&self) -> &ClientReports {
        self.producer.client().context()
    }

    /// What follows from an error of a call.
    fn refusal(&self, error: &KafkaError, topic: Option<&str>) -> DeliveryRefusal {
        // What went wrong first says why; what comes after says that it did.
        let (code, told) = match self.producer.client().fatal_error() {
            Some((code, reason)) => (Some(code), reason),
            None => (error.rdkafka_error_code(), told(error)),
        };
        verdict(code, topic, &self.settings.redact(&told))
    }

    /// What follows from a message that was not delivered.
    fn undelivered(&self, failed: &FailedDelivery) -> DeliveryRefusal {
        let fatal = self.producer.client().fatal_error();
        if let Some((code, reason)) = fatal {
            return verdict(Some(code), Some(&failed.topic), &self.settings.redact(&reason));
        }
        if matches!(
            failed.code,
            None | Some(RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight)
        ) && let Err(error) = self.producer.commit_transaction(SLICE)
        {
            // It was taken back because the transaction has failed, which says why.
            return self.refusal(&error, None);
        }
        let told =
            failed.code.map_or_else(|| "it was not delivered".to_owned(), |it| it.to_string());
        let told = match self.reports().error() {
            Some(error) if failed.code == Some(RDKafkaErrorCode::MessageTimedOut) => {
                format!("{told}: {}", error.reason)
            }
            _ => told,
        };
        verdict(failed.code, Some(&failed.topic), &told)
    }

    fn unsent(&self, messages: &[KafkaMessage]) -> DeliveryRefusal {
        let topic = messages.first().map_or("", |message| &message.topic);
        let what = format!("to take what is for topic {topic}");
        self.unanswered(&what, self.settings.transaction_within())
    }

    /// What follows where no broker has answered.
    fn unanswered(&self, what: &str, within: Duration) -> DeliveryRefusal {
        let seconds = within.as_secs();
        let told = format!("no broker was there {what} within {seconds} s");
        match self.reports().error() {
            Some(error) => verdict(error.code, None, &format!("{told}: {}", error.reason)),
            None => verdict(None, None, &told),
        }
    }
}
