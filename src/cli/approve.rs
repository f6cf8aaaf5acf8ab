//! `ewmirror approve-deletes`: shows and approves deletions that the guard held back.
//!
//! It deletes nothing: it leaves word in the database, which the daemon heeds at the end of its
//! next certified pass. Those that are not named wait on.

use std::path::Path;
use std::sync::Arc;

use clap::Args;

use super::Exit;
use super::output::{self, Stdout};
use super::query::{self, MirrorQuery, RepositorySelector};
use crate::config::Environment;
use crate::domain::RepositoryId;
use crate::mirror::{ApprovalOutcome, PendingDeletions};
use crate::presentation::held;
use crate::text::moment;

/// The flags of `ewmirror approve-deletes`.
#[derive(Args, Debug)]
pub(super) struct ApproveArgs {
    /// The repository, by its number or its name
    #[arg(long, value_name = "ID|NAME", value_parser = query::repository)]
    repository: RepositorySelector,

    /// Show the deletions that are held back, one JSON object a line, and approve nothing
    #[arg(long)]
    list: bool,

    /// Only these items; the others wait on. An id with a comma in it stands in quotes, as in csv
    #[arg(long, value_name = "A,B,..", value_parser = names, allow_hyphen_values = true)]
    items: Vec<Names>,
}

/// The ids of one flag.
#[derive(Clone, Debug)]
struct Names(Vec<String>);

/// Reads one line of csv.
fn names(text: &str) -> Result<Names, String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    let rows: Vec<csv::StringRecord> =
        reader.records().collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    match rows.as_slice() {
        [row] if row.iter().all(|name| !name.is_empty()) => {
            Ok(Names(row.iter().map(str::to_owned).collect()))
        }
        _ => Err("ids with commas between them, as in 5000186,5000187".to_owned()),
    }
}

/// Shows or approves what is held back of a repository.
pub(super) fn run(file: &Path, environment: &Environment, args: &ApproveArgs) -> Exit {
    let given: Vec<String> = args.items.iter().flat_map(|names| names.0.clone()).collect();
    let named = (!given.is_empty()).then_some(given.as_slice());
    let done = MirrorQuery::open(file, environment).and_then(|query| {
        let repository = query.find(&args.repository)?;
        query.expect(repository)?;
        if args.list { list(&query, repository, named) } else { approve(&query, repository, named) }
    });
    match done {
        Ok(()) => Exit::Done,
        Err(exit) => exit,
    }
}

fn approve(
    query: &MirrorQuery,
    repository: RepositoryId,
    named: Option<&[String]>,
) -> Result<(), Exit> {
    match query.wait(query.mirror.approve(repository, named.map(<[String]>::to_vec)))? {
        ApprovalOutcome::NothingHeld => Err(nothing_held(repository)),
        ApprovalOutcome::Unknown(unknown) => Err(not_held(repository, &unknown)),
        ApprovalOutcome::Done { approved, waiting } => {
            let deletions = if approved == 1 { "deletion" } else { "deletions" };
            let wait = match waiting {
                0 => String::new(),
                1 => "; 1 other waits on".to_owned(),
                waiting => format!("; {waiting} others wait on"),
            };
            match output::data(&format!(
                "approved {approved} {deletions} of repository {repository}: the next certified \
                 pass makes them{wait}\n"
            )) {
                Exit::Done => Ok(()),
                exit => Err(exit),
            }
        }
    }
}

/// Writes what waits for the operator, a page of it at a time, so that a slow reader holds
/// nobody up.
fn list(
    query: &MirrorQuery,
    repository: RepositoryId,
    named: Option<&[String]>,
) -> Result<(), Exit> {
    let Some(PendingDeletions { mut items, since_ms }) =
        query.wait(query.mirror.pending_deletions(repository))?
    else {
        return named.map_or(Ok(()), |_| Err(nothing_held(repository)));
    };
    if let Some(named) = named {
        items = items.named(named).map_err(|unknown| not_held(repository, &unknown))?;
    }
    let since = since_ms.map(moment);
    let mut stdout = Stdout::new();
    let (items, mut after) = (Arc::new(items), None);
    loop {
        let page = query.wait(query.mirror.items_in(repository, Arc::clone(&items), after))?;
        for (id, body) in &page.items {
            let mut line = Vec::new();
            held::write_line(repository, id, since.as_deref(), body, &mut line);
            stdout.write(&line)?;
        }
        match page.scanned_through {
            Some(last) => after = Some(last),
            None => return stdout.flush(),
        }
    }
}

fn nothing_held(repository: RepositoryId) -> Exit {
    Exit::Failed(format!("no deletions are held back for repository {repository}"))
}

fn not_held(repository: RepositoryId, unknown: &[String]) -> Exit {
    Exit::Failed(format!(
        "not held back in repository {repository}, and nothing is approved: {}; --list shows \
         those that are",
        query::listed(unknown.iter().map(|name| output::visible(name)))
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stand_between_commas_and_one_with_a_comma_in_quotes() {
        assert_eq!(names("5,x y,-3").unwrap().0, ["5", "x y", "-3"]);
        assert_eq!(names("\"a,\"\"b\",7").unwrap().0, ["a,\"b", "7"]);
        for wrong in ["", ",", "5,", "5\n6"] {
            names(wrong).unwrap_err();
        }
    }
}
