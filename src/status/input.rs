//! What a status document is made of.

use std::time::Duration;

use super::document::DaemonStatus;
use crate::domain::RepositoryId;
use crate::mirror::{CertifiedPass, MirrorSummary};
use crate::progress::problems::Problem;
use crate::progress::{HourOfDelays, InstanceState, RepositoryProgress};
use crate::text::CommandLine;

/// What a document is made of.
#[derive(Clone, Debug)]
pub struct DocumentInput<'a> {
    /// The time of day, in milliseconds since 1970 (UTC).
    pub now_ms: i64,
    /// The daemon, where one runs.
    pub daemon: Option<DaemonStatus>,
    /// `mirror.url`, with its passwords masked.
    pub mirror_url: &'a str,
    /// The mirror's figures, or why they are not known; `None` where nothing is kept.
    pub summary: Option<Result<&'a MirrorSummary, String>>,
    /// How it stands among those that share its mirror, where that can be shared.
    pub instance: Option<InstanceState>,
    /// The repositories of the configuration.
    pub repositories: Vec<ConfiguredRepository>,
    /// How this program is called for this mirror.
    pub command: &'a CommandLine,
    /// What the daemon says is wrong; or that there is none.
    pub problems: Vec<Problem>,
    /// `status.max_age`, where a daemon runs.
    pub max_age: Option<Duration>,
    /// The host of `server.url`, where a daemon runs.
    pub server: Option<&'a str>,
}

/// A repository of the configuration.
#[derive(Clone, Debug)]
pub struct ConfiguredRepository {
    /// The vendor's number of it.
    pub id: RepositoryId,
    /// What people call it, or else what the server does.
    pub name: Option<String>,
    /// When the server last told of its attributes, in milliseconds since 1970 (UTC).
    pub model_read_ms: Option<i64>,
    /// How far the daemon is with it, where one runs.
    pub progress: Option<RepositoryProgress>,
    /// The last certified pass that the daemon has seen; the mirror, where one is kept, knows
    /// better.
    pub last_certified: Option<CertifiedPass>,
    /// How late changes were found in the last hour, where that is known.
    pub delays: Option<HourOfDelays>,
}
