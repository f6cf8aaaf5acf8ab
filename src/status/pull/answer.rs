//! Answers requests for items and changes.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::header::{
    ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_LENGTH, ETAG, HeaderMap, HeaderName,
    HeaderValue, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use hyper::{Method, Request, Response, StatusCode, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::access::{self, AccessDenial};
use super::body::{PieceSource, PullBody, PullWatch};
use super::call::{self, CallError, ChangesCall, PullCall, RepositoryCall, RepositoryPart};
use super::changes::{self, ChangeEvents, ChangeLines};
use super::held::HeldDeletionLines;
use super::item::{self, HistoryLines, WholeItem};
use super::items::ItemLines;
use super::names::{self, ChangeNames};
use super::passes;
use crate::config::{RepositoryConfig, Secret};
use crate::domain::{RepositoryId, Sequence};
use crate::mirror::{MirrorError, MirrorReader};
use crate::presentation::Presentation;
use crate::status::ledger::PassKind;
use crate::status::response::{plain_text, response};

/// An answer, as a whole or made while it is read.
pub(in crate::status) type PullAnswer = Response<Either<Full<Bytes>, PullBody>>;

/// The most that are answered at once, at all addresses together; and the most that wait for news, which may take
/// nobody else's place.
pub(super) const PULLS: usize = 16;
pub(super) const WAITERS: usize = 16;

const LINES: &str = "application/x-ndjson";
const EVENTS: &str = "text/event-stream";
const JSON: &str = "application/json";

/// Where an answer with changes says which to ask for next.
const NEXT: HeaderName = HeaderName::from_static("ewmirror-next");

/// The last change that is in what an answer tells.
const SEQUENCE: HeaderName = HeaderName::from_static("ewmirror-sequence");

/// Up to which change the history of an item is no longer there.
const DROPPED_THROUGH: HeaderName = HeaderName::from_static("ewmirror-dropped-through");

/// What the changes are said to come from.
pub(in crate::status) struct PullSource {
    /// What the server is called in changes.
    pub(in crate::status) server: String,
    /// What is configured of repositories.
    pub(in crate::status) configured: Vec<Arc<RepositoryConfig>>,
}

/// What answers.
pub struct PullApi {
    mirror: Arc<dyn MirrorReader>,
    /// What must be sent over TCP; `None`: nobody is answered there.
    token: Option<Secret>,
    room: Arc<Semaphore>,
    room_to_wait: Arc<Semaphore>,
}

impl PullApi {
    /// Of this mirror.
    pub fn new(mirror: Arc<dyn MirrorReader>, token: Option<Secret>) -> Self {
        let (room, room_to_wait) = (Semaphore::new(PULLS), Semaphore::new(WAITERS));
        Self { mirror, token, room: Arc::new(room), room_to_wait: Arc::new(room_to_wait) }
    }

    /// Answers a request that came to this address; `None`: to a socket. `begin` is told when an answer begins
    /// that may take as long as its reader does, and gets its place.
    pub(in crate::status) async fn answer<B>(
        &self,
        request: &Request<B>,
        met: Option<IpAddr>,
        source: impl FnOnce() -> PullSource,
        begin: impl FnOnce(OwnedSemaphorePermit) -> Arc<PullWatch>,
    ) -> PullAnswer {
        if let Err(denial) = access::check(request, met, self.token.as_ref()) {
            return denied(denial);
        }
        let is_head = request.method() == Method::HEAD;
        if request.method() != Method::GET && !is_head {
            let words = "only GET and HEAD\n".to_owned();
            let mut refusal = refused(StatusCode::METHOD_NOT_ALLOWED, words);
            refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refusal;
        }
        if request.version() < Version::HTTP_11 {
            // Its readers could not tell an answer that broke off from one that has ended.
            let words = "ask by HTTP/1.1\n".to_owned();
            return refused(StatusCode::HTTP_VERSION_NOT_SUPPORTED, words);
        }
        let (uri, headers) = (request.uri(), request.headers());
        let mut call = match call::parse(uri.path(), uri.query(), headers) {
            Ok(call) => call,
            Err(CallError::NoPath) => {
                return refused(StatusCode::NOT_FOUND, "there is no such path\n".to_owned());
            }
            Err(CallError::Bad(words)) => {
                return refused(StatusCode::BAD_REQUEST, format!("{words}\n"));
            }
        };
        if let PullCall::Changes(call) = &mut call
            && is_head
        {
            call.wait = Duration::ZERO;
        }
        let (room, most) = match &call {
            PullCall::Changes(call) if call.events || !call.wait.is_zero() => {
                (&self.room_to_wait, WAITERS)
            }
            _ => (&self.room, PULLS),
        };
        let Ok(room) = Arc::clone(room).try_acquire_owned() else {
            let words = format!("{most} are answered at once, and so many are: ask again\n");
            let mut refusal = refused(StatusCode::SERVICE_UNAVAILABLE, words);
            refusal.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
            return refusal;
        };
        let (source, watch) = (source(), begin(room));
        let parts = AnswerParts { is_compressed: takes_gzip(headers), watch: Arc::clone(&watch) };
        let answered = match call {
            PullCall::Changes(call) => self.changes(&call, source, parts).await,
            PullCall::Repository(call) => self.of_repository(call, headers, source, parts).await,
        };
        let answer = answered.unwrap_or_else(|error| failed(&error));
        if is_head {
            watch.gives();
            return answer.map(|_| Either::Left(Full::default()));
        }
        if matches!(answer.body(), Either::Left(_)) {
            watch.gives();
        }
        answer
    }

    async fn changes(
        &self,
        call: &ChangesCall,
        source: PullSource,
        parts: AnswerParts,
    ) -> Result<PullAnswer, MirrorError> {
        if let Some(repository) = call.repository
            && !self.mirror.knows(repository).await?
        {
            return Ok(unknown(repository));
        }
        let PullSource { server, configured } = source;
        if call.events {
            let names = call.names.then(|| ChangeNames::new(configured));
            let mirror = Arc::clone(&self.mirror);
            let events = ChangeEvents::begin(mirror, call, server, names).await?;
            return Ok(parts.with(EVENTS, None, Box::new(events)));
        }
        let mut page = changes::page(&*self.mirror, call).await?;
        if call.names {
            ChangeNames::new(configured).show(&*self.mirror, &mut page.changes).await?;
        }
        let next = (NEXT, page.scanned_through);
        Ok(parts.with(LINES, Some(next), Box::new(ChangeLines::new(page.changes, server))))
    }

    async fn of_repository(
        &self,
        RepositoryCall { repository, part, names }: RepositoryCall,
        headers: &HeaderMap,
        source: PullSource,
        parts: AnswerParts,
    ) -> Result<PullAnswer, MirrorError> {
        if !self.mirror.knows(repository).await? {
            return Ok(unknown(repository));
        }
        let mirror = Arc::clone(&self.mirror);
        let PullSource { server, configured } = source;
        let presentation = if names {
            names::presentation(&*mirror, &configured, repository).await?
        } else {
            Presentation::default()
        };
        match part {
            RepositoryPart::Items => {
                let items = ItemLines::begin(mirror, repository, presentation).await?;
                let sequence = (SEQUENCE, items.sequence());
                Ok(parts.with(LINES, Some(sequence), Box::new(items)))
            }
            RepositoryPart::Item(item) => {
                let Some(body) = item::find(&*mirror, repository, &item).await? else {
                    return Ok(no_item());
                };
                Ok(one_item(presentation.item(&body).into_owned(), headers, parts))
            }
            RepositoryPart::History(item) => {
                let Some(history) = item::history(&*mirror, repository, &item).await? else {
                    return Ok(no_item());
                };
                let dropped = history.dropped_through.map(|through| (DROPPED_THROUGH, through));
                let sequences = history.sequences.into();
                let lines = HistoryLines { mirror, server, sequences, presentation };
                Ok(parts.with(LINES, dropped, Box::new(lines)))
            }
            RepositoryPart::Passes(kind) => {
                let lines = match kind {
                    PassKind::Whole => passes::lines(&mirror.ledger(repository).await?),
                    PassKind::Incremental => {
                        passes::lines(&mirror.incremental_ledger(repository).await?)
                    }
                };
                Ok(parts.with(LINES, None, Box::new(WholeItem::new(lines))))
            }
            RepositoryPart::HeldDeletions => {
                let lines = HeldDeletionLines::begin(mirror, repository, presentation).await?;
                Ok(parts.with(LINES, None, Box::new(lines)))
            }
        }
    }
}

/// One item, unless who asks has it already.
fn one_item(body: Vec<u8>, headers: &HeaderMap, parts: AnswerParts) -> PullAnswer {
    let tag = item::tag(&body);
    let is_compressed = parts.is_compressed;
    let mut answer = if item::is_known(headers, &tag) {
        response(StatusCode::NOT_MODIFIED, JSON, Bytes::new()).map(Either::Left)
    } else {
        let length = body.len();
        let mut answer = parts.with(JSON, None, Box::new(WholeItem::new(body)));
        if !is_compressed {
            answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        answer
    };
    // Compressed it is not the same bytes.
    let tag = if is_compressed { format!("W/{tag}") } else { tag };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        answer.headers_mut().insert(ETAG, tag);
    }
    answer.headers_mut().insert(VARY, HeaderValue::from_name(ACCEPT_ENCODING));
    answer
}

/// What an answer is made with.
struct AnswerParts {
    is_compressed: bool,
    watch: Arc<PullWatch>,
}

impl AnswerParts {
    fn with(
        self,
        kind: &'static str,
        sequence: Option<(HeaderName, Sequence)>,
        source: Box<dyn PieceSource>,
    ) -> PullAnswer {
        let Self { is_compressed, watch } = self;
        let mut answer = response(StatusCode::OK, kind, Bytes::new());
        let headers = answer.headers_mut();
        if let Some((name, sequence)) = sequence {
            headers.insert(name, HeaderValue::from(sequence.0));
        }
        headers.insert(VARY, HeaderValue::from_name(ACCEPT_ENCODING));
        if is_compressed {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        answer.map(|_| Either::Right(PullBody::new(source, is_compressed, watch)))
    }
}

/// Whether who asks wants an answer compressed.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|it| it.to_str().ok());
    accepted.flat_map(|accepted| accepted.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let quality = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok());
        is_gzip && quality.is_none_or(|quality| quality > 0.0)
    })
}

fn refused(status: StatusCode, words: String) -> PullAnswer {
    plain_text(status, words).map(Either::Left)
}

fn denied(denial: AccessDenial) -> PullAnswer {
    let words = match denial {
        AccessDenial::NoToken => {
            "items are told to nobody here: give the daemon a token, in status.token_file or as the \
             credential \"status-token\"\n"
        }
        AccessDenial::Unauthorized => "send the token: Authorization: Bearer TOKEN\n",
    };
    let mut answer = refused(StatusCode::UNAUTHORIZED, words.to_owned());
    answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    answer
}

fn unknown(repository: RepositoryId) -> PullAnswer {
    refused(StatusCode::NOT_FOUND, format!("the mirror has no repository {repository}\n"))
}

fn no_item() -> PullAnswer {
    refused(StatusCode::NOT_FOUND, "the mirror has no such item\n".to_owned())
}

fn failed(error: &MirrorError) -> PullAnswer {
    let status = match error {
        _ if error.is_dropped() => StatusCode::GONE,
        _ if error.is_ahead() => StatusCode::BAD_REQUEST,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    refused(status, format!("{error}; {}\n", error.remedy()))
}
