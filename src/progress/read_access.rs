//! Which repositories the server says that this login may not read: its `canRead`.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::domain::RepositoryId;

/// What to do where a login may not read a repository.
pub const ACCESS_REMEDY: &str = "give the user in login.username the permission to read it, or take the \
                                 repository out of the configuration";

/// That this login may not read a repository, by the server's own word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this user may not read it (the server lists it with canRead = false)")]
pub struct AccessDenied;

/// What the server last said of that.
#[derive(Debug, Default)]
pub struct ReadAccess {
    /// A plain lock: it is held for a look, never across an await.
    denied: Mutex<BTreeSet<RepositoryId>>,
}

impl ReadAccess {
    /// Takes a list of the server's: each repository, and whether the login may read it, where that is
    /// said.
    pub fn note(&self, listed: impl IntoIterator<Item = (RepositoryId, Option<bool>)>) {
        let denied = listed.into_iter().filter(|(_, can_read)| *can_read == Some(false));
        let denied = denied.map(|(id, _)| id).collect();
        *self.denied.lock().unwrap_or_else(PoisonError::into_inner) = denied;
    }

    /// That the login may not read this one, where the server has said so.
    pub fn denied(&self, repository: RepositoryId) -> Option<AccessDenied> {
        let denied = self.denied.lock().unwrap_or_else(PoisonError::into_inner);
        denied.contains(&repository).then_some(AccessDenied)
    }
}
