//! `ewmirror export`: the mirror of a repository on stdout, as of one instant: now, or an earlier one.

mod row;
mod table;

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

pub(super) use self::row::TableStyle;
use self::table::{Census, Columns, TableError};
use super::as_of::{self, AsOf};
use super::query::{self, MirrorQuery, RepositorySelector};
use super::spill_file::SpillWriter;
use super::{Exit, held_state, known_model, output};
use crate::config::Environment;
use crate::domain::{ItemId, RepositoryId, Sequence, item};
use crate::mirror::{ItemsSnapshot, MirrorError};
use crate::model::Naming;
use crate::presentation::{CodeStyle, Presentation, columns, naming};

/// By it a spreadsheet knows UTF-8.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The flags of `ewmirror export`.
#[derive(Args, Debug)]
pub(super) struct ExportArgs {
    /// The repository, by its number or its name
    #[arg(long, value_name = "ID|NAME", value_parser = query::repository)]
    repository: RepositorySelector,

    /// How items are written
    #[arg(long, default_value = "ndjson")]
    format: FormatArg,

    /// As they were: once the change of this sequence had been made (460), at a time
    /// (2026-11-24T14:09:35Z), or so long ago (2h)
    #[arg(long, value_name = "WHEN", value_parser = as_of::parse)]
    as_of: Option<AsOf>,

    /// With csv: for spreadsheets. Begins with a byte order mark, and puts a ' before each cell that
    /// begins with =, +, -, @, a tab or a carriage return, lest it be taken for a formula: numbers
    /// below zero are such cells, too
    #[arg(long)]
    excel: bool,

    /// Call members by the names of their attributes, where these are known
    #[arg(long)]
    names: bool,

    /// Only these, in this order: names, restricted names or field ids with commas between, each with
    /// NAME=ALIAS where it is to be called otherwise
    #[arg(long, value_name = "A,B,..")]
    columns: Option<String>,

    /// How values are written that are codes
    #[arg(long, default_value = "code")]
    codes: CodesArg,

    /// Write the sequence of the export to this file once it is complete: go on from there with
    /// `changes --after`
    #[arg(long, value_name = "FILE")]
    sequence_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatArg {
    /// As the server sent them, one a line
    Ndjson,
    /// A table with a column for each attribute
    Csv,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum CodesArg {
    /// As they are
    Code,
    /// By their descriptions, where these are known
    Description,
    /// As both: an object in ndjson, "CODE (DESCRIPTION)" in csv
    Both,
}

/// Writes the items to stdout.
pub(super) fn run(file: &Path, environment: &Environment, args: &ExportArgs) -> Exit {
    match export(file, environment, args) {
        Ok(()) => Exit::Done,
        Err(exit) => exit,
    }
}

fn export(file: &Path, environment: &Environment, args: &ExportArgs) -> Result<(), Exit> {
    let style = match (args.format, args.excel) {
        (_, false) => TableStyle::Plain,
        (FormatArg::Csv, true) => TableStyle::Spreadsheet,
        (FormatArg::Ndjson, true) => {
            return Err(Exit::Wrong("--excel goes with --format csv".to_owned()));
        }
    };
    let query = MirrorQuery::open(file, environment)?;
    let repository = query.find(&args.repository)?;
    query.expect(repository)?;
    let as_of = args.as_of.map(|as_of| as_of::find(&query, as_of)).transpose()?;
    let shown = presentation(args, &query, repository)?;
    let id_member = naming::id_member(query.configured(repository)).to_owned();
    let first_column = shown.name(&id_member).to_owned();
    let job = ExportJob { repository, as_of, format: args.format, style, first_column, shown };
    match held_state::to_stdout(query, move |query, writer| job.write(query, writer))? {
        Ok((sequence, unseen)) => {
            if !unseen.is_empty() {
                let unseen = output::visible(&query::listed(unseen));
                output::note(&format!("no item has a member for --columns {unseen}\n"));
            }
            if let Some(place) = &args.sequence_file {
                keep(place, sequence)?;
            }
            let (after, repository) = (sequence.to_string(), repository.to_string());
            let more = ["changes", "--repository", &repository, "--after", &after];
            let command = output::command_line(file).with(more);
            output::note(&format!("sequence {sequence}; what comes after it: {command}\n"));
            Ok(())
        }
        Err(ExportError::Read(error)) => Err(query::failed(&error)),
        Err(error) => Err(Exit::Failed(output::chain(&error))),
    }
}

/// How the items are to be shown.
fn presentation(
    args: &ExportArgs,
    query: &MirrorQuery,
    repository: RepositoryId,
) -> Result<Presentation, Exit> {
    let codes = match (args.codes, args.format) {
        (CodesArg::Code, _) => CodeStyle::Code,
        (CodesArg::Description, _) => CodeStyle::Description,
        (CodesArg::Both, FormatArg::Ndjson) => CodeStyle::Object,
        (CodesArg::Both, FormatArg::Csv) => CodeStyle::Text,
    };
    if !args.names && args.columns.is_none() && codes == CodeStyle::Code {
        return Ok(Presentation::default());
    }
    let model = known_model::of(query, repository)?;
    let mut naming = Naming::of(&model, &[naming::id_member(query.configured(repository))]);
    if codes != CodeStyle::Code {
        naming = naming.with_codes(&model);
    }
    let columns = args.columns.as_ref().map(|it| columns::parse(it, &naming, args.names));
    let columns = columns.transpose().map_err(|error| Exit::Wrong(output::visible(&error)))?;
    Ok(Presentation { naming, by_name: args.names, codes, columns })
}

/// Puts the sequence into a file, whole or not at all.
fn keep(place: &Path, sequence: Sequence) -> Result<(), Exit> {
    let unwritten = |path: &Path, error| {
        Exit::Failed(format!("cannot write {}: {error}; the export is complete", path.display()))
    };
    let mut name = place.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    let beside = place.with_file_name(name);
    let written = File::create_new(&beside).and_then(|mut file| {
        writeln!(file, "{sequence}")?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&beside, place)).map_err(|error| {
        // Ours, or another's that was there before: then it stays.
        if error.kind() != ErrorKind::AlreadyExists {
            drop(fs::remove_file(&beside));
        }
        unwritten(place, error)
    })
}

/// Why an export did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExportError {
    #[error(transparent)]
    Read(#[from] MirrorError),
    #[error("the export has nowhere to go")]
    Write(#[from] io::Error),
    #[error("item {item} does not fit in a table: take --format ndjson")]
    Item { item: ItemId, source: TableError },
}

/// What is to be written, and from where.
struct ExportJob {
    repository: RepositoryId,
    /// Once which change had been made; `None`: now.
    as_of: Option<Sequence>,
    format: FormatArg,
    style: TableStyle,
    first_column: String,
    shown: Presentation,
}

impl ExportJob {
    /// Writes the items; returns the last change that is in them, and the columns that none of them has.
    fn write(
        &self,
        query: &MirrorQuery,
        mut writer: SpillWriter,
    ) -> Result<(Sequence, Vec<String>), ExportError> {
        let snapshot = query.block_on(query.mirror.snapshot(self.as_of))?;
        let sequence = snapshot.sequence();
        match self.format {
            FormatArg::Ndjson => self.each_item(query, &*snapshot, |_, body| {
                writer.write_all(&item::one_line(body))?;
                Ok(writer.write_all(b"\n")?)
            })?,
            FormatArg::Csv => {
                let each = |write: &mut EachItem<'_>| self.each_item(query, &*snapshot, write);
                let heads = self.shown.columns.as_ref();
                let heads = heads.map(|it| it.iter().map(|column| column.head.clone()).collect());
                let order =
                    heads.map_or(ColumnOrder::FirstIs(&self.first_column), ColumnOrder::These);
                csv(each, order, self.style, &mut writer)?;
            }
        }
        // Before the last of it may have to wait.
        drop(snapshot);
        writer.finish()?;
        let columns = self.shown.columns.iter().flatten();
        let unseen = columns.filter(|column| !column.is_seen.get());
        let unseen = unseen.map(|column| column.asked.clone());
        Ok((sequence, unseen.collect()))
    }

    /// Hands over the items in the order of their ids, some of them in memory at a time: the store
    /// reads a page while the one before it is written.
    fn each_item(
        &self,
        query: &MirrorQuery,
        snapshot: &dyn ItemsSnapshot,
        mut write: impl FnMut(&ItemId, &[u8]) -> Result<(), ExportError>,
    ) -> Result<(), ExportError> {
        let mut page = query.block_on(snapshot.items(self.repository, None))?;
        loop {
            let mut write_page =
                || page.items.iter().try_for_each(|(id, body)| write(id, &self.shown.item(body)));
            let Some(last) = page.scanned_through.clone() else { return write_page() };
            let next = snapshot.items(self.repository, Some(last));
            let (next, written) = query.block_on(async {
                // The store is asked first, and reads while this thread writes.
                Ok(tokio::join!(biased; next, async { write_page() }))
            })?;
            written?;
            page = next?;
        }
    }
}

/// What is done with each item.
pub(super) type EachItem<'a> = dyn FnMut(&ItemId, &[u8]) -> Result<(), ExportError> + 'a;

/// Which columns a table has.
#[derive(Clone, Debug)]
pub(super) enum ColumnOrder<'a> {
    /// One for each member that any item has: this one first, the others by name.
    FirstIs(&'a str),
    /// These.
    These(Vec<String>),
}

/// RFC 4180. Unless the columns are given, they are known only when all items have been seen, so these
/// are read twice.
pub(super) fn csv(
    each_item: impl Fn(&mut EachItem<'_>) -> Result<(), ExportError>,
    order: ColumnOrder<'_>,
    style: TableStyle,
    mut writer: impl Write,
) -> Result<(), ExportError> {
    let unfit = |id: &ItemId| {
        let item = id.clone();
        move |source| ExportError::Item { item, source }
    };
    let mut columns = match order {
        ColumnOrder::These(names) => Columns::of(names),
        ColumnOrder::FirstIs(first) => {
            let mut census = Census::default();
            each_item(&mut |id, body| census.take(body).map_err(unfit(id)))?;
            census.columns(first)
        }
    };
    if columns.names().is_empty() {
        return Ok(());
    }
    if style == TableStyle::Spreadsheet {
        writer.write_all(BYTE_ORDER_MARK.as_bytes())?;
    }
    let mut row = Vec::new();
    columns.write_names(style, &mut row);
    writer.write_all(&row)?;
    each_item(&mut |id, body| {
        row.clear();
        columns.write(body, style, &mut row).map_err(unfit(id))?;
        Ok(writer.write_all(&row)?)
    })
}
