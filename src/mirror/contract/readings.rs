//! What can be asked of a mirror, compared with the model.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::model::{Model, key};
use crate::domain::{Change, ItemId, Op, RepositoryId, Sequence};
use crate::mirror::{
    CertifiedPass, ItemHistory, ItemsDigest, ItemsPage, LogBounds, MirrorErrorKind, MirrorReader,
    PendingDeletions,
};

/// Changes read at a time: few, so that there are several pages.
const LIMIT: usize = 3;

/// Compares all that can be asked.
pub(super) async fn compare(model: &Model, reader: &dyn MirrorReader) {
    log(model, reader).await;
    histories(model, reader).await;
    instants(model, reader).await;
    for repository in 1..3 {
        deletions(model, reader, repository).await;
    }
    ledger(model, reader).await;
    summary(model, reader).await;
}

async fn log(model: &Model, reader: &dyn MirrorReader) {
    let (dropped, last) = (model.dropped as u64, model.log.len() as u64);
    let bounds = LogBounds { dropped_through: Sequence(dropped), last: Sequence(last) };
    assert_eq!(reader.bounds().await.unwrap(), bounds);
    for repository in [None, Some(RepositoryId(1))] {
        let (mut after, mut found) = (None, Vec::new());
        loop {
            let page = reader.changes(after, repository, LIMIT).await.unwrap();
            assert!(page.changes.len() <= LIMIT);
            assert_eq!((page.dropped_through.0, page.last.0), (dropped, last));
            found.extend(page.changes);
            after = Some(page.scanned_through);
            if page.scanned_through == page.last {
                break;
            }
        }
        let of = |it: &&Change| repository.is_none_or(|repository| it.repository == repository);
        let expected: Vec<Change> = model.log[model.dropped..].iter().filter(of).cloned().collect();
        assert_eq!(found, expected);
    }
    let kind = |after| async move {
        reader.changes(Some(Sequence(after)), None, 1).await.map_err(|error| error.kind())
    };
    assert_eq!(kind(last + 1).await, Err(MirrorErrorKind::Ahead));
    if dropped > 0 {
        assert_eq!(kind(dropped - 1).await, Err(MirrorErrorKind::Dropped));
    }
    for sequence in [dropped, dropped + 1, last, last + 1] {
        let kept = (dropped + 1..=last).contains(&sequence);
        let expected = kept.then(|| model.log[usize::try_from(sequence).unwrap() - 1].clone());
        assert_eq!(reader.change(Sequence(sequence)).await.unwrap(), expected);
    }
    if last > 0 {
        assert_eq!(reader.wait_for_news(Sequence(last - 1)).await.unwrap(), Sequence(last));
    }
}

async fn histories(model: &Model, reader: &dyn MirrorReader) {
    let items: BTreeSet<(u64, ItemId)> = model.log.iter().map(key).collect();
    for item in &items {
        let of: Vec<&Change> = model.log.iter().filter(|change| key(change) == *item).collect();
        let (old, kept): (Vec<_>, Vec<_>) =
            of.into_iter().partition(|change| change.sequence.0 <= model.dropped as u64);
        let known = !kept.is_empty() || model.items.contains_key(item);
        let before = old.last().filter(|change| !model.buried.contains(&change.sequence.0));
        let expected = known.then(|| ItemHistory {
            sequences: kept.iter().map(|change| change.sequence).collect(),
            dropped_through: before.map(|_| Sequence(model.dropped as u64)),
        });
        let found = reader.history(RepositoryId(item.0), &item.1).await.unwrap();
        assert_eq!(found, expected, "{item:?}");
        let body = model.items.get(item).map(|(_, body)| body.clone());
        assert_eq!(reader.item(RepositoryId(item.0), &item.1).await.unwrap(), body, "{item:?}");
    }
    let nobody = ItemId::Text("nobody".into());
    assert_eq!(reader.history(RepositoryId(1), &nobody).await.unwrap(), None);
    assert_eq!(reader.item(RepositoryId(1), &nobody).await.unwrap(), None);
}

/// The items now, and at each of some earlier instants.
async fn instants(model: &Model, reader: &dyn MirrorReader) {
    let (dropped, last) = (model.dropped as u64, model.log.len() as u64);
    let halfway = u64::midpoint(dropped, last);
    let earlier = [dropped, halfway, last.saturating_sub(1).max(dropped)];
    for as_of in [None].into_iter().chain(earlier.map(|it| Some(Sequence(it)))) {
        let snapshot = reader.snapshot(as_of).await.unwrap();
        let instant = as_of.unwrap_or(Sequence(last));
        assert_eq!(snapshot.sequence(), instant);
        let until = usize::try_from(instant.0).unwrap();
        let expected = model.fold(&model.log[model.dropped..until]);
        let mut found = BTreeMap::new();
        for repository in 1..3 {
            let mut after = None;
            loop {
                let page = snapshot.items(RepositoryId(repository), after).await.unwrap();
                take(&mut found, repository, &page);
                after = page.scanned_through;
                if after.is_none() {
                    break;
                }
            }
        }
        assert_eq!(found, expected, "as of {instant}");
        let mut digest = ItemsDigest::default();
        let of_first = expected.iter().filter(|((repository, _), _)| *repository == 1);
        of_first.for_each(|((_, id), body)| digest.add(id, body));
        assert_eq!(ItemsDigest::of(&*snapshot, RepositoryId(1)).await.unwrap(), digest);
    }
    let kind = |as_of| async move {
        reader.snapshot(Some(Sequence(as_of))).await.map(|_| ()).map_err(|error| error.kind())
    };
    assert_eq!(kind(last + 1).await, Err(MirrorErrorKind::Ahead));
    if dropped > 0 {
        assert_eq!(kind(dropped - 1).await, Err(MirrorErrorKind::Dropped));
    }
}

/// Takes in a page, whose items come after those before it.
fn take(found: &mut BTreeMap<(u64, ItemId), Vec<u8>>, repository: u64, page: &ItemsPage) {
    for (id, body) in &page.items {
        let key = (repository, id.clone());
        assert!(found.last_key_value().is_none_or(|(last, _)| *last < key), "out of order");
        found.insert(key, body.clone());
    }
}

/// Whether a repository has ever been paged.
pub(super) fn is_known(model: &Model, repository: u64) -> bool {
    let id = RepositoryId(repository);
    let pages = |change: &Change| change.repository == id && change.op != Op::Delete;
    let passes = model.passes.get(&repository);
    passes.is_some_and(|it| it.any_done) || model.log.iter().any(pages)
}

async fn deletions(model: &Model, reader: &dyn MirrorReader, repository: u64) {
    let passes = model.passes.get(&repository);
    let id = RepositoryId(repository);
    assert_eq!(reader.knows(id).await.unwrap(), is_known(model, repository));
    let held = passes.and_then(|passes| Some((passes.held.as_ref()?, passes.since?.1)));
    let pending =
        held.map(|(held, since)| PendingDeletions { items: held.waiting(), since_ms: Some(since) });
    let pending = pending.filter(|pending| !pending.items.is_empty());
    assert_eq!(reader.pending_deletions(id).await.unwrap(), pending);
    let Some(pending) = pending else { return };
    let (set, mut found, mut after) = (Arc::new(pending.items), BTreeMap::new(), None);
    loop {
        let page = reader.items_in(id, Arc::clone(&set), after).await.unwrap();
        take(&mut found, repository, &page);
        after = page.scanned_through;
        if after.is_none() {
            break;
        }
    }
    let there = model.items.iter().filter(|(key, _)| key.0 == repository && set.contains(&key.1));
    let there = there.map(|(key, (_, body))| (key.clone(), body.clone()));
    assert_eq!(found, there.collect());
}

/// The passes of each repository, the newest first.
async fn ledger(model: &Model, reader: &dyn MirrorReader) {
    let all = model.ledger();
    for repository in 1..3 {
        let of = all.iter().rev().filter(|pass| pass.repository == repository);
        let expected: Vec<_> = of
            .map(|it| {
                let when = (it.iteration, it.started, it.ended);
                (when, it.statistics, it.changed, it.certified, it.reason.clone())
            })
            .collect();
        let found = reader.ledger(RepositoryId(repository)).await.unwrap();
        let found: Vec<_> = found
            .into_iter()
            .map(|it| {
                let when = (it.iteration.0, it.started_ms, it.ended_ms);
                (when, it.statistics, it.changed, it.certified, it.reason)
            })
            .collect();
        assert_eq!(found, expected, "repository {repository}");
        let found = reader.incremental_ledger(RepositoryId(repository)).await.unwrap();
        let of = model.passes.get(&repository).map(|passes| &passes.incremental.ended);
        let expected: Vec<_> = of.into_iter().flatten().rev().copied().collect();
        assert_eq!(found, expected, "repository {repository}");
    }
}

async fn summary(model: &Model, reader: &dyn MirrorReader) {
    let summary = reader.summary().await.unwrap();
    let (dropped, last) = (model.dropped as u64, model.log.len() as u64);
    assert_eq!((summary.dropped_through.0, summary.last.0), (dropped, last));
    let newest: Vec<u64> = summary.newest.iter().map(|change| change.sequence.0).collect();
    assert_eq!(newest, (dropped + 1..=last).rev().take(20).collect::<Vec<_>>());
    for told in &summary.repositories {
        let passes = &model.passes[&told.id.0];
        let items = model.items.keys().filter(|(of, _)| *of == told.id.0).count() as u64;
        assert_eq!((told.items, told.suspects), (items, passes.suspects.count()));
        let certified = passes.certified.map(|(iteration, ended_ms)| CertifiedPass {
            iteration: crate::domain::Iteration(iteration),
            ended_ms,
        });
        assert_eq!(told.certified, certified);
        let held = told.held.as_ref().map(|it| (it.count, it.approved, it.since_ms));
        let expected = passes
            .held
            .as_ref()
            .map(|held| (held.announced, held.approved.count(), passes.since.map(|since| since.1)));
        assert_eq!(held, expected);
    }
}
