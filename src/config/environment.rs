//! A snapshot of the process environment.
//!
//! It is read once, here and nowhere else, and handed on: so tests need not change the
//! environment of their process, and a reload sees one consistent state. It may hold a password;
//! `Debug` shows names only.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::Path;

use super::credentials::CREDENTIALS_DIRECTORY;
use super::password_place;

/// The variables of a process, by name.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// The environment of this process as it is now.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads it")]
    pub fn of_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// No variable at all.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The variables given; of two with one name the last counts.
    pub fn from_pairs<N: Into<OsString>, V: Into<OsString>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// The same with this variable set.
    #[must_use]
    pub fn with(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.0.insert(name.into(), value.into());
        self
    }

    /// The same, where nobody gives the password, with the credentials that the shipped unit hands
    /// to the daemon: the files beside the configuration. For an operator who looks into what the
    /// daemon does.
    #[must_use]
    pub fn as_in_the_unit(self, file: &Path) -> Self {
        let folder = file.parent().unwrap_or(Path::new(""));
        let there = std::fs::symlink_metadata(folder.join("password")).is_ok();
        if there && password_place(file, &self).is_none() {
            self.with(CREDENTIALS_DIRECTORY, folder)
        } else {
            self
        }
    }

    /// The value of one variable.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// All variables, ordered by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
