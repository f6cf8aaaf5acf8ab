//! Incremental passes in the model: they write between the pages of whole passes, and touch nothing else.

use std::sync::Arc;

use super::model::Model;
use super::steps::Body;
use crate::domain::{Item, ItemId, Iteration};
use crate::mirror::{
    ChangeCounts, IncrementalEnd, IncrementalPage, IncrementalPass, RepositoryWriter,
};

/// What there is of the incremental passes of a repository.
#[derive(Default)]
pub(super) struct ModelIncremental {
    pub(super) mark: Option<Vec<u8>>,
    /// Those that have ended, the oldest first.
    pub(super) ended: Vec<IncrementalPass>,
    /// What the pages of the one under way have changed, and how many they are; it began then.
    under_way: Option<(i64, u64, ChangeCounts)>,
}

impl Model {
    /// Takes one page of an incremental pass, the last one where it `ends`.
    pub(super) async fn incremental(
        &mut self,
        writer: &dyn RepositoryWriter,
        repository: u64,
        rows: Vec<(ItemId, Body)>,
        (mark, ends): (Option<Vec<u8>>, bool),
    ) {
        let iteration = self.passes.entry(repository).or_default().incremental_iteration();
        let ts_ms = self.now;
        let rows: Vec<_> = rows.into_iter().map(|(id, body)| (id, body, true)).collect();
        let changed = self.take_rows(repository, iteration, &rows);
        let passes = self.passes.entry(repository).or_default();
        let of = &mut passes.incremental;
        of.mark = mark.clone().or(of.mark.take());
        let (started_ms, pages, changed_before) =
            of.under_way.take().unwrap_or((ts_ms, 0, ChangeCounts::default()));
        let pages = pages + 1;
        let mut in_all = changed_before;
        in_all.add(changed);
        let end = IncrementalEnd {
            started_ms,
            pages,
            requests: pages + 2,
            items: rows.len() as u64,
            changed_before,
        };
        if ends {
            of.ended.push(IncrementalPass {
                iteration: Iteration(iteration),
                started_ms,
                ended_ms: ts_ms,
                pages,
                requests: end.requests,
                items: end.items,
                changed: in_all,
            });
        } else {
            of.under_way = Some((started_ms, pages, in_all));
        }
        let page = IncrementalPage {
            iteration: Iteration(iteration),
            ts_ms,
            items: rows.into_iter().map(|(id, body, _)| Item::new(id, body.bytes())).collect(),
            ignore: Arc::new(["/ignored".parse().unwrap()]),
            member_changes: Arc::default(),
            mark,
            end: ends.then_some(end),
        };
        assert_eq!(writer.write_incremental(Arc::new(page)).await.unwrap(), changed);
    }
}
