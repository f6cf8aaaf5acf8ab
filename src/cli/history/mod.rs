//! `ewmirror history`: the changes of one item, attribute by attribute, the oldest first.
//!
//! For people: values are JSON texts on one line each, and nothing in them reaches the terminal
//! that it would obey.

pub(super) mod lines;

use std::path::Path;

use clap::Args;

use super::output::{self, Stdout};
use super::query::{self, MirrorQuery, RepositorySelector};
use super::{Exit, known_model};
use crate::config::Environment;
use crate::domain::{Change, ItemId, Op, RepositoryId, Sequence};
use crate::mirror::ItemHistory;
use crate::model::Naming;
use crate::text::moment;

/// The flags of `ewmirror history`.
#[derive(Args, Debug)]
pub(super) struct HistoryArgs {
    /// The repository, by its number or its name
    #[arg(long, value_name = "ID|NAME", value_parser = query::repository)]
    repository: RepositorySelector,

    /// The item's id
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    item: String,
}

/// Writes the history of an item to stdout.
pub(super) fn run(file: &Path, environment: &Environment, args: &HistoryArgs) -> Exit {
    match tell(file, environment, args) {
        Ok(()) => Exit::Done,
        Err(exit) => exit,
    }
}

fn tell(file: &Path, environment: &Environment, args: &HistoryArgs) -> Result<(), Exit> {
    let query = MirrorQuery::open(file, environment)?;
    let repository = query.find(&args.repository)?;
    query.expect(repository)?;
    let history = find(&query, repository, &args.item)?;
    if let Some(dropped_through) = history.dropped_through {
        note_dropped(dropped_through);
    }
    let naming = known_model::naming(&query, repository)?;
    let mut stdout = Stdout::new();
    for sequence in history.sequences {
        match query.wait(query.mirror.change(sequence))? {
            Some(change) => stdout.write(paragraph(&change, &naming).as_bytes())?,
            // Dropped since the history was looked up.
            None => note_dropped(sequence),
        }
    }
    stdout.flush()
}

fn note_dropped(through: Sequence) {
    output::note(&format!("changes of this item up to {through} have been dropped\n"));
}

/// The history of the integer of this name, if the mirror has one, or else of the text.
fn find(query: &MirrorQuery, repository: RepositoryId, item: &str) -> Result<ItemHistory, Exit> {
    for id in ItemId::meanings(item) {
        if let Some(history) = query.wait(query.mirror.history(repository, &id))? {
            return Ok(history);
        }
    }
    let item = output::visible(item);
    Err(Exit::Failed(format!(
        "repository {repository} has no item {item}, nor had it one whose changes are kept"
    )))
}

/// A change as lines for people, with the names of attributes where they are known.
fn paragraph(change: &Change, naming: &Naming) -> String {
    let word = match change.op {
        Op::Read => "first seen",
        Op::Create => "created",
        Op::Update => "updated",
        Op::Delete => "deleted",
    };
    let (time, sequence, iteration) = (moment(change.ts_ms), change.sequence, change.iteration);
    let mut text = format!("{time} {word} (sequence {sequence}, iteration {iteration})\n");
    text.push_str(&lines::of(change.before.as_deref(), change.after.as_deref(), naming));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Iteration;

    #[test]
    fn a_change_is_told_attribute_by_attribute() {
        let mut change = Change {
            sequence: Sequence(12),
            repository: RepositoryId(1),
            item: ItemId::Integer(7),
            op: Op::Update,
            iteration: Iteration(3),
            ts_ms: 1_764_000_000_123,
            before: Some(br#"{"itemId":7,"F_1":"35","F_3":"x","F_4":[1]}"#.to_vec()),
            after: Some(b"{\"F_2\":7,\"F_1\":\"36\",\"itemId\":7,\"F_4\":[\r\n 1,\n2]}".to_vec()),
        };
        let told = "\
2025-11-24T16:00:00.123Z updated (sequence 12, iteration 3)
    F_2: (none) -> 7
    F_1: \"35\" -> \"36\"
    F_4: [1] -> [ 1,2]
    F_3: \"x\" -> (none)
";
        assert_eq!(paragraph(&change, &Naming::default()), told);
        change.op = Op::Delete;
        change.after = None;
        let told = paragraph(&change, &Naming::default());
        assert!(
            told.contains(" deleted (") && told.contains("\n    itemId: 7 -> (none)\n"),
            "{told}"
        );
    }

    #[test]
    fn nothing_in_an_item_commands_the_terminal() {
        let change = Change {
            sequence: Sequence(1),
            repository: RepositoryId(1),
            item: ItemId::Integer(7),
            op: Op::Read,
            iteration: Iteration(1),
            ts_ms: -1,
            before: None,
            after: Some("{\"\\u001b[2J\":\"\u{9b}2J\u{202e}\u{7f}\",\"b\":\"\\n\"}".into()),
        };
        let told = "\
-1 ms first seen (sequence 1, iteration 1)
    \\u001b[2J: (none) -> \"\\u009b2J\\u202e\\u007f\"
    b: (none) -> \"\\n\"
";
        assert_eq!(paragraph(&change, &Naming::default()), told);
    }

    #[test]
    fn a_plain_integer_may_also_be_a_text() {
        let of = |text| ItemId::meanings(text).collect::<Vec<_>>();
        let text = |text: &str| ItemId::Text(text.into());
        assert_eq!(of("-7"), [ItemId::Integer(-7), text("-7")]);
        assert_eq!(of("007"), [text("007")]);
        assert_eq!(of("+7"), [text("+7")]);
        assert_eq!(of("a"), [text("a")]);
    }
}
