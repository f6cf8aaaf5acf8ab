//! What is wrong with a configuration, and what is merely doubtful.
//!
//! A [`Fault`] names its key, where the value came from, the value, the problem and the remedy.
//! Its texts hold no secret: whoever makes one decides what of a value may be shown, so `Display`
//! and `Debug` may go anywhere. Control characters of foreign text are escaped and long text is
//! cut, so that a broken file cannot scramble a terminal.

use std::fmt;
use std::path::PathBuf;

/// The most characters of a foreign key or value that a fault repeats: enough to recognise it, and
/// it still fits on a line.
const SHOWN_CHARACTERS: usize = 80;

/// Where a value came from. The order is the order in which faults are told: the file from top to
/// bottom, variables by name, what is set nowhere last.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The configuration file.
    File {
        /// The file as the caller named it.
        name: String,
        /// The place in it; none where the file as a whole is meant.
        place: Option<Place>,
    },
    /// An environment variable.
    Variable(String),
    /// A systemd credential.
    Credential(PathBuf),
    /// Nobody set it.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, place: Some(place) } => write!(f, "{name}:{place}"),
            Self::File { name, place: None } | Self::Variable(name) => f.write_str(name),
            Self::Credential(path) => write!(f, "credential {}", path.display()),
            Self::Default => f.write_str("not set"),
        }
    }
}

/// A place in a text, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The key, such as `paging.page_size`; in the second `[[repository]]` of the file
    /// `repository[2].page_size`. Empty where the file as a whole cannot be read.
    pub key: String,
    /// The value, where one was given and where it may be shown: never a secret.
    pub value: Option<String>,
    /// Where the value came from.
    pub origin: Origin,
    /// What is wrong with it.
    pub problem: String,
    /// What would be right.
    pub remedy: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.origin != Origin::Default {
            write!(f, "{}: ", self.origin)?;
        }
        if !self.key.is_empty() {
            f.write_str(&self.key)?;
            if let Some(value) = &self.value {
                write!(f, " = {value}")?;
            }
            f.write_str(": ")?;
        }
        write!(f, "{}\n    {}", self.problem, self.remedy)
    }
}

/// Everything that is wrong with one configuration; at least one fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// All faults, in the order in which they are told; `None` where there is none.
    pub(super) fn new(mut faults: Vec<Fault>) -> Option<Self> {
        // A stable sort: what has no place of its own keeps the order of the keys.
        faults.sort_by(|a, b| a.origin.cmp(&b.origin));
        (!faults.is_empty()).then_some(Self(faults))
    }

    /// The only fault there is.
    pub(super) fn one(fault: Fault) -> Self {
        Self(vec![fault])
    }

    /// Each fault, in a stable order.
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.0.iter()
    }

    /// How many there are, for a headline: `1 fault`, `3 faults`.
    pub fn count(&self) -> String {
        match self.0.len() {
            1 => "1 fault".to_owned(),
            several => format!("{several} faults"),
        }
    }
}

impl IntoIterator for Faults {
    type Item = Fault;
    type IntoIter = std::vec::IntoIter<Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Faults {
    type Item = &'a Fault;
    type IntoIter = std::slice::Iter<'a, Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, fault) in self.0.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// Something that works but that an operator should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The key it is about.
    pub key: String,
    /// What an operator should know.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.message)
    }
}

/// Foreign text in quotes, its control characters escaped, cut where it is long.
pub(super) fn quoted(text: &str) -> String {
    format!("{:?}", clipped(text))
}

/// Foreign text cut to what fits on a line.
pub(super) fn clipped(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
