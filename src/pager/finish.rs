//! The end of a pass.
//!
//! Guarantees: the ledger is written before the pass is told of, and a wish to stop leaves the pass
//! to be finished once it is taken up again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::current_pass::CurrentPass;
use super::proof::deletes;
use super::proof::pass::{PassVerdict, UncertifiedReason};
use super::reconcile::{News, PROBES, Reconciled, Reconciliation};
use super::report;
use super::request::access::ask_access;
use super::request::fetcher::Fetcher;
use super::retrying_mirror::RetryingMirror;
use super::task::{ChangeRetention, Pager};
use crate::client::Api;
use crate::config::RepositoryConfig;
use crate::domain::{IdSet, Iteration};
use crate::mirror::{EndOfPass, Mirror, UndeliveredChanges, is_nearly_all};
use crate::model::Naming;
use crate::progress::{LastCertified, RepositoryProgress, SharedLine};
use crate::task::{Stopped, Until, clock};
use crate::telemetry::event::{self, MostItemsChanged, PassComplete};

/// How long the disk may take to tell what is left of it.
const DISK_ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// A question for one item costs the server far less than a page: it is asked so many times as
/// often.
const ITEMS_PER_PAGE_INTERVAL: u32 = 10;

/// So many members are named, of those that nearly all updated items have in common.
const MOST_NAMED: usize = 20;

/// What the certified passes so far have left open.
#[derive(Default)]
pub(super) struct Unresolved {
    /// Whether deletions are held back, which the operator may approve during the pause.
    pub(super) holds: bool,
    /// The settings of the last pass, where it ended at a window that cannot be read: others may let it be.
    pub(super) cut_short: Option<Arc<RepositoryConfig>>,
    /// Suspects that the server had at the end of the last certified pass.
    still_there: IdSet,
    /// In how many certified passes in a row there were such suspects.
    lasting: u32,
}

impl Unresolved {
    /// Takes note of the suspects that the server has at the end of a certified pass.
    fn certified(&mut self, still_there: IdSet) {
        self.lasting = if still_there.is_empty() { 0 } else { self.lasting.saturating_add(1) };
        self.still_there = still_there;
    }
}

/// What the end of a pass needs.
pub(super) struct Finish<'a, A, M> {
    pub(super) pager: &'a Pager<A, M>,
    pub(super) mirror: &'a RetryingMirror<M>,
    pub(super) iteration: Iteration,
    /// The least time between two page requests.
    pub(super) period: Duration,
}

impl<A: Api, M: Mirror> Finish<'_, A, M> {
    /// Reconciles what a pass did not see, writes the ledger and tells of it. What a wish to stop
    /// leaves undone is done once the pass is taken up again.
    pub(super) async fn run(
        &self,
        verdict: PassVerdict,
        current: &mut CurrentPass,
        unresolved: &mut Unresolved,
    ) -> Result<(), Stopped> {
        let reason = match verdict {
            PassVerdict::Certified => None,
            PassVerdict::NotCertified(reason) => Some(reason),
        };
        let (context, progress) = (&self.pager.context, &self.pager.fetcher.progress);
        let repository = current.config.id;
        let statistics = current.statistics(self.pager.requests());
        let retention = self.pager.retention.borrow().clone();
        let mut reconciled =
            self.reconcile(current, &unresolved.still_there, reason.is_none()).await?;
        let (suspects, held, news) =
            (reconciled.suspects.count(), reconciled.held_count(), reconciled.news);
        report::window(progress, repository, current.unreadable.take());
        if statistics.distinct > 0 {
            report::access(progress, repository, None);
        } else if self.pager.fetcher.session.standing().is_some()
            // Neither a stop nor a session that has ended is a reason to leave a pass open that is at its end.
            && let Ok(denied) = ask_access(&self.pager.fetcher, repository, context).await
        {
            report::access(progress, repository, denied);
        }
        if reason.is_none() {
            unresolved.certified(reconciled.still_there);
            let count = unresolved.still_there.count();
            report::lasting_suspects(progress, repository, count, unresolved.lasting);
        } else {
            unresolved.still_there = reconciled.still_there;
        }
        let is_cut_short = matches!(reason, Some(UncertifiedReason::WindowUnreadable { .. }));
        unresolved.cut_short = is_cut_short.then(|| Arc::clone(&current.config));
        // Once any deletion is approved, there is nothing to wait for but the next certified pass.
        unresolved.holds = reconciled.held.as_ref().is_some_and(|held| held.approved.is_empty());
        // What an incremental pass has seen since it was judged.
        self.mirror.readings.subtract_sighted(&mut reconciled.suspects);
        let end = EndOfPass {
            iteration: self.iteration,
            ts_ms: clock::now_ms(),
            statistics,
            reason: reason.map(|reason| reason.to_string()),
            suspects: reconciled.suspects,
            held: reconciled.held,
        };
        let changed = self.mirror.end_pass(context, &end).await?;
        if is_nearly_all(changed.updated, changed.unchanged) {
            self.tell_common(current, changed.updated).await;
        }
        match news {
            Some(News::Held { of }) => {
                event::deletions_held(repository, self.iteration, held, of, &progress.command);
            }
            Some(News::NoLonger) => event::deletions_no_longer_held(repository, self.iteration),
            None => {}
        }
        report::held(progress, repository, end.held.as_ref().map_or(0, |it| it.waiting().count()));
        let in_a_row = report::uncertified(self.pager, repository, end.reason.as_deref());
        let elapsed = current.begun.elapsed();
        let before = *self.pager.progress.borrow();
        self.count(reason.is_none(), elapsed);
        let complete = PassComplete {
            repository,
            iteration: self.iteration,
            pages: statistics.pages,
            requests: statistics.requests,
            items: statistics.distinct,
            created: changed.created,
            updated: changed.updated,
            deleted: changed.deleted,
            unchanged: changed.unchanged,
            suspects,
            held,
            elapsed,
        };
        self.pager.progress.send_modify(|progress| {
            progress.passes += 1;
            progress.held = held;
            progress.uncertified_in_a_row = in_a_row;
            if reason.is_none() {
                let (iteration, ended) = (self.iteration, Instant::now());
                progress.certified = Some(LastCertified { iteration, ended });
            }
        });
        // Last, so that an operator who has read of it is told the same by `status`.
        if self.is_summed_up(&complete, reason.is_none(), &before) {
            event::quiet_pass_complete(&complete);
        } else {
            event::pass_complete(&complete, reason.as_ref().map(|reason| reason as _));
        }
        self.drop_old_changes(&retention).await
    }

    /// Whether a pass is one of so many that found nothing new that it is told of in a sum.
    fn is_summed_up(
        &self,
        pass: &PassComplete,
        certified: bool,
        before: &RepositoryProgress,
    ) -> bool {
        let news = [pass.created, pass.updated, pass.deleted, pass.suspects, pass.held];
        let as_before = before.passes > 0 && before.uncertified_in_a_row == 0 && before.held == 0;
        let progress = &self.pager.fetcher.progress;
        if !progress.is_of_many() || !certified || !as_before || news != [0; 5] {
            return false;
        }
        let line = SharedLine {
            repository: pass.repository,
            pages: pass.pages,
            requests: pass.requests,
            items: pass.items,
            elapsed: pass.elapsed,
        };
        !progress.pass_lines.is_own_line(Instant::now(), &line)
    }

    async fn reconcile(
        &self,
        current: &mut CurrentPass,
        still_there: &IdSet,
        certified: bool,
    ) -> Result<Reconciled, Stopped> {
        let reconciliation = Reconciliation {
            fetcher: &self.pager.fetcher,
            mirror: self.mirror,
            iteration: self.iteration,
            probes: current.pass.probes().take(PROBES).cloned().collect(),
            seen: Arc::new(current.pass.take_seen()),
            item_id: &current.config.item_id,
            allowed: current.config.deletes,
            conditional: deletes::is_conditional(&current.config.search),
            still_there,
            pace: self.period / ITEMS_PER_PAGE_INTERVAL,
            context: &self.pager.context,
        };
        if certified {
            reconciliation.of_certified_pass().await
        } else {
            reconciliation.of_any_pass().await
        }
    }

    /// Tells what nearly all items that the pass updated have in common: one event, with its likely
    /// cause. The pass has ended in the mirror, and what comes after is told also where a stop leaves this
    /// out.
    async fn tell_common(&self, current: &CurrentPass, updated: u64) {
        let mut common = current.member_changes.common();
        let is_ignored = |name: &String| {
            current.ignore.iter().any(|it| it.tokens() == std::slice::from_ref(name))
        };
        common.altered.retain(|name| !is_ignored(name));
        if common.is_none() {
            return;
        }
        let Ok(model) = self.mirror.model(&self.pager.context).await else { return };
        let naming = Naming::of(&model, &[]);
        let named = |members: &[String]| {
            let mut names: Vec<&str> =
                members.iter().take(MOST_NAMED).map(|it| naming.name(it)).collect();
            let more = members.len().saturating_sub(MOST_NAMED);
            let more = format!("{more} more");
            if members.len() > MOST_NAMED {
                names.push(&more);
            }
            names.join(", ")
        };
        event::most_items_changed(&MostItemsChanged {
            repository: current.config.id,
            iteration: self.iteration,
            updated,
            appeared: &named(&common.appeared),
            disappeared: &named(&common.disappeared),
            altered: &named(&common.altered),
        });
    }

    fn count(&self, certified: bool, elapsed: Duration) {
        let Fetcher { progress: totals, counts, .. } = &*self.pager.fetcher;
        totals.passes.increment();
        if certified {
            totals.certified.increment();
            counts.certified.increment();
        } else {
            counts.uncertified.increment();
        }
        counts.pass_took.observe(elapsed);
    }

    async fn drop_old_changes(&self, retention: &ChangeRetention) -> Result<(), Stopped> {
        let Some(keep) = retention.keep else { return Ok(()) };
        // Told once, however many transactions it takes.
        let mut lost = BTreeMap::new();
        let done = self.drop_all(retention, keep, &mut lost).await;
        for UndeliveredChanges { feed, changes, through } in lost.into_values() {
            event::undelivered_changes_dropped(&feed, changes, through);
        }
        done
    }

    /// Drops what is old enough; `lost` is what each feed had not delivered of it.
    async fn drop_all(
        &self,
        retention: &ChangeRetention,
        keep: Duration,
        lost: &mut BTreeMap<String, UndeliveredChanges>,
    ) -> Result<(), Stopped> {
        let (context, now_ms) = (&self.pager.context, clock::now_ms());
        loop {
            let let_go = !self.may_hold(retention).await?;
            let holds = if let_go { &retention.holds.let_go() } else { &retention.holds };
            let dropped = self.mirror.drop_changes(context, now_ms, keep, holds).await?;
            for more in dropped.undelivered {
                let changes = lost.get(&more.feed).map_or(0, |lost| lost.changes);
                let changes = changes.saturating_add(more.changes);
                lost.insert(more.feed.clone(), UndeliveredChanges { changes, ..more });
            }
            if !dropped.more {
                return Ok(());
            }
            context.check()?;
        }
    }

    /// Whether there is room for what feeds hold.
    async fn may_hold(&self, retention: &ChangeRetention) -> Result<bool, Stopped> {
        if retention.holds.is_empty() {
            return Ok(true);
        }
        if let Some(most) = retention.hold_size
            && self.mirror.used_bytes(&self.pager.context).await? > most
        {
            return Ok(false);
        }
        let mirror = Arc::clone(&self.mirror.mirror);
        // A disk that hangs shows at the next page.
        let asked = tokio::task::spawn_blocking(move || mirror.disk_space());
        let asked = tokio::time::timeout(DISK_ANSWERS_WITHIN, asked);
        let asked = self.pager.context.run(Until::Within(2 * DISK_ANSWERS_WITHIN), asked).await?;
        let space = asked.ok().and_then(Result::ok).flatten();
        Ok(!space.is_some_and(|space| space.is_little()))
    }
}
