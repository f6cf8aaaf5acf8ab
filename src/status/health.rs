//! What is wrong, as the status document has it. Plain values; names and types are stable, like those
//! of the whole document.

use serde::{Deserialize, Serialize};

use crate::progress::problems::{Health, Problem};
use crate::progress::whole_millis;

/// How things stand as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// Nothing is wrong.
    Ok,
    /// Something is wrong, and something goes on.
    Degraded,
    /// Nothing goes on.
    Failing,
    /// A word of another version, or none.
    #[default]
    #[serde(other)]
    Unknown,
}

/// One thing that is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProblemStatus {
    /// What it is about: `server`, `login`, `repository`, `deletes`, `mirror` or `feed`.
    pub scope: String,
    /// The repository, where it is one's own.
    pub repository: Option<u64>,
    /// For how long.
    pub since_ms: u64,
    /// How many times in a row it has come; 1 for what stands.
    pub failures: u64,
    /// What is wrong, and on what.
    pub error: String,
    /// What to do about it.
    pub remedy: String,
    /// How long until the next try, where there is one.
    pub retry_in_ms: Option<u64>,
}

impl From<Health> for HealthStatus {
    fn from(health: Health) -> Self {
        match health {
            Health::Ok => Self::Ok,
            Health::Degraded => Self::Degraded,
            Health::Failing => Self::Failing,
        }
    }
}

impl From<&Problem> for ProblemStatus {
    fn from(problem: &Problem) -> Self {
        Self {
            scope: problem.source.scope.name().to_owned(),
            repository: problem.source.repository.map(|id| id.0),
            since_ms: whole_millis(problem.since),
            failures: problem.failures,
            error: problem.report.error.clone(),
            remedy: problem.report.remedy.clone(),
            retry_in_ms: problem.report.retry_in.map(whole_millis),
        }
    }
}
