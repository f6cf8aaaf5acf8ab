//! Asking a running daemon how things stand, over its control socket.
//!
//! Guarantees: an answer, or the reason why there is none, within [`CONNECT_WITHIN`] and
//! [`ANSWER_WITHIN`] for each address that is tried, no matter who listens there; of an answer at most
//! [`LARGEST_ANSWER`] is read. Only a daemon that may answer is believed: see
//! [`control`](super::control).

use std::error::Error;
use std::io::{self, ErrorKind};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Collected, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde::Deserialize as _;
use serde_json::Value;
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::control::{ControlAddress, ControlOrigin};
use super::document::STATUS_PATH;
use super::document::StatusDocument;
use super::{endpoint, socket};
use crate::config::StatusListen;

/// How long it may take to get a connection: the daemon is on this machine.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// How long the whole answer may take: the daemon waits a second for the disk, and the machine may
/// be busy.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The largest answer, in bytes: a thousand repositories take less than a third of it.
const LARGEST_ANSWER: usize = 16 << 20;

/// A daemon's answer.
#[derive(Clone, Debug)]
pub struct ControlAnswer {
    /// What of it this version understands.
    pub document: StatusDocument,
    /// All of it.
    pub json: Value,
    /// Where it came from.
    pub at: String,
    /// The account that the daemon runs as.
    pub user: u32,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ControlRequestError {
    /// Nobody is there.
    #[error("nobody listens at {at}")]
    Nobody {
        /// Where.
        at: String,
    },
    /// The way there is barred.
    #[error("{at} cannot be asked")]
    Barred {
        /// Where.
        at: String,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody is there who is not to be believed.
    #[error("{at} belongs to user {user}, who is neither root nor the owner of the mirror")]
    Stranger {
        /// Where.
        at: String,
        /// Whose process listens there.
        user: u32,
    },
    /// Somebody is there who says nothing, or not in time.
    #[error("{at} did not answer within {} s", .within.as_secs())]
    Late {
        /// Where.
        at: String,
        /// How long it had.
        within: Duration,
    },
    /// Somebody is there who answers something else.
    #[error("{at} does not answer as ewmirror does: {what}")]
    Strange {
        /// Where.
        at: String,
        /// What is strange about it.
        what: String,
    },
    /// A daemon is there that keeps another mirror.
    #[error("the daemon at {at} keeps another mirror: {}, not {ours}", document.mirror.url.as_deref().unwrap_or("unknown"))]
    Another {
        /// Where.
        at: String,
        /// What it said.
        document: Box<StatusDocument>,
        /// Which mirror was asked for.
        ours: String,
    },
}

impl ControlRequestError {
    /// How much an error says: of several the one that says most is told.
    fn weight(&self) -> u8 {
        match self {
            Self::Nobody { .. } => 0,
            Self::Barred { .. } => 1,
            Self::Another { .. } => 2,
            Self::Stranger { .. } => 3,
            Self::Strange { .. } => 4,
            Self::Late { .. } => 5,
        }
    }

    /// Whether only another account may ask.
    pub fn is_forbidden(&self) -> bool {
        match self {
            Self::Barred { source, .. } => source.kind() == ErrorKind::PermissionDenied,
            _ => false,
        }
    }
}

/// `status.listen`, for people.
pub fn address(listen: &StatusListen) -> String {
    endpoint::ListenAddress::of(listen).map_or_else(|| "off".to_owned(), |address| address.shown())
}

/// Asks the daemon of this configuration, at each address where it may be.
pub async fn ask(
    origin: ControlOrigin<'_>,
    listen: &StatusListen,
) -> Result<ControlAnswer, ControlRequestError> {
    ask_for(STATUS_PATH, origin, listen).await
}

/// The same for the document at this path.
pub async fn ask_for(
    path: &'static str,
    origin: ControlOrigin<'_>,
    listen: &StatusListen,
) -> Result<ControlAnswer, ControlRequestError> {
    ask_at(path, &origin.of_command(listen), &origin.mirror.to_string()).await
}

/// Whether somebody accepts connections at `status.listen`. Who that is nobody can tell: it is a
/// sign that a daemon may run after all, and no more.
pub async fn is_somebody_at(listen: &StatusListen) -> bool {
    let StatusListen::Tcp(address) = listen else { return false };
    matches!(timeout(CONNECT_WITHIN, TcpStream::connect(address)).await, Ok(Ok(_)))
}

async fn ask_at(
    path: &'static str,
    addresses: &[ControlAddress],
    ours: &str,
) -> Result<ControlAnswer, ControlRequestError> {
    let (mut nobody, mut worst) = (Vec::new(), None::<ControlRequestError>);
    for address in addresses {
        let error = match ask_one(path, address).await {
            Ok(answer) if answer.document.mirror.url.as_deref() == Some(ours) => return Ok(answer),
            Ok(ControlAnswer { document, at, .. }) => ControlRequestError::Another {
                at,
                document: Box::new(document),
                ours: ours.to_owned(),
            },
            Err(ControlRequestError::Nobody { at }) => {
                nobody.push(at);
                continue;
            }
            Err(error) => error,
        };
        if worst.as_ref().is_none_or(|worst| worst.weight() < error.weight()) {
            worst = Some(error);
        }
    }
    Err(worst.unwrap_or_else(|| ControlRequestError::Nobody { at: nobody.join(", nor at ") }))
}

async fn ask_one(
    path: &'static str,
    address: &ControlAddress,
) -> Result<ControlAnswer, ControlRequestError> {
    let at = address.path.display().to_string();
    let stream = match timeout(CONNECT_WITHIN, socket::connect(&address.path)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error))
            if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) =>
        {
            return Err(ControlRequestError::Nobody { at });
        }
        Ok(Err(source)) => return Err(ControlRequestError::Barred { at, source }),
        Err(_) => return Err(ControlRequestError::Late { at, within: CONNECT_WITHIN }),
    };
    let user = match stream.peer_cred() {
        Ok(peer) => peer.uid(),
        Err(source) => return Err(ControlRequestError::Barred { at, source }),
    };
    if !address.believes(user) {
        return Err(ControlRequestError::Stranger { at, user });
    }
    answer(path, at, user, stream).await
}

async fn answer(
    path: &'static str,
    at: String,
    user: u32,
    stream: UnixStream,
) -> Result<ControlAnswer, ControlRequestError> {
    let strange = |what: String| ControlRequestError::Strange { at: at.clone(), what };
    let json = match timeout(ANSWER_WITHIN, exchange(path, stream)).await {
        Ok(Ok(body)) => serde_json::from_slice::<Value>(&body),
        Ok(Err(what)) => return Err(strange(what)),
        Err(_) => return Err(ControlRequestError::Late { at, within: ANSWER_WITHIN }),
    };
    // The parser's own words could repeat what a stranger said.
    let json = json.map_err(|_| strange("it sends no JSON".to_owned()))?;
    let document = StatusDocument::deserialize(&json)
        .map_err(|_| strange("its JSON is no status document".to_owned()))?;
    Ok(ControlAnswer { document, json, at, user })
}

/// One request and its whole answer; the error says what was strange.
async fn exchange(path: &'static str, stream: UnixStream) -> Result<Bytes, String> {
    let told = |error: hyper::Error| format!("{}{}", error, beneath(&error));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(told)?;
    // Dropped, and so ended, with the answer.
    let mut driving = JoinSet::new();
    // How the connection ends shows in the answer.
    driving.spawn(async { drop(connection.await) });
    let request = Request::get(path)
        .header(HOST, "localhost")
        .body(Empty::<Bytes>::new())
        .expect("its parts are constants");
    let response: Response<Incoming> = sender.send_request(request).await.map_err(told)?;
    if !response.status().is_success() {
        return Err(format!("it says {}", response.status().as_u16()));
    }
    let body = Limited::new(response.into_body(), LARGEST_ANSWER).collect().await;
    body.map(Collected::to_bytes).map_err(|error| error.to_string())
}

fn beneath(error: &dyn Error) -> String {
    error.source().map(|source| format!(": {source}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::*;
    use crate::config::{Environment, MirrorUrl};

    /// A folder for the socket of a daemon that keeps no mirror.
    struct There {
        folder: TempDir,
    }

    impl There {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap() }
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("control.sock")
        }

        /// Somebody who reads one request, says this and hangs up.
        fn parrot(&self, words: &str) {
            let listener = UnixListener::bind(self.path()).unwrap();
            let words = words.to_owned();
            std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                drop(stream.read(&mut [0; 4096]));
                drop(stream.write_all(words.as_bytes()));
            });
        }

        async fn ask(&self) -> Result<ControlAnswer, ControlRequestError> {
            let runtime = [("RUNTIME_DIRECTORY", self.folder.path().as_os_str())];
            let environment = Environment::from_pairs(runtime);
            let (file, mirror) = (self.folder.path().join("a.toml"), MirrorUrl::None);
            let origin = ControlOrigin { file: &file, mirror: &mirror, environment: &environment };
            ask(origin, &StatusListen::Off).await
        }
    }

    async fn asked(body: &str) -> Result<ControlAnswer, String> {
        let there = There::new();
        there.parrot(&format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{body}"));
        there.ask().await.map_err(|error| {
            error.to_string().replace(&there.path().display().to_string(), "there")
        })
    }

    #[tokio::test]
    async fn a_document_of_another_version_reads_as_far_as_it_goes() {
        let body = r#"{"version": "9.0.0", "weather": "fair", "daemon": {"pid": 7, "sign_in": "by
            proxy", "mood": 1}, "mirror": {"url": "none"}, "repositories": [{"id": 1, "state":
            "dreaming"}]}"#;
        let answer = asked(&body.replace('\n', "")).await.unwrap();
        assert_eq!(answer.document.version, "9.0.0");
        let daemon = answer.document.daemon.unwrap();
        assert_eq!(
            (daemon.pid, daemon.sign_in, daemon.signed_in),
            (7, super::super::document::SignInStatus::Unknown, false)
        );
        assert_eq!(answer.document.repositories[0].items, None);
        assert_eq!(answer.json["weather"], "fair");
    }

    #[tokio::test]
    async fn a_daemon_that_keeps_another_mirror_is_not_the_one_that_was_asked_for() {
        let error =
            asked(r#"{"version": "1", "mirror": {"url": "sqlite:///x"}}"#).await.unwrap_err();
        assert_eq!(error, "the daemon at there keeps another mirror: sqlite:///x, not none");
    }

    #[tokio::test]
    async fn strangers_are_told_from_ewmirror() {
        let strange = "there does not answer as ewmirror does: ";
        for (body, what) in [
            ("hello", "it sends no JSON"),
            ("{}", "its JSON is no status document"),
            ("[1]", "its JSON is no status document"),
        ] {
            assert_eq!(asked(body).await.unwrap_err(), format!("{strange}{what}"));
        }
        for (words, what) in [
            ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "it says 404"),
            ("220 mail.example.com ESMTP\r\n", "invalid HTTP"),
            ("", "connection closed"),
        ] {
            let there = There::new();
            there.parrot(words);
            let error = there.ask().await.unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
    }

    #[tokio::test]
    async fn an_answer_without_end_is_read_to_a_limit() {
        let error = asked(&"7".repeat(LARGEST_ANSWER + 1)).await.unwrap_err();
        assert!(error.contains("length limit"), "{error}");
    }

    #[tokio::test]
    async fn one_who_accepts_and_says_nothing_is_late() {
        let there = There::new();
        let _deaf = UnixListener::bind(there.path()).unwrap();
        let error = there.ask().await.unwrap_err();
        assert!(matches!(error, ControlRequestError::Late { .. }), "{error}");
    }

    #[tokio::test]
    async fn nobody_is_nobody_and_the_rest_of_a_dead_one_is_too() {
        let there = There::new();
        for _ in 0..2 {
            let error = there.ask().await.unwrap_err();
            assert!(matches!(error, ControlRequestError::Nobody { .. }), "{error}");
            drop(UnixListener::bind(there.path()));
        }
    }
}
