//! A connection of somebody's own, which lives and dies with its owner.
//!
//! Nothing runs it but its owner, while it waits for an answer: so it is closed at the very moment at
//! which it is dropped, wherever that is, and a transaction on it ends.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};

use tokio_postgres::{AsyncMessage, Client, Error};

use super::connect::Wires;
use super::error::PostgresError;

/// A connection that its owner runs.
#[derive(Debug)]
pub(crate) struct DedicatedConnection {
    client: Client,
    wire: Wire,
}

/// The half of a connection that does its work.
pub(crate) struct Wire {
    receive: Box<Receive>,
    /// Whether anything was told by NOTIFY that nobody has heard of yet.
    is_told: bool,
}

/// Does what can be done now, and returns what has come next.
type Receive = dyn FnMut(&mut Context<'_>) -> Poll<Option<Result<AsyncMessage, Error>>> + Send;

impl DedicatedConnection {
    /// Takes over a connection that nobody runs yet.
    pub(super) fn new(client: Client, mut connection: Wires) -> Self {
        let receive = Box::new(move |context: &mut Context<'_>| connection.poll_message(context));
        Self { client, wire: Wire { receive, is_told: false } }
    }

    /// What asks, and what must run meanwhile.
    pub(crate) fn parts(&mut self) -> (&Client, &mut Wire) {
        (&self.client, &mut self.wire)
    }
}

impl Wire {
    /// Waits for the answer to a question that was put to the client of this connection.
    pub(crate) async fn run<T>(
        &mut self,
        question: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, PostgresError> {
        let mut question = pin!(question);
        poll_fn(|context| {
            if let Poll::Ready(answer) = question.as_mut().poll(context) {
                return Poll::Ready(answer.map_err(PostgresError::from));
            }
            match self.work(context) {
                Some(error) => Poll::Ready(Err(error)),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// Waits until something is told by NOTIFY, or was since this was last asked. What it was is
    /// forgotten: anybody can tell anything.
    pub(crate) async fn told(&mut self) -> Result<(), PostgresError> {
        poll_fn(|context| match self.work(context) {
            Some(error) => Poll::Ready(Err(error)),
            None if std::mem::take(&mut self.is_told) => Poll::Ready(Ok(())),
            None => Poll::Pending,
        })
        .await
    }

    /// Takes in all that there is; returns why nothing more can come.
    fn work(&mut self, context: &mut Context<'_>) -> Option<PostgresError> {
        loop {
            match (self.receive)(context) {
                Poll::Ready(Some(Ok(AsyncMessage::Notification(_)))) => self.is_told = true,
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(error))) => return Some(error.into()),
                Poll::Ready(None) => return Some(PostgresError::Closed),
                Poll::Pending => return None,
            }
        }
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Wire").finish_non_exhaustive()
    }
}
