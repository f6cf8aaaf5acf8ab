//! Questions to a person.

use std::io::{self, BufRead as _, IsTerminal as _};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::cli::output;

/// No answer is longer, in bytes.
const LONGEST: u64 = 4096;

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
pub(super) struct Terminal;

impl Terminal {
    /// The person at the terminal, if there is one to read and to answer.
    pub(super) fn of_person() -> Option<Self> {
        (io::stdin().is_terminal() && output::on_terminal()).then_some(Self)
    }
}

impl Dialog for Terminal {
    fn ask(&mut self, question: &str) -> io::Result<String> {
        self.tell(question);
        read_line()
    }

    fn ask_secret(&mut self, question: &str) -> io::Result<String> {
        // Before the question: a person who has the answer ready would see it.
        let hidden = Hidden::begin()?;
        self.tell(question);
        let answer = read_line();
        drop(hidden);
        self.tell("\n");
        answer
    }

    fn tell(&mut self, text: &str) {
        output::note(text);
    }
}

/// The terminal shows nothing of what is typed, until this is dropped.
struct Hidden(Termios);

impl Hidden {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut quiet = before.clone();
        // Nor does a key end this program, which would leave the terminal so.
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
        tcsetattr(io::stdin(), OptionalActions::Now, &quiet)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // Where that fails there is no terminal any more.
        let _restored = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

/// A line without its end. The terminal that is closed, or Ctrl-C in a line that is not shown, is no answer.
fn read_line() -> io::Result<String> {
    const CTRL_C: char = '\u{3}';
    let mut line = String::new();
    let read = io::Read::take(io::stdin().lock(), LONGEST).read_line(&mut line)?;
    if read == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if line.contains(CTRL_C) {
        return Err(io::ErrorKind::Interrupted.into());
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
