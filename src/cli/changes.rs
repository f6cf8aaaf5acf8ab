//! `ewmirror changes`: the change log, one envelope a line.
//!
//! Each page of the log is read in a transaction of its own and written after that, so a slow
//! reader of stdout holds nothing up; one so slow that the changes it waits for are dropped
//! meanwhile gets an error, never a gap.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use clap::Args;
use tokio::time::timeout;

use super::output::{self, Stdout};
use super::query::{self, MirrorQuery, RepositorySelector};
use super::{Exit, PANICKED, known_model};
use crate::config::Environment;
use crate::domain::{Change, RepositoryId, Sequence, envelope};
use crate::mirror::{MirrorError, MirrorReader};
use crate::presentation::Presentation;
use crate::signals::{Listener, Signal};

/// The most changes written before stdout is flushed.
const PAGE: usize = 1000;

/// How often a follower that waits for news looks whether it is still to follow.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How long a follower that was told to end may take to finish the line in hand. It takes longer
/// only where nobody reads it.
const TO_FINISH: Duration = Duration::from_secs(1);

/// The flags of `ewmirror changes`.
#[derive(Args, Debug)]
pub(super) struct ChangesArgs {
    /// Only the changes of this repository, by its number or its name
    #[arg(long, value_name = "ID|NAME", value_parser = query::repository)]
    repository: Option<RepositorySelector>,

    /// Only what comes after this sequence; 0 is the beginning
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,

    /// Stay, and tell of each change as it comes
    #[arg(long)]
    follow: bool,

    /// Call members by the names of their attributes, where these are known
    #[arg(long)]
    names: bool,
}

/// Writes the log to stdout.
pub(super) fn run(file: &Path, environment: &Environment, args: &ChangesArgs) -> Exit {
    let written = ChangesWriter::new(file, environment, args)
        .and_then(|writer| if args.follow { follow(writer) } else { writer.tell_all() });
    match written {
        Ok(()) => Exit::Done,
        Err(exit) => exit,
    }
}

/// How far the log has been told.
struct ChangesWriter {
    query: MirrorQuery,
    server: String,
    repository: Option<RepositoryId>,
    after: Option<Sequence>,
    /// How the items of each repository are shown, by what was known when the first of its changes was
    /// told; `None`: as they came.
    shown: Option<HashMap<RepositoryId, Presentation>>,
    /// The lines of one page; kept for their room.
    lines: Vec<u8>,
}

impl ChangesWriter {
    fn new(file: &Path, environment: &Environment, args: &ChangesArgs) -> Result<Self, Exit> {
        let query = MirrorQuery::open(file, environment)?;
        let repository = args.repository.as_ref().map(|it| query.find(it)).transpose()?;
        if let Some(repository) = repository {
            query.expect(repository)?;
        }
        let server = envelope::server_name(&query.config.server);
        let after = args.after.map(Sequence);
        let shown = args.names.then(HashMap::new);
        Ok(Self { query, server, repository, after, shown, lines: Vec::new() })
    }

    /// Tells what is there now.
    fn tell_all(mut self) -> Result<(), Exit> {
        let mut stdout = Stdout::new();
        let (mut reached, last) = self.tell_page(&mut stdout)?;
        // What comes meanwhile is for the next time: else this might never end.
        while reached < last {
            (reached, _) = self.tell_page(&mut stdout)?;
        }
        Ok(())
    }

    /// Tells what is there and what comes, until told to stop or nobody listens any more.
    fn follow(mut self, stop: &AtomicBool) -> Result<(), Exit> {
        let mut stdout = Stdout::new();
        loop {
            let (mut reached, mut last) = self.tell_page(&mut stdout)?;
            while reached < last && !stop.load(Ordering::Relaxed) {
                (reached, last) = self.tell_page(&mut stdout)?;
            }
            if !self.query.wait(news(&*self.query.mirror, reached, stop))? {
                return Ok(());
            }
        }
    }

    /// Tells one page; returns how far that is, and the last change that there is.
    fn tell_page(&mut self, stdout: &mut Stdout) -> Result<(Sequence, Sequence), Exit> {
        let page = self.query.wait(self.query.mirror.changes(self.after, self.repository, PAGE))?;
        if self.after.is_none() && page.dropped_through > Sequence(0) {
            output::note(&format!("changes up to {} have been dropped\n", page.dropped_through));
        }
        let (scanned_through, last) = (page.scanned_through, page.last);
        for mut change in page.changes {
            self.lines.clear();
            self.show(&mut change)?;
            envelope::write_line(&change, &self.server, &mut self.lines);
            stdout.write(&self.lines)?;
        }
        stdout.flush()?;
        self.after = Some(scanned_through);
        Ok((scanned_through, last))
    }
}

impl ChangesWriter {
    /// Has a change show the names of attributes, if that is wanted.
    fn show(&mut self, change: &mut Change) -> Result<(), Exit> {
        let Some(shown) = &mut self.shown else { return Ok(()) };
        let presentation = match shown.entry(change.repository) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let naming = known_model::naming(&self.query, change.repository)?;
                unknown.insert(Presentation { naming, by_name: true, ..Presentation::default() })
            }
        };
        for body in [&mut change.before, &mut change.after].into_iter().flatten() {
            if let Cow::Owned(shown) = presentation.item(body) {
                *body = shown;
            }
        }
        Ok(())
    }
}

/// Waits for a change after this one; false where nobody wants to hear of it any more.
async fn news(
    mirror: &dyn MirrorReader,
    after: Sequence,
    stop: &AtomicBool,
) -> Result<bool, MirrorError> {
    let mut news = mirror.wait_for_news(after);
    loop {
        if stop.load(Ordering::Relaxed) || output::closed_within(Duration::ZERO) {
            return Ok(false);
        }
        if let Ok(last) = timeout(LOOK_EVERY, &mut news).await {
            last?;
            return Ok(true);
        }
    }
}

/// Follows in a thread of its own, because a write to stdout may stand still for ever and a signal
/// must end the command even then.
fn follow(writer: ChangesWriter) -> Result<(), Exit> {
    let (mut signals, _listener) = Listener::start()
        .map_err(|error| Exit::Failed(format!("cannot listen for signals: {error}")))?;
    let stop = Arc::new(AtomicBool::new(false));
    let (sender, ended) = mpsc::channel();
    let told_to_stop = Arc::clone(&stop);
    std::thread::Builder::new()
        .name("changes".to_owned())
        // Nobody waits for the outcome only where the process is at its end.
        .spawn(move || drop(sender.send(writer.follow(&told_to_stop))))
        .map_err(|error| Exit::Failed(format!("cannot start a thread: {error}")))?;
    loop {
        let wait = if stop.load(Ordering::Relaxed) { TO_FINISH } else { LOOK_EVERY };
        match ended.recv_timeout(wait) {
            Ok(told) => return told,
            Err(RecvTimeoutError::Disconnected) => return Err(Exit::Failed(PANICKED.to_owned())),
            Err(RecvTimeoutError::Timeout) if stop.load(Ordering::Relaxed) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => {}
        }
        while let Ok(signal) = signals.try_recv() {
            if matches!(signal, Signal::Terminate | Signal::Interrupt) {
                stop.store(true, Ordering::Relaxed);
            }
        }
    }
}
