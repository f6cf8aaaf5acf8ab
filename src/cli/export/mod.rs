//! `ewmirror export`: the mirror of a repository on stdout, as of one instant.
//!
//! One instant needs one snapshot, and a snapshot keeps the daemon's WAL from being checkpointed.
//! So a thread of its own reads as fast as it can and lets go of the snapshot; what the reader of
//! stdout cannot take by then waits in a file ([`spool`]). Neither memory nor the snapshot's time
//! grows with how slow that reader is.

mod table;

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};

use self::table::{Census, TableError};
use super::ask::{self, Asked, Wanted};
use super::output::{self, Stdout};
use super::{Exit, PANICKED, spool};
use crate::config::Environment;
use crate::domain::{ItemId, RepositoryId, Sequence, item};
use crate::mirror::{ReadError, Reader, Snapshot};

/// How long the snapshot may wait for the reader of stdout, in all.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where large files may wait that nobody needs after a restart. The folder of the database comes
/// after it, because the daemon needs the room there.
const SPOOL_FOLDER: &str = "/var/tmp";

/// By it a spreadsheet knows UTF-8.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The member that holds an item's id unless `item_id` says otherwise.
const ID_MEMBER: &str = "itemId";

/// The flags of `ewmirror export`.
#[derive(Args, Debug)]
pub(super) struct ExportArgs {
    /// The repository, by its number or its configured name
    #[arg(long, value_name = "ID|NAME", value_parser = ask::repository)]
    repository: Wanted,

    /// How items are written
    #[arg(long, default_value = "ndjson")]
    format: FormatArg,

    /// With csv: for spreadsheets. Begins with a byte order mark, and puts a ' before each cell that
    /// begins with =, +, -, @, a tab or a carriage return, lest it be taken for a formula: numbers
    /// below zero are such cells, too
    #[arg(long)]
    excel: bool,

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

/// Writes the items to stdout.
pub(super) fn run(file: &Path, environment: &Environment, args: &ExportArgs) -> Exit {
    match export(file, environment, args) {
        Ok(()) => Exit::Done,
        Err(exit) => exit,
    }
}

fn export(file: &Path, environment: &Environment, args: &ExportArgs) -> Result<(), Exit> {
    let style = match (args.format, args.excel) {
        (_, false) => Style::Plain,
        (FormatArg::Csv, true) => Style::Spreadsheet,
        (FormatArg::Ndjson, true) => {
            return Err(Exit::Wrong("--excel goes with --format csv".to_owned()));
        }
    };
    let asked = Asked::of(file, environment)?;
    let repository = asked.find(&args.repository)?;
    let reader = asked.reader()?;
    asked.expect(&reader, repository)?;
    let configured = asked.config.repositories.iter().find(|known| known.id == repository);
    let first = configured.and_then(|known| known.item_id.tokens().first());
    let question = Question {
        reader,
        repository,
        format: args.format,
        style,
        first_column: first.map_or(ID_MEMBER, String::as_str).to_owned(),
    };
    let folders = [Some(Path::new(SPOOL_FOLDER)), asked.path.parent()];
    let folders = folders.into_iter().flatten().map(PathBuf::from).collect();
    let (writer, mut pipe) = spool::pipe(PATIENCE, folders);
    let reading = std::thread::Builder::new()
        .name("export".to_owned())
        .spawn(move || question.answer(writer))
        .map_err(|error| Exit::Failed(format!("cannot start a thread: {error}")))?;
    let mut stdout = Stdout::new();
    while let Some(bytes) = pipe.next().map_err(|error| {
        Exit::Failed(format!("cannot read back what waited for stdout: {error}"))
    })? {
        stdout.write(&bytes)?;
    }
    stdout.flush()?;
    match reading.join() {
        Ok(Ok(sequence)) => {
            if let Some(place) = &args.sequence_file {
                keep(place, sequence)?;
            }
            let (after, repository) = (sequence.to_string(), repository.to_string());
            let more = ["changes", "--repository", &repository, "--after", &after];
            let command = output::command_line(file).with(more);
            output::note(&format!("sequence {sequence}; what comes after it: {command}\n"));
            Ok(())
        }
        Ok(Err(ExportError::Read(error))) => Err(ask::failed(&error)),
        Ok(Err(error)) => Err(Exit::Failed(output::chain(&error))),
        Err(_) => Err(Exit::Failed(PANICKED.to_owned())),
    }
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
    Read(#[from] ReadError),
    #[error("the export has nowhere to go")]
    Write(#[from] io::Error),
    #[error("item {item} does not fit in a table: take --format ndjson")]
    Item { item: ItemId, source: TableError },
}

/// What is to be written, and from where.
struct Question {
    reader: Reader,
    repository: RepositoryId,
    format: FormatArg,
    style: Style,
    first_column: String,
}

/// Who reads a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// A program: each cell is the value.
    Plain,
    /// A spreadsheet, which guesses at the encoding and calculates what looks like a formula.
    Spreadsheet,
}

impl Question {
    /// Writes the answer; returns the last change that is in it.
    fn answer(mut self, mut writer: spool::Writer) -> Result<Sequence, ExportError> {
        let snapshot = self.reader.snapshot()?;
        let sequence = snapshot.sequence();
        match self.format {
            FormatArg::Ndjson => ndjson(&snapshot, self.repository, &mut writer)?,
            FormatArg::Csv => {
                let each = |write: &mut Each<'_>| each_item(&snapshot, self.repository, write);
                csv(each, &self.first_column, self.style, &mut writer)?;
            }
        }
        // Before the last of it may have to wait.
        drop(snapshot);
        writer.finish()?;
        Ok(sequence)
    }
}

fn ndjson(
    snapshot: &Snapshot<'_>,
    repository: RepositoryId,
    writer: &mut impl Write,
) -> Result<(), ExportError> {
    each_item(snapshot, repository, |_, body| {
        writer.write_all(&item::one_line(body))?;
        Ok(writer.write_all(b"\n")?)
    })
}

/// What is done with each item.
pub(super) type Each<'a> = dyn FnMut(&ItemId, &[u8]) -> Result<(), ExportError> + 'a;

/// RFC 4180. The columns are known only when all items have been seen, so these are read twice.
pub(super) fn csv(
    each_item: impl Fn(&mut Each<'_>) -> Result<(), ExportError>,
    first_column: &str,
    style: Style,
    mut writer: impl Write,
) -> Result<(), ExportError> {
    let unfit = |id: &ItemId| {
        let item = id.clone();
        move |source| ExportError::Item { item, source }
    };
    let mut census = Census::default();
    each_item(&mut |id, body| census.take(body).map_err(unfit(id)))?;
    let columns = census.columns(first_column);
    if columns.names().is_empty() {
        return Ok(());
    }
    let cell: fn(&str) -> Cow<'_, str> = match style {
        Style::Plain => |text| Cow::Borrowed(text),
        Style::Spreadsheet => {
            writer.write_all(BYTE_ORDER_MARK.as_bytes())?;
            table::harmless
        }
    };
    let mut table = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(writer);
    for name in columns.names() {
        table.write_field(cell(name).as_bytes()).map_err(of_csv)?;
    }
    table.write_record(None::<&[u8]>).map_err(of_csv)?;
    each_item(&mut |id, body| {
        let row = columns.row(body).map_err(unfit(id))?;
        for field in &row {
            table.write_field(cell(field).as_bytes()).map_err(of_csv)?;
        }
        // The end of the record.
        Ok(table.write_record(None::<&[u8]>).map_err(of_csv)?)
    })?;
    Ok(table.flush()?)
}

/// Of all that the library can find, only writing can fail here: rows have as many fields as the
/// header.
fn of_csv(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::new(ErrorKind::InvalidData, format!("{other:?}")),
    }
}

fn each_item(
    snapshot: &Snapshot<'_>,
    repository: RepositoryId,
    mut write: impl FnMut(&ItemId, &[u8]) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let ended = snapshot.items(repository, |id, body| match write(id, body) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    })?;
    match ended {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}
