//! Asking a running daemon how things stand.
//!
//! Guarantees: an answer, or the reason why there is none, within [`CONNECT_WITHIN`] and
//! [`ANSWER_WITHIN`], whoever listens there; of an answer at most [`LARGEST_ANSWER`] is read.

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
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::document::StatusDocument;
use super::http::STATUS_PATH;
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
pub struct Answer {
    /// What of it this version understands.
    pub document: StatusDocument,
    /// All of it.
    pub json: Value,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// There is no endpoint to ask.
    #[error("status.listen is \"off\"")]
    Off,
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
}

/// Where the endpoint is, for people.
pub fn place(listen: &StatusListen) -> String {
    match listen {
        StatusListen::Off => "off".to_owned(),
        StatusListen::Tcp(address) => address.to_string(),
        StatusListen::Unix(path) => path.display().to_string(),
    }
}

/// Asks the daemon whose endpoint is there.
pub async fn ask(listen: &StatusListen) -> Result<Answer, AskError> {
    let at = place(listen);
    match listen {
        StatusListen::Off => Err(AskError::Off),
        StatusListen::Tcp(address) => {
            let stream = connected(&at, TcpStream::connect(address)).await?;
            answer(at, stream).await
        }
        StatusListen::Unix(path) => {
            let stream = connected(&at, UnixStream::connect(path)).await?;
            answer(at, stream).await
        }
    }
}

async fn connected<S>(
    at: &str,
    connecting: impl Future<Output = io::Result<S>>,
) -> Result<S, AskError> {
    let at = at.to_owned();
    match timeout(CONNECT_WITHIN, connecting).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error))
            if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) =>
        {
            Err(AskError::Nobody { at })
        }
        Ok(Err(source)) => Err(AskError::Barred { at, source }),
        Err(_) => Err(AskError::Late { at, within: CONNECT_WITHIN }),
    }
}

async fn answer<S>(at: String, stream: S) -> Result<Answer, AskError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let strange = |what: String| AskError::Strange { at: at.clone(), what };
    let json = match timeout(ANSWER_WITHIN, exchange(stream)).await {
        Ok(Ok(body)) => serde_json::from_slice::<Value>(&body),
        Ok(Err(what)) => return Err(strange(what)),
        Err(_) => return Err(AskError::Late { at, within: ANSWER_WITHIN }),
    };
    // The parser's own words could repeat what a stranger said.
    let json = json.map_err(|_| strange("it sends no JSON".to_owned()))?;
    let document = StatusDocument::deserialize(&json)
        .map_err(|_| strange("its JSON is no status document".to_owned()))?;
    Ok(Answer { document, json })
}

/// One request and its whole answer; the error says what was strange.
async fn exchange<S>(stream: S) -> Result<Bytes, String>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let told = |error: hyper::Error| format!("{}{}", error, beneath(&error));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(told)?;
    // Dropped, and so ended, with the answer.
    let mut driving = JoinSet::new();
    // How the connection ends shows in the answer.
    driving.spawn(async { drop(connection.await) });
    let request = Request::get(STATUS_PATH)
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
    use std::net::{SocketAddr, TcpListener};

    use super::*;

    /// Somebody who reads one request, says this and hangs up.
    fn parrot(words: &str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let words = words.to_owned();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            drop(stream.read(&mut [0; 4096]));
            drop(stream.write_all(words.as_bytes()));
        });
        address
    }

    async fn asked(body: &str) -> Result<Answer, String> {
        let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
        let address = parrot(&format!("{head}{body}"));
        ask(&StatusListen::Tcp(address))
            .await
            .map_err(|error| error.to_string().replace(&address.to_string(), "there"))
    }

    #[tokio::test]
    async fn a_document_of_another_version_reads_as_far_as_it_goes() {
        let body = r#"{"version": "9.0.0", "weather": "fair", "daemon": {"pid": 7, "sign_in": "by
            proxy", "mood": 1}, "repositories": [{"id": 1, "state": "dreaming"}]}"#;
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
            let error = ask(&StatusListen::Tcp(parrot(words))).await.unwrap_err().to_string();
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
        let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
        let error = ask(&StatusListen::Tcp(deaf.local_addr().unwrap())).await.unwrap_err();
        assert!(matches!(error, AskError::Late { .. }), "{error}");
    }

    #[tokio::test]
    async fn nobody_is_nobody() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = ask(&StatusListen::Tcp(free)).await.unwrap_err();
        assert!(matches!(error, AskError::Nobody { .. }), "{error}");
        let lost = StatusListen::Unix("/nonexistent/status.sock".into());
        assert!(matches!(ask(&lost).await, Err(AskError::Nobody { .. })));
        assert!(matches!(ask(&StatusListen::Off).await, Err(AskError::Off)));
    }
}
