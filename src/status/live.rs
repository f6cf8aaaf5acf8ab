//! The running daemon as the status endpoint sees it: handles to what tasks share. Nothing of it waits
//! or changes anything.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::config::{Config, RepositoryConfig};
use crate::domain::envelope;
use crate::progress::{Progress, RepositoryCounts, RepositoryProgress};

/// The running daemon, to be looked at.
#[derive(Clone, Debug)]
pub struct LiveState {
    /// The process.
    pub progress: Arc<Progress>,
    /// The repositories, as a reload adds and removes them.
    pub repositories: watch::Receiver<Vec<WatchedRepository>>,
    /// What of the configuration is shown or judged by, as a reload changes it.
    pub shown: watch::Receiver<ShownSettings>,
}

/// What of the configuration is shown or judged by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShownSettings {
    /// `status.max_age`.
    pub max_age: Duration,
    /// The host of `server.url`, and its port where that is not the usual one.
    pub server: String,
    /// What the server is called in changes.
    pub source: String,
}

impl ShownSettings {
    /// That of a configuration.
    pub fn of(config: &Config) -> Self {
        let url = &config.server.url;
        let host = url.host_str().unwrap_or_default();
        let server = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let source = envelope::server_name(url);
        Self { max_age: config.status.max_age, server, source }
    }
}

/// One repository of the running daemon.
#[derive(Clone, Debug)]
pub struct WatchedRepository {
    /// Its section of the configuration.
    pub settings: watch::Receiver<Arc<RepositoryConfig>>,
    /// How far it is.
    pub progress: watch::Receiver<RepositoryProgress>,
    /// What was counted of it.
    pub counts: Arc<RepositoryCounts>,
}
