//! The status document: what `GET /status` answers and `ewmirror status --json` prints.
//!
//! Names and types of its fields are stable: fields may be added, none changes its meaning. Moments
//! are `_at_ms`, milliseconds since 1970 (UTC); durations are `_ms`; sizes are `_bytes`. What is
//! not known is null. A document of another version reads as far as it goes: what it lacks is taken as
//! unknown, what it has more is passed over.

use serde::{Deserialize, Serialize};

pub use super::feeds::{FeedStateStatus, FeedStatus};
pub use super::freshness::{ChangeDelayStatus, FreshnessStatus};
pub use super::health::{HealthStatus, ProblemStatus};
pub use super::held::HeldStatus;
pub use super::incremental::IncrementalStatus;
pub use super::instance::{InstanceStatus, RoleStatus};
pub use super::ledger::PassStatus;
pub use super::totals::TotalsStatus;
use crate::progress::{Progress, SignIn, whole_millis};

/// Where the document is.
pub const STATUS_PATH: &str = "/status";

/// Where it is with the passes of each repository, however many these are.
pub const WHOLE_STATUS_PATH: &str = "/status?repository=all";

/// How things stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusDocument {
    /// The version of the ewmirror that made it. The one field that every document has.
    pub version: String,
    /// The server that is mirrored: its host, and its port where that is not the usual one.
    #[serde(default)]
    pub server: Option<String>,
    /// How old the last certified pass of a repository may be; null where no daemon says so.
    #[serde(default)]
    pub max_age_ms: Option<u64>,
    /// How things stand as a whole.
    #[serde(default)]
    pub health: HealthStatus,
    /// What is wrong, worst first.
    #[serde(default)]
    pub problems: Vec<ProblemStatus>,
    /// The daemon; null where none runs.
    #[serde(default)]
    pub daemon: Option<DaemonStatus>,
    /// The daemon among those that share its mirror; null where none runs, or the mirror is one daemon's.
    #[serde(default)]
    pub instance: Option<InstanceStatus>,
    /// The mirror as a whole.
    #[serde(default)]
    pub mirror: MirrorStatus,
    /// All repositories together.
    #[serde(default)]
    pub totals: TotalsStatus,
    /// Each repository that is configured or in the mirror, by id.
    #[serde(default)]
    pub repositories: Vec<RepositoryStatus>,
    /// The newest changes in the mirror, newest first; a few.
    #[serde(default)]
    pub latest_changes: Vec<ChangeStatus>,
    /// How a shell calls this program for this mirror: with `--config` where that is needed.
    pub command: Option<String>,
}

/// The running daemon.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DaemonStatus {
    /// Its process.
    pub pid: u32,
    /// How long it has run.
    pub uptime_ms: u64,
    /// Whether there is a session that is not known to be refused.
    pub signed_in: bool,
    /// For how long there has been none; null while there is one.
    pub signed_out_ms: Option<u64>,
    /// How signing in stands.
    pub sign_in: SignInStatus,
    /// What the server said, where it denied.
    pub sign_in_reason: Option<String>,
    /// How old the latest session is, refused or not; null before the first.
    pub session_age_ms: Option<u64>,
    /// How old its REST token is; null where it has none.
    pub rest_token_age_ms: Option<u64>,
    /// Logins, the first one included.
    pub logins: u64,
    /// REST tokens taken from answers.
    pub rest_tokens: u64,
    /// Requests that the server refused to its credentials.
    pub refusals: u64,
    /// Requests that failed otherwise.
    pub failures: u64,
    /// Page requests sent.
    pub requests: u64,
    /// Of these, those of the last minute.
    pub requests_last_minute: u64,
    /// Tasks started again after a panic.
    pub restarts: u64,
    /// The feeds, by name.
    pub feeds: Vec<FeedStatus>,
}

/// How signing in stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignInStatus {
    /// Under way without a final word.
    Trying,
    /// There is a session.
    #[serde(rename = "signed in")]
    SignedIn,
    /// The session was refused, and there is no newer one yet.
    Renewing,
    /// The server did not accept the name or the password.
    Denied,
    /// Another daemon reads: no session is needed.
    #[serde(rename = "standing by")]
    StandingBy,
    /// A word of another version.
    #[default]
    #[serde(other)]
    Unknown,
}

/// The mirror as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MirrorStatus {
    /// `mirror.url` with its passwords masked.
    pub url: Option<String>,
    /// The size of the database.
    pub database_bytes: Option<u64>,
    /// The size of its WAL.
    pub wal_bytes: Option<u64>,
    /// The newest change; 0: there has been none.
    pub last_sequence: Option<u64>,
    /// Changes up to this one have been dropped; 0: none.
    pub dropped_through: Option<u64>,
    /// Why the figures of a mirror that is kept are not known.
    pub error: Option<String>,
}

/// One repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RepositoryStatus {
    /// The vendor's number of it.
    pub id: u64,
    /// What people call it, or else what the server does.
    pub name: Option<String>,
    /// When the server last told of its attributes; null: it has not yet, or that is not known.
    pub model_read_at_ms: Option<i64>,
    /// What the daemon does with it; null where no daemon runs or this one does not read it.
    pub state: Option<StateStatus>,
    /// The daemon that has its lease, by name; null where that is not known, or there are no leases.
    pub owner: Option<String>,
    /// The pass under way, or the last one.
    pub iteration: Option<u64>,
    /// Pages read in it.
    pub pages: Option<u64>,
    /// Positions of the list that are read in it.
    pub covered: Option<u64>,
    /// Items that the server announced last.
    pub total: Option<u64>,
    /// How many page requests may be under way at once.
    pub in_flight_limit: Option<u64>,
    /// The least time between two page requests.
    pub page_interval_ms: Option<u64>,
    /// Items in the mirror.
    pub items: Option<u64>,
    /// How long ago the last certified pass ended; null: there is none yet.
    pub certified_age_ms: Option<u64>,
    /// That pass.
    pub last_certified: Option<CertifiedStatus>,
    /// Items that the last certified pass did not see, nor any other since.
    pub suspects: Option<u64>,
    /// Deletions that are held back.
    pub held_deletions: Option<HeldStatus>,
    /// The last passes in the ledger, newest first; the one under way is among them. A few, and none of a
    /// repository of many that is as all others are, unless that is asked for.
    pub passes: Vec<PassStatus>,
    /// How late changes were found in the last hour; null where none was, or where items do not tell when they
    /// changed (`incremental.cursor`).
    pub change_delay: Option<ChangeDelayStatus>,
    /// How it stands with `freshness`; null where that is not set.
    pub freshness: Option<FreshnessStatus>,
    /// The incremental passes; null where none are made.
    pub incremental: Option<IncrementalStatus>,
}

/// What the daemon does with a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StateStatus {
    /// It reads pages.
    Paging,
    /// It rests between two passes.
    Resting,
    /// It waits: for a session, or to be started again.
    Waiting,
    /// It has ended.
    Stopped,
    /// Another daemon reads it, or will.
    Standby,
    /// A word of another version.
    #[serde(other)]
    Unknown,
}

/// The last certified pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CertifiedStatus {
    /// Which.
    pub iteration: u64,
    /// When it ended.
    pub ended_at_ms: i64,
}

/// One change, without the item's content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChangeStatus {
    /// Its place in the log.
    pub sequence: u64,
    /// When it was found.
    pub found_at_ms: i64,
    /// `r`, `c`, `u` or `d`, as in the log.
    pub op: String,
    /// The repository.
    pub repository: u64,
    /// The item; the beginning of its id where that is long.
    pub item: String,
}

impl StatusDocument {
    /// What a repository is called: its number, and its name where it has one.
    pub fn called(&self, id: u64) -> String {
        let known = self.repositories.iter().find(|repository| repository.id == id);
        match known.and_then(|repository| repository.name.as_deref()) {
            Some(name) => format!("repository {id} {name}"),
            None => format!("repository {id}"),
        }
    }

    /// JSON in one line, with a final newline.
    pub fn compact_json(&self) -> String {
        serde_json::to_string(self).expect("plain fields become JSON") + "\n"
    }

    /// Indented JSON with a final newline.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("plain fields become JSON") + "\n"
    }
}

impl DaemonStatus {
    /// This process at this time, in milliseconds since 1970 (UTC).
    pub fn of(progress: &Progress, now_ms: i64) -> Self {
        let state = progress.sign_in().borrow().clone();
        let (sign_in, sign_in_reason) = match state {
            SignIn::Trying => (SignInStatus::Trying, None),
            SignIn::SignedIn => (SignInStatus::SignedIn, None),
            SignIn::Renewing => (SignInStatus::Renewing, None),
            SignIn::Denied(words) => (SignInStatus::Denied, Some(words)),
            SignIn::StandingBy => (SignInStatus::StandingBy, None),
        };
        let signed_in = sign_in == SignInStatus::SignedIn;
        Self {
            pid: std::process::id(),
            uptime_ms: whole_millis(progress.uptime()),
            signed_in,
            signed_out_ms: progress.signed_out().filter(|_| !signed_in).map(whole_millis),
            sign_in,
            sign_in_reason,
            session_age_ms: progress.session_age().map(whole_millis),
            rest_token_age_ms: progress.rest_token_age().map(whole_millis),
            logins: progress.logins.get(),
            rest_tokens: progress.rest_tokens.get(),
            refusals: progress.refusals.get(),
            failures: progress.failures.get(),
            requests: progress.requests.get(),
            requests_last_minute: progress.requests_last_minute(),
            restarts: progress.restarts.get(),
            feeds: FeedStatus::all(progress, now_ms),
        }
    }
}
