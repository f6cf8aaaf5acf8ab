//! The wish to stop by itself, for whoever does not carry a [`super::Context`] yet.

use tokio_util::sync::{CancellationToken, DropGuard};

/// Asks all holders of a [`Stop`] to end. Dropping it asks, too.
#[derive(Debug)]
pub struct Stopper(DropGuard);

impl Stopper {
    /// A stopper and the first of its listeners.
    pub fn new() -> (Self, Stop) {
        let token = CancellationToken::new();
        let stop = Stop(token.clone());
        (Self(token.drop_guard()), stop)
    }

    /// Asks; asking twice changes nothing.
    pub fn stop(&self) {
        self.0.token().cancel();
    }
}

/// Hears the wish to stop. Clones hear it, too.
#[derive(Clone, Debug)]
pub struct Stop(CancellationToken);

impl Stop {
    pub(super) fn of(token: CancellationToken) -> Self {
        Self(token)
    }

    /// Whether it has been said, or nobody is left to say it.
    pub fn is_requested(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until it is said, or until nobody is left to say it. Can be dropped and called anew.
    pub async fn requested(&mut self) {
        self.0.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_and_who_asks_hear_the_same() {
        let (stopper, mut stop) = Stopper::new();
        assert!(!stop.is_requested());
        drop(stopper);
        stop.requested().await;
        assert!(stop.is_requested(), "a loop that asks after it has waited would never end");
        let (stopper, mut stop) = Stopper::new();
        stopper.stop();
        stop.requested().await;
        assert!(stop.is_requested());
    }
}
