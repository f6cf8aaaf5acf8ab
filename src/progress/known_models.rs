//! What the daemon last knew of the models of its repositories, for those who look on.

use std::collections::BTreeMap;

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
#[derive(Debug, Default)]
pub struct SeenModels(watch::Sender<BTreeMap<RepositoryId, ModelFacts>>);

impl SeenModels {
    /// Notes that a repository has been seen to, and what is known of it now; `None`: what was known.
    pub fn note(&self, repository: RepositoryId, facts: Option<ModelFacts>) {
        self.0.send_modify(|known| {
            let noted = known.entry(repository).or_default();
            if let Some(facts) = facts {
                *noted = facts;
            }
        });
    }

    /// What is known of a repository; `None`: it was not seen to yet.
    pub fn of(&self, repository: RepositoryId) -> Option<ModelFacts> {
        self.0.borrow().get(&repository).cloned()
    }

    /// Changes whenever a repository has been seen to.
    pub fn seen(&self) -> watch::Receiver<BTreeMap<RepositoryId, ModelFacts>> {
        self.0.subscribe()
    }
}
