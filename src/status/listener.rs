//! Opens the addresses that the daemon listens at, again and again until it can.
//!
//! Guarantees: no address that cannot be had ends or delays anything; what cannot be opened is told
//! once in the log, stands among the problems for as long as it lasts, and its end is told once.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::time::Instant;

use super::bind_error::{BindError, EndpointKind};
use super::endpoint::{BoundListener, ListenAddress};
use super::live::LiveState;
use crate::progress::problems::{ProblemReport, Scope, Source};
use crate::task::{Backoff, Context, Stopped};
use crate::telemetry::event;

/// The waits between two tries.
const WAITS: Backoff = Backoff::steady(Duration::from_secs(1), Duration::from_secs(30));

/// An address, and who listens there once that is so.
#[derive(Debug)]
pub(super) struct RetryingListener {
    address: ListenAddress,
    bound: OnceLock<BoundListener>,
}

impl RetryingListener {
    /// Tries once; the serving task tries the address again.
    pub(super) async fn new(address: ListenAddress) -> Self {
        let listener = Self { address, bound: OnceLock::new() };
        // What is wrong is told at the next try, which follows at once.
        drop(listener.open().await);
        listener
    }

    /// Who listens there already.
    pub(super) fn bound(&self) -> Option<&BoundListener> {
        self.bound.get()
    }

    async fn open(&self) -> Result<&BoundListener, BindError> {
        if let Some(open) = self.bound.get() {
            return Ok(open);
        }
        let listener = self.address.bind().await?;
        Ok(self.bound.get_or_init(|| listener))
    }
}

/// The listener, once it is open; an error where the task is to stop before.
pub(super) async fn opened<'a>(
    listeners: &'a [RetryingListener],
    listener: &'a RetryingListener,
    live: &LiveState,
    context: &Context,
) -> Result<&'a BoundListener, Stopped> {
    let what = listener.address.what();
    let (begun, mut failures, mut told) = (Instant::now(), 0_u32, false);
    loop {
        let error = match listener.open().await {
            Ok(open) => {
                if told {
                    live.progress.problems.over(source(what));
                    let at = listener.address.shown();
                    available(what, &at, begun.elapsed(), failures.into());
                }
                return Ok(open);
            }
            Err(error) => error,
        };
        failures = failures.saturating_add(1);
        let wait = WAITS.ceiling(failures);
        if has_another(listeners, what) {
            // The daemon can be asked, and that is all that counts.
            if told {
                live.progress.problems.over(source(what));
            }
        } else {
            let report = ProblemReport {
                error: chain(&error),
                remedy: error.remedy().to_owned(),
                retry_in: Some(wait),
                halts: false,
            };
            live.progress.problems.failed(source(what), report);
            if !told {
                unavailable(what, &error);
            }
            told = true;
        }
        context.sleep(wait).await?;
    }
}

/// Whether the daemon is reached for the same purpose at another address.
fn has_another(listeners: &[RetryingListener], what: EndpointKind) -> bool {
    listeners.iter().any(|listener| listener.address.what() == what && listener.bound().is_some())
}

fn source(what: EndpointKind) -> Source {
    match what {
        // Changes are fetched there, so that it is a delivery to somebody else.
        EndpointKind::Status => {
            Source { scope: Scope::Feed, repository: None, what: "status endpoint" }
        }
        // What stands in its way is on this machine.
        EndpointKind::Control => {
            Source { scope: Scope::Mirror, repository: None, what: "control socket" }
        }
    }
}

fn unavailable(what: EndpointKind, error: &BindError) {
    match what {
        EndpointKind::Status => event::status_unavailable(error, error.remedy()),
        EndpointKind::Control => event::control_unavailable(error, error.remedy()),
    }
}

fn available(what: EndpointKind, at: &str, away: Duration, failures: u64) {
    match what {
        EndpointKind::Status => event::status_available(at, away, failures),
        EndpointKind::Control => event::control_available(at, away, failures),
    }
}

fn chain(error: &BindError) -> String {
    use std::error::Error as _;
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::watch;
    use tokio::time::sleep;

    use super::*;
    use crate::progress::Progress;
    use crate::status::StatusEndpoint;
    use crate::task::Cancellation;

    fn live() -> LiveState {
        LiveState {
            progress: Arc::new(Progress::new()),
            repositories: watch::Sender::default().subscribe(),
            shown: watch::Sender::default().subscribe(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_had_is_a_problem_until_it_can() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = ListenAddress::Tcp(taken.local_addr().unwrap());
        let serving = StatusEndpoint::at([address], String::new(), None, None).await;
        let (live, begun) = (live(), Instant::now());
        let told = async {
            while live.progress.problems.told().is_empty() {
                sleep(WAITS.base / 10).await;
            }
            let told = live.progress.problems.told().remove(0);
            assert_eq!((told.source.scope, told.source.repository), (Scope::Feed, None));
            assert!(told.report.error.contains("another program listens at "), "{told:?}");
            assert!(!told.report.halts && told.report.retry_in.is_some(), "{told:?}");
            // Long enough for the waits to have grown as far as they do.
            sleep(10 * WAITS.cap).await;
            let failures = live.progress.problems.told()[0].failures;
            assert!((10..20).contains(&failures), "{failures}");
            drop(taken);
        };
        let cancellation = Cancellation::new();
        let context = cancellation.task();
        let opened = opened(&serving.listeners, &serving.listeners[0], &live, &context);
        let (open, ()) = tokio::join!(opened, told);
        let open = open.unwrap();
        assert_eq!(ListenAddress::Tcp(open.address()), serving.listeners[0].address);
        assert!(begun.elapsed() < 12 * WAITS.cap, "{:?}", begun.elapsed());
        assert_eq!(live.progress.problems.told(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn one_control_socket_of_two_is_enough() {
        let folder = tempfile::tempdir().unwrap();
        let runtime = [("RUNTIME_DIRECTORY", "/nonexistent/ewmirror")];
        let environment = crate::config::Environment::from_pairs(runtime);
        let mirror = crate::config::MirrorUrl::Sqlite(folder.path().join("mirror.db"));
        let origin = crate::status::control::ControlOrigin {
            file: std::path::Path::new("/a.toml"),
            mirror: &mirror,
            environment: &environment,
        };
        let addresses = origin.of_daemon().into_iter().map(ListenAddress::Control);
        let serving = StatusEndpoint::at(addresses, String::new(), None, None).await;
        let live = live();
        let [never, other] = &serving.listeners[..] else { panic!("there are two") };
        assert!(other.bound().is_some());
        let cancellation = Cancellation::new();
        let context = cancellation.task();
        let opened = opened(&serving.listeners, never, &live, &context);
        let waited = tokio::time::timeout(WAITS.cap, opened).await;
        assert!(waited.is_err());
        assert_eq!(live.progress.problems.told(), []);
    }
}
