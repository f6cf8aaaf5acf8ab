//! What the end of a pass means for the items that it did not see.
//!
//! Guarantees: nothing is deleted but what a certified pass did not see and what then the server
//! says is gone, or (where it cannot be asked so) a second certified pass did not see either, or the
//! operator has approved; and never more at once than `[deletes]` allows. What the server still has
//! though its list lacks it stays, and stays a suspect. A wish to stop ends it between two steps,
//! and the pass is reconciled from the beginning once it is taken up again: what was deleted meanwhile is
//! no longer missing.
//!
//! The server's word that an item is gone counts only if the same call, made just before and just
//! after for an item that the pass has just seen, answers with that item: where there is no such
//! call, everything would seem to be gone. What an incremental pass has seen since the pass began is no
//! suspect, also where it sees it while this runs.

use std::sync::Arc;
use std::time::Duration;

use super::proof::deletes::{Case, Judgement, MissingItemStatus, MissingItems, judge};
use super::request::fetch::{ask, ask_together};
use super::request::fetcher::Fetcher;
use super::retrying_mirror::RetryingMirror;
use crate::client::{Api, ItemRequest, ItemsRequest, Presence};
use crate::config::DeletesConfig;
use crate::domain::{IdSet, ItemId, Iteration};
use crate::json::JsonPointer;
use crate::mirror::{HeldDeletions, Mirror, UnseenItems};
use crate::task::{Context, Stopped, clock};
use crate::telemetry::event;

/// How many missing items are looked at before those of them that are gone are deleted: one
/// transaction, and one question whether the server's answers are to be believed.
const AT_ONCE: usize = 500;

/// After so many items in a row without a clear answer no more are asked for in this pass: each
/// may take a handful of tries, and a second pass decides as well.
const ANSWERLESS: u32 = 5;

/// How many items of the latest page are asked for, to find one that is still there.
pub(super) const PROBES: usize = 3;

/// What is reconciled.
pub(super) struct Reconciliation<'a, A, M> {
    pub(super) fetcher: &'a Fetcher<A>,
    pub(super) mirror: &'a RetryingMirror<M>,
    pub(super) iteration: Iteration,
    /// The ids that the pass has seen.
    pub(super) seen: Arc<IdSet>,
    /// Some of these, of the latest page: what the server surely has.
    pub(super) probes: Vec<ItemId>,
    pub(super) item_id: &'a JsonPointer,
    /// `[deletes]`, as it holds for this repository.
    pub(super) allowed: DeletesConfig,
    /// Whether the search may leave out items that the server has: then it is asked for none.
    pub(super) conditional: bool,
    /// The suspects that the server had at the end of the last certified pass.
    pub(super) still_there: &'a IdSet,
    /// The distance between two questions for an item.
    pub(super) pace: Duration,
    pub(super) context: &'a Context,
}

/// What is known from now on.
#[derive(Debug, Default)]
pub(super) struct Reconciled {
    pub(super) suspects: IdSet,
    /// Those of the suspects that the server still has.
    pub(super) still_there: IdSet,
    pub(super) held: Option<HeldDeletions>,
    /// What is to be told once the mirror knows it: an operator may act on the news at once.
    pub(super) news: Option<News>,
}

/// What is new about deletions that are held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Deletions are held back, or others than before.
    Held {
        /// Items that the mirror has.
        of: u64,
    },
    /// No deletion is held back any more.
    NoLonger,
}

impl Reconciled {
    pub(super) fn held_count(&self) -> u64 {
        self.held.as_ref().map_or(0, |held| held.announced)
    }
}

impl<A: Api, M: Mirror> Reconciliation<'_, A, M> {
    /// After a pass that is not certified: an item that was seen is no suspect any more, and no
    /// permission to delete it holds.
    pub(super) async fn of_any_pass(&self) -> Result<Reconciled, Stopped> {
        let UnseenItems { mut suspects, held, .. } = self.mirror.suspects(self.context).await?;
        self.take_out_seen(&mut suspects);
        let was_held = held.is_some();
        let held = held.and_then(|mut held| {
            self.take_out_seen(&mut held.items);
            self.take_out_seen(&mut held.approved);
            held.announced = held.items.count();
            (held.announced > 0).then_some(held)
        });
        let news = (was_held && held.is_none()).then_some(News::NoLonger);
        let mut still_there = self.still_there.clone();
        self.take_out_seen(&mut still_there);
        Ok(Reconciled { suspects, still_there, held, news })
    }

    /// After a certified pass: deletes what is gone.
    pub(super) async fn of_certified_pass(&self) -> Result<Reconciled, Stopped> {
        let known = self.mirror.suspects(self.context).await?;
        // Deleted is not there again.
        let any_back = known.held.as_ref().is_some_and(|held| {
            let mut missing = held.items.clone();
            self.take_out_seen(&mut missing);
            missing.count() < held.items.count()
        });
        let mut reconciled = if known.items == self.seen.count() {
            // All that was seen is in the mirror, so this is all that is in the mirror.
            Reconciled::default()
        } else {
            self.reconcile(known).await?
        };
        if any_back && reconciled.held.is_none() {
            reconciled.news = Some(News::NoLonger);
        }
        Ok(reconciled)
    }

    /// Takes out of a set what this pass has seen, or an incremental pass beside it.
    fn take_out_seen(&self, ids: &mut IdSet) {
        ids.subtract(&self.seen);
        self.mirror.readings.subtract_sighted(ids);
    }

    async fn reconcile(&self, known: UnseenItems) -> Result<Reconciled, Stopped> {
        let UnseenItems { items, suspects: suspected, held } = known;
        let held = held.unwrap_or_default();
        let waiting = held.waiting();
        let HeldDeletions { approved, picked, .. } = held;
        // The operator has been through them and left these out: they are not ours to judge.
        let left_out = if picked { waiting.clone() } else { IdSet::new() };
        let mut decided = approved.clone();
        decided.unite(left_out.clone());
        let mut missing = MissingItems { items, missing: 0, approved: 0 };
        let (mut undecided, mut still_out) = (IdSet::new(), IdSet::new());
        let mut after = None;
        while let Some(ids) = self.next_missing(&mut after).await? {
            missing.missing += ids.len() as u64;
            for id in &ids {
                if !decided.contains(id) {
                    undecided.insert(id);
                    continue;
                }
                missing.approved += 1;
                if left_out.contains(id) {
                    still_out.insert(id);
                }
            }
        }
        self.delete_approved(&approved).await?;
        let mut held =
            HeldDeletions { items: still_out.clone(), picked, ..HeldDeletions::default() };
        let still_out_count = still_out.count();
        let mut reconciled = Reconciled::default();
        if judge(missing, self.allowed) == Judgement::Hold {
            held.items.unite(undecided.clone());
            reconciled.suspects = undecided;
        } else {
            reconciled = self.examine(&suspected, &decided).await?;
        }
        reconciled.suspects.unite(still_out);
        held.announced = held.items.count();
        // The operator knows already of the deletions that were held before.
        let of = items - (missing.approved - still_out_count);
        reconciled.news =
            (held.items != waiting && held.announced > 0).then_some(News::Held { of });
        reconciled.held = (held.announced > 0).then_some(held);
        Ok(reconciled)
    }

    /// The next of the mirror's items that neither the pass saw nor an incremental pass beside it, perhaps
    /// none; `None` after the last.
    async fn next_missing(
        &self,
        after: &mut Option<ItemId>,
    ) -> Result<Option<Vec<ItemId>>, Stopped> {
        let mut ids = self.mirror.unseen(self.context, &self.seen, after.as_ref(), AT_ONCE).await?;
        let Some(last) = ids.last() else { return Ok(None) };
        *after = Some(last.clone());
        self.mirror.readings.retain_unsighted(&mut ids);
        Ok(Some(ids))
    }

    async fn delete_approved(&self, approved: &IdSet) -> Result<(), Stopped> {
        if approved.is_empty() {
            return Ok(());
        }
        let (mut after, mut count) = (None, 0);
        while let Some(mut ids) = self.next_missing(&mut after).await? {
            ids.retain(|id| approved.contains(id));
            count += self.delete(ids).await?;
        }
        event::approved_deletions_made(self.mirror.repository, self.iteration, count);
        Ok(())
    }

    /// Looks at each missing item that the operator has not decided about, deletes those that are
    /// gone, and returns the suspects.
    async fn examine(&self, suspected: &IdSet, decided: &IdSet) -> Result<Reconciled, Stopped> {
        let (mut after, mut reconciled) = (None, Reconciled::default());
        let mut believed = self.conditional.then_some(false);
        let mut without_answer = 0;
        let mut asks_together = self.fetcher.api.has_items_call();
        while let Some(mut ids) = self.next_missing(&mut after).await? {
            ids.retain(|id| !decided.contains(id));
            if ids.is_empty() {
                continue;
            }
            if believed.is_none() {
                believed = Some(self.answers_for_items().await?);
            }
            // Who is there is not asked for again; who is not shown may be there all the same.
            let mut there = IdSet::new();
            if asks_together && believed == Some(true) && ids.len() > 1 {
                let shown = self.ask_together(&ids).await?;
                asks_together = shown.is_some();
                there = shown.unwrap_or_default();
            }
            let mut cases = Vec::with_capacity(ids.len());
            for id in ids {
                let presence = if there.contains(&id) {
                    Presence::Present
                } else if believed == Some(true) && without_answer < ANSWERLESS {
                    self.ask(id.clone()).await?
                } else {
                    Presence::Unknown
                };
                without_answer = if presence == Presence::Unknown { without_answer + 1 } else { 0 };
                cases.push((id, presence));
            }
            if cases.iter().any(|(_, presence)| *presence == Presence::Absent) {
                believed = Some(self.answers_for_items().await?);
            }
            let mut gone = Vec::new();
            for (id, presence) in cases {
                let presence = match (believed, presence) {
                    (Some(true), _) | (_, Presence::Present) => presence,
                    _ => Presence::Unknown,
                };
                // Only what no answer has spoken for can be gone for want of one.
                let suspected = suspected.contains(&id) && !self.still_there.contains(&id);
                match (Case { suspected, presence }).verdict() {
                    MissingItemStatus::Absent => gone.push(id),
                    MissingItemStatus::Suspect => drop(reconciled.suspects.insert(&id)),
                    MissingItemStatus::Present => {
                        reconciled.suspects.insert(&id);
                        reconciled.still_there.insert(&id);
                    }
                }
            }
            self.delete(gone).await?;
        }
        Ok(reconciled)
    }

    /// Whether the server answers with an item that is there.
    async fn answers_for_items(&self) -> Result<bool, Stopped> {
        for probe in &self.probes {
            match self.ask(probe.clone()).await? {
                Presence::Present => return Ok(true),
                // It may have been deleted a moment ago.
                Presence::Absent => {}
                Presence::Unknown => return Ok(false),
            }
        }
        Ok(false)
    }

    async fn ask(&self, item: ItemId) -> Result<Presence, Stopped> {
        self.context.sleep(self.pace).await?;
        let request =
            ItemRequest { repository: self.mirror.repository, item, item_id: self.item_id.clone() };
        ask(self.fetcher, &request, self.context).await
    }

    /// Those of the items that the server surely has, asked for at once; `None`: that cannot be asked.
    async fn ask_together(&self, ids: &[ItemId]) -> Result<Option<IdSet>, Stopped> {
        self.context.sleep(self.pace).await?;
        let request = ItemsRequest {
            repository: self.mirror.repository,
            items: ids.to_vec(),
            item_id: self.item_id.clone(),
        };
        ask_together(self.fetcher, &request, self.context).await
    }

    async fn delete(&self, ids: Vec<ItemId>) -> Result<u64, Stopped> {
        let deleted =
            self.mirror.delete(self.context, self.iteration, clock::now_ms(), ids).await?;
        self.fetcher.progress.deleted.add(deleted);
        self.fetcher.counts.deleted.add(deleted);
        Ok(deleted)
    }
}
