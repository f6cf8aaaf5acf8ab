//! `ewmirror diff`: what became of the items of a repository between two instants, whatever happened in
//! between.
//!
//! An item that came and went does not show, nor one that changed and changed back.

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::as_of::{self, AsOf};
use super::history::lines;
use super::query::{self, MirrorQuery, RepositorySelector};
use super::spill_file::SpillWriter;
use super::{Exit, held_state, known_model, output};
use crate::config::Environment;
use crate::domain::{Op, RepositoryId, Sequence, envelope};
use crate::json::JsonPointer;
use crate::mirror::{ComparedItem, ItemsComparison, MirrorError};
use crate::model::Naming;
use crate::presentation::naming;

/// The flags of `ewmirror diff`.
#[derive(Args, Debug)]
pub(super) struct DiffArgs {
    /// The repository, by its number or its name
    #[arg(long, value_name = "ID|NAME", value_parser = query::repository)]
    repository: RepositorySelector,

    /// The earlier instant: once the change of this sequence had been made (460), a time
    /// (2026-11-24T14:09:35Z), or so long ago (2h)
    #[arg(long, value_name = "WHEN", value_parser = as_of::parse)]
    from: AsOf,

    /// The later instant, named likewise [default: now]
    #[arg(long, value_name = "WHEN", value_parser = as_of::parse)]
    to: Option<AsOf>,

    /// How the items are written
    #[arg(long, default_value = "text")]
    format: DiffFormatArg,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum DiffFormatArg {
    /// For people: + came, - went, ~ changed, with the attributes that did
    Text,
    /// One JSON object a line, with the items before and after
    Ndjson,
}

/// Writes the differences to stdout.
pub(super) fn run(file: &Path, environment: &Environment, args: &DiffArgs) -> Exit {
    match diff(file, environment, args) {
        Ok(()) => Exit::Done,
        Err(exit) => exit,
    }
}

fn diff(file: &Path, environment: &Environment, args: &DiffArgs) -> Result<(), Exit> {
    let query = MirrorQuery::open(file, environment)?;
    let repository = query.find(&args.repository)?;
    query.expect(repository)?;
    let from = as_of::find(&query, args.from)?;
    let to = args.to.map(|to| as_of::find(&query, to)).transpose()?;
    if let Some(to) = to.filter(|to| from > *to) {
        return Err(Exit::Wrong(format!(
            "--from comes after --to: they are the sequences {from} and {to}"
        )));
    }
    let configured = query.configured(repository);
    let model = known_model::of(&query, repository)?;
    let ignore = configured.map(|known| known.ignored(&model.last_updated())).unwrap_or_default();
    let naming = naming::of_model(&model, configured);
    let job = DiffJob { repository, from, to, format: args.format, ignore, naming };
    match held_state::to_stdout(query, move |query, writer| job.write(query, writer))? {
        Ok(DiffSummary { from, to, created, updated, deleted }) => {
            output::note(&format!(
                "from sequence {from} to {to}: {created} created, {updated} updated, {deleted} deleted\n"
            ));
            Ok(())
        }
        Err(DiffError::Read(error)) => Err(query::failed(&error)),
        Err(error @ DiffError::Write(_)) => Err(Exit::Failed(output::chain(&error))),
    }
}

/// Why the differences were not all written.
#[derive(Debug, thiserror::Error)]
enum DiffError {
    #[error(transparent)]
    Read(#[from] MirrorError),
    #[error("the differences have nowhere to go")]
    Write(#[from] io::Error),
}

/// What is to be written.
struct DiffJob {
    repository: RepositoryId,
    from: Sequence,
    /// `None`: now.
    to: Option<Sequence>,
    format: DiffFormatArg,
    ignore: Arc<[JsonPointer]>,
    /// What the text calls attributes.
    naming: Naming,
}

/// What was written.
struct DiffSummary {
    from: Sequence,
    to: Sequence,
    created: u64,
    updated: u64,
    deleted: u64,
}

impl DiffJob {
    fn write(
        &self,
        query: &MirrorQuery,
        mut writer: SpillWriter,
    ) -> Result<DiffSummary, DiffError> {
        let comparison = query.block_on(query.mirror.comparison(self.from, self.to))?;
        let (from, to) = comparison.sequences();
        let mut summary = DiffSummary { from, to, created: 0, updated: 0, deleted: 0 };
        self.each_item(query, &*comparison, |item| {
            let Some(op) = item.op(&self.ignore) else { return Ok(()) };
            *(match op {
                Op::Read | Op::Create => &mut summary.created,
                Op::Update => &mut summary.updated,
                Op::Delete => &mut summary.deleted,
            }) += 1;
            writer.write_all(&self.told(op, item))
        })?;
        // Before the last of it may have to wait.
        drop(comparison);
        writer.finish()?;
        Ok(summary)
    }

    /// Hands over the items in the order of their ids, some of them in memory at a time: the store
    /// reads a page while the one before it is written.
    fn each_item(
        &self,
        query: &MirrorQuery,
        comparison: &dyn ItemsComparison,
        mut write: impl FnMut(&ComparedItem) -> io::Result<()>,
    ) -> Result<(), DiffError> {
        let mut page = query.block_on(comparison.items(self.repository, None))?;
        loop {
            let mut write_page = || page.items.iter().try_for_each(&mut write);
            let Some(last) = page.scanned_through.clone() else { return Ok(write_page()?) };
            let next = comparison.items(self.repository, Some(last));
            let (next, written) = query.block_on(async {
                // The store is asked first, and reads while this thread writes.
                Ok(tokio::join!(biased; next, async { write_page() }))
            })?;
            written?;
            page = next?;
        }
    }

    /// An item as it is written.
    fn told(&self, op: Op, item: &ComparedItem) -> Vec<u8> {
        let ComparedItem { id, before, after } = item;
        let (before, after) = (before.as_deref(), after.as_deref());
        match self.format {
            DiffFormatArg::Ndjson => {
                let mut line = Vec::new();
                let of = (self.repository, id);
                envelope::write_difference(of, op, (before, after), &mut line);
                line
            }
            DiffFormatArg::Text => {
                let (sign, lines) = match op {
                    Op::Read | Op::Create => ('+', String::new()),
                    Op::Update => ('~', lines::of(before, after, &self.naming)),
                    Op::Delete => ('-', String::new()),
                };
                format!("{sign} {}\n{lines}", output::visible(&id.to_string())).into_bytes()
            }
        }
    }
}
