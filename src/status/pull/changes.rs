//! Changes after one of them: some of them at once, or as events without end.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout, timeout_at};

use super::body::{NextPiece, PIECE, PieceSource};
use super::call::ChangesCall;
use super::names::ChangeNames;
use crate::domain::{Change, RepositoryId, Sequence, envelope};
use crate::mirror::contracts::ChangesPage;
use crate::mirror::{MirrorError, MirrorReader};

/// How often a reader of events hears something, so that what lies between does not take the connection for
/// dead.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// So many changes are read at once for events.
const AT_ONCE: usize = 1000;

/// What a piece takes that ends with a change of the usual size.
const ROOM: usize = PIECE + (8 << 10);

/// A page that is being read.
type ComingPage = Pin<Box<dyn Future<Output = Result<ChangesPage, MirrorError>> + Send>>;

/// The changes that are asked for; waits for them as long as is asked.
pub(super) async fn page(
    mirror: &dyn MirrorReader,
    call: &ChangesCall,
) -> Result<ChangesPage, MirrorError> {
    let deadline = Instant::now() + call.wait;
    let mut after = call.after;
    loop {
        let page = mirror.changes(after, call.repository, call.limit).await?;
        if !page.changes.is_empty() {
            return Ok(page);
        }
        // An answer without a line says that there is nothing new, not that there are many of others.
        if page.scanned_through >= page.last {
            if Instant::now() >= deadline {
                return Ok(page);
            }
            // Where nothing comes in time the answer says so.
            if let Ok(news) = timeout_at(deadline, mirror.wait_for_news(page.last)).await {
                news?;
            }
        }
        after = Some(page.scanned_through);
    }
}

/// Some changes as lines of JSON.
pub(super) struct ChangeLines {
    changes: VecDeque<Change>,
    server: String,
}

impl ChangeLines {
    pub(super) fn new(changes: Vec<Change>, server: String) -> Self {
        Self { changes: changes.into(), server }
    }
}

impl PieceSource for ChangeLines {
    fn next(mut self: Box<Self>) -> NextPiece {
        Box::pin(async {
            let mut piece = Vec::with_capacity(ROOM);
            while piece.len() < PIECE
                && let Some(change) = self.changes.pop_front()
            {
                envelope::write_line(&change, &self.server, &mut piece);
            }
            Ok((!piece.is_empty()).then(|| (Bytes::from(piece), self as Box<dyn PieceSource>)))
        })
    }
}

/// Changes as server-sent events, from the first page on.
pub(super) struct ChangeEvents {
    mirror: Arc<dyn MirrorReader>,
    repository: Option<RepositoryId>,
    server: String,
    /// Where names are wanted, those.
    names: Option<Arc<ChangeNames>>,
    changes: VecDeque<Change>,
    /// Go on after this one once these are told.
    scanned_through: Sequence,
    /// The last change that there was.
    last: Sequence,
    /// What is read while these are taken.
    coming: Option<ComingPage>,
}

impl PieceSource for ChangeEvents {
    fn next(mut self: Box<Self>) -> NextPiece {
        Box::pin(async {
            // The reader comes back by itself, and then hears why.
            let Ok(piece) = self.piece().await else { return Ok(None) };
            Ok(Some((piece, self as Box<dyn PieceSource>)))
        })
    }
}

impl ChangeEvents {
    /// Reads the first of them.
    pub(super) async fn begin(
        mirror: Arc<dyn MirrorReader>,
        call: &ChangesCall,
        server: String,
        names: Option<ChangeNames>,
    ) -> Result<Self, MirrorError> {
        let mut events = Self {
            mirror,
            repository: call.repository,
            server,
            names: names.map(Arc::new),
            changes: VecDeque::new(),
            scanned_through: Sequence(0),
            last: Sequence(0),
            coming: None,
        };
        let page = events.read(call.after).await?;
        events.take(page);
        events.ask_for_more().await;
        Ok(events)
    }

    /// Reads the changes after this one.
    fn read(&self, after: Option<Sequence>) -> ComingPage {
        let (mirror, repository) = (Arc::clone(&self.mirror), self.repository);
        let names = self.names.clone();
        Box::pin(async move {
            let mut page = mirror.changes(after, repository, AT_ONCE).await?;
            if let Some(names) = &names {
                names.show(&*mirror, &mut page.changes).await?;
            }
            Ok(page)
        })
    }

    fn take(&mut self, page: ChangesPage) {
        self.changes = page.changes.into();
        (self.scanned_through, self.last) = (page.scanned_through, page.last);
    }

    /// Has the next page read while this one is taken: the mirror reads on its own once it is asked.
    async fn ask_for_more(&mut self) {
        if self.coming.is_some() || self.scanned_through >= self.last {
            return;
        }
        let mut page = self.read(Some(self.scanned_through));
        let asked = poll_fn(|context| Poll::Ready(page.as_mut().poll(context))).await;
        self.coming = Some(match asked {
            Poll::Ready(page) => Box::pin(async { page }),
            Poll::Pending => page,
        });
    }

    async fn piece(&mut self) -> Result<Bytes, MirrorError> {
        if self.changes.is_empty() {
            let mut is_more = self.scanned_through < self.last;
            if !is_more
                && let Ok(news) = timeout(HEARTBEAT, self.mirror.wait_for_news(self.last)).await
            {
                news?;
                is_more = true;
            }
            if is_more {
                let coming = self.coming.take();
                let page = coming.unwrap_or_else(|| self.read(Some(self.scanned_through))).await?;
                self.take(page);
                self.ask_for_more().await;
            }
        }
        let mut piece = Vec::with_capacity(ROOM);
        while piece.len() < PIECE
            && let Some(change) = self.changes.pop_front()
        {
            write!(piece, "id: {}\ndata: ", change.sequence).expect("memory takes any text");
            // The line ends with a line feed; an event ends with an empty line.
            envelope::write_line(&change, &self.server, &mut piece);
            piece.push(b'\n');
        }
        if self.changes.is_empty() {
            // An event without data tells nobody anything but how far it is.
            write!(piece, "id: {}\n\n", self.scanned_through).expect("memory takes any text");
        }
        Ok(piece.into())
    }
}
