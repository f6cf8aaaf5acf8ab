//! Sends batches to Kafka, in a thread that may wait.
//!
//! Guarantees: a batch is delivered by a transaction that is committed and by nothing else; after a failure
//! of a transaction the next batch has a producer of its own, which has the brokers refuse what
//! they still hold of the one before. A call that is dropped half-way has its thread end soon, and that one's
//! producer is given up.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::{JoinHandle, spawn_blocking};

use super::client::KafkaClient;
use super::message::messages;
use super::patience::Patience;
use super::settings::KafkaSettings;
use crate::feed::batch::Batch;
use crate::feed::receiver::{DeliveryFuture, DeliveryRefusal, Receiver};

/// What a thread hands back.
type Delivered = (Option<KafkaClient>, Result<(), DeliveryRefusal>);

/// The receiver.
#[derive(Debug)]
pub struct KafkaReceiver {
    settings: Arc<KafkaSettings>,
    /// `None`: it is to be made.
    client: Option<KafkaClient>,
    /// What is under way, or whose call was dropped.
    running: Option<RunningDelivery>,
    /// Whether a client was made since that was asked last.
    has_shut_out: bool,
}

#[derive(Debug)]
struct RunningDelivery {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Delivered>,
}

impl KafkaReceiver {
    /// One that has no connection yet.
    pub fn new(settings: KafkaSettings) -> Self {
        Self { settings: Arc::new(settings), client: None, running: None, has_shut_out: false }
    }

    /// Makes a client where there is none.
    async fn connect(&mut self) -> Result<Option<String>, DeliveryRefusal> {
        self.end_running().await;
        if self.client.is_some() {
            return Ok(None);
        }
        self.has_shut_out = true;
        self.run(|_, settings, patience| match KafkaClient::connect(settings, patience) {
            Ok(client) => (Some(client), Ok(())),
            Err(refusal) => (None, Err(refusal)),
        })
        .await
    }

    async fn send(&mut self, batch: &Batch) -> Result<Option<String>, DeliveryRefusal> {
        self.connect().await?;
        let messages = messages(batch, &self.settings.topic, self.settings.tombstones);
        self.run(move |client, _, patience| {
            let Some(mut client) = client else {
                let reason = "there is no connection to the brokers".to_owned();
                return (None, Err(DeliveryRefusal::Later { reason, after: None }));
            };
            match client.deliver(&messages, patience) {
                Ok(()) => (Some(client), Ok(())),
                Err(failed) => {
                    // One whose transaction has failed begins no other: what it has skipped makes that fail.
                    let client = Some(client).filter(|_| failed.is_unbegun);
                    (client, Err(failed.refusal))
                }
            }
        })
        .await
    }

    /// Does this with the client in a thread that may wait.
    async fn run(
        &mut self,
        work: impl FnOnce(Option<KafkaClient>, &Arc<KafkaSettings>, &Patience) -> Delivered
        + Send
        + 'static,
    ) -> Result<Option<String>, DeliveryRefusal> {
        let (settings, client) = (Arc::clone(&self.settings), self.client.take());
        let stop = Arc::<AtomicBool>::default();
        let patience = Patience::new(Duration::ZERO, Arc::clone(&stop));
        let thread = spawn_blocking(move || work(client, &settings, &patience));
        let running = self.running.insert(RunningDelivery { stop, thread });
        let done = (&mut running.thread).await;
        self.running = None;
        let (client, delivered) = done.unwrap_or_else(|error| {
            (None, Err(DeliveryRefusal::Later { reason: error.to_string(), after: None }))
        });
        self.client = client;
        delivered.map(|()| None)
    }

    /// Waits for the end of a delivery whose call was dropped.
    async fn end_running(&mut self) {
        if let Some(running) = &mut self.running {
            running.stop.store(true, Ordering::Relaxed);
            let ended = (&mut running.thread).await;
            self.running = None;
            // Nobody knows how far it came.
            drop_in_thread(ended.ok().and_then(|(client, _)| client)).await;
        }
    }
}

impl Receiver for KafkaReceiver {
    /// One that is sent again may be another one: a reader sees by the sequences what it has.
    fn needs_stored_batch(&self) -> bool {
        false
    }

    fn prepare<'a>(&'a mut self, _: &'a Batch) -> DeliveryFuture<'a> {
        Box::pin(self.connect())
    }

    /// Who makes a producer has the brokers refuse all earlier ones.
    fn has_shut_out(&mut self) -> bool {
        std::mem::take(&mut self.has_shut_out)
    }

    fn deliver<'a>(&'a mut self, batch: &'a Batch) -> DeliveryFuture<'a> {
        Box::pin(self.send(batch))
    }

    fn close<'a>(&'a mut self) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async {
            self.end_running().await;
            drop_in_thread(self.client.take()).await;
        })
    }
}

impl Drop for KafkaReceiver {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.stop.store(true, Ordering::Relaxed);
        }
        let client = self.client.take();
        if let (Some(client), Ok(runtime)) = (client, Handle::try_current()) {
            drop(runtime.spawn_blocking(move || drop(client)));
        }
    }
}

/// Ends a client: that waits for its threads.
async fn drop_in_thread(client: Option<KafkaClient>) {
    if let Some(client) = client {
        // A panic in there leaves nothing behind that is used.
        drop(spawn_blocking(move || drop(client)).await);
    }
}
