//! Bringing the schema up to date where the database came only after the start of the daemon.
//!
//! A migration may take longer than any question about leases may. So it goes on beside them, and they are
//! told that it does.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::mirror::postgres::connections::PostgresPool;
use crate::mirror::postgres::error::PostgresError;
use crate::mirror::postgres::schema::{is_current, migrate};
use crate::mirror::postgres::transfer::expect_finished;
use crate::telemetry::event;

/// How long a question waits for a migration: less than what any question may take.
const WAIT_WITHIN: Duration = Duration::from_millis(500);

/// Brings the schema up to date, and sees that it is a whole mirror.
pub(in crate::mirror) async fn prepare(pool: &PostgresPool) -> Result<(), PostgresError> {
    migrate(pool).await?;
    expect_finished(pool).await
}

/// How far it is.
#[derive(Debug)]
pub(super) struct Preparation(Mutex<State>);

#[derive(Debug)]
enum State {
    Due,
    /// It is being brought up to date; ends with the runtime at the latest.
    UnderWay(JoinHandle<Result<(), PostgresError>>),
    Done,
}

impl Preparation {
    /// Nobody has looked at the schema yet.
    pub(super) fn due() -> Self {
        Self(Mutex::new(State::Due))
    }

    /// Somebody else sees to it.
    pub(super) fn done() -> Self {
        Self(Mutex::new(State::Done))
    }

    /// Goes on once the schema is up to date.
    ///
    /// # Errors
    ///
    /// It is not yet, or never will be.
    pub(super) async fn see_to(&self, pool: &PostgresPool) -> Result<(), PostgresError> {
        let mut state = self.0.lock().await;
        if let State::Due = *state {
            if is_current(pool).await? {
                expect_finished(pool).await?;
                *state = State::done(pool);
                return Ok(());
            }
            let pool = pool.clone();
            #[expect(clippy::disallowed_methods, reason = "its end is waited for below")]
            let task = tokio::spawn(async move { prepare(&pool).await });
            *state = State::UnderWay(task);
        }
        let State::UnderWay(task) = &mut *state else { return Ok(()) };
        let Ok(ended) = timeout(WAIT_WITHIN, task).await else {
            return Err(PostgresError::Migrating { schema: pool.address().schema.to_string() });
        };
        let ended = ended.unwrap_or(Err(PostgresError::Closed));
        *state = if ended.is_ok() { State::done(pool) } else { State::Due };
        ended
    }
}

impl State {
    /// The mirror is open.
    fn done(pool: &PostgresPool) -> Self {
        let address = pool.address();
        event::mirror_opened_at(&address.url.to_string(), &address.schema);
        Self::Done
    }
}
