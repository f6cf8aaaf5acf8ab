//! What must hold of the mirror and its log, whatever the world does.

use std::collections::{BTreeMap, HashMap};

use proptest::prop_assert;
use proptest::test_runner::TestCaseError;

use super::world::{History, Version, World};
use crate::domain::{Change, ItemId, Op};
use crate::mirror::LedgerEntry;

/// Items by id, as they came.
pub(super) type Items = BTreeMap<ItemId, Vec<u8>>;

type Histories = BTreeMap<u64, History>;

/// Folds the log, of which each change begins where the one before it left the item, into the mirror.
pub(super) fn log(changes: &[Change], mirror: &Items) -> Result<(), TestCaseError> {
    let mut items = Items::new();
    for change in changes {
        let begins_there = items.get(&change.item) == change.before.as_ref();
        prop_assert!(begins_there, "it begins elsewhere: {}", shown(change));
        apply(&mut items, change);
    }
    same(mirror, &items)
}

/// Each content that came was the server's, and newer than all that the mirror had of the item before; after
/// a deletion it still was the server's when the item was deleted.
pub(super) fn changes(changes: &[Change], histories: &Histories) -> Result<(), TestCaseError> {
    let mut latest: HashMap<&ItemId, u64> = HashMap::new();
    let mut deleted: HashMap<&ItemId, i64> = HashMap::new();
    for change in changes {
        let Some(after) = &change.after else {
            deleted.insert(&change.item, change.ts_ms);
            continue;
        };
        let version = version(histories, &change.item, after)?;
        prop_assert!(version.from_ms <= change.ts_ms, "too early: {}", shown(change));
        let before = latest.insert(&change.item, version.revision);
        prop_assert!(
            before.is_none_or(|before| before < version.revision),
            "revision {before:?} was undone by {}",
            shown(change)
        );
        if let (Some(deleted), Some(until)) = (deleted.get(&change.item), version.until_ms) {
            prop_assert!(until >= *deleted, "brought back: {}", shown(change));
        }
    }
    Ok(())
}

/// Each deletion is one of a certified pass, of an item that was missing during it.
pub(super) fn deletions(
    changes: &[Change],
    passes: &[LedgerEntry],
    histories: &Histories,
) -> Result<(), TestCaseError> {
    for change in changes.iter().filter(|change| change.op == Op::Delete) {
        let pass = passes.iter().find(|pass| pass.iteration == change.iteration);
        prop_assert!(
            pass.is_some_and(|pass| pass.certified || pass.ended_ms.is_none()),
            "not of a certified pass: {} {pass:?}",
            shown(change)
        );
        let begun_ms = pass.map_or(0, |pass| pass.started_ms);
        let history = &histories[&number(&change.item)];
        prop_assert!(
            history.was_missing(begun_ms, change.ts_ms),
            "it was there all the time from {begun_ms}: {}",
            shown(change)
        );
    }
    Ok(())
}

/// At the end of a certified pass the mirror has each item that stayed in its place meanwhile, at least as it was
/// when the pass began.
pub(super) fn certified(
    changes: &[Change],
    passes: &[LedgerEntry],
    world: &World,
) -> Result<(), TestCaseError> {
    for pass in passes.iter().filter(|pass| pass.certified) {
        let (begun_ms, ended_ms) = (pass.started_ms, pass.ended_ms.unwrap_or(i64::MAX));
        let mut items = Items::new();
        for change in changes.iter().filter(|change| change.ts_ms <= ended_ms) {
            apply(&mut items, change);
        }
        for (id, history) in &world.histories {
            let moved = history.placed_ms.iter().any(|at| (begun_ms..=ended_ms).contains(at));
            let at_begin = history.versions.iter().find(|version| {
                version.from_ms < begun_ms && version.until_ms.is_none_or(|until| until >= begun_ms)
            });
            let Some(at_begin) = at_begin else { continue };
            let rose = world.whole_newest_first
                && at_begin.until_ms.is_some_and(|until| until <= ended_ms);
            if moved || rose || history.was_missing(begun_ms, ended_ms) {
                continue;
            }
            let item = ItemId::Integer((*id).into());
            let Some(kept) = items.get(&item) else {
                let at = pass.iteration;
                return Err(TestCaseError::fail(format!("pass {at:?} lacks {at_begin:?} of {id}")));
            };
            let kept = version(&world.histories, &item, kept)?;
            prop_assert!(
                kept.revision >= at_begin.revision,
                "pass {:?} has {kept:?} of {id}, and not {at_begin:?}",
                pass.iteration
            );
        }
    }
    Ok(())
}

/// Compares what the mirror has with what it should have; tells only what differs.
pub(super) fn same(mirror: &Items, right: &Items) -> Result<(), TestCaseError> {
    let differing = |items: &Items, others: &Items| -> Vec<String> {
        let differing = items.iter().filter(|(id, body)| others.get(id) != Some(body));
        differing.map(|(_, body)| String::from_utf8_lossy(body).into_owned()).collect()
    };
    let (has, lacks) = (differing(mirror, right), differing(right, mirror));
    prop_assert!(has.is_empty() && lacks.is_empty(), "it has {has:?} and lacks {lacks:?}");
    Ok(())
}

fn apply(items: &mut Items, change: &Change) {
    match &change.after {
        Some(after) => drop(items.insert(change.item.clone(), after.clone())),
        None => drop(items.remove(&change.item)),
    }
}

/// The content of an item that came with these bytes.
fn version<'a>(
    histories: &'a Histories,
    item: &ItemId,
    bytes: &[u8],
) -> Result<&'a Version, TestCaseError> {
    let history = histories.get(&number(item));
    let version = history.and_then(|it| it.versions.iter().find(|version| version.bytes == bytes));
    let invented = || format!("invented: {}", String::from_utf8_lossy(bytes));
    version.ok_or_else(|| TestCaseError::fail(invented()))
}

fn number(item: &ItemId) -> u64 {
    match item {
        ItemId::Integer(id) => u64::try_from(*id).unwrap(),
        ItemId::Text(_) => unreachable!("all ids are numbers here"),
    }
}

/// A change in short.
fn shown(change: &Change) -> String {
    let after = change.after.as_deref().map(String::from_utf8_lossy);
    let (sequence, pass) = (change.sequence.0, change.iteration.0);
    format!("{sequence}: {:?} in pass {pass} at {}: {after:?}", change.op, change.ts_ms)
}
