//! What an examination of a mirror finds, and who has it.

use std::time::SystemTime;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// As it should be.
    Sound,
    /// Something to see to.
    Warning,
    /// Broken.
    Failure,
    /// Not looked at.
    Skipped,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExaminationFinding {
    /// What was looked at.
    pub name: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What was found.
    pub found: String,
    /// What the operator can do; empty where there is nothing to be done.
    pub remedy: String,
}

impl ExaminationFinding {
    /// That something is as it should be.
    pub(in crate::mirror) fn sound(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, severity: Severity::Sound, found: found.into(), remedy: String::new() }
    }

    /// That there is something to see to.
    pub(in crate::mirror) fn warning(
        name: &'static str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { name, severity: Severity::Warning, found: found.into(), remedy: remedy.into() }
    }

    /// That something is broken.
    pub(in crate::mirror) fn failure(
        name: &'static str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { name, severity: Severity::Failure, found: found.into(), remedy: remedy.into() }
    }

    /// That something was not looked at, and why.
    pub(in crate::mirror) fn unseen(name: &'static str, why: impl Into<String>) -> Self {
        Self { name, severity: Severity::Skipped, found: why.into(), remedy: String::new() }
    }

    /// The parts of a mirror that are looked at.
    const EXAMINED: [&str; 2] = ["disk", "database"];

    /// That no part was looked at, and why.
    pub fn skipped(why: &str) -> Vec<Self> {
        Self::EXAMINED.into_iter().map(|name| Self::unseen(name, why)).collect()
    }
}

/// Who may write a mirror.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockOwner {
    /// The process, if it said so.
    pub process: Option<u32>,
    /// When it took the lock.
    pub since: Option<SystemTime>,
}
