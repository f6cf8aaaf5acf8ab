//! News of the log, for all who wait for some: one connection listens for them together.
//!
//! A NOTIFY is a hint to look at the log, no more: anybody may send one, and one may be lost. So the
//! log is looked at by and by in any case; seldom only while hints have been seen to come, since on a
//! standby and behind some poolers none does.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_postgres::error::SqlState;

use super::bounds;
use super::error::PostgresReadError;
use crate::domain::Sequence;
use crate::mirror::LogBounds;
use crate::mirror::postgres::PostgresPool;
use crate::mirror::postgres::dedicated::DedicatedConnection;

/// How often the log is looked at where hints come.
const LOOK_EVERY_HINTED: Duration = Duration::from_secs(3);

/// How often it is looked at where none has come yet: a change is told well within a second.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How soon after a look the next may come, however many hints there are.
const LOOK_APART: Duration = Duration::from_millis(20);

/// How long the database may take to answer, before the connection is made anew.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How long the task waits until it connects again.
const CONNECT_AGAIN: Duration = Duration::from_millis(500);

/// The last change, as the task that listens has seen it.
#[derive(Debug)]
pub(super) struct LogNews {
    last: watch::Sender<Sequence>,
    /// The task, once anybody has asked. It ends with this. A lock for the moment at which it starts.
    task: Mutex<JoinSet<()>>,
}

impl LogNews {
    pub(super) fn new() -> Self {
        Self { last: watch::Sender::new(Sequence(0)), task: Mutex::new(JoinSet::new()) }
    }

    /// The last change from now on; 0 until it is known.
    pub(super) fn subscribe(&self, pool: &PostgresPool) -> watch::Receiver<Sequence> {
        let told = self.last.subscribe();
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        while task.try_join_next().is_some() {}
        if task.is_empty() {
            task.spawn(listen(pool.clone(), self.last.clone()));
        }
        told
    }
}

/// Tells of the last change, for as long as anybody may ask.
async fn listen(pool: PostgresPool, last: watch::Sender<Sequence>) {
    loop {
        let connected = timeout(ANSWER_WITHIN, pool.dedicated()).await;
        if let Ok(Ok(connection)) = connected {
            // Who waits looks by itself before long, and learns what is wrong.
            drop(follow(connection, &last).await);
        }
        sleep(CONNECT_AGAIN).await;
    }
}

/// The same, as long as one connection lasts.
async fn follow(
    mut connection: DedicatedConnection,
    last: &watch::Sender<Sequence>,
) -> Result<(), PostgresReadError> {
    let (client, wire) = connection.parts();
    match wire.run(client.batch_execute("LISTEN ewmirror")).await {
        // A standby refuses it.
        Err(error) if !matches!(error.code(), Some(&SqlState::READ_ONLY_SQL_TRANSACTION)) => {
            return Err(error.into());
        }
        Ok(()) | Err(_) => {}
    }
    // Whether a change has been told, and whether the look at hand was.
    let (mut hints_come, mut is_hinted) = (false, false);
    let mut known = None;
    loop {
        let looked = Instant::now();
        let row = timeout(ANSWER_WITHIN, wire.run(bounds::row(client))).await;
        let Ok(row) = row else { return Ok(()) };
        let LogBounds { last: found, .. } = bounds::of(&row?)?;
        if known.is_some_and(|known| found > known) {
            hints_come = is_hinted;
        }
        known = Some(found);
        last.send_if_modified(|last| std::mem::replace(last, found) != found);
        let every = if hints_come { LOOK_EVERY_HINTED } else { LOOK_EVERY };
        is_hinted = match timeout(every, wire.told()).await {
            Ok(told) => told.map(|()| true)?,
            Err(_) => false,
        };
        sleep_until(looked + LOOK_APART).await;
    }
}
