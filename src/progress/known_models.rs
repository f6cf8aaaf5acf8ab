//! What the daemon last knew of the models of its repositories, for those who look on.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use crate::domain::RepositoryId;

/// What is known of the model of a repository, in short.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelFacts {
    /// What the server calls the repository.
    pub name: Option<String>,
    /// When the server last told of its attributes, in milliseconds since 1970 (UTC).
    pub read_ms: Option<i64>,
}

/// The models of all repositories.
#[derive(Debug)]
pub struct SeenModels {
    /// A plain lock: it is held for a look, never across an await.
    known: Mutex<BTreeMap<RepositoryId, ModelFacts>>,
    seen: watch::Sender<u64>,
}

impl Default for SeenModels {
    fn default() -> Self {
        Self { known: Mutex::default(), seen: watch::Sender::new(0) }
    }
}

impl SeenModels {
    /// Notes that a repository has been seen to, and what is known of it now; `None`: what was known.
    pub fn note(&self, repository: RepositoryId, facts: Option<ModelFacts>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match facts {
            Some(facts) => drop(known.insert(repository, facts)),
            None => drop(known.entry(repository).or_default()),
        }
        self.seen.send_modify(|seen| *seen += 1);
    }

    /// What is known of a repository; `None`: it was not seen to yet.
    pub fn of(&self, repository: RepositoryId) -> Option<ModelFacts> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&repository).cloned()
    }

    /// Changes whenever a repository has been seen to.
    pub fn seen(&self) -> watch::Receiver<u64> {
        self.seen.subscribe()
    }
}
