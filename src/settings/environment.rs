//! A snapshot of the process environment.
//!
//! It is read once, here and nowhere else, and handed on: so tests need not change the
//! environment of their process, and a reload sees one consistent state. It may hold a password;
//! `Debug` shows names only.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use super::trusted_file;

/// The variable that stands in place of `--config`.
pub const CONFIGURATION: &str = "EWMIRROR_CONFIG";

/// The variables of a process, by name.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
    unit_password: Option<PathBuf>,
    unit_mirror_password: Option<PathBuf>,
}

impl Environment {
    /// The environment of this process as it is now.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads it")]
    pub fn of_process() -> Self {
        Self::from_pairs(std::env::vars_os())
    }

    /// No variable at all.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The variables given; of two with one name the last counts.
    pub fn from_pairs<N: Into<OsString>, V: Into<OsString>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let pairs = pairs.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self { variables: pairs.collect(), unit_password: None, unit_mirror_password: None }
    }

    /// The same with another variable, in place of one of this name.
    #[must_use]
    pub fn with(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// The same, with the password files that the shipped unit of this configuration hands to the
    /// daemon, where there are some: a command that looks into what the daemon does signs in as it does.
    #[must_use]
    pub fn with_unit_of(mut self, file: &Path) -> Self {
        self.unit_password = trusted_file::unit_secret(file, "password");
        self.unit_mirror_password = trusted_file::unit_secret(file, "mirror-password");
        self
    }

    /// That file.
    pub fn unit_password(&self) -> Option<&Path> {
        self.unit_password.as_deref()
    }

    /// The file with the password of the mirror, which a drop-in of that unit hands to the daemon.
    pub fn unit_mirror_password(&self) -> Option<&Path> {
        self.unit_mirror_password.as_deref()
    }

    /// The configuration file that `EWMIRROR_CONFIG` names, if it names one.
    pub fn configuration(&self) -> Option<&Path> {
        self.get(CONFIGURATION).filter(|name| !name.is_empty()).map(Path::new)
    }

    /// The value of one variable.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// All variables, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.variables.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}
