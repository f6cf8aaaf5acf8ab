//! Delivers to an echo on this machine, and verifies what arrives there as a receiver would.

use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::time::timeout;
use url::Url;

use super::receiver::{ID, SIGNATURE, TIMESTAMP, WebhookReceiver, WebhookSettings};
use crate::config::{ServerConfig, SigningKeys};
use crate::domain::{ItemId, Op, RepositoryId, Sequence};
use crate::feed::batch::{Batch, FeedLine, batch_id};
use crate::feed::settings::FeedSettings;
use crate::http::header::{HeaderMap, HeaderName};
use crate::task::clock;

/// How long the way through this machine may take.
const ECHOES_WITHIN: Duration = Duration::from_secs(10);

/// What arrived at the echo.
struct Arrived {
    headers: HeaderMap,
    body: Bytes,
}

impl FeedSettings {
    /// Signs a batch of one made-up change as the feed's are, sends it to an echo on this machine, and verifies
    /// there that each key has signed what arrived. Nothing leaves this machine.
    ///
    /// # Errors
    ///
    /// In words for people: a secret that cannot be used, or a signature that does not hold.
    pub async fn verify_signature(&self) -> Result<(), String> {
        let checked = timeout(ECHOES_WITHIN, self.echo()).await;
        checked.unwrap_or_else(|_| Err("its echo did not answer in time".to_owned()))
    }

    async fn echo(&self) -> Result<(), String> {
        let in_the_way = |error: io::Error| format!("no echo can be had on this machine: {error}");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(in_the_way)?;
        let port = listener.local_addr().map_err(in_the_way)?.port();
        let url = Url::parse(&format!("http://{}:{port}/", Ipv4Addr::LOCALHOST))
            .map_err(|error| error.to_string())?;
        let (webhook, keys) = (self.webhook()?, self.webhook()?.keys);
        let server = ServerConfig {
            url,
            proxy: None,
            no_proxy: vec!["*".to_owned()],
            ca_file: None,
            ..webhook.server.clone()
        };
        let receiver = WebhookReceiver::new(WebhookSettings { server: &server, ..webhook })?;
        let batch = made_up(self.name().as_str());
        let sent = async {
            let sent = receiver.send(&batch, clock::now()).await;
            sent.map_err(|refusal| refusal.to_string())
        };
        let ((), arrived) = tokio::try_join!(sent, async { Ok(receive(&listener).await) })?;
        let arrived = arrived.ok_or("nothing arrived at its echo")?;
        if arrived.holds(&batch.id, &keys) {
            return Ok(());
        }
        Err("its signature does not hold for what arrived at an echo".to_owned())
    }
}

impl Arrived {
    /// Whether each of these keys has signed it under this id.
    fn holds(&self, id: &str, keys: &SigningKeys) -> bool {
        let text = |name: HeaderName| self.headers.get(name)?.to_str().ok();
        let sent = text(TIMESTAMP).and_then(|text| text.parse().ok()).map(Duration::from_secs);
        let (Some(sent), Some(signatures)) = (sent, text(SIGNATURE)) else { return false };
        text(ID) == Some(id) && keys.verify((id, sent, &self.body), signatures)
    }
}

fn made_up(feed: &str) -> Batch {
    let line = FeedLine {
        sequence: Sequence(0),
        repository: RepositoryId(0),
        item: ItemId::Integer(0),
        op: Op::Read,
        ts_ms: clock::now_ms(),
        envelope: Bytes::from_static(b"{}"),
    };
    let lines = vec![line];
    Batch { id: batch_id(("echo", feed, ""), &lines, true), lines }
}

/// Answers one request, and returns it.
async fn receive(listener: &TcpListener) -> Option<Arrived> {
    let (stream, _) = listener.accept().await.ok()?;
    let arrived = Mutex::new(None);
    let service = service_fn(async |request: Request<Incoming>| {
        let (parts, body) = request.into_parts();
        if let (Ok(body), Ok(mut arrived)) = (body.collect().await, arrived.lock()) {
            *arrived = Some(Arrived { headers: parts.headers, body: body.to_bytes() });
        }
        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
    });
    let connection =
        http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), service);
    // That it ended otherwise is told by who sent.
    drop(connection.await);
    arrived.into_inner().ok()?
}
