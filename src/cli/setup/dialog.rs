//! Questions to a person.

use std::io::{self, IsTerminal as _};

use console::Term;

use crate::cli::output;

/// Somebody who can be asked.
pub(super) trait Dialog {
    /// The answer, without its line end.
    fn ask(&mut self, question: &str) -> io::Result<String>;
    /// The answer, which is not shown.
    fn ask_secret(&mut self, question: &str) -> io::Result<String>;
    /// Says something.
    fn tell(&mut self, text: &str);
}

/// The person at the terminal.
pub(super) struct Terminal(Term);

impl Terminal {
    /// The person at the terminal, if there is one to read and to answer.
    pub(super) fn of_person() -> Option<Self> {
        (io::stdin().is_terminal() && output::on_terminal()).then(|| Self(Term::stderr()))
    }
}

impl Dialog for Terminal {
    fn ask(&mut self, question: &str) -> io::Result<String> {
        self.tell(question);
        answered(self.0.read_line()?)
    }

    fn ask_secret(&mut self, question: &str) -> io::Result<String> {
        self.tell(question);
        answered(self.0.read_secure_line()?)
    }

    fn tell(&mut self, text: &str) {
        output::note(text);
    }
}

/// A person who has closed the terminal answers with nothing.
fn answered(answer: String) -> io::Result<String> {
    if answer.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(answer) }
}
