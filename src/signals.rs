//! Signals of the operating system, as events.
//!
//! SIGTERM and SIGINT end the daemon in order; a second one of either ends the process at once,
//! from within the signal handler, so that it works even where the runtime hangs. Nothing else in
//! the crate touches signals.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGXFSZ};
use signal_hook::flag;
use signal_hook::iterator::{Handle, Signals};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// What a signal means to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: end in order.
    Terminate,
    /// SIGINT: the same, from a keyboard.
    Interrupt,
    /// SIGHUP: read the configuration again.
    Reload,
    /// SIGUSR1: start the next pass now.
    NextPass,
}

impl Signal {
    /// The name that people know it by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
            Self::Reload => "SIGHUP",
            Self::NextPass => "SIGUSR1",
        }
    }
}

/// The exit status of a process that was told twice to end.
const ENDED_AT_ONCE: i32 = 1;

/// Signals that wait to be heard. More are few; beyond these a burst of the same is dropped, but
/// never a signal to end.
const WAITING: usize = 16;

/// Hears the signals from now on. Dropping it ends its thread; the handlers stay.
#[derive(Debug)]
pub struct Listener {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Registers the handlers and starts the thread that forwards what they catch.
    pub fn start() -> io::Result<(mpsc::Receiver<Signal>, Self)> {
        let ending = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            // In this order: the first signal finds the flag down and raises it, the second one
            // finds it up and ends the process.
            flag::register_conditional_shutdown(signal, ENDED_AT_ONCE, Arc::clone(&ending))?;
            flag::register(signal, Arc::clone(&ending))?;
        }
        let mut caught = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1])?;
        let handle = caught.handle();
        let (sender, signals) = mpsc::channel(WAITING);
        let thread = std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for number in caught.forever() {
                let signal = match number {
                    SIGTERM => Signal::Terminate,
                    SIGINT => Signal::Interrupt,
                    SIGHUP => Signal::Reload,
                    _ => Signal::NextPass,
                };
                let unheard = match signal {
                    Signal::Terminate | Signal::Interrupt => sender.blocking_send(signal).is_err(),
                    Signal::Reload | Signal::NextPass => {
                        matches!(sender.try_send(signal), Err(TrySendError::Closed(_)))
                    }
                };
                if unheard {
                    return;
                }
            }
        })?;
        Ok((signals, Self { handle, thread: Some(thread) }))
    }
}

/// From now on a write beyond the limit on the size of files fails, and no longer ends the process.
pub fn outlive_file_size_limit() -> io::Result<()> {
    flag::register(SIGXFSZ, Arc::default()).map(drop)
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // It only forwards; should it have panicked, there is nothing left to do about it.
            drop(thread.join());
        }
    }
}
