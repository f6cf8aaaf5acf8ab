//! The lines of `doctor`, each printed as soon as it is known.

use crate::cli::{Exit, output};
use crate::config::Environment;

/// The column that names the checks, in characters.
const WIDTH: usize = 16;

/// What has been said so far.
pub(super) struct DoctorReport {
    /// Whether a terminal shows it.
    colour: bool,
    failed: bool,
    /// Why a line could not be printed.
    unwritten: Option<String>,
}

impl DoctorReport {
    pub(super) fn new(environment: &Environment) -> Self {
        Self { colour: output::colour_on_stdout(environment), failed: false, unwritten: None }
    }

    /// All is well.
    pub(super) fn ok(&mut self, check: &str, found: &str) {
        self.line("ok", "32", check, found);
    }

    /// It works, but should not stay so.
    pub(super) fn warn(&mut self, check: &str, found: &str, remedy: &str) {
        self.line("warn", "33", check, &format!("{found}; {remedy}"));
    }

    /// It does not work.
    pub(super) fn fail(&mut self, check: &str, found: &str, remedy: &str) {
        self.failed = true;
        self.line("fail", "31", check, &format!("{found}; {remedy}"));
    }

    /// There is nothing to look at, or no way to.
    pub(super) fn skip(&mut self, check: &str, why: &str) {
        self.line("skip", "2", check, why);
    }

    /// What the command ends with.
    pub(super) fn end(self, valid: bool) -> Exit {
        match self.unwritten {
            Some(why) => Exit::Failed(why),
            None if !valid => Exit::Wrong(String::new()),
            None if self.failed => Exit::Failed(String::new()),
            None => Exit::Done,
        }
    }

    fn line(&mut self, verdict: &str, colour: &str, check: &str, text: &str) {
        let verdict = if self.colour {
            format!("\u{1b}[{colour}m{verdict:<4}\u{1b}[0m")
        } else {
            format!("{verdict:<4}")
        };
        // Servers and file systems have their say in it.
        let text = output::visible(text);
        if let Exit::Failed(why) = output::data(&format!("{verdict}  {check:<WIDTH$}  {text}\n")) {
            self.unwritten = Some(why);
        }
    }
}
