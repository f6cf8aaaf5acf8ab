//! How things stand: the document that says so, the endpoint that serves it, and the asking.
//!
//! One document, whether the daemon answers or the database alone. Everything here only reads:
//! no request changes anything, waits for a task, or holds one up. No secret is in a document,
//! because none is handed to whoever makes it.

pub mod ask;
pub mod control;
pub mod document;
mod door;
mod endpoint;
mod figures;
mod health;
mod held;
pub mod http;
mod ledger;
mod metrics;
pub mod page;
mod process;
mod ready;
mod socket;
mod web;
mod wrong;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

pub use endpoint::Place;
pub use figures::SummaryReader;

use self::door::Door;
use crate::config::{Config, RepositoryConfig};
use crate::progress::{Progress, RepositoryCounts, RepositoryProgress};

/// What the endpoint serves, and where, for as long as the daemon runs.
#[expect(missing_debug_implementations, reason = "holds a closure, and nobody prints it")]
pub struct Serving {
    /// Where. They outlive the task that serves there, so that the task can be started again.
    doors: Vec<Door>,
    /// `mirror.url`, with its passwords masked.
    mirror_url: String,
    /// What reads the mirror's figures; `None` where nothing is kept.
    summary: Option<SummaryReader>,
}

impl Serving {
    /// Listens at these places, as far as that goes at once; the others are tried again while it
    /// serves. Needs a runtime.
    pub async fn at(
        places: impl IntoIterator<Item = Place>,
        mirror_url: String,
        summary: Option<SummaryReader>,
    ) -> Self {
        let mut doors = Vec::new();
        for place in places {
            doors.push(Door::new(place).await);
        }
        Self { doors, mirror_url, summary }
    }
}

/// The running daemon, to be looked at.
#[derive(Clone, Debug)]
pub struct Live {
    /// The process.
    pub progress: Arc<Progress>,
    /// The repositories, as a reload adds and removes them.
    pub repositories: watch::Receiver<Vec<Watched>>,
    /// What of the configuration is shown or judged by, as a reload changes it.
    pub shown: watch::Receiver<Shown>,
}

/// What of the configuration is shown or judged by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// `status.max_age`.
    pub max_age: Duration,
    /// The host of `server.url`, and its port where that is not the usual one.
    pub server: String,
}

impl Shown {
    /// That of a configuration.
    pub fn of(config: &Config) -> Self {
        let url = &config.server.url;
        let host = url.host_str().unwrap_or_default();
        let server = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        Self { max_age: config.status.max_age, server }
    }
}

/// One repository of the running daemon.
#[derive(Clone, Debug)]
pub struct Watched {
    /// Its section of the configuration.
    pub settings: watch::Receiver<Arc<RepositoryConfig>>,
    /// How far it is.
    pub progress: watch::Receiver<RepositoryProgress>,
    /// What was counted of it.
    pub counts: Arc<RepositoryCounts>,
}
