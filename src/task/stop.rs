//! The wish to stop, as every task hears it.

use tokio::sync::watch;

/// Asks all holders of a [`Stop`] to end.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

impl Stopper {
    /// A stopper and the first of its listeners.
    pub fn new() -> (Self, Stop) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), Stop(receiver))
    }

    /// Asks; asking twice changes nothing.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

/// Hears the wish to stop. Clones hear it, too.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Whether it has been said, or nobody is left to say it.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Waits until it is said, or until nobody is left to say it. Can be dropped and called anew.
    pub async fn requested(&mut self) {
        // An error means that the stopper is gone, and with it whoever owned this task.
        drop(self.0.wait_for(|requested| *requested).await);
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
