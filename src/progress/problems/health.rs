//! How things stand as a whole.

use super::problem::{Problem, Scope};
use crate::domain::RepositoryId;

/// How things stand as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Nothing is wrong.
    Ok,
    /// Something is wrong, and something goes on.
    Degraded,
    /// Nothing goes on.
    Failing,
}

impl Health {
    /// What these problems amount to where these repositories are read.
    pub fn of(problems: &[Problem], read: &[RepositoryId], signed_in: bool) -> Self {
        if problems.is_empty() {
            return Self::Ok;
        }
        let halts_all = problems.iter().any(|problem| {
            // A session that stands serves on, whatever becomes of the next login.
            let serves = problem.source.scope == Scope::Login && signed_in;
            problem.report.halts && problem.source.repository.is_none() && !serves
        });
        let is_halted = |id: &RepositoryId| {
            let mut own = problems.iter().filter(|it| it.source.repository == Some(*id));
            own.any(|problem| problem.report.halts)
        };
        let all_halted = !read.is_empty() && read.iter().all(is_halted);
        if halts_all || all_halted { Self::Failing } else { Self::Degraded }
    }
}
