//! Native journal entries: each field a field of the entry, and a message that people can read.
//!
//! `MESSAGE` is what the text format would show, message and fields, because that is what
//! `journalctl` shows; `EWMIRROR_MESSAGE` is the message alone, and `EWMIRROR_REPOSITORY=10149` and
//! its like are the fields, to search by. Priorities are those of the levels.
//!
//! Guarantees: a journal that is away or slow costs an entry, not the daemon: a send waits for
//! [`PATIENCE`] at most. Entries are small (texts from a server are cut long before they get here),
//! so the protocol's way for large ones, a sealed memory file, is not needed.

use std::fmt::{self, Write as _};
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// Where journald listens.
const SOCKET: &str = "/run/systemd/journal/socket";

/// How long a full socket may hold an event up.
const PATIENCE: Duration = Duration::from_millis(50);

/// Sends events to the journal.
#[derive(Debug)]
pub(super) struct Journal {
    socket: UnixDatagram,
}

impl Journal {
    /// Fails where no journal listens.
    pub(super) fn new() -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(PATIENCE))?;
        // Sent by name each time, so that a journal that was restarted gets the next entry.
        socket.send_to(&[], Path::new(SOCKET))?;
        Ok(Self { socket })
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let entry = entry(*event.metadata().level(), &fields);
        // Where there is no journal there is nobody to tell.
        drop(self.socket.send_to(&entry, Path::new(SOCKET)));
    }
}

/// The message and the fields of an event, in order.
#[derive(Debug, Default)]
struct Fields {
    message: String,
    /// Name, value, and whether the value is text.
    others: Vec<(&'static str, String, bool)>,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.others.push((field.name(), value.to_owned(), true));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.others.push((field.name(), format!("{value:?}"), false));
        }
    }
}

/// An entry in the journal's native protocol.
fn entry(level: Level, fields: &Fields) -> Vec<u8> {
    let mut message = fields.message.clone();
    for (name, value, is_text) in &fields.others {
        let written = if *is_text {
            write!(message, " {name}={value:?}")
        } else {
            write!(message, " {name}={value}")
        };
        debug_assert!(written.is_ok(), "a string takes any text");
    }
    let mut entry = Vec::with_capacity(2 * message.len() + 128);
    push(&mut entry, "MESSAGE", &message);
    push(&mut entry, "PRIORITY", priority(level));
    push(&mut entry, "SYSLOG_IDENTIFIER", env!("CARGO_PKG_NAME"));
    push(&mut entry, "EWMIRROR_MESSAGE", &fields.message);
    for (name, value, _) in &fields.others {
        push(&mut entry, &format!("EWMIRROR_{}", name.to_uppercase()), value);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_reads_well_and_can_be_searched_by_field() {
        let fields = Fields {
            message: "page read".to_owned(),
            others: vec![
                ("repository", "10149".to_owned(), false),
                ("reason", "two words".to_owned(), true),
            ],
        };
        let entry = String::from_utf8(entry(Level::INFO, &fields)).unwrap();
        let expected = "MESSAGE=page read repository=10149 reason=\"two words\"\n\
            PRIORITY=6\n\
            SYSLOG_IDENTIFIER=ewmirror\n\
            EWMIRROR_MESSAGE=page read\n\
            EWMIRROR_REPOSITORY=10149\n\
            EWMIRROR_REASON=two words\n";
        assert_eq!(entry, expected);
    }

    #[test]
    fn a_value_of_several_lines_cannot_make_a_field_of_its_own() {
        let mut entry = Vec::new();
        push(&mut entry, "EWMIRROR_ERROR", "one\nPRIORITY=0");
        assert_eq!(entry, b"EWMIRROR_ERROR\n\x0e\0\0\0\0\0\0\0one\nPRIORITY=0\n");
    }
}
