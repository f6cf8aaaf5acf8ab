//! What all parts of the page share: the text being written, and how moments, times and words of others look in it.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::time::{Duration, SystemTime};

use crate::text::is_hidden;

/// What a page needs beside its document.
#[derive(Clone, Copy, Debug)]
pub struct PageContext<'a> {
    /// The time of day, in milliseconds since 1970 (UTC).
    pub now_ms: i64,
    /// What to say of a daemon that did not answer.
    pub no_daemon: &'a str,
    /// The command that approves deletions, without its `--repository`.
    pub approve: &'a str,
    /// The command that shows how things stand.
    pub status: &'a str,
    /// Which repositories are shown.
    pub shown: RepositoriesOnPage<'a>,
    /// Whether what is wrong may be in colour.
    pub colour: bool,
}

/// Which repositories a page shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepositoriesOnPage<'a> {
    /// Each of a few; of many, the first of those that differ from the others.
    Differing,
    /// All.
    All,
    /// These.
    These(&'a BTreeSet<u64>),
}

/// The text being written.
pub(super) struct TextPage(pub(super) String);

impl TextPage {
    pub(super) fn line(&mut self, line: fmt::Arguments<'_>) {
        writeln!(self.0, "{line}").expect("a string takes any text");
    }
}

/// The latest moment that is written as such: the end of the year 9999.
const LATEST_MOMENT_MS: u64 = 253_402_300_799_000;

/// A moment, to the second.
pub(super) fn moment(at_ms: i64) -> humantime::Rfc3339Timestamp {
    let since = u64::try_from(at_ms).unwrap_or_default().min(LATEST_MOMENT_MS);
    humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + Duration::from_millis(since))
}

/// A duration in its two largest units.
pub(super) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m"),
        (0, _, _) => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

pub(super) fn counted(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// A text in which hidden characters are spaces.
#[derive(Clone, Copy, Debug)]
pub struct PlainText<'a>(pub &'a str);

impl fmt::Display for PlainText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|it| f.write_char(if is_hidden(it) { ' ' } else { it }))
    }
}
