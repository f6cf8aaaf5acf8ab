//! Sends batches to a URL.
//!
//! Guarantees: the id of a batch is the same at every try; a batch is delivered by an answer of 2xx and by
//! nothing else; no error shows a key or a header, nor more of the URL than its host, unless the receiver says
//! it in other words ([`MaskedUrl::redact`]).

use std::time::SystemTime;

use bytes::Bytes;

use super::body::body;
use super::verdict::verdict;
use crate::config::{Environment, MaskedUrl, ServerConfig, SigningKeys, is_loopback};
use crate::feed::batch::Batch;
use crate::feed::receiver::{DeliveryFuture, DeliveryRefusal, Receiver};
use crate::http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use crate::http::{AddressPolicy, HttpError, HttpErrorKind, PostClient, SetupError};
use crate::task::clock;
use crate::telemetry::event::Chain;
use crate::text::name;

/// The most characters of an answer that people are told.
const LONGEST_EXCERPT: usize = 200;

pub(super) const ID: HeaderName = HeaderName::from_static("webhook-id");
pub(super) const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
pub(super) const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// What a receiver of webhooks is made of.
pub struct WebhookSettings<'a> {
    /// The feed's name.
    pub feed: &'a str,
    /// How its server is reached, its URL among it. Nothing of a login is used.
    pub server: &'a ServerConfig,
    /// Proxies may stand in it.
    pub environment: &'a Environment,
    /// Networks beside the public ones that the URL's name may lead to.
    pub allow_addresses: Vec<ipnet::IpNet>,
    /// What signs.
    pub keys: SigningKeys,
}

/// Receives by webhook.
#[derive(Debug)]
pub struct WebhookReceiver {
    feed: String,
    url: MaskedUrl,
    client: PostClient,
    keys: SigningKeys,
}

impl WebhookReceiver {
    /// One that has sent nothing yet.
    ///
    /// # Errors
    ///
    /// In words for people: a certificate file or a proxy that cannot be used.
    pub fn new(settings: WebhookSettings<'_>) -> Result<Self, String> {
        let WebhookSettings { feed, server, environment, allow_addresses, keys } = settings;
        let policy = AddressPolicy {
            allowed: allow_addresses,
            loopback: is_loopback(&server.url),
            only_loopback: server.url.scheme() == "http",
        };
        let client =
            PostClient::new(server, environment, policy).map_err(|error| own_keys(&error))?;
        let url = MaskedUrl::new(server.url.clone());
        Ok(Self { feed: feed.to_owned(), url, client, keys })
    }

    /// Reaches the receiver without delivering anything; the status of its answer.
    ///
    /// # Errors
    ///
    /// In words for people: why it is not reached. Nothing of the URL but its host is in them.
    pub async fn probe(&self) -> Result<u16, String> {
        let answered = self.client.probe().await;
        answered.map_err(|error| format!("is not reached: {}", self.url.redact(&told(&error))))
    }

    /// Sends a batch, at this time.
    pub(super) async fn send(&self, batch: &Batch, now: SystemTime) -> Result<(), DeliveryRefusal> {
        let later = |reason: String| DeliveryRefusal::Later { reason, after: None };
        let body = body(&self.feed, batch);
        let headers = self
            .headers(batch, now, &body)
            .ok_or_else(|| later("the id of the batch cannot be sent in a header".to_owned()))?;
        let answer = self.client.post(headers, body).await.map_err(|error| {
            later(format!("{} is not reached: {}", self.url, self.url.redact(&told(&error))))
        })?;
        let beginning = self.url.redact(&String::from_utf8_lossy(&answer.beginning));
        let redirect_to = answer.redirect_to.as_deref();
        let beginning = name(&beginning, LONGEST_EXCERPT);
        verdict(answer.status, answer.retry_after, redirect_to, &beginning)
    }

    fn headers(&self, batch: &Batch, now: SystemTime, body: &Bytes) -> Option<HeaderMap> {
        let sent = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut signature = HeaderValue::from_str(&self.keys.sign(&batch.id, sent, body)).ok()?;
        signature.set_sensitive(true);
        Some(HeaderMap::from_iter([
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (ID, HeaderValue::from_str(&batch.id).ok()?),
            (TIMESTAMP, HeaderValue::from(sent.as_secs())),
            (SIGNATURE, signature),
        ]))
    }
}

impl Receiver for WebhookReceiver {
    fn deliver<'a>(&'a mut self, batch: &'a Batch) -> DeliveryFuture<'a> {
        Box::pin(async move { self.send(batch, clock::now()).await.map(|()| None) })
    }
}

/// The same of the feed's own keys: who builds the client knows those of the server alone.
pub(super) fn own_keys(error: &SetupError) -> String {
    let told = error.to_string();
    match error {
        // What comes after the key is a file's name, which may have that in it.
        SetupError::Unreadable { .. } | SetupError::Unusable { .. } => {
            told.strip_prefix("server.").map_or_else(|| told.clone(), |rest| format!("feed.{rest}"))
        }
        SetupError::Proxy | SetupError::NoAuthorities | SetupError::Setup { .. } => {
            told.replace("server.", "feed.")
        }
    }
}

/// An error and what lies beneath it.
fn told(error: &HttpError) -> String {
    let told = match &error.kind {
        HttpErrorKind::Connect => "no connection".to_owned(),
        HttpErrorKind::Timeout(_) => "no answer in time".to_owned(),
        HttpErrorKind::Tls(fault) => fault.to_string(),
        HttpErrorKind::Interrupted => "the connection ended before the answer".to_owned(),
        HttpErrorKind::TooLarge { .. } | HttpErrorKind::Other => "the request failed".to_owned(),
        HttpErrorKind::Malformed { what } => what.clone(),
    };
    match &error.source {
        Some(source) => format!("{told}: {}", Chain(&**source)),
        None => told,
    }
}
