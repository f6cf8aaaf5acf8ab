//! The endpoint over TCP and over a socket: its routes, its limits, its wariness.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant as Clock;

use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::time::Instant;

use super::*;
use crate::config::StatusListen;
use crate::domain::{Iteration, RepositoryId};
use crate::mirror::{MirrorSummary, RepositorySummary};
use crate::progress::{Activity, LastCertified, Progress, RepositoryProgress, SignIn};
use crate::status::control::ControlOrigin;
use crate::status::document::{StateStatus, StatusDocument};
use crate::status::{ListenAddress, ShownSettings, SummaryReader, WatchedRepository, control};
use crate::task::Cancellation;
use crate::testing::configuration;
use crate::testing::summary;

/// A running endpoint.
struct Served {
    address: Option<SocketAddr>,
    progress: Arc<Progress>,
    repository: watch::Sender<RepositoryProgress>,
    cancellation: Cancellation,
    task: JoinSet<()>,
    runtime: Runtime,
    _settings: watch::Sender<Arc<crate::config::RepositoryConfig>>,
    _watched: watch::Sender<Vec<WatchedRepository>>,
    shown: watch::Sender<ShownSettings>,
}

impl Served {
    fn start(listen: &StatusListen, summary: Option<SummaryReader>) -> Self {
        Self::start_with(listen, Vec::new(), summary)
    }

    fn start_with(
        listen: &StatusListen,
        control: Vec<control::ControlAddress>,
        summary: Option<SummaryReader>,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let places = ListenAddress::of(listen)
            .into_iter()
            .chain(control.into_iter().map(ListenAddress::Control));
        let mirror_url = "sqlite:///m.db".to_owned();
        let serving =
            Arc::new(runtime.block_on(StatusEndpoint::at(places, mirror_url, summary, None)));
        let address = matches!(listen, StatusListen::Tcp(_))
            .then(|| serving.listeners[0].bound().unwrap().address());
        let config = configuration(&[7], "");
        let settings = watch::Sender::new(Arc::new(config.repositories[0].clone()));
        let repository = watch::Sender::new(RepositoryProgress::START);
        let watched = WatchedRepository {
            settings: settings.subscribe(),
            progress: repository.subscribe(),
            counts: Arc::default(),
        };
        let watched = watch::Sender::new(vec![watched]);
        let progress = Arc::new(Progress::new());
        let max_age = Duration::from_secs(24 * 60 * 60);
        let shown = watch::Sender::new(ShownSettings {
            max_age,
            server: "pim".to_owned(),
            source: "pim".to_owned(),
        });
        let live = LiveState {
            progress: Arc::clone(&progress),
            repositories: watched.subscribe(),
            shown: shown.subscribe(),
        };
        let cancellation = Cancellation::new();
        let mut task = JoinSet::new();
        task.spawn_on(serve(serving, live, cancellation.task()), runtime.handle());
        Self {
            address,
            progress,
            repository,
            cancellation,
            task,
            runtime,
            _settings: settings,
            _watched: watched,
            shown,
        }
    }

    fn over_tcp() -> Self {
        Self::start(&StatusListen::Tcp("127.0.0.1:0".parse().unwrap()), None)
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address.unwrap()).unwrap()
    }

    /// What these words are answered.
    fn say(&self, words: &str) -> String {
        said(self.connect(), words)
    }

    fn get(&self, path: &str) -> String {
        self.say(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address.unwrap()))
    }

    fn document(&self) -> StatusDocument {
        let answer = self.get("/status");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
        assert!(head.contains("content-type: application/json"), "{head}");
        serde_json::from_str(body).unwrap()
    }

    /// Asks it to end; tells how long that took.
    fn stop(mut self) -> Duration {
        let begun = Clock::now();
        self.cancellation.cancel();
        self.runtime.block_on(self.task.join_next()).unwrap().unwrap();
        begun.elapsed()
    }
}

fn said(mut stream: impl Read + Write, words: &str) -> String {
    stream.write_all(words.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // One that is cut off has said what it had to say.
    drop(stream.read_to_end(&mut answer));
    String::from_utf8(answer).unwrap()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or(answer)
}

#[test]
fn the_document_shows_what_the_tasks_last_did() {
    let served = Served::over_tcp();
    served.progress.set_sign_in(SignIn::SignedIn);
    served.progress.logins.increment();
    served.runtime.block_on(async {
        served.repository.send_modify(|progress| {
            progress.activity = Activity::Paging;
            progress.iteration = Iteration(3);
            (progress.pages, progress.covered, progress.total) = (4, 800, Some(1000));
            let certified = LastCertified { iteration: Iteration(2), ended: Instant::now() };
            progress.certified = Some(certified);
        });
    });
    let document = served.document();
    let daemon = document.daemon.unwrap();
    assert_eq!((daemon.pid, daemon.signed_in, daemon.logins), (std::process::id(), true, 1));
    assert_eq!(document.mirror.url.as_deref(), Some("sqlite:///m.db"));
    assert_eq!((document.mirror.database_bytes, document.mirror.error), (None, None));
    let repository = &document.repositories[0];
    assert_eq!(repository.state, Some(StateStatus::Paging));
    assert_eq!((repository.iteration, repository.covered), (Some(3), Some(800)));
    assert_eq!(repository.last_certified.unwrap().iteration, 2);
    assert!(repository.certified_age_ms.unwrap() < 60_000);
    served.stop();
}

#[test]
fn the_mirrors_figures_are_in_it_or_why_they_are_not() {
    let listen = StatusListen::Tcp("127.0.0.1:0".parse().unwrap());
    let full = || {
        let repository = RepositorySummary {
            id: RepositoryId(7),
            items: 42,
            certified: None,
            suspects: 0,
            held: None,
            passes: Vec::new(),
            incremental: Vec::new(),
        };
        Ok(MirrorSummary { repositories: vec![repository], ..summary() })
    };
    let served = Served::start(&listen, Some(Arc::new(full)));
    assert_eq!(served.document().repositories[0].items, Some(42));
    served.stop();
    let served = Served::start(&listen, Some(Arc::new(|| Err("the disk is gone".to_owned()))));
    let document = served.document();
    assert_eq!(document.mirror.error.as_deref(), Some("the disk is gone"));
    assert_eq!((document.repositories[0].id, document.repositories[0].items), (7, None));
    served.stop();
}

#[test]
fn a_repository_is_ready_with_a_certified_pass_that_is_recent_enough() {
    let served = Served::over_tcp();
    let answer = served.get("/readyz");
    assert_eq!(status(&answer), "503");
    assert!(answer.ends_with("\r\n\r\n7: no certified pass yet\n"), "{answer}");
    served.runtime.block_on(async {
        served.repository.send_modify(|progress| {
            let certified = LastCertified { iteration: Iteration(2), ended: Instant::now() };
            progress.certified = Some(certified);
        });
    });
    // It is asked anew once a second.
    let begun = Clock::now();
    let answer = loop {
        let answer = served.get("/readyz");
        if status(&answer) == "200" || begun.elapsed() > Duration::from_secs(60) {
            break answer;
        }
        served.runtime.block_on(async { sleep(Duration::from_millis(50)).await });
    };
    assert!(status(&answer) == "200" && answer.ends_with("\r\n\r\nready\n"), "{answer}");
    // A reload holds at once.
    served.shown.send_modify(|shown| shown.max_age = Duration::from_millis(1));
    let answer = served.get("/readyz");
    assert_eq!(status(&answer), "503");
    assert!(answer.ends_with(" ago, status.max_age is 1ms\n"), "{answer}");
    served.stop();
}

#[test]
fn the_page_comes_with_a_policy_and_the_metrics_with_their_type() {
    let served = Served::over_tcp();
    let page = served.get("/");
    assert!(status(&page) == "200" && page.ends_with("</html>\n"), "{page}");
    for header in [
        "content-type: text/html; charset=utf-8\r\n",
        "content-security-policy: default-src 'none'; connect-src 'self'; ",
        "x-content-type-options: nosniff\r\n",
        "cache-control: no-store\r\n",
    ] {
        assert!(page.contains(header), "{header}\n{page}");
    }
    let metrics = served.get("/metrics");
    assert!(metrics.contains("content-type: text/plain; version=0.0.4; "), "{metrics}");
    assert!(metrics.contains("\newmirror_pages_total{repository=\"7\"} 0\n"), "{metrics}");
    served.stop();
}

#[test]
fn there_are_these_pages_to_get_and_nothing_else() {
    let served = Served::over_tcp();
    let health = served.get("/healthz");
    assert!(status(&health) == "200" && health.ends_with("\r\n\r\nok\n"), "{health}");
    for path in ["/status/", "/metrics/", "/favicon.ico", "/healthz/x", "/%73tatus", "//"] {
        assert_eq!(status(&served.get(path)), "404", "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let answer = served.say(&format!("{method} /status HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        assert_eq!(status(&answer), "405", "{method}");
        assert!(answer.contains("allow: GET, HEAD"), "{answer}");
    }
    let head = served.say("HEAD /status HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(status(&head) == "200" && head.ends_with("\r\n\r\n"), "{head}");
    assert!(head.contains("content-length: "), "{head}");
    // A connection is for one request.
    let twice = served.say("GET /healthz HTTP/1.1\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n");
    assert_eq!(twice.matches("HTTP/1.1 200").count(), 1, "{twice}");
    served.stop();
}

#[test]
fn a_name_that_somebody_could_point_here_is_turned_away_at_every_address() {
    for listen in ["127.0.0.1:0", "0.0.0.0:0", "[::]:0"] {
        let served = Served::start(&StatusListen::Tcp(listen.parse().unwrap()), None);
        let port = served.address.unwrap().port();
        let say = |words: &str| said(TcpStream::connect(("127.0.0.1", port)).unwrap(), words);
        let get = |host: &str| say(&format!("GET /status HTTP/1.1\r\n{host}\r\n\r\n"));
        let machine = rustix::system::uname();
        let machine = format!("Host: {}:{port}\r\n", machine.nodename().to_str().unwrap());
        let ours = ["", "Host: localhost\r\n", "Host: LOCALHOST:9464\r\n", "Host: 127.0.0.1\r\n"];
        for host in ours.iter().chain(&["Host: [::1]:9464\r\n", "Host: 10.1.2.3:80\r\n", &machine])
        {
            let answer = say(&format!("GET /healthz HTTP/1.1\r\n{host}\r\n"));
            assert_eq!(status(&answer), "200", "{host}");
            assert!(!answer.to_lowercase().contains("access-control"), "{answer}");
        }
        assert_eq!(status(&say("GET /healthz HTTP/1.0\r\n\r\n")), "200");
        for host in ["evil.example", "localhost.evil.example:9464", "127.0.0.1.evil.example", "a b"]
        {
            assert_eq!(status(&get(&format!("Host: {host}"))), "421", "{host}");
        }
        for twice in ["Host: localhost\r\nHost: evil.example", "Host: localhost\r\nHost: localhost"]
        {
            assert_eq!(status(&get(twice)), "400", "{twice}");
        }
        for host in ["evil.example", "localhost", "127.0.0.1"] {
            let absolute = format!("GET http://{host}/status HTTP/1.1\r\nHost: localhost\r\n\r\n");
            assert_eq!(status(&say(&absolute)), "421", "{host}");
        }
        served.stop();
    }
}

#[test]
fn clients_that_use_up_the_endpoint_keep_no_command_from_asking() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = [("RUNTIME_DIRECTORY", directory.path().as_os_str())];
    let environment = crate::config::Environment::from_pairs(runtime);
    let (file, mirror) = (Path::new("/a.toml"), crate::config::MirrorUrl::None);
    let origin = ControlOrigin { file, mirror: &mirror, environment: &environment };
    let listen = StatusListen::Tcp("127.0.0.1:0".parse().unwrap());
    let served = Served::start_with(&listen, origin.of_daemon(), None);
    let idle: Vec<_> = (0..600).map(|_| served.connect()).collect();
    let stream = UnixStream::connect(directory.path().join("control.sock")).unwrap();
    let answer = said(stream, "GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(status(&answer), "200");
    // It did not wait for them: the last has not been shown out yet, which takes seconds.
    let last = idle.last().unwrap();
    last.set_nonblocking(true).unwrap();
    let waits = last.peek(&mut [0]).unwrap_err();
    assert_eq!(waits.kind(), std::io::ErrorKind::WouldBlock);
    served.stop();
}

#[test]
fn a_request_that_is_large_or_no_request_is_refused() {
    let served = Served::over_tcp();
    let large = format!("GET /status HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(2 * LARGEST_HEAD));
    assert_eq!(status(&served.say(&large)), "431");
    assert_eq!(status(&served.say("\x16\x03\x01 hello\r\n\r\n")), "400");
    served.stop();
}

#[test]
fn clients_that_do_nothing_make_room_for_one_who_asks() {
    let served = Served::over_tcp();
    let begun = Clock::now();
    let mut idle: Vec<_> = (0..10 * CONNECTIONS).map(|_| served.connect()).collect();
    // The next one waits until all before it have had the time to ask.
    assert_eq!(status(&served.get("/healthz")), "200");
    let took = begun.elapsed();
    assert!(took + Duration::from_millis(500) >= 10 * ASK_WITHIN, "{took:?}");
    assert!(took < 10 * HEAD_WITHIN, "{took:?}");
    for stream in &mut idle {
        // Cut off, with or without a word.
        drop(stream.read_to_end(&mut Vec::new()));
    }
    assert!(begun.elapsed() < 2 * CONNECTION_WITHIN);
    served.stop();
}

#[test]
fn clients_that_read_nothing_are_cut_off() {
    let listen = StatusListen::Tcp("127.0.0.1:0".parse().unwrap());
    // More than the system takes off the endpoint's hands for a client that does not read: what is sent may grow to
    // its most, what is received stays at about what it begins with.
    let buffer = |name: &str, column: usize| {
        let sizes = std::fs::read_to_string(format!("/proc/sys/net/ipv4/tcp_{name}")).unwrap();
        sizes.split_whitespace().nth(column).unwrap().parse::<usize>().unwrap()
    };
    let long = "x".repeat(buffer("wmem", 2) + 8 * buffer("rmem", 1));
    let served = Served::start(&listen, Some(Arc::new(move || Err(long.clone()))));
    let begun = Clock::now();
    let mut deaf: Vec<_> = (0..CONNECTIONS).map(|_| served.connect()).collect();
    for stream in &mut deaf {
        stream.write_all(b"GET /status HTTP/1.1\r\n\r\n").unwrap();
    }
    let asked = begun.elapsed();
    assert_eq!(status(&served.get("/healthz")), "200");
    let took = begun.elapsed();
    // On a machine so slow that one of them had not asked in time, that one makes room sooner.
    assert!(
        asked >= ASK_WITHIN || took + Duration::from_millis(500) >= CONNECTION_WITHIN,
        "asked after {asked:?}, {took:?}"
    );
    // What takes its time is to write so much text so often.
    assert!(took < 60 * CONNECTION_WITHIN, "{took:?}");
    served.stop();
}

#[test]
fn a_client_that_sends_byte_by_byte_is_cut_off() {
    let served = Served::over_tcp();
    let mut slow = served.connect();
    let begun = Clock::now();
    let words = "GET /status HTTP/1.1\r\nX: ".bytes().chain(std::iter::repeat(b'x'));
    for byte in words {
        if slow.write_all(&[byte]).is_err() {
            break;
        }
        served.runtime.block_on(async { sleep(Duration::from_millis(100)).await });
        assert!(begun.elapsed() < 2 * CONNECTION_WITHIN, "never cut off");
    }
    served.stop();
}

#[test]
fn a_stop_waits_for_nobody_and_nobody_listens_afterwards() {
    let served = Served::over_tcp();
    let address = served.address.unwrap();
    let _idle = served.connect();
    let mut half = served.connect();
    half.write_all(b"GET /status").unwrap();
    assert_eq!(status(&served.get("/healthz")), "200");
    let took = served.stop();
    // A client that has not asked yet would have had as long as this.
    assert!(took < HEAD_WITHIN, "{took:?}");
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_socket_serves_the_same_to_whatever_host() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("status.sock");
    let served = Served::start(&StatusListen::Unix(path.clone()), None);
    let get = |path: &Path, host| {
        let stream = UnixStream::connect(path).unwrap();
        said(stream, &format!("GET /status HTTP/1.1\r\nHost: {host}\r\n\r\n"))
    };
    assert_eq!(status(&get(&path, "ewmirror")), "200");
    // It is a proxy that speaks there; what no request may have is refused all the same.
    let stream = UnixStream::connect(&path).unwrap();
    assert_eq!(status(&said(stream, "GET http://a/status HTTP/1.1\r\nHost: a\r\n\r\n")), "421");
    served.stop();
    assert!(!path.exists());
}
