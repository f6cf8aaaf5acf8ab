//! The only file that prints.

use std::error::Error;
use std::ffi::OsStr;
use std::io::{self, BufWriter, ErrorKind, IsTerminal as _, StdoutLock, Write as _};
use std::path::Path;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustix::event::{PollFd, PollFlags, Timespec};

use super::Exit;
use crate::config::Environment;
use crate::telemetry::event::Chain;
use crate::text::CommandLine;

/// What is gathered before it is written to stdout, in bytes.
const STDOUT_BUFFER: usize = 64 << 10;

/// Writes data to stdout. The reader may have had enough: a closed pipe is a normal end.
pub(super) fn data(text: &str) -> Exit {
    let mut stdout = Stdout::new();
    match stdout.write(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Exit::Done,
        Err(exit) => exit,
    }
}

/// Stdout for much data. Both calls fail with the end that the command then comes to: where
/// the reader has had enough, that is a normal one.
#[derive(Debug)]
pub(super) struct Stdout(BufWriter<StdoutLock<'static>>);

impl Stdout {
    pub(super) fn new() -> Self {
        Self(BufWriter::with_capacity(STDOUT_BUFFER, io::stdout().lock()))
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Exit> {
        self.0.write_all(bytes).map_err(|error| unwritten(&error))
    }

    pub(super) fn flush(&mut self) -> Result<(), Exit> {
        self.0.flush().map_err(|error| unwritten(&error))
    }
}

fn unwritten(error: &io::Error) -> Exit {
    if error.kind() == ErrorKind::BrokenPipe {
        Exit::Done
    } else {
        Exit::Failed(format!("cannot write to stdout: {error}"))
    }
}

/// Waits for so long, or until nobody can read stdout any more; returns whether that is so.
pub(super) fn closed_within(wait: Duration) -> bool {
    let stdout = io::stdout();
    // Asked for nothing, the system tells of errors and hang-ups only.
    let mut stdout = [PollFd::new(&stdout, PollFlags::empty())];
    let wait = Timespec::try_from(wait).ok();
    match rustix::event::poll(&mut stdout, wait.as_ref()) {
        Ok(told) => told > 0,
        // A signal: there is no more to be waited for just now.
        Err(_) => false,
    }
}

/// How this program is called with this configuration, whatever folder a shell is in.
pub(super) fn command_line(config: &Path) -> CommandLine {
    // A relative path without a folder to be relative to stays as it was given.
    CommandLine::of(&std::path::absolute(config).unwrap_or_else(|_| config.to_owned()))
}

/// A text without characters that a terminal would obey, or that nobody sees.
pub(super) fn visible(text: &str) -> String {
    crate::text::visible(text).into_owned()
}

/// Writes what is for people to stderr. Where that fails there is nobody left to tell.
pub(super) fn note(text: &str) {
    drop(io::stderr().lock().write_all(text.as_bytes()));
}

/// Tells of the error that a command ends with; an empty one has been told already.
pub(super) fn error(message: &str) {
    if !message.is_empty() {
        note(&format!("ewmirror: {message}\n"));
    }
}

/// An error and all that lies beneath it, in one line.
pub(super) fn chain(error: &dyn Error) -> String {
    Chain(error).to_string()
}

/// Whether stdout may be coloured: a person looks at it, and has not said otherwise.
pub(super) fn colour_on_stdout(environment: &Environment) -> bool {
    io::stdout().is_terminal() && may_colour(environment)
}

/// Whether stderr may be coloured.
pub(super) fn colour_on_stderr(environment: &Environment) -> bool {
    on_terminal() && may_colour(environment)
}

/// Whether bars may be drawn on stderr, for which a terminal must move its cursor.
pub(super) fn may_draw(environment: &Environment) -> bool {
    on_terminal() && !is_dumb(environment)
}

/// `NO_COLOR`, as <https://no-color.org> has it: whatever its value, unless that is empty.
fn may_colour(environment: &Environment) -> bool {
    !is_dumb(environment) && environment.get("NO_COLOR").is_none_or(OsStr::is_empty)
}

fn is_dumb(environment: &Environment) -> bool {
    environment.get("TERM").is_some_and(|terminal| terminal == "dumb")
}

/// A bar on stderr where it may be drawn; hidden where not.
pub(super) fn bar(environment: &Environment, template: &str) -> ProgressBar {
    let target = if may_draw(environment) {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(None, target).with_style(style)
}

/// Whether a person looks at stderr.
pub(super) fn on_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Stderr beneath which progress bars stand: lines are written above them.
#[derive(Clone, Debug)]
pub(super) struct AboveBars(pub(super) MultiProgress);

impl io::Write for AboveBars {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_for_terminals_that_have_it_and_people_who_want_it() {
        for (variables, wanted) in [
            (&[][..], true),
            (&[("TERM", "xterm-256color")], true),
            (&[("NO_COLOR", "")], true),
            (&[("NO_COLOR", "1")], false),
            (&[("NO_COLOR", "0")], false),
            (&[("TERM", "dumb")], false),
        ] {
            let environment = Environment::from_pairs(variables.iter().copied());
            assert_eq!(may_colour(&environment), wanted, "{variables:?}");
        }
    }
}
