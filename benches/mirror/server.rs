//! The server of the measurements: a process of its own, so that neither its work nor its memory
//! counts for the program measured.
//!
//! All items are rendered before it listens; the answer to a search is a slice of them, never a
//! copy. Nobody is refused, and nothing changes by itself. It answers `POST /enable-api/login`,
//! `GET /enable-api/reauth`, `POST /enable-api/logout` and, with any page and page size,
//! `POST /webcm/rest/api/items/search`. `POST /change` changes one item in a hundred, and
//! `POST /first-search` tells the first search since it was last asked. It says its port on stdout
//! and ends with its stdin.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt::{self, Write as _};
use std::io::{self, Read, Write as _};
use std::net::Ipv4Addr;
use std::ops::Range;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use fastrand::Rng;
use http_body_util::{BodyExt, Collected};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::LocalSet;

use crate::{Arguments, Fallible};

/// Attributes of an item, its id not counted.
const ATTRIBUTES: usize = 39;
/// Bytes of an item, about.
const ITEM_BYTES: usize = 2000;
/// The widest gap between the ids of two items: a million of them are spread over sixteen million.
const WIDEST_GAP: u64 = 32;
/// One item in so many is changed at once.
const CHANGED: usize = 100;
/// The seed of everything made up: each run serves the same items.
const SEED: u64 = 1;

/// Serves until stdin ends.
pub(crate) fn serve(arguments: &Arguments) -> Fallible<()> {
    let attributes = if arguments.has("--small") { 1 } else { ATTRIBUTES };
    let catalog =
        Catalog::new(arguments.number("--items")?, attributes, arguments.has("--shuffled"))?;
    let latency = Duration::from_millis(arguments.number("--latency-ms")? as u64);
    let repositories = arguments.number_or("--repositories", 1)?.max(1);
    let site = Rc::new(Site {
        catalog: RefCell::new(catalog),
        repositories,
        latency,
        first_search: Cell::new(None),
    });
    // The process that started this one holds the pipe's other end.
    std::thread::spawn(|| {
        drop(io::stdin().read_to_end(&mut Vec::new()));
        end_with_parent();
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, accept(site))
}

#[expect(clippy::disallowed_methods, clippy::exit, reason = "a helper that nobody needs any more")]
fn end_with_parent() {
    std::process::exit(0);
}

async fn accept(site: Rc<Site>) -> Fallible<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    writeln!(io::stdout(), "{}", listener.local_addr()?.port())?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let site = Rc::clone(&site);
        tokio::task::spawn_local(async move {
            let service = service_fn(move |request| {
                let site = Rc::clone(&site);
                async move { Ok::<_, Infallible>(site.answer(request).await) }
            });
            // A client that goes away is none of our business.
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

/// What is served, and how fast.
struct Site {
    catalog: RefCell<Catalog>,
    /// Each has an equal part of the items, by its id from 1 on.
    repositories: usize,
    latency: Duration,
    /// When it came, as the time since 1970, and which page it asked for.
    first_search: Cell<Option<(Duration, usize)>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Search {
    repository_id: usize,
    page: usize,
    page_size: usize,
}

impl Site {
    async fn answer(&self, request: Request<Incoming>) -> Response<Pieces> {
        let path = request.uri().path().to_owned();
        let body = request.into_body().collect().await.map(Collected::to_bytes);
        match path.as_str() {
            "/enable-api/login" => Response::new(Pieces::of(Bytes::from_static(
                br#"{"success":true,"token":{"token":"0123456789abcdef"}}"#,
            ))),
            "/enable-api/reauth" | "/enable-api/logout" => {
                Response::new(Pieces::of(Bytes::from_static(br#"{"success":true}"#)))
            }
            "/webcm/rest/api/items/search" => {
                let search = body.ok().and_then(|body| serde_json::from_slice(&body).ok());
                let Some(Search { repository_id, page, page_size }) = search else {
                    return refused(StatusCode::BAD_REQUEST);
                };
                if self.first_search.get().is_none() {
                    self.first_search.set(Some((since_1970(), page)));
                }
                if !self.latency.is_zero() {
                    tokio::time::sleep(self.latency).await;
                }
                let catalog = self.catalog.borrow();
                let part = (catalog.starts.len() - 1) / self.repositories;
                let rows = repository_id.saturating_sub(1) % self.repositories * part;
                Response::new(catalog.page(rows..rows + part, page, page_size))
            }
            "/change" => {
                self.catalog.borrow_mut().change();
                Response::new(Pieces::of(Bytes::from_static(b"{}")))
            }
            "/first-search" => {
                let first = self.first_search.take().map(
                    |(at, page)| json!({"at_us": u64::try_from(at.as_micros()).ok(), "page": page}),
                );
                Response::new(Pieces::of(Bytes::from(json!(first).to_string())))
            }
            _ => refused(StatusCode::NOT_FOUND),
        }
    }
}

/// The time of day, which this process has in common with the one that measures.
pub(crate) fn since_1970() -> Duration {
    ewmirror::inspection::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

fn refused(status: StatusCode) -> Response<Pieces> {
    let mut response = Response::new(Pieces(VecDeque::new()));
    *response.status_mut() = status;
    response
}

/// All items, rendered one after the other with a comma after each.
struct Catalog {
    text: Bytes,
    /// Where each item begins, and where the last one ends.
    starts: Vec<usize>,
}

impl Catalog {
    fn new(items: usize, attributes: usize, shuffled: bool) -> Fallible<Self> {
        let mut rng = Rng::with_seed(SEED);
        let mut id = 5_000_000;
        let mut ids: Vec<u64> = Vec::with_capacity(items);
        for _ in 0..items {
            id += rng.u64(1..=WIDEST_GAP);
            ids.push(id);
        }
        if shuffled {
            rng.shuffle(&mut ids);
        }
        let each = (ITEM_BYTES + ITEM_BYTES / 8) * attributes / ATTRIBUTES;
        let mut text = String::with_capacity(items * each);
        let mut starts = Vec::with_capacity(items + 1);
        for id in ids {
            starts.push(text.len());
            render(id, attributes, &mut rng, &mut text)?;
            text.push(',');
        }
        starts.push(text.len());
        Ok(Self { text: Bytes::from(text.into_bytes()), starts })
    }

    /// Changes one digit of one item in so many; their lengths stay.
    fn change(&mut self) {
        // Nobody holds a page any more, so that nothing is copied; else it is once.
        let text = std::mem::take(&mut self.text);
        let mut text = text.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        for pair in self.starts.windows(2).step_by(CHANGED) {
            let item = &mut text[pair[0]..pair[1]];
            // The first text: hexadecimal digits.
            let before = item.windows(2).position(|two| two == b":\"");
            if let Some(digit) = before.and_then(|place| item.get_mut(place + 2)) {
                *digit = if *digit == b'0' { b'1' } else { b'0' };
            }
        }
        self.text = text.freeze();
    }

    /// A page of the list in these rows.
    fn page(&self, rows: Range<usize>, page: usize, size: usize) -> Pieces {
        let total = rows.len();
        let first = page.saturating_sub(1).saturating_mul(size).min(total);
        let last = first.saturating_add(size).min(total);
        let (first, last) = (rows.start + first, rows.start + last);
        // Without the comma after the last one.
        let end = if last > first { self.starts[last] - 1 } else { self.starts[first] };
        let items = self.text.slice(self.starts[first]..end);
        let count = last - first;
        let tail = format!("],\"searchTotal\":{total},\"returnTotal\":{count}}}}}");
        let head = Bytes::from_static(br#"{"status":0,"data":{"itemList":["#);
        Pieces([head, items, Bytes::from(tail)].into_iter().filter(|it| !it.is_empty()).collect())
    }
}

fn render(id: u64, attributes: usize, rng: &mut Rng, text: &mut String) -> fmt::Result {
    write!(text, "{{\"itemId\":{id}")?;
    for attribute in 0..attributes {
        write!(text, ",\"F_{}\":", 1_004_613 + attribute * 3)?;
        match attribute % 6 {
            0 => write!(text, "{}", rng.u32(..))?,
            1 => write!(text, "null")?,
            2 => write!(text, "{}", rng.bool())?,
            _ => {
                write!(text, "\"")?;
                for _ in 0..9 {
                    write!(text, "{:07x} ", rng.u32(..1 << 28))?;
                }
                write!(text, "\"")?;
            }
        }
    }
    write!(text, "}}")
}

/// A body in pieces that are shared, not copied.
struct Pieces(VecDeque<Bytes>);

impl Pieces {
    fn of(only: Bytes) -> Self {
        Self(VecDeque::from([only]))
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.iter().map(|piece| piece.len() as u64).sum())
    }
}
