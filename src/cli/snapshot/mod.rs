//! `ewmirror snapshot`: the mirror as of one instant in one SQLite file, for other people's tools.
//!
//! The file is written under another name beside its place and put there once it is complete and on the
//! disk. However the command ends, there is a whole file or none.

mod stop;
mod target;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::ProgressBar;

use self::stop::StopRequest;
use self::target::SnapshotTarget;
use super::query::{self, MirrorQuery};
use super::{Exit, output};
use crate::config::Environment;
use crate::domain::{Sequence, envelope};
use crate::mirror::snapshot_file::{
    SnapshotFacts, SnapshotFile, SnapshotFileError, SnapshotRepository,
};
use crate::mirror::{ItemsSnapshot, MirrorError, MirrorView, MirroredRepository};
use crate::presentation::naming;
use crate::signals;
use crate::task::clock;
use crate::text::moment;

/// What the bar shows.
const BAR: &str = "{pos} of {len} items {wide_bar} {eta} left {msg}";

/// The flags of `ewmirror snapshot`.
#[derive(Args, Debug)]
pub(super) struct SnapshotArgs {
    /// The file to make; nothing may be there
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// With the log: also what the views items, changes, history and passes of the mirror say
    #[arg(long)]
    history: bool,

    /// Put the snapshot in the place of a file that is there
    #[arg(long, alias = "force")]
    overwrite: bool,
}

/// Writes the file.
pub(super) fn run(file: &Path, environment: &Environment, args: &SnapshotArgs) -> Exit {
    match snapshot(file, environment, args) {
        Ok(report) => output::data(&report),
        Err(exit) => exit,
    }
}

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
enum SnapshotError {
    #[error(transparent)]
    Read(#[from] MirrorError),
    #[error(transparent)]
    Write(#[from] SnapshotFileError),
    #[error("stopped by a signal")]
    Stopped,
}

/// What there is.
struct SnapshotReceipt {
    sequence: Sequence,
    taken_ms: i64,
    repositories: usize,
    items: u64,
}

fn snapshot(file: &Path, environment: &Environment, args: &SnapshotArgs) -> Result<String, Exit> {
    let query = MirrorQuery::open(file, environment)?;
    let target = SnapshotTarget::create(&args.file, args.overwrite, query.store.local_file())?;
    let listen = |error| Exit::Failed(format!("cannot listen for signals: {error}"));
    signals::outlive_file_size_limit().map_err(listen)?;
    let stop = StopRequest::listen().map_err(listen)?;
    let bar = output::bar(environment, BAR);
    let job = SnapshotJob { query: &query, part: target.part(), args, bar: &bar, stop: &stop };
    let written = query.wait(async {
        Ok(tokio::select! {
            biased;
            () = stop.come() => Err(SnapshotError::Stopped),
            written = job.write() => written,
        })
    })?;
    bar.finish_and_clear();
    let written = written.map_err(|error| match error {
        SnapshotError::Read(error) => query::failed(&error),
        SnapshotError::Write(error) if !error.is_interrupt() => {
            let (place, why) = (args.file.display(), output::chain(&error));
            let place = output::visible(&place.to_string());
            Exit::Failed(format!("cannot write {place}: {why}; {}", error.remedy()))
        }
        SnapshotError::Write(_) | SnapshotError::Stopped => {
            Exit::Failed("stopped by a signal: no file was made".to_owned())
        }
    })?;
    target.publish()?;
    let SnapshotReceipt { sequence, taken_ms, repositories, items } = written;
    let place = output::visible(&args.file.display().to_string());
    let repositories = match repositories {
        1 => "1 repository".to_owned(),
        many => format!("{many} repositories"),
    };
    let time = moment(taken_ms);
    Ok(format!("{place}: {items} items of {repositories} at sequence {sequence}, {time}\n"))
}

/// What is to be written, and from where.
struct SnapshotJob<'a> {
    query: &'a MirrorQuery,
    part: &'a Path,
    args: &'a SnapshotArgs,
    bar: &'a ProgressBar,
    stop: &'a StopRequest,
}

impl SnapshotJob<'_> {
    async fn write(&self) -> Result<SnapshotReceipt, SnapshotError> {
        let snapshot = self.query.mirror.snapshot(None).await?;
        let (sequence, taken_ms) = (snapshot.sequence(), clock::now_ms());
        let mirrored = snapshot.repositories().await?;
        let items = mirrored.iter().map(|it| it.items).sum();
        self.bar.set_length(items);
        let repositories = mirrored.iter().map(|it| self.with_names_file(it)).collect();
        let published = self.query.mirror.shape().await?;
        let mut file = SnapshotFile::begin(self.part, repositories, &published, self.stop.check())?;
        for repository in &mirrored {
            self.write_items(&*snapshot, repository, &mut file).await?;
        }
        if self.args.history {
            for view in MirrorView::ALL {
                self.write_view(&*snapshot, view, &mut file).await?;
            }
        }
        // Nothing more is read of it, and the daemon may want to checkpoint its WAL.
        drop(snapshot);
        self.bar.set_message("indexes");
        let server = envelope::server_name(&self.query.config.server);
        file.complete(&SnapshotFacts { server, taken_ms, sequence })?;
        Ok(SnapshotReceipt { sequence, taken_ms, repositories: mirrored.len(), items })
    }

    /// What goes into the file of a repository: what is known of it, as the configuration has it.
    fn with_names_file(&self, mirrored: &MirroredRepository) -> SnapshotRepository {
        let configured = self.query.configured(mirrored.id);
        let (mut model, model_ms) = match &mirrored.model {
            Some(kept) => (kept.model.clone(), Some(kept.read_ms)),
            None => Default::default(),
        };
        naming::say(configured, &mut model);
        let is_deeper = configured.is_some_and(|known| known.item_id.tokens().len() > 1);
        let id_member = (!is_deeper).then(|| naming::id_member(configured).to_owned());
        SnapshotRepository { id: mirrored.id, model, model_ms, id_member }
    }

    /// Writes the items of a repository, some of them in memory at a time: the store reads some while those
    /// before them are written.
    async fn write_items(
        &self,
        snapshot: &dyn ItemsSnapshot,
        repository: &MirroredRepository,
        file: &mut SnapshotFile,
    ) -> Result<(), SnapshotError> {
        let id = repository.id;
        let mut page = snapshot.items(id, None).await?;
        loop {
            let items = &page.items;
            let mut write = || file.add_items(id, items);
            let Some(last) = page.scanned_through.clone() else {
                write()?;
                self.bar.inc(items.len() as u64);
                return Ok(());
            };
            let next = snapshot.items(id, Some(last));
            let (next, written) = tokio::join!(biased; next, async { write() });
            written?;
            self.bar.inc(items.len() as u64);
            page = next?;
        }
    }

    async fn write_view(
        &self,
        snapshot: &dyn ItemsSnapshot,
        view: MirrorView,
        file: &mut SnapshotFile,
    ) -> Result<(), SnapshotError> {
        let (mut count, mut written) = (0, Ok(()));
        let mut take = |rows: Vec<_>| {
            written = file.add_rows(view, &rows);
            count += rows.len();
            self.bar.set_message(format!("{count} {}", view.name()));
            if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        snapshot.rows(view, &mut take).await?;
        Ok(written?)
    }
}
