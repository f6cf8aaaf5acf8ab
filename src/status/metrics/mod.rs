//! The metrics, in Prometheus's text format: each with its name, its unit and its help, here alone.
//!
//! Nothing is registered beforehand and nothing is kept: a scrape looks at the counters and at the
//! document of that moment. A number that is not known has no sample; its family is there. The
//! library appends the unit to a name, and `_total` to that of a counter.
//!
//! Names and labels are an interface, like the document: `tests/it/metrics.txt` lists them, and the
//! dashboard and the alerts in `config/` use no others.

mod encoder;
mod feeds;
mod incremental;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text};
use prometheus_client::registry::{Registry, Unit};

use self::encoder::{Labels, MetricsEncoder, by, in_seconds, known, none, of};
use super::document::{HealthStatus, RepositoryStatus, RoleStatus, SignInStatus, StatusDocument};
use super::process::ProcessStatistics;
use super::readiness;
use crate::domain::RepositoryId;
use crate::metrics::calls::{Call, CallOutcome};
use crate::progress::problems::Scope;
use crate::progress::{Progress, RepositoryCounts};

/// What a text of metrics is sent as.
pub(super) const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// The scope of a server that cannot be reached.
const SERVER: &str = Scope::Server.name();

/// What there is to tell at one moment.
#[derive(Debug)]
pub(super) struct MetricsInput {
    /// How things stand.
    pub(super) document: StatusDocument,
    /// The counters of the process.
    pub(super) progress: Arc<Progress>,
    /// The counters of each repository of the configuration.
    pub(super) counts: Vec<(RepositoryId, Arc<RepositoryCounts>)>,
    /// `status.max_age`.
    pub(super) max_age: Duration,
    /// When the process began, in milliseconds since 1970 (UTC).
    pub(super) began_ms: i64,
    /// What the system knows of it.
    pub(super) process: ProcessStatistics,
}

/// The text of all metrics.
pub(super) fn text(snapshot: MetricsInput) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(snapshot));
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry).expect("a string takes any text");
    text
}

impl Collector for MetricsInput {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut encoder = MetricsEncoder(encoder);
        self.reading(&mut encoder)?;
        self.requests(&mut encoder)?;
        self.session(&mut encoder)?;
        self.standing(&mut encoder)?;
        incremental::encode(&self.document, &self.counts, &mut encoder)?;
        self.mirror(&mut encoder)?;
        feeds::encode(&self.document, &self.progress, &mut encoder)?;
        self.process(&mut encoder)
    }
}

impl MetricsInput {
    /// What pagers have done.
    fn reading(&self, encoder: &mut MetricsEncoder<'_>) -> fmt::Result {
        encoder.counter("ewmirror_pages", "Pages read.", self.each(|it| it.pages.get()))?;
        let items = self.each(|it| it.items.get());
        encoder.counter("ewmirror_items_read", "Items read, however often.", items)?;
        let changes = self.counts.iter().flat_map(|(id, it)| {
            [("create", &it.created), ("update", &it.updated), ("delete", &it.deleted)]
                .map(|(op, count)| (of(*id).and("op", op), count.get()))
        });
        encoder.counter("ewmirror_changes", "Changes written to the mirror.", changes)?;
        let passes = self.counts.iter().flat_map(|(id, it)| {
            [("true", &it.certified), ("false", &it.uncertified)]
                .map(|(certified, count)| (of(*id).and("certified", certified), count.get()))
        });
        encoder.counter("ewmirror_passes", "Passes completed.", passes)?;
        let took = self.counts.iter().map(|(id, it)| (of(*id), &it.pass_took));
        let help = "How long passes took; one that was taken up again counts from then on.";
        encoder.histogram("ewmirror_pass_duration", help, took)
    }

    /// What the server was asked, and what came of it.
    fn requests(&self, encoder: &mut MetricsEncoder<'_>) -> fmt::Result {
        let calls = &self.progress.calls;
        let counts = Call::ALL.into_iter().flat_map(|call| {
            CallOutcome::ALL.map(|outcome| {
                let labels = by("endpoint", call.name()).and("outcome", outcome.name());
                (labels, calls.count(call, outcome))
            })
        });
        encoder.counter("ewmirror_requests", "Requests to the server that ended.", counts)?;
        let took = Call::ALL.into_iter().map(|it| (by("endpoint", it.name()), calls.took(it)));
        let help = "How long requests took, whatever came of them.";
        encoder.histogram("ewmirror_request_duration", help, took)?;
        let retries = [(none(), self.progress.retries.get())];
        let help = "Requests sent again after a refusal or a failure.";
        encoder.counter("ewmirror_request_retries", help, retries)?;
        let refusals = [(none(), self.progress.refusals.get())];
        let help = "Requests for pages and items that the server refused to their session.";
        encoder.counter("ewmirror_refusals", help, refusals)
    }

    /// How the daemon is signed in.
    fn session(&self, encoder: &mut MetricsEncoder<'_>) -> fmt::Result {
        let logins = [(none(), self.progress.logins.get())];
        encoder.counter("ewmirror_logins", "Logins that gave a session.", logins)?;
        let tokens = [(none(), self.progress.rest_tokens.get())];
        encoder.counter(
            "ewmirror_rest_tokens_renewed",
            "REST tokens taken from answers.",
            tokens,
        )?;
        let daemon = self.document.daemon.as_ref();
        let signed_in = daemon.map(|it| (none(), u64::from(it.signed_in)));
        encoder.gauge("ewmirror_signed_in", None, "Whether there is a session.", signed_in)?;
        let denied = daemon.map(|it| (none(), u64::from(it.sign_in == SignInStatus::Denied)));
        let help = "Whether the server does not accept the login.";
        encoder.gauge("ewmirror_login_denied", None, help, denied)?;
        let reachable = !self.document.problems.iter().any(|it| it.scope == SERVER);
        let help = "Whether the server can be reached, as far as anybody has tried.";
        let reachable = [(none(), u64::from(reachable))];
        encoder.gauge("ewmirror_server_reachable", None, help, reachable)?;
        let age = self.progress.session_age().map(|age| (none(), age.as_secs_f64()));
        encoder.gauge(
            "ewmirror_session_age",
            Some(&Unit::Seconds),
            "Age of the latest session.",
            age,
        )?;
        let age = self.progress.rest_token_age().map(|age| (none(), age.as_secs_f64()));
        let help = "Age of the REST token.";
        encoder.gauge("ewmirror_rest_token_age", Some(&Unit::Seconds), help, age)
    }

    /// What is wrong, and how the repositories stand.
    fn standing(&self, encoder: &mut MetricsEncoder<'_>) -> fmt::Result {
        let problems = Scope::ALL.map(|scope| {
            let found = self.document.problems.iter().filter(|it| it.scope == scope.name());
            (by("scope", scope.name()), found.count() as u64)
        });
        let help = "Things that are wrong at the moment; ewmirror status names them.";
        encoder.gauge("ewmirror_problems", None, help, problems)?;
        let failing = self.document.health == HealthStatus::Failing;
        let help = "Whether something is wrong and nothing goes on.";
        encoder.gauge("ewmirror_failing", None, help, [(none(), u64::from(failing))])?;
        let named = self.read().map(|it| {
            let name = it.name.clone().unwrap_or_default();
            (of(RepositoryId(it.id)).and("name", name), 1_u64)
        });
        let help = "A repository of the configuration and its name.";
        encoder.gauge("ewmirror_repository_info", None, help, named)?;
        let is_standby =
            self.document.instance.as_ref().is_some_and(|it| it.role == RoleStatus::Standby);
        let help = "Whether this daemon reads anything: 0 where it stands by for another one.";
        encoder.gauge("ewmirror_leader", None, help, [(none(), u64::from(!is_standby))])?;
        let name = self.document.instance.as_ref().map(|instance| &instance.name);
        let leases = self.read().map(|it| {
            let is_own = name.is_none_or(|name| it.owner.as_ref() == Some(name));
            (of(RepositoryId(it.id)), u64::from(is_own))
        });
        let help = "Whether this daemon is the one to read the repository.";
        encoder.gauge("ewmirror_lease_held", None, help, leases)?;
        let taken = self.progress.instance().map(|instance| instance.held).unwrap_or_default();
        let generations = taken.into_iter().map(|(id, generation)| (of(id), generation));
        let help = "How often the lease of the repository had been taken when this daemon took it.";
        encoder.gauge("ewmirror_lease_generation", None, help, generations)?;
        let ready = self
            .read()
            .map(|it| (of(RepositoryId(it.id)), u64::from(readiness::is_ready(it, self.max_age))));
        let help = "Whether the last certified pass is no older than status.max_age.";
        encoder.gauge("ewmirror_repository_ready", None, help, ready)?;
        let seconds = Some(&Unit::Seconds);
        let ended = self.known(|it| it.last_certified.map(|it| in_seconds(it.ended_at_ms)));
        let help = "When the last certified pass ended, since 1970 (UTC).";
        encoder.gauge("ewmirror_last_certified_pass_timestamp", seconds, help, ended)?;
        let age = self.known(|it| it.certified_age_ms.map(|age| age as f64 / 1000.0));
        let help = "Time since the last certified pass ended.";
        encoder.gauge("ewmirror_last_certified_pass_age", seconds, help, age)?;
        let covered = self.known(|it| it.covered);
        let help = "Positions of the list that the pass under way, or the last one, has read.";
        encoder.gauge("ewmirror_pass_covered_items", None, help, covered)?;
        let total = self.known(|it| it.total);
        let help = "Items that the server announced last.";
        encoder.gauge("ewmirror_pass_announced_items", None, help, total)?;
        let limit = self.known(|it| it.in_flight_limit);
        let help = "Page requests that may be under way at once.";
        encoder.gauge("ewmirror_in_flight_limit", None, help, limit)?;
        let interval = self.known(|it| it.page_interval_ms.map(|ms| ms as f64 / 1000.0));
        let help = "The least time between two page requests.";
        encoder.gauge("ewmirror_page_interval", seconds, help, interval)
    }

    /// What the mirror holds.
    fn mirror(&self, encoder: &mut MetricsEncoder<'_>) -> fmt::Result {
        encoder.gauge(
            "ewmirror_mirror_items",
            None,
            "Items in the mirror.",
            self.known(|it| it.items),
        )?;
        let suspects = self.known(|it| it.suspects);
        let help = "Items that the last certified pass did not see, nor any other since.";
        encoder.gauge("ewmirror_suspect_items", None, help, suspects)?;
        // A repository whose items are known is in the mirror, and has none held unless told.
        let deletions = self.known(|it| {
            let waiting = it.held_deletions.as_ref().map(|deletions| deletions.waiting);
            it.items.map(|_| waiting.unwrap_or_default())
        });
        let help = "Deletions held back that wait for ewmirror approve-deletes.";
        encoder.gauge("ewmirror_held_deletions", None, help, deletions)?;
        let mirror = &self.document.mirror;
        let (database, wal) = (mirror.database_bytes, mirror.wal_bytes);
        let kept = database.is_some() || mirror.error.is_some();
        let readable = kept.then(|| (none(), u64::from(mirror.error.is_none())));
        let help = "Whether the mirror's database can be read.";
        encoder.gauge("ewmirror_mirror_readable", None, help, readable)?;
        let bytes = Some(&Unit::Bytes);
        let size = database.map(|size| (none(), size));
        encoder.gauge("ewmirror_database_size", bytes, "Size of the mirror's database.", size)?;
        let size = wal.map(|size| (none(), size));
        encoder.gauge("ewmirror_wal_size", bytes, "Size of the database's WAL.", size)
    }

    /// The process itself.
    fn process(&self, encoder: &mut MetricsEncoder<'_>) -> fmt::Result {
        let restarts = [(none(), self.progress.restarts.get())];
        let help = "Tasks started again after a panic.";
        encoder.counter("ewmirror_task_restarts", help, restarts)?;
        let uptime = [(none(), self.progress.uptime().as_secs_f64())];
        let (seconds, bytes) = (Some(&Unit::Seconds), Some(&Unit::Bytes));
        encoder.gauge("ewmirror_uptime", seconds, "Time since the start.", uptime)?;
        let build = [(by("version", self.document.version.clone()), 1_u64)];
        encoder.gauge("ewmirror_build_info", None, "The version that runs.", build)?;
        // These names are the same for all programs.
        let ProcessStatistics { cpu_seconds, resident_bytes, virtual_bytes, open_fds, max_fds } =
            self.process;
        let cpu = cpu_seconds.map(|it| (none(), it));
        encoder.counter("process_cpu_seconds", "Time on the processors.", cpu)?;
        let resident = resident_bytes.map(|it| (none(), it));
        encoder.gauge("process_resident_memory", bytes, "Memory in use.", resident)?;
        let size = virtual_bytes.map(|it| (none(), it));
        encoder.gauge("process_virtual_memory", bytes, "Memory that is mapped.", size)?;
        let open = open_fds.map(|it| (none(), it));
        encoder.gauge("process_open_fds", None, "Files and sockets that are open.", open)?;
        let most = max_fds.map(|it| (none(), it));
        encoder.gauge("process_max_fds", None, "Files and sockets that may be open.", most)?;
        let began = [(none(), in_seconds(self.began_ms))];
        let help = "When the process began, since 1970 (UTC).";
        encoder.gauge("process_start_time", seconds, help, began)
    }

    /// A counter of each repository.
    fn each(
        &self,
        count: impl Fn(&RepositoryCounts) -> u64,
    ) -> impl Iterator<Item = (Labels, u64)> {
        self.counts.iter().map(move |(id, counts)| (of(*id), count(counts)))
    }

    /// The repositories that the daemon reads.
    fn read(&self) -> impl Iterator<Item = &RepositoryStatus> {
        self.document.repositories.iter().filter(|it| it.state.is_some())
    }

    /// A figure of each repository of which it is known, those included that are in the mirror
    /// alone.
    fn known<V>(
        &self,
        figure: impl Fn(&RepositoryStatus) -> Option<V>,
    ) -> impl Iterator<Item = (Labels, V)> {
        known(&self.document, figure)
    }
}
