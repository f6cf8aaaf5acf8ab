//! What each route answers.
//!
//! All who ask within a second get one and the same text, so that a client that reads nothing holds
//! a share of it and no memory of its own.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::header::{ALLOW, CONTENT_SECURITY_POLICY, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::time::Instant;

use super::connection_state::ConnectionState;
use super::hosts::{self, OwnHosts};
use super::wanted::{WantedRepositories, wanted_repositories};
use crate::mirror::CertifiedPass;
use crate::progress::whole_millis;
use crate::status::compose::compose;
use crate::status::document::{DaemonStatus, STATUS_PATH, StatusDocument};
use crate::status::input::{ConfiguredRepository, DocumentInput};
use crate::status::metrics::{self, MetricsInput};
use crate::status::pull::{PullAnswer, PullSource, is_pull};
use crate::status::response::{PLAIN, response};
use crate::status::summary::SummaryCache;
use crate::status::{LiveState, StatusEndpoint, process, readiness, web};
use crate::task::clock;

/// Where the page for people is.
const PAGE_PATH: &str = "/";

/// Where `ok` is.
const HEALTH_PATH: &str = "/healthz";

/// Where it says whether every repository is certified.
const READY_PATH: &str = "/readyz";

/// Where the metrics are.
const METRICS_PATH: &str = "/metrics";

/// What to say of any other path.
const PATHS: &str = "there are /, /status, /metrics, /readyz, /healthz, /openapi.json, /changes and \
                     /repositories/ID/items\n";

/// Where the description of all of it is.
const DESCRIPTION_PATH: &str = "/openapi.json";

/// The description, as `OpenAPI` 3.1 has it.
const DESCRIPTION: &str = include_str!("openapi.json");

/// What to say of items where `mirror.url` is "none".
const NOTHING_KEPT: &str = "nothing is kept here\n";

const JSON: &str = "application/json";

/// How long one text is good for all who ask.
const FRESH: Duration = Duration::from_secs(1);

/// What answers requests.
pub(super) struct Handler {
    live: LiveState,
    serving: Arc<StatusEndpoint>,
    figures: Option<SummaryCache>,
    names: OwnHosts,
    /// When the process began, in milliseconds since 1970 (UTC).
    began_ms: i64,
    seen: Cached<Arc<RenderedDocument>>,
    metrics: Cached<Bytes>,
}

/// How things stood at one moment, as JSON once somebody has asked for that.
struct RenderedDocument {
    document: StatusDocument,
    brief: OnceLock<Bytes>,
    differing: OnceLock<Bytes>,
    whole: OnceLock<Bytes>,
}

impl RenderedDocument {
    fn text(&self, wanted: &WantedRepositories) -> Bytes {
        let document = &self.document;
        let made = |document: &StatusDocument| Bytes::from(document.compact_json());
        match wanted {
            WantedRepositories::Usual => self.brief.get_or_init(|| made(&document.brief())),
            WantedRepositories::Differing => {
                self.differing.get_or_init(|| made(&document.brief().only(&document.differing())))
            }
            WantedRepositories::All => self.whole.get_or_init(|| made(document)),
            WantedRepositories::These(ids) => return made(&document.only(ids)),
        }
        .clone()
    }
}

impl Handler {
    pub(super) fn new(serving: &Arc<StatusEndpoint>, live: LiveState) -> Self {
        Self {
            serving: Arc::clone(serving),
            figures: serving.summary.clone().map(SummaryCache::new),
            names: OwnHosts::of_machine(),
            began_ms: before(clock::now_ms(), live.progress.uptime()),
            live,
            seen: Cached::new(),
            metrics: Cached::new(),
        }
    }

    /// What a request is answered that came to this address; `None`: to a socket.
    pub(super) async fn answer<B>(
        &self,
        request: &Request<B>,
        met: Option<IpAddr>,
        connection: &ConnectionState,
    ) -> PullAnswer {
        if let Some((status, words)) = hosts::refusal(request, met, &self.names) {
            return plain(status, words).map(Either::Left);
        }
        if !is_pull(request.uri().path()) {
            return self.of_daemon(request).await.map(Either::Left);
        }
        let Some(pull) = &self.serving.pull else {
            return plain(StatusCode::NOT_FOUND, NOTHING_KEPT).map(Either::Left);
        };
        pull.answer(request, met, || self.source(), |room| connection.pulls(room)).await
    }

    /// What changes are said to come from.
    fn source(&self) -> PullSource {
        let configured = self.live.repositories.borrow();
        PullSource {
            server: self.live.shown.borrow().source.clone(),
            configured: configured.iter().map(|it| Arc::clone(&it.settings.borrow())).collect(),
        }
    }

    /// What a request is answered that asks how the daemon is.
    async fn of_daemon<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        let known =
            [PAGE_PATH, HEALTH_PATH, READY_PATH, STATUS_PATH, METRICS_PATH, DESCRIPTION_PATH];
        if !known.contains(&path) {
            return plain(StatusCode::NOT_FOUND, PATHS);
        }
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let mut refusal = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refusal;
        }
        match path {
            PAGE_PATH => page(),
            HEALTH_PATH => plain(StatusCode::OK, "ok\n"),
            READY_PATH => self.readiness().await,
            METRICS_PATH => response(StatusCode::OK, metrics::CONTENT_TYPE, self.metrics().await),
            DESCRIPTION_PATH => {
                response(StatusCode::OK, JSON, Bytes::from_static(DESCRIPTION.as_bytes()))
            }
            _ => match wanted_repositories(request.uri().query().unwrap_or_default()) {
                Ok(wanted) => response(StatusCode::OK, JSON, self.seen().await.text(&wanted)),
                Err(words) => plain(StatusCode::BAD_REQUEST, words),
            },
        }
    }

    async fn readiness(&self) -> Response<Full<Bytes>> {
        let max_age = self.live.shown.borrow().max_age;
        let seen = self.seen().await;
        let mut lacking = readiness::failing(&seen.document);
        lacking.push_str(&readiness::lacking(&seen.document, max_age));
        if lacking.is_empty() {
            let ready = readiness::ready(&seen.document);
            return response(StatusCode::OK, PLAIN, Bytes::from(ready));
        }
        response(StatusCode::SERVICE_UNAVAILABLE, PLAIN, Bytes::from(lacking))
    }

    async fn metrics(&self) -> Bytes {
        if let Some(text) = self.metrics.fresh() {
            return text;
        }
        let seen = self.seen().await;
        self.metrics.fresh_or(|| {
            let watched = self.live.repositories.borrow();
            let counts = watched.iter().map(|repository| {
                (repository.settings.borrow().id, Arc::clone(&repository.counts))
            });
            Bytes::from(metrics::text(MetricsInput {
                document: seen.document.clone(),
                progress: Arc::clone(&self.live.progress),
                counts: counts.collect(),
                max_age: self.live.shown.borrow().max_age,
                began_ms: self.began_ms,
                process: process::statistics(),
            }))
        })
    }

    /// How things stand, or stood less than [`FRESH`] ago.
    async fn seen(&self) -> Arc<RenderedDocument> {
        if let Some(seen) = self.seen.fresh() {
            return seen;
        }
        let summary = match &self.figures {
            Some(figures) => Some(figures.get().await),
            None => None,
        };
        self.seen.fresh_or(|| {
            let shown = self.live.shown.borrow().clone();
            let now_ms = clock::now_ms();
            let document = compose(DocumentInput {
                now_ms,
                daemon: Some(DaemonStatus::of(&self.live.progress, now_ms)),
                mirror_url: &self.serving.mirror_url,
                summary: summary.as_ref().map(|summary| match summary {
                    Ok(summary) => Ok(summary.as_ref()),
                    Err(error) => Err(error.clone()),
                }),
                instance: self.live.progress.instance(),
                repositories: self.repositories(),
                command: &self.live.progress.command,
                problems: self.live.progress.problems.told(),
                max_age: Some(shown.max_age),
                server: Some(&shown.server),
            });
            Arc::new(RenderedDocument {
                document,
                brief: OnceLock::new(),
                differing: OnceLock::new(),
                whole: OnceLock::new(),
            })
        })
    }

    fn repositories(&self) -> Vec<ConfiguredRepository> {
        let now_ms = clock::now_ms();
        let watched = self.live.repositories.borrow();
        let configured = watched.iter().map(|repository| {
            let settings = repository.settings.borrow();
            let progress = *repository.progress.borrow();
            let last_certified = progress.certified.map(|pass| CertifiedPass {
                iteration: pass.iteration,
                ended_ms: before(now_ms, pass.ended.elapsed()),
            });
            let delays = repository.counts.delays.last_hour(self.live.progress.uptime());
            let facts = self.live.progress.models.of(settings.id).unwrap_or_default();
            let (id, name) = (settings.id, settings.name.clone().or(facts.name));
            let (model_read_ms, progress) = (facts.read_ms, Some(progress));
            ConfiguredRepository { id, name, model_read_ms, progress, last_certified, delays }
        });
        configured.collect()
    }
}

/// The moment so long before this one.
fn before(now_ms: i64, ago: Duration) -> i64 {
    now_ms.saturating_sub(i64::try_from(whole_millis(ago)).unwrap_or(i64::MAX))
}

/// What was made last. A plain mutex: it is held for as long as it takes to make it, and never
/// across an await.
struct Cached<T>(Mutex<Option<(Instant, T)>>);

impl<T: Clone> Cached<T> {
    fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// It, where it is at most [`FRESH`] old.
    fn fresh(&self) -> Option<T> {
        fresh(self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref())
    }

    /// It, made anew unless somebody else has done so meanwhile.
    fn fresh_or(&self, make: impl FnOnce() -> T) -> T {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fresh) = fresh(latest.as_ref()) {
            return fresh;
        }
        let new = make();
        *latest = Some((Instant::now(), new.clone()));
        new
    }
}

fn fresh<T: Clone>(latest: Option<&(Instant, T)>) -> Option<T> {
    latest.filter(|(at, _)| at.elapsed() < FRESH).map(|(_, made)| made.clone())
}

fn page() -> Response<Full<Bytes>> {
    let mut page =
        response(StatusCode::OK, "text/html; charset=utf-8", Bytes::from_static(web::PAGE));
    page.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(web::POLICY));
    page
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    response(status, PLAIN, Bytes::from_static(text.as_bytes()))
}
