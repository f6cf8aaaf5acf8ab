//! Native journal entries: each field a field of the entry, and a message that people can read.
//!
//! `MESSAGE` is what the text format would show, message and fields, because that is what
//! `journalctl` shows; `EWMIRROR_MESSAGE` is the message alone, and `EWMIRROR_REPOSITORY=10149` and
//! its like are the fields, to search by. `MESSAGE_ID` leads to the explanation in the catalog.
//! Priorities are those of the levels.
//!
//! Guarantees: a journal that is away or slow costs entries, not the daemon. A send waits for
//! [`PATIENCE`] at most, and after one that waited in vain the next [`RESPITE`] sends nothing. How
//! many entries were lost stands in the next one that gets through, as `EWMIRROR_LOST`. An entry
//! too large for the socket is sent with its values cut; the protocol's other way for these, a
//! sealed memory file, is not worth it for texts that are cut long before they get here.

#[cfg(test)]
mod tests;

use std::fmt::{self, Write as _};
use std::io::{self, ErrorKind};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::catalog;
use crate::text::visible_but;

/// Where journald listens.
const SOCKET: &str = "/run/systemd/journal/socket";

/// How long a full socket may hold an event up.
const PATIENCE: Duration = Duration::from_millis(50);

/// How long nothing is sent to a journal that took nothing for [`PATIENCE`]: it may hold the daemon
/// up for a twentieth of the time, and no more.
const RESPITE: Duration = Duration::from_secs(1);

/// The most bytes of a value in an entry that was too large: with some thirty fields it fits into
/// the smallest buffer that a system gives a socket.
const CUT_TO: usize = 1024;

/// Sends events to the journal.
#[derive(Debug)]
pub(super) struct Journal {
    socket: UnixDatagram,
    path: PathBuf,
    /// A plain mutex, never held while something is sent.
    losses: Mutex<Losses>,
}

impl Journal {
    /// Fails where no journal listens.
    pub(super) fn new() -> io::Result<Self> {
        Self::at(Path::new(SOCKET))
    }

    fn at(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(PATIENCE))?;
        // Sent by name each time, so that a journal that was restarted gets the next entry.
        match socket.send_to(&[], path) {
            // It is there and has much to do.
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
        Ok(Self { socket, path: path.to_owned(), losses: Mutex::default() })
    }

    fn send(&self, level: Level, fields: &Fields) {
        let Some(lost) = self.losses().at(Instant::now()) else { return };
        let sent = match self.socket.send_to(&entry(level, fields, lost), &self.path) {
            Err(error) if error.raw_os_error() == Some(Errno::MSGSIZE.raw_os_error()) => {
                self.socket.send_to(&entry(level, &fields.cut(), lost), &self.path)
            }
            sent => sent,
        };
        match sent {
            Ok(_) => self.losses().told(lost),
            Err(error) => self.losses().lost(error.kind(), Instant::now()),
        }
    }

    fn losses(&self) -> MutexGuard<'_, Losses> {
        self.losses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        self.send(*event.metadata().level(), &fields);
    }
}

/// Entries that the journal did not get, and whether it is to be spared.
#[derive(Debug, Default)]
struct Losses {
    /// How many of them nobody has been told about.
    count: u64,
    spared_until: Option<Instant>,
}

impl Losses {
    /// What an entry that is sent now has to tell; `None` where it is lost unsent.
    fn at(&mut self, now: Instant) -> Option<u64> {
        if self.spared_until.is_some_and(|until| now < until) {
            self.count += 1;
            return None;
        }
        Some(self.count)
    }

    /// An entry got through that told of so many.
    fn told(&mut self, lost: u64) {
        // Another thread may have told of them in the same moment.
        self.count = self.count.saturating_sub(lost);
        self.spared_until = None;
    }

    /// An entry did not get through. Only a journal that lets us wait is spared: one that is away
    /// costs no time, and may be back at once.
    fn lost(&mut self, why: ErrorKind, now: Instant) {
        self.count += 1;
        if why == ErrorKind::WouldBlock {
            self.spared_until = Some(now + RESPITE);
        }
    }
}

/// The message and the fields of an event, in order.
#[derive(Debug, Default)]
struct Fields {
    message: String,
    /// Name, value, and whether the value is text.
    others: Vec<(&'static str, String, bool)>,
}

impl Fields {
    /// The same with every value cut to [`CUT_TO`].
    fn cut(&self) -> Self {
        let cut = |text: &String| {
            if text.len() <= CUT_TO {
                return text.clone();
            }
            let beginning = (0..=CUT_TO).rev().find_map(|end| text.get(..end));
            format!("{}...", beginning.unwrap_or_default())
        };
        let others = self.others.iter().map(|(name, value, is_text)| (*name, cut(value), *is_text));
        Self { message: cut(&self.message), others: others.collect() }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.others.push((field.name(), seen(value), true));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.others.push((field.name(), seen(&format!("{value:?}")), false));
        }
    }
}

/// A value with nothing in it that a reader of the journal could not see; its lines stay.
fn seen(value: &str) -> String {
    visible_but(value, &['\n']).into_owned()
}

/// An entry in the journal's native protocol, which also tells how many were lost before it.
fn entry(level: Level, fields: &Fields, lost: u64) -> Vec<u8> {
    let mut message = fields.message.clone();
    for (name, value, is_text) in &fields.others {
        let written = if *is_text {
            write!(message, " {name}={value:?}")
        } else {
            write!(message, " {name}={value}")
        };
        debug_assert!(written.is_ok(), "a string takes any text");
    }
    if lost > 0 {
        let written = write!(message, " (entries lost before this one: {lost})");
        debug_assert!(written.is_ok(), "a string takes any text");
    }
    let mut entry = Vec::with_capacity(2 * message.len() + 128);
    push(&mut entry, "MESSAGE", &message);
    push(&mut entry, "PRIORITY", priority(level));
    push(&mut entry, "SYSLOG_IDENTIFIER", env!("CARGO_PKG_NAME"));
    if let Some(id) = catalog::message_id(&fields.message) {
        push(&mut entry, "MESSAGE_ID", id);
    }
    push(&mut entry, "EWMIRROR_MESSAGE", &fields.message);
    for (name, value, _) in &fields.others {
        push(&mut entry, &format!("EWMIRROR_{}", name.to_uppercase()), value);
    }
    if lost > 0 {
        push(&mut entry, "EWMIRROR_LOST", &lost.to_string());
    }
    entry
}

/// One field: `NAME=value`, or, where the value has more than one line, with its length.
fn push(entry: &mut Vec<u8>, name: &str, value: &str) {
    entry.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        entry.push(b'\n');
        entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        entry.push(b'=');
    }
    entry.extend_from_slice(value.as_bytes());
    entry.push(b'\n');
}

/// The syslog priority that matches a level.
fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "6",
        Level::DEBUG | Level::TRACE => "7",
    }
}
