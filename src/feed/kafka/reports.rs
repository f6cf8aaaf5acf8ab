//! What librdkafka reports: deliveries, errors, its log.
//!
//! These are called back from a thread of librdkafka's client, and never panic.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::Message as _;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{NoCustomPartitioner, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;

use super::settings::KafkaSettings;
use crate::telemetry::event;

/// What was reported.
#[derive(Debug)]
pub(super) struct ClientReports {
    settings: Arc<KafkaSettings>,
    deliveries: Mutex<Deliveries>,
    /// A delivery was reported.
    news: Condvar,
    /// The last error that was about no message.
    error: Mutex<Option<ClientError>>,
}

/// What is known of the messages of one transaction.
#[derive(Debug, Default)]
struct Deliveries {
    /// Which transaction of this client.
    transaction: usize,
    /// How many messages there is no report of.
    outstanding: usize,
    failure: Option<FailedDelivery>,
}

/// A message that was not delivered: the first one of its transaction.
#[derive(Clone, Debug)]
pub(super) struct FailedDelivery {
    pub(super) topic: String,
    pub(super) code: Option<RDKafkaErrorCode>,
}

/// An error that is about no message.
#[derive(Clone, Debug)]
pub(super) struct ClientError {
    pub(super) code: Option<RDKafkaErrorCode>,
    pub(super) reason: String,
}

impl ClientReports {
    pub(super) fn new(settings: &Arc<KafkaSettings>) -> Self {
        Self {
            settings: Arc::clone(settings),
            deliveries: Mutex::default(),
            news: Condvar::new(),
            error: Mutex::default(),
        }
    }

    /// Begins with another transaction; returns what its messages are marked with.
    pub(super) fn begin(&self) -> usize {
        let mut deliveries = unpoisoned(&self.deliveries);
        let transaction = deliveries.transaction.wrapping_add(1);
        *deliveries = Deliveries { transaction, ..Deliveries::default() };
        transaction
    }

    /// Takes note of a message that librdkafka has taken.
    pub(super) fn sent(&self) {
        unpoisoned(&self.deliveries).outstanding += 1;
    }

    /// Takes note that it was not.
    pub(super) fn unsent(&self) {
        let mut deliveries = unpoisoned(&self.deliveries);
        deliveries.outstanding = deliveries.outstanding.saturating_sub(1);
    }

    /// Waits for news, and no longer than this; whether all messages have been reported, or one that was not
    /// delivered.
    pub(super) fn wait(&self, time: Duration) -> (bool, Option<FailedDelivery>) {
        let is_over = |it: &Deliveries| it.outstanding == 0 || it.failure.is_some();
        let deliveries = unpoisoned(&self.deliveries);
        let waited = self.news.wait_timeout_while(deliveries, time, |it| !is_over(it));
        let (deliveries, _) = waited.unwrap_or_else(PoisonError::into_inner);
        (deliveries.outstanding == 0, deliveries.failure.clone())
    }

    /// Lets this much time pass, or less where there are news.
    pub(super) fn pause(&self, time: Duration) {
        let deliveries = unpoisoned(&self.deliveries);
        drop(self.news.wait_timeout(deliveries, time));
    }

    /// The last error that was about no message.
    pub(super) fn error(&self) -> Option<ClientError> {
        unpoisoned(&self.error).clone()
    }

    /// Forgets it.
    pub(super) fn forget_error(&self) {
        *unpoisoned(&self.error) = None;
    }
}

impl ClientContext for ClientReports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        let message = self.settings.redact(message);
        event::kafka_client_said(self.settings.feed, &format!("{level:?}"), facility, &message);
    }

    fn stats_raw(&self, _: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        let found =
            ClientError { code: error.rdkafka_error_code(), reason: self.settings.redact(reason) };
        let mut last = unpoisoned(&self.error);
        // That no broker is there is known by what was said of each.
        if last.is_none() || found.code != Some(RDKafkaErrorCode::AllBrokersDown) {
            *last = Some(found);
        }
    }
}

impl ProducerContext<NoCustomPartitioner> for ClientReports {
    /// The transaction that a message belongs to.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, transaction: usize) {
        let mut deliveries = unpoisoned(&self.deliveries);
        if transaction != deliveries.transaction {
            return;
        }
        deliveries.outstanding = deliveries.outstanding.saturating_sub(1);
        if let Err((error, message)) = result
            && deliveries.failure.is_none()
        {
            let code = error.rdkafka_error_code();
            deliveries.failure = Some(FailedDelivery { topic: message.topic().to_owned(), code });
        }
        if deliveries.outstanding == 0 || deliveries.failure.is_some() {
            self.news.notify_all();
        }
    }
}

fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
