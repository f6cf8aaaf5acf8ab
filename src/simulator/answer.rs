//! Answers and the ways they reach the client: whole, in pieces, cut off.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, UNIX_EPOCH};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::Sleep;

use super::fault::SimulatedRefusal;
use super::faults::Canned;
use crate::task::clock;

/// How many pieces a slow answer comes in.
const SLOW_PIECES: usize = 50;
/// The piece of which a huge answer is made: 64 KiB of an item list.
const HUGE_PIECE: usize = 64 * 1024;
/// How often it comes: a gibibyte in all, beyond any sane cap and yet finite.
const HUGE_COUNT: usize = 16 * 1024;

/// One answer, before it is decided how it travels.
#[derive(Debug)]
pub(super) struct SimulatedAnswer {
    pub(super) status: StatusCode,
    headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// How an answer travels.
#[derive(Clone, Copy, Debug)]
pub(super) enum Travel {
    /// At once.
    Whole,
    /// In pieces, over about this long.
    Slow(Duration),
    /// Half of it, then the connection closes.
    Truncated,
}

impl SimulatedAnswer {
    /// An answer of this media type.
    pub(super) fn new(status: StatusCode, media_type: &'static str, body: Vec<u8>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        Self { status, headers, body }
    }

    /// JSON with status 200.
    pub(super) fn json(value: &Value) -> Self {
        Self::status_json(StatusCode::OK, value)
    }

    /// JSON with another status.
    pub(super) fn status_json(status: StatusCode, value: &Value) -> Self {
        Self::new(status, "application/json", value.to_string().into_bytes())
    }

    /// An HTML page.
    pub(super) fn html(status: StatusCode, text: &str) -> Self {
        Self::new(status, "text/html;charset=UTF-8", text.as_bytes().to_vec())
    }

    /// Adds a header line; one whose value cannot be a header is left out.
    pub(super) fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.append(name, value);
        }
        self
    }

    /// A refusal in this shape.
    pub(super) fn refusal(shape: SimulatedRefusal, base_path: &str) -> Self {
        let reason = json!({"success": false, "error": "unauthorized please see enable-api logs"});
        match shape {
            SimulatedRefusal::Unauthorized => Self::status_json(StatusCode::UNAUTHORIZED, &reason),
            SimulatedRefusal::Forbidden => Self::status_json(StatusCode::FORBIDDEN, &reason),
            SimulatedRefusal::Success => Self::json(&reason),
            SimulatedRefusal::Status => {
                Self::json(&json!({"status": 401, "message": "session is invalid or has expired"}))
            }
            SimulatedRefusal::Html => Self::sign_in_page(),
            SimulatedRefusal::Redirect => Self::html(StatusCode::FOUND, "")
                .with(LOCATION, &format!("{base_path}/webcm/login")),
        }
    }

    /// The sign-in page that a browser would see.
    pub(super) fn sign_in_page() -> Self {
        Self::html(StatusCode::OK, SIGN_IN_PAGE)
    }

    /// Something with status 200 that is no answer; `salt` chooses what.
    pub(super) fn garbage(salt: u64) -> Self {
        let (media_type, body): (&str, &str) = match salt % 8 {
            0 => ("text/plain", "Service is starting, please wait ..."),
            1 => ("application/json", r#"{"hello":"world"}"#),
            2 => ("application/json", r#"{"status":0,"data":{"itemList":[{"itemId":1,"#),
            3 => ("text/html", "<html><body><h1>It works!</h1></body></html>"),
            4 => ("application/json", ""),
            5 => ("application/json", "[]"),
            6 => ("application/json", r#"{"status":0,"data":{"itemList":null,"searchTotal":-1}}"#),
            _ => ("application/octet-stream", "\u{0}\u{1}\u{2}\u{fffd}"),
        };
        Self::new(StatusCode::OK, media_type, body.as_bytes().to_vec())
    }

    /// An answer of a test's own making; `None` where it cannot be one.
    pub(super) fn canned(canned: Canned) -> Option<Self> {
        let status = StatusCode::from_u16(canned.status).ok()?;
        let mut answer = Self::new(status, "application/json", canned.body.into_bytes());
        for (name, value) in canned.headers {
            let name: HeaderName = name.parse().ok()?;
            answer.headers.insert(name, value.parse().ok()?);
        }
        Some(answer)
    }

    /// An error of the server or of a proxy before it; `salt` varies `Retry-After`.
    pub(super) fn failure(status: StatusCode, salt: u64) -> Self {
        let seconds = 1 + (salt >> 8) % 2;
        let answer = match status {
            StatusCode::BAD_GATEWAY => Self::html(status, BAD_GATEWAY_PAGE),
            _ => Self::status_json(
                status,
                &json!({"status": status.as_u16(), "message": "something went wrong"}),
            ),
        };
        match (status, salt % 2) {
            (StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS, 0) => {
                answer.with(RETRY_AFTER, &seconds.to_string())
            }
            (StatusCode::TOO_MANY_REQUESTS, _) => {
                // Whole seconds only: one more than meant, so that the date lies ahead.
                let now = clock::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
                let date = UNIX_EPOCH + Duration::from_secs(now + seconds + 1);
                answer.with(RETRY_AFTER, &httpdate::fmt_http_date(date))
            }
            _ => answer,
        }
    }

    /// Sends the answer on its way.
    pub(super) fn travel(self, travel: Travel) -> Response<Delivery> {
        let mut body = Bytes::from(self.body);
        let length = body.len();
        let delivery = match travel {
            Travel::Whole => Delivery::new(std::iter::once(body), Some(length)),
            Travel::Slow(duration) => {
                let piece = length.div_ceil(SLOW_PIECES).max(1);
                let pieces = length.div_ceil(piece).max(1);
                let frames = std::iter::from_fn(move || {
                    (!body.is_empty()).then(|| body.split_to(piece.min(body.len())))
                });
                let pause = duration / u32::try_from(pieces).unwrap_or(u32::MAX);
                Delivery { pause, ..Delivery::new(frames, Some(length)) }
            }
            Travel::Truncated => {
                body.truncate(length / 2);
                // An empty answer must promise something to be cut short at all.
                let promised = if length == 0 { 64 } else { length };
                let ending = Ending::CutOff { flushed: false };
                Delivery { ending, ..Delivery::new(std::iter::once(body), Some(promised)) }
            }
        };
        let mut response = Response::new(delivery);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

/// A well-formed answer of a gibibyte: far more items than anybody asked for.
pub(super) fn huge() -> Response<Delivery> {
    let item = br#"{"itemId":1,"F_1004600":"................................"},"#;
    let piece: Bytes =
        item.iter().copied().cycle().take(HUGE_PIECE - HUGE_PIECE % item.len()).collect();
    let head = Bytes::from_static(br#"{"status":0,"data":{"itemList":["#);
    let tail = Bytes::from_static(br#"{"itemId":2}],"searchTotal":20,"returnTotal":20}}"#);
    let frames = std::iter::once(head)
        .chain(std::iter::repeat_n(piece, HUGE_COUNT))
        .chain(std::iter::once(tail));
    stream("application/json", frames)
}

/// An answer whose length is not known ahead.
pub(super) fn stream(
    media_type: &'static str,
    frames: impl Iterator<Item = Bytes> + Send + 'static,
) -> Response<Delivery> {
    let mut response = Response::new(Delivery::new(frames, None));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// A body made of frames, perhaps with pauses between them, perhaps cut off.
pub(super) struct Delivery {
    frames: Box<dyn Iterator<Item = Bytes> + Send>,
    /// What is still promised, in bytes; None if the length was never announced.
    promised: Option<u64>,
    pause: Duration,
    pausing: Option<Pin<Box<Sleep>>>,
    ending: Ending,
}

#[derive(Clone, Copy)]
enum Ending {
    Complete,
    /// The connection is closed before the promise is kept, but not before what came so far is
    /// flushed.
    CutOff {
        flushed: bool,
    },
}

/// The answer was cut off on purpose.
#[derive(Debug, thiserror::Error)]
#[error("the answer was cut off on purpose")]
pub(super) struct CutOff;

impl Delivery {
    fn new(frames: impl Iterator<Item = Bytes> + Send + 'static, length: Option<usize>) -> Self {
        Self {
            frames: Box::new(frames),
            promised: length.map(|length| length as u64),
            pause: Duration::ZERO,
            pausing: None,
            ending: Ending::Complete,
        }
    }
}

impl Body for Delivery {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        if let Some(pausing) = self.pausing.as_mut() {
            std::task::ready!(pausing.as_mut().poll(context));
            self.pausing = None;
        }
        if let Some(frame) = self.frames.next() {
            if self.pause > Duration::ZERO {
                self.pausing = Some(Box::pin(tokio::time::sleep(self.pause)));
            }
            self.promised = self.promised.map(|left| left.saturating_sub(frame.len() as u64));
            return Poll::Ready(Some(Ok(Frame::data(frame))));
        }
        match self.ending {
            Ending::Complete => Poll::Ready(None),
            Ending::CutOff { flushed: true } => Poll::Ready(Some(Err(CutOff))),
            Ending::CutOff { flushed: false } => {
                // hyper flushes whenever a body has nothing to give for the moment.
                self.ending = Ending::CutOff { flushed: true };
                context.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.promised.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// An error that is nobody's refusal.
pub(super) fn message(status: StatusCode, text: &str) -> SimulatedAnswer {
    SimulatedAnswer::status_json(status, &json!({"status": status.as_u16(), "message": text}))
}

pub(super) const SWAGGER_PAGE: &str = "<!DOCTYPE html>
<html><head><title>Swagger UI</title></head>
<body><h1>EnterWorks look-alike</h1><p>POST /webcm/rest/api/items/search</p></body></html>
";

pub(super) const NOT_FOUND_PAGE: &str = "<!DOCTYPE html>
<html><head><title>HTTP Status 404 - Not Found</title></head>
<body><h1>HTTP Status 404 - Not Found</h1></body></html>
";

const SIGN_IN_PAGE: &str = "<!DOCTYPE html>
<html><head><title>EnterWorks - Sign In</title></head>
<body><form id=\"loginForm\" method=\"post\" action=\"/webcm/login\">
<label>User <input type=\"text\" name=\"username\"></label>
<label>Password <input type=\"password\" name=\"password\"></label>
<button type=\"submit\">Sign in</button>
</form></body></html>
";

const BAD_GATEWAY_PAGE: &str = "<html><head><title>502 Bad Gateway</title></head>
<body><center><h1>502 Bad Gateway</h1></center></body></html>
";
