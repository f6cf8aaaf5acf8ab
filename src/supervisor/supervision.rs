//! What the supervisor is given.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::lease_task::LeaseTerms;
use crate::config::{Config, Environment};
use crate::mirror::MirrorReader;
use crate::pager::PassLimit;
use crate::progress::Progress;
use crate::signals::Signal;
use crate::status::StatusEndpoint;
use crate::systemd::Notifier;
use crate::task::clock::Chance;

/// What a reload gives the supervisor: the configuration that holds from now on.
pub type ReloadConfig =
    Box<dyn FnMut(&Config) -> Result<Config, Box<dyn Error + Send + Sync>> + Send>;

/// What is to be supervised.
pub struct Supervision<A, M> {
    /// The server.
    pub api: Arc<A>,
    /// Where pages go.
    pub mirror: Arc<M>,
    /// What reads it, for feeds; `None`: nothing is kept that could be delivered.
    pub reader: Option<Arc<dyn MirrorReader>>,
    /// The configuration to start with.
    pub config: Config,
    /// How leases are taken, where several daemons share the mirror.
    pub lease_terms: LeaseTerms,
    /// How long pagers run.
    pub passes: PassLimit,
    /// Gives up at once on a wrong password, and where no page comes for so long, not counting
    /// that pages are asked for only so often; `None`: never.
    pub patience: Option<Duration>,
    /// Ends in order after so long; `None`: never.
    pub run_for: Option<Duration>,
    /// The status endpoint; `None`: there is none.
    pub status: Option<Arc<StatusEndpoint>>,
    /// Tells the service manager.
    pub notifier: Notifier,
    /// Signals, from wherever they come.
    pub signals: mpsc::Receiver<Signal>,
    /// Reads the configuration again and applies what the supervisor does not.
    pub reload: ReloadConfig,
    /// What the process has done.
    pub progress: Arc<Progress>,
    /// Jitter.
    pub chance: Arc<Chance>,
    /// The process's, in which proxies may stand.
    pub environment: Environment,
}
