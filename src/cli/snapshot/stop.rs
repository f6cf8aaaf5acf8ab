//! A signal that ends the command, heard wherever it is: between two pages, and while SQLite works.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

use crate::signals::{Listener, Signal};

/// Whether the command is to end.
#[derive(Debug)]
pub(super) struct StopRequest {
    shared: Arc<Told>,
    /// Signals are heard as long as it is there.
    _listener: Listener,
}

#[derive(Debug, Default)]
struct Told {
    is_told: AtomicBool,
    told: Notify,
}

impl StopRequest {
    /// Listens from now on.
    pub(super) fn listen() -> io::Result<Self> {
        let (mut signals, listener) = Listener::start()?;
        let shared = Arc::new(Told::default());
        let told = Arc::clone(&shared);
        // It ends with the listener. Nobody waits for it: it does nothing else.
        let hear = move || {
            while let Some(signal) = signals.blocking_recv() {
                if matches!(signal, Signal::Terminate | Signal::Interrupt) {
                    told.is_told.store(true, Ordering::Relaxed);
                    told.told.notify_one();
                }
            }
        };
        std::thread::Builder::new().name("stop".to_owned()).spawn(hear)?;
        Ok(Self { shared, _listener: listener })
    }

    /// Waits for it.
    pub(super) async fn come(&self) {
        self.shared.told.notified().await;
    }

    /// Says whether it has come.
    pub(super) fn check(&self) -> impl FnMut() -> bool + Send + 'static {
        let shared = Arc::clone(&self.shared);
        move || shared.is_told.load(Ordering::Relaxed)
    }
}
