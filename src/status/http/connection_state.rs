//! What is known of a connection: whether it has asked anything, and whether it pulls items or changes.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, watch};
use tokio::time::timeout;

use crate::status::pull::PullWatch;

/// What is known of a connection.
pub(super) struct ConnectionState {
    has_asked: AtomicBool,
    /// `Some`: it pulls, and takes no room from others any more.
    pulls: watch::Sender<Option<Arc<PullWatch>>>,
    /// Told when one begins to pull.
    begins_to_pull: Arc<Notify>,
}

impl ConnectionState {
    /// Of one that has only just come.
    pub(super) fn new(begins_to_pull: Arc<Notify>) -> Self {
        let has_asked = AtomicBool::new(false);
        Self { has_asked, pulls: watch::Sender::new(None), begins_to_pull }
    }

    /// It asks something.
    pub(super) fn asks(&self) {
        self.has_asked.store(true, Ordering::Relaxed);
    }

    /// Whether it has asked anything.
    pub(super) fn has_asked(&self) -> bool {
        self.has_asked.load(Ordering::Relaxed)
    }

    /// From now on it pulls, in this room; what sees whether it takes what it is given.
    pub(super) fn pulls(&self, room: OwnedSemaphorePermit) -> Arc<PullWatch> {
        let watch = Arc::new(PullWatch::new(room));
        self.pulls.send_replace(Some(Arc::clone(&watch)));
        self.begins_to_pull.notify_one();
        watch
    }

    /// Whether it pulls.
    pub(super) fn is_pulling(&self) -> bool {
        self.pulls.borrow().is_some()
    }

    /// Waits until it has lasted for too long; one that pulls may last as long as it takes what it is given.
    pub(super) async fn overdue(&self, most: Duration) {
        let mut pulls = self.pulls.subscribe();
        let begun = async { pulls.wait_for(Option::is_some).await.ok().and_then(|it| it.clone()) };
        match timeout(most, begun).await {
            Ok(Some(watch)) => watch.overdue().await,
            // Nobody but this connection could say that it pulls.
            Ok(None) => pending().await,
            Err(_) => {}
        }
    }
}
