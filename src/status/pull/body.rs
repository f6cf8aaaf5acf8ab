//! An answer that is made while it is read: no more of it is in memory than one piece.

use std::convert::Infallible;
use std::fmt;
use std::future::pending;
use std::io::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::{Body, Frame};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep_until};

/// How long a reader may take nothing of what is there for it.
pub(super) const TAKEN_WITHIN: Duration = Duration::from_secs(10);

/// So many bytes are sent at once: what a reader must take within [`TAKEN_WITHIN`]. A piece may be larger.
pub(super) const PIECE: usize = 64 << 10;

/// What becomes of a source that is asked for its next piece: the piece with the source, or its end.
pub(super) type NextPiece =
    Pin<Box<dyn Future<Output = Result<Option<(Bytes, Box<dyn PieceSource>)>, BrokenOff>> + Send>>;

/// What an answer is made of, piece by piece.
pub(super) trait PieceSource: Send {
    /// The next piece.
    fn next(self: Box<Self>) -> NextPiece;
}

/// An answer that could not be made to its end. Its reader sees that the connection broke.
#[derive(Debug)]
pub(in crate::status) struct BrokenOff(pub(super) String);

impl fmt::Display for BrokenOff {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for BrokenOff {}

impl From<Infallible> for BrokenOff {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// Sees whether the reader of an answer takes what is there for it, and keeps its place among those who are
/// answered for as long as its connection lasts.
#[derive(Debug)]
pub(in crate::status) struct PullWatch {
    /// Since when a piece has waited to be taken.
    given: watch::Sender<Option<Instant>>,
    _room: OwnedSemaphorePermit,
}

impl PullWatch {
    /// Of a reader for whom there is nothing yet.
    pub(in crate::status) fn new(room: OwnedSemaphorePermit) -> Self {
        Self { given: watch::Sender::new(None), _room: room }
    }

    /// There is something for the reader from now on.
    pub(super) fn gives(&self) {
        self.given.send_replace(Some(Instant::now()));
    }

    /// Waits until a piece has waited for too long.
    pub(in crate::status) async fn overdue(&self) {
        let mut given = self.given.subscribe();
        loop {
            let since = *given.borrow_and_update();
            let is_late = async {
                match since {
                    Some(since) => sleep_until(since + TAKEN_WITHIN).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = is_late => return,
                changed = given.changed() => if changed.is_err() { pending().await },
            }
        }
    }
}

/// The body of an answer.
pub(in crate::status) struct PullBody {
    /// `None`: all pieces have been given.
    next: Option<NextPiece>,
    /// What is left of the last piece.
    rest: Bytes,
    gzip: Option<GzEncoder<Vec<u8>>>,
    watch: Arc<PullWatch>,
}

impl PullBody {
    pub(super) fn new(
        source: Box<dyn PieceSource>,
        is_compressed: bool,
        watch: Arc<PullWatch>,
    ) -> Self {
        let gzip = is_compressed.then(|| GzEncoder::new(Vec::new(), Compression::fast()));
        Self { next: Some(source.next()), rest: Bytes::new(), gzip, watch }
    }

    /// A piece as it is sent. Of a compressed one all that was given so far can be read.
    fn packed(&mut self, piece: Bytes) -> Result<Bytes, BrokenOff> {
        let Some(gzip) = &mut self.gzip else { return Ok(piece) };
        gzip.write_all(&piece).and_then(|()| gzip.flush()).map_err(|error| uncompressed(&error))?;
        Ok(std::mem::take(gzip.get_mut()).into())
    }
}

impl Body for PullBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        self.watch.given.send_if_modified(|given| given.take().is_some());
        while self.rest.is_empty() {
            let Some(next) = &mut self.next else {
                // What was given last has to be taken, too.
                self.watch.gives();
                return Poll::Ready(None);
            };
            let made = ready!(next.as_mut().poll(context));
            self.next = None;
            self.rest = match made {
                Ok(Some((piece, source))) => {
                    self.next = Some(source.next());
                    self.packed(piece)?
                }
                Ok(None) => match self.gzip.take().map(GzEncoder::finish) {
                    Some(Ok(rest)) => rest.into(),
                    Some(Err(error)) => return Poll::Ready(Some(Err(uncompressed(&error)))),
                    None => continue,
                },
                Err(error) => return Poll::Ready(Some(Err(error))),
            };
        }
        self.watch.gives();
        let most = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(most)))))
    }
}

fn uncompressed(error: &std::io::Error) -> BrokenOff {
    BrokenOff(format!("it cannot be compressed: {error}"))
}
