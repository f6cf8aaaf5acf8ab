//! What is wrong with a configuration, and what is merely doubtful.
//!
//! A [`ConfigError`] names its key, where the value came from, the value, what is wrong and what
//! would be right. Its texts hold no secret: what of a value may be shown is decided
//! where one is made, so `Display` and `Debug` may go anywhere. Control characters of foreign text are escaped and long
//! text is cut, so that a broken file cannot scramble a terminal.

use std::fmt;
use std::path::PathBuf;

/// The most characters of a foreign key or value that an error repeats: enough to recognise it, and
/// it still fits on a line.
const SHOWN_CHARACTERS: usize = 80;

/// Where a setting came from. The order is the order in which errors are told: the file from top to
/// bottom, variables by name, what is set nowhere last.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SettingSource {
    /// The configuration file.
    File {
        /// The file as the caller named it.
        name: String,
        /// The place in it; none where the file as a whole is meant.
        location: Option<Location>,
    },
    /// An environment variable.
    Variable(String),
    /// A systemd credential.
    Credential(PathBuf),
    /// Nobody set it.
    Default,
}

impl fmt::Display for SettingSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, location: Some(at) } => write!(f, "{name}:{at}"),
            Self::File { name, location: None } | Self::Variable(name) => f.write_str(name),
            Self::Credential(path) => write!(f, "credential {}", path.display()),
            Self::Default => f.write_str("not set"),
        }
    }
}

/// A place in a text, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The key, such as `paging.page_size`; in the second `[[repository]]` of the file
    /// `repository[2].page_size`. Empty where the file as a whole cannot be read.
    pub key: String,
    /// The value, where one was given and where it may be shown: never a secret.
    pub value: Option<String>,
    /// Where the value came from.
    pub source: SettingSource,
    /// What is wrong with it.
    pub error: String,
    /// What would be right.
    pub hint: String,
}

impl ConfigError {
    /// That a file, or a place in it, cannot be read at all.
    pub fn of_file(
        name: &str,
        location: Option<Location>,
        error: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        let source = SettingSource::File { name: name.to_owned(), location };
        Self { key: String::new(), value: None, source, error: error.into(), hint: hint.into() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.source != SettingSource::Default {
            write!(f, "{}: ", self.source)?;
        }
        match (&self.key, &self.value) {
            (key, _) if key.is_empty() => {}
            (key, Some(value)) => write!(f, "{key} = {value}: ")?,
            (key, None) => write!(f, "{key}: ")?,
        }
        write!(f, "{}\n    {}", self.error, self.hint)
    }
}

/// Everything that is wrong with one configuration; at least one error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// All errors, in the order in which they are told; `None` where there is none.
    pub fn new(mut errors: Vec<ConfigError>) -> Option<Self> {
        // A stable sort: what has no place of its own keeps the order of the keys.
        errors.sort_by(|a, b| a.source.cmp(&b.source));
        (!errors.is_empty()).then_some(Self(errors))
    }

    /// Each error, in a stable order.
    pub fn iter(&self) -> std::slice::Iter<'_, ConfigError> {
        self.0.iter()
    }

    /// How many there are, for the first line: `1 fault`, `3 faults`.
    pub fn count(&self) -> String {
        match self.0.len() {
            1 => "1 fault".to_owned(),
            several => format!("{several} faults"),
        }
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(only: ConfigError) -> Self {
        Self(vec![only])
    }
}

impl IntoIterator for ConfigErrors {
    type Item = ConfigError;
    type IntoIter = std::vec::IntoIter<ConfigError>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a ConfigErrors {
    type Item = &'a ConfigError;
    type IntoIter = std::slice::Iter<'a, ConfigError>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told: Vec<_> = self.iter().map(ToString::to_string).collect();
        f.write_str(&told.join("\n"))
    }
}

impl std::error::Error for ConfigErrors {}

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
pub fn quoted(text: &str) -> String {
    format!("{:?}", clipped(text))
}

/// Foreign text cut to what fits on a line.
pub fn clipped(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
