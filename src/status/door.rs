//! Opens the places that the daemon listens at, again and again until it can.
//!
//! Guarantees: no place that cannot be had ends or delays anything; what cannot be opened is told
//! once in the log, stands among the problems for as long as it lasts, and its end is told once.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::endpoint::{BindError, Endpoint, Place, What};
use super::{Live, Serving};
use crate::progress::problems::{ProblemReport, Scope, Source};
use crate::telemetry::event;

/// How long until the second try; each further one waits twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A place, and who listens there once that is so.
#[derive(Debug)]
pub(super) struct Door {
    place: Place,
    endpoint: OnceLock<Endpoint>,
}

impl Door {
    /// Tries once; the place is tried again by whoever serves there.
    pub(super) async fn new(place: Place) -> Self {
        let door = Self { place, endpoint: OnceLock::new() };
        // What is wrong is told at the next try, which follows at once.
        drop(door.open().await);
        door
    }

    /// Who listens there already.
    pub(super) fn endpoint(&self) -> Option<&Endpoint> {
        self.endpoint.get()
    }

    async fn open(&self) -> Result<&Endpoint, BindError> {
        if let Some(open) = self.endpoint.get() {
            return Ok(open);
        }
        let bound = self.place.bind().await?;
        Ok(self.endpoint.get_or_init(|| bound))
    }
}

/// Who listens at this door, once it is open.
pub(super) async fn opened<'a>(serving: &'a Serving, door: &'a Door, live: &Live) -> &'a Endpoint {
    let what = door.place.what();
    let (begun, mut wait, mut failures, mut told) = (Instant::now(), FIRST_WAIT, 0, false);
    loop {
        let error = match door.open().await {
            Ok(open) => {
                if told {
                    live.progress.problems.over(source(what));
                    available(what, &door.place.shown(), begun.elapsed(), failures);
                }
                return open;
            }
            Err(error) => error,
        };
        failures += 1;
        if has_another(serving, what) {
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
        sleep(wait).await;
        wait = (2 * wait).min(LONGEST_WAIT);
    }
}

/// Whether the daemon is reached for the same purpose at another place.
fn has_another(serving: &Serving, what: What) -> bool {
    serving.doors.iter().any(|door| door.place.what() == what && door.endpoint().is_some())
}

fn source(what: What) -> Source {
    match what {
        // Changes are fetched there, so that it is a delivery to somebody else.
        What::Status => Source { scope: Scope::Feed, repository: None, what: "status endpoint" },
        // What stands in its way is on this machine.
        What::Control => Source { scope: Scope::Mirror, repository: None, what: "control socket" },
    }
}

fn unavailable(what: What, error: &BindError) {
    match what {
        What::Status => event::status_unavailable(error, error.remedy()),
        What::Control => event::control_unavailable(error, error.remedy()),
    }
}

fn available(what: What, at: &str, away: Duration, failures: u64) {
    match what {
        What::Status => event::status_available(at, away, failures),
        What::Control => event::control_available(at, away, failures),
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

    use super::*;
    use crate::progress::Progress;

    fn live() -> Live {
        Live {
            progress: Arc::new(Progress::new()),
            repositories: watch::Sender::default().subscribe(),
            shown: watch::Sender::default().subscribe(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_had_is_a_problem_until_it_can() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let place = Place::Tcp(taken.local_addr().unwrap());
        let serving = Serving::at([place], String::new(), None).await;
        let (live, begun) = (live(), Instant::now());
        let told = async {
            while live.progress.problems.told().is_empty() {
                sleep(FIRST_WAIT / 10).await;
            }
            let told = live.progress.problems.told().remove(0);
            assert_eq!((told.source.scope, told.source.repository), (Scope::Feed, None));
            assert!(told.report.error.contains("another program listens at "), "{told:?}");
            assert!(!told.report.halts && told.report.retry_in.is_some(), "{told:?}");
            // Long enough for the waits to have grown as far as they do.
            sleep(10 * LONGEST_WAIT).await;
            let failures = live.progress.problems.told()[0].failures;
            assert!((10..20).contains(&failures), "{failures}");
            drop(taken);
        };
        let (open, ()) = tokio::join!(opened(&serving, &serving.doors[0], &live), told);
        assert_eq!(Place::Tcp(open.address()), serving.doors[0].place);
        assert!(begun.elapsed() < 12 * LONGEST_WAIT, "{:?}", begun.elapsed());
        assert_eq!(live.progress.problems.told(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn one_control_socket_of_two_is_enough() {
        let folder = tempfile::tempdir().unwrap();
        let runtime = [("RUNTIME_DIRECTORY", "/nonexistent/ewmirror")];
        let environment = crate::config::Environment::from_pairs(runtime);
        let mirror = crate::config::MirrorUrl::Sqlite(folder.path().join("mirror.db"));
        let origin = crate::status::control::Origin {
            file: std::path::Path::new("/a.toml"),
            mirror: &mirror,
            environment: &environment,
        };
        let places = origin.of_daemon().into_iter().map(Place::Control);
        let serving = Serving::at(places, String::new(), None).await;
        let live = live();
        let [never, other] = &serving.doors[..] else { panic!("there are two") };
        assert!(other.endpoint().is_some());
        let waited = tokio::time::timeout(LONGEST_WAIT, opened(&serving, never, &live)).await;
        assert!(waited.is_err());
        assert_eq!(live.progress.problems.told(), []);
    }
}
