//! The only file that prints.

use std::error::Error;
use std::io::{self, ErrorKind, IsTerminal as _, Write as _};

use indicatif::MultiProgress;

use super::Exit;
use crate::telemetry::event::Chain;

/// Writes data to stdout. Whoever reads it may have had enough: a closed pipe is a normal end.
pub(super) fn data(text: &str) -> Exit {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Exit::Done,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Exit::Done,
        Err(error) => Exit::Failed(format!("cannot write to stdout: {error}")),
    }
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
