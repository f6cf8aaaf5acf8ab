//! The four views that others may read, compared with the model.

use super::model::{Model, ModelPass};
use crate::domain::{Change, Op};
use crate::json::canonical;
use crate::mirror::ChangeCounts;

/// A row, each column as text; `None`: null.
pub(in crate::mirror) type ViewRow = Vec<Option<String>>;

/// What the views say, each in any order. Times are texts as SQLite has them, truths 0 or 1.
#[derive(Debug, Default, PartialEq)]
pub(in crate::mirror) struct Views {
    pub(in crate::mirror) items: Vec<ViewRow>,
    pub(in crate::mirror) changes: Vec<ViewRow>,
    pub(in crate::mirror) history: Vec<ViewRow>,
    pub(in crate::mirror) passes: Vec<ViewRow>,
}

/// The columns of each view, in their order.
pub(in crate::mirror) const VIEWS: [(&str, &[&str]); 4] = [
    ("items", &["repository", "id", "body", "json", "sequence", "changed_at"]),
    (
        "changes",
        &["sequence", "repository", "id", "op", "iteration", "changed_at", "before", "after"],
    ),
    (
        "history",
        &[
            "repository",
            "id",
            "body",
            "json",
            "valid_from",
            "valid_to",
            "from_sequence",
            "to_sequence",
        ],
    ),
    (
        "passes",
        &[
            "repository",
            "iteration",
            "started_at",
            "ended_at",
            "pages",
            "requests",
            "items",
            "created",
            "updated",
            "deleted",
            "unchanged",
            "certified",
            "reason",
            "kind",
        ],
    ),
];

/// Where `items` and `history` have the body and the same as JSON.
const BODY_AND_JSON: (usize, usize) = (2, 3);

/// Compares what the views say.
pub(super) fn compare(model: &Model, found: Views) {
    let (items, history) = (without_json(found.items), without_json(found.history));
    let found = Views { items, changes: sorted(found.changes), history, ..found };
    let expected = Views {
        items: sorted(items_of(model)),
        changes: sorted(model.log[model.dropped..].iter().map(of_change).collect()),
        history: sorted(history_of(model)),
        passes: sorted(passes_of(model)),
    };
    assert_eq!(found.items, expected.items);
    assert_eq!(found.changes, expected.changes);
    assert_eq!(found.history, expected.history);
    assert_eq!(sorted(found.passes), expected.passes);
}

fn sorted(mut rows: Vec<ViewRow>) -> Vec<ViewRow> {
    rows.sort();
    rows
}

/// The rows without their `json`, which is the same as their `body`.
fn without_json(rows: Vec<ViewRow>) -> Vec<ViewRow> {
    let (body, json) = BODY_AND_JSON;
    let without = rows.into_iter().map(|mut row| {
        let json = row.remove(json).expect("every body of the small world is one for jsonb");
        let body = row[body].as_deref().expect("what is there has a body");
        assert!(canonical::same(json.as_bytes(), body.as_bytes(), &[]), "{json} is not {body}");
        row
    });
    sorted(without.collect())
}

fn items_of(model: &Model) -> Vec<ViewRow> {
    let there = model.log.iter().filter(|change| next_of(model, change).is_none());
    let there = there.filter(|change| change.op != Op::Delete);
    there
        .map(|change| {
            let repository = change.repository.to_string();
            let body = text(change.after.as_deref());
            let (sequence, time) = (change.sequence.to_string(), at(change.ts_ms));
            vec![Some(repository), Some(change.item.to_string()), body, Some(sequence), Some(time)]
        })
        .collect()
}

fn of_change(change: &Change) -> ViewRow {
    vec![
        Some(change.sequence.to_string()),
        Some(change.repository.to_string()),
        Some(change.item.to_string()),
        Some(change.op.letter().to_owned()),
        Some(change.iteration.to_string()),
        Some(at(change.ts_ms)),
        text(change.before.as_deref()),
        text(change.after.as_deref()),
    ]
}

/// Each version that has not ended, or ended with a change that is still in the log.
fn history_of(model: &Model) -> Vec<ViewRow> {
    let versions = model.log.iter().filter(|change| change.op != Op::Delete);
    versions
        .filter_map(|version| {
            let end = next_of(model, version);
            if end.is_some_and(|end| end.sequence.0 <= model.dropped as u64) {
                return None;
            }
            Some(vec![
                Some(version.repository.to_string()),
                Some(version.item.to_string()),
                text(version.after.as_deref()),
                Some(at(version.ts_ms)),
                end.map(|end| at(end.ts_ms)),
                Some(version.sequence.to_string()),
                end.map(|end| end.sequence.to_string()),
            ])
        })
        .collect()
}

/// The change of the same item that comes next.
fn next_of<'a>(model: &'a Model, change: &Change) -> Option<&'a Change> {
    let same = |it: &&Change| it.repository == change.repository && it.item == change.item;
    model.log.iter().filter(same).find(|it| it.sequence > change.sequence)
}

/// The whole passes and the incremental ones.
fn passes_of(model: &Model) -> Vec<ViewRow> {
    let mut rows: Vec<ViewRow> = model.ledger().iter().map(of_pass).collect();
    for (repository, passes) in &model.passes {
        rows.extend(passes.incremental.ended.iter().map(|pass| {
            let ChangeCounts { created, updated, deleted, unchanged } = pass.changed;
            let numbers =
                [pass.pages, pass.requests, pass.items, created, updated, deleted, unchanged, 0];
            let mut row = vec![Some(repository.to_string()), Some(pass.iteration.to_string())];
            row.extend([Some(at(pass.started_ms)), Some(at(pass.ended_ms))]);
            row.extend(numbers.map(|number| Some(number.to_string())));
            row.extend([None, Some("incremental".to_owned())]);
            row
        }));
    }
    rows
}

fn of_pass(pass: &ModelPass) -> ViewRow {
    let ModelPass { repository, iteration, started, ended, statistics, changed, certified, reason } =
        pass;
    let numbers = [
        statistics.pages,
        statistics.requests,
        statistics.distinct,
        changed.created,
        changed.updated,
        changed.deleted,
        changed.unchanged,
        u64::from(*certified),
    ];
    let mut row = vec![Some(repository.to_string()), Some(iteration.to_string())];
    row.extend([Some(at(*started)), ended.map(at)]);
    row.extend(numbers.map(|number| Some(number.to_string())));
    row.extend([reason.clone(), Some("whole".to_owned())]);
    row
}

fn text(body: Option<&[u8]>) -> Option<String> {
    body.map(|body| String::from_utf8(body.to_vec()).unwrap())
}

/// The instant of the small world, whose clock counts milliseconds from 1970 on.
fn at(ms: i64) -> String {
    assert!((0..1000).contains(&ms));
    format!("1970-01-01T00:00:00.{ms:03}Z")
}
