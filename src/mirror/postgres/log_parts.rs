//! When the next part of the log is begun.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::error::PostgresError;
use super::retention;

/// How often writers ask whether it is time for the next part of the log.
const ROLL_OVER_EVERY: Duration = Duration::from_secs(60);

/// What is known of the parts of the log.
#[derive(Debug, Default)]
pub(super) struct LogParts(Mutex<PartsAsked>);

#[derive(Debug, Default)]
struct PartsAsked {
    /// When it was last asked for the next part.
    at: Option<Instant>,
    /// How long changes are kept, as far as anybody has said.
    keep: Option<Duration>,
}

impl LogParts {
    /// Begins the next part where it is time to, if nobody has asked for a while.
    pub(super) async fn roll_over(
        &self,
        connection: &deadpool_postgres::ClientWrapper,
    ) -> Result<(), PostgresError> {
        let keep = {
            let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if asked.at.is_some_and(|at| at.elapsed() < ROLL_OVER_EVERY) {
                return Ok(());
            }
            asked.at = Some(Instant::now());
            asked.keep
        };
        retention::roll_over(connection, keep).await?;
        Ok(())
    }

    /// Notes how long changes are kept: parts last accordingly.
    pub(super) fn keep(&self, keep: Duration) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keep = Some(keep);
    }
}
