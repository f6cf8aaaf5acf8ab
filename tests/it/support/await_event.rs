//! The log of a process as events, and waiting for one of them.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::Value;

use super::DEADLINE;

/// How many of the last lines a failure shows.
const SHOWN_LINES: usize = 30;

/// One line of the log.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// Its place in the log, from 0.
    pub(crate) index: usize,
    /// When it was read here.
    pub(crate) at: Instant,
    /// The line itself.
    pub(crate) line: String,
    fields: Value,
}

impl Event {
    /// Whether it is the event of this message.
    pub(crate) fn is(&self, message: &str) -> bool {
        self.fields["message"] == message
    }

    /// Whether it is the event of this message, of this repository.
    pub(crate) fn is_of(&self, message: &str, repository: u64) -> bool {
        self.is(message) && self.fields["repository"] == repository
    }

    /// The level.
    pub(crate) fn level(&self) -> &str {
        self.text("level")
    }

    /// A number.
    pub(crate) fn number(&self, field: &str) -> u64 {
        self.fields[field]
            .as_u64()
            .unwrap_or_else(|| panic!("{field} is no whole number in {}", self.line))
    }

    /// A text.
    pub(crate) fn text(&self, field: &str) -> &str {
        self.fields[field].as_str().unwrap_or_else(|| panic!("{field} is no text in {}", self.line))
    }

    /// A truth value.
    pub(crate) fn truth(&self, field: &str) -> bool {
        self.fields[field]
            .as_bool()
            .unwrap_or_else(|| panic!("{field} is no truth value in {}", self.line))
    }

    /// Any field.
    pub(crate) fn field(&self, field: &str) -> Option<&Value> {
        self.fields.get(field)
    }

    /// The names of all fields, in their order.
    pub(crate) fn names(&self) -> Vec<&str> {
        let fields = self.fields.as_object().map(|object| object.keys().map(String::as_str));
        fields.into_iter().flatten().collect()
    }
}

/// A log that grows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<(Mutex<State>, Condvar)>);

#[derive(Debug, Default)]
struct State {
    events: Vec<Event>,
    ended: bool,
}

impl Log {
    /// Reads lines until there are no more; for a thread of its own.
    pub(crate) fn read(&self, from: impl Read) {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            let fields = serde_json::from_str(&line).unwrap_or(Value::Null);
            let mut state = self.lock();
            let index = state.events.len();
            state.events.push(Event { index, at: Instant::now(), line, fields });
            self.0.1.notify_all();
        }
        self.lock().ended = true;
        self.0.1.notify_all();
    }

    /// All events so far.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.lock().events.clone()
    }

    /// How many events there are so far.
    pub(crate) fn len(&self) -> usize {
        self.lock().events.len()
    }

    /// The first event from this place on that is meant, once it is there.
    pub(crate) fn wait_from(&self, place: usize, what: impl Fn(&Event) -> bool) -> Event {
        let deadline = Instant::now() + DEADLINE;
        let mut state = self.lock();
        let mut looked_at = place;
        loop {
            if let Some(found) = state.events.iter().skip(looked_at).find(|event| what(event)) {
                return found.clone();
            }
            looked_at = looked_at.max(state.events.len());
            assert!(!state.ended, "the log ended before the event came:\n{}", tail(&state.events));
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the event did not come:\n{}", tail(&state.events));
            state = self.0.1.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for the end; false where it does not come in time.
    pub(crate) fn wait_for_end(&self) -> bool {
        let ended = |state: &mut State| !state.ended;
        let waited = self.0.1.wait_timeout_while(self.lock(), DEADLINE, ended);
        waited.unwrap_or_else(PoisonError::into_inner).0.ended
    }

    /// The last lines.
    pub(crate) fn tail(&self) -> String {
        tail(&self.lock().events)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tail(events: &[Event]) -> String {
    let mut text = String::new();
    for event in events.iter().skip(events.len().saturating_sub(SHOWN_LINES)) {
        writeln!(text, "{}", event.line).expect("a string takes any text");
    }
    text
}
