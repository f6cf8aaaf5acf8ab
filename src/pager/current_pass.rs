//! One pass under way: what it asks for next, and what the mirror is handed with each page.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::Instant;

use super::change_delay::kept_changes;
use super::proof::checkpoint::{self, ListId};
use super::proof::normalise::PreviousAnswer;
use super::proof::pass::{
    AnswerOutcome, Pass, PassSettings, PassVerdict, Ticket, UncertifiedReason, WindowRequest,
};
use super::proof::window::Window;
use super::rate::page_size::{PageSizer, PageTaken, SMALLEST};
use super::request::outcome::{FetchOutcome, Unanswered};
use super::request::unreadable::ReportedRecords;
use crate::client::{Fingerprints, SearchAnswer, SearchRequest, UnreadableItem};
use crate::config::{AutoOr, PagingConfig, RepositoryConfig};
use crate::domain::{IdSet, Item, Iteration};
use crate::json::JsonPointer;
use crate::mirror::{Checkpoint, MemberChanges, PageOfItems, PassStatistics};
use crate::progress::problems::ProblemReport;
use crate::telemetry::event::{self, WindowUnreadable};

/// One pass under way.
pub(super) struct CurrentPass {
    pub(super) iteration: Iteration,
    pub(super) pass: Pass,
    list: ListId,
    pub(super) config: Arc<RepositoryConfig>,
    /// The field ids of the time of an item's last change, as the model has them.
    last_updated: Vec<String>,
    /// Members left out of the comparison.
    pub(super) ignore: Arc<[JsonPointer]>,
    /// What differs in the items that are updated.
    pub(super) member_changes: Arc<MemberChanges>,
    /// The search conditions of the configuration, which all requests of the pass share.
    conditions: Arc<Map<String, Value>>,
    pub(super) begun: Instant,
    /// The request that is planned, but not yet sent.
    next: Option<WindowRequest>,
    /// The outcomes of requests whose turn has not come.
    arrived: HashMap<Ticket, FetchOutcome>,
    /// Why a window cannot be read, where that ended the pass.
    pub(super) unreadable: Option<ProblemReport>,
    /// The answer with which the next must share an item; empty at the beginning, and where the
    /// pass was taken up again.
    previous: PreviousAnswer,
    /// When the request for that answer was sent.
    previous_begun: Option<Instant>,
    /// Whether requests under way are void, and are not to hold the place of others.
    makes_void: bool,
    /// Before this position small pages are asked for, because larger ones were not answered there.
    small_until: u64,
    /// The unreadable records that have been logged.
    reported: ReportedRecords,
    requests: RequestCount,
}

/// How many requests a pass has made.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestCount {
    /// Requests that the pass had sent before it was interrupted.
    pub(super) before: u64,
    /// What the counter of requests stood at when the pass was begun or taken up.
    pub(super) counter_then: u64,
}

/// What new settings mean for a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SettingsChange {
    /// The windows stay what they are.
    SamePlan,
    /// Other windows are asked for from now on; requests under way are void.
    OtherPlan,
    /// The pass must start over.
    OtherList,
}

impl CurrentPass {
    /// A pass at its beginning, or one that goes on from here.
    pub(super) fn new(
        iteration: Iteration,
        pass: Pass,
        list: ListId,
        (config, last_updated): (Arc<RepositoryConfig>, Vec<String>),
        requests: RequestCount,
    ) -> Self {
        Self {
            ignore: config.ignored(&last_updated),
            last_updated,
            member_changes: Arc::new(kept_changes(&config)),
            iteration,
            pass,
            list,
            conditions: Arc::new(config.search.clone()),
            config,
            begun: Instant::now(),
            next: None,
            arrived: HashMap::new(),
            unreadable: None,
            previous: PreviousAnswer::default(),
            previous_begun: None,
            makes_void: false,
            small_until: 0,
            reported: ReportedRecords::default(),
            requests,
        }
    }

    /// Applies new settings; returns what of the pass still holds.
    pub(super) fn apply(
        &mut self,
        config: Arc<RepositoryConfig>,
        sizer: &PageSizer,
    ) -> SettingsChange {
        let old = std::mem::replace(&mut self.config, config);
        let new = &self.config;
        self.ignore = new.ignored(&self.last_updated);
        if old.search != new.search || old.item_id != new.item_id {
            return SettingsChange::OtherList;
        }
        let settings = pass_settings(&new.paging, sizer);
        if pass_settings(&old.paging, sizer) == settings {
            return SettingsChange::SamePlan;
        }
        self.pass.change_settings(settings);
        // Void answers would take up the room of those that are wanted now.
        self.drop_void();
        SettingsChange::OtherPlan
    }

    /// Takes note of what came of a request, if it is still wanted.
    pub(super) fn arrive(&mut self, ticket: Ticket, outcome: FetchOutcome) {
        if self.pass.wants(ticket) {
            self.arrived.insert(ticket, outcome);
        }
    }

    /// Whether a request is known to be needed; plans it where none is planned.
    pub(super) fn has_next(&mut self) -> bool {
        self.next = self.next.filter(|planned| self.pass.wants(planned.ticket));
        if self.next.is_none() {
            self.next = self.pass.plan();
        }
        self.next.is_some()
    }

    /// The request to send next, which is taken for sent.
    pub(super) fn take_planned(&mut self) -> Option<WindowRequest> {
        self.next.take()
    }

    /// How long each page may take that is left of the pass, for it to end within `pass_deadline`: no time at all once
    /// that is over.
    pub(super) fn time_for_each(&self, now: Instant) -> Duration {
        let taken = now.saturating_duration_since(self.begun);
        let left = self.config.paging.pass_deadline.saturating_sub(taken);
        let items = self.pass.counts().last_total.saturating_sub(self.pass.covered());
        // One more than there seem to be, to find the end; overlaps are a part that makes no difference here.
        let pages = items / u64::from(self.pass.page_size()) + 1;
        left / u32::try_from(pages).unwrap_or(u32::MAX)
    }

    /// How many answers wait for their turn.
    pub(super) fn waiting(&self) -> usize {
        self.arrived.len()
    }

    pub(super) fn request(
        &self,
        planned: WindowRequest,
        fingerprints: Option<Arc<Fingerprints>>,
    ) -> SearchRequest {
        SearchRequest {
            repository: self.config.id,
            page: planned.window.page,
            page_size: planned.window.size,
            conditions: Arc::clone(&self.conditions),
            item_id: self.config.item_id.clone(),
            fingerprints,
        }
    }

    /// The outcome of the request whose turn it is, once it is there.
    pub(super) fn awaited(&mut self) -> Option<(Ticket, FetchOutcome)> {
        let ticket = self.pass.awaited()?;
        self.arrived.remove(&ticket).map(|outcome| (ticket, outcome))
    }

    /// Tells the pass, and where that ends it the operator, of a window that is not answered; but asks for
    /// fewer items first, where so many may be what the server does not answer.
    pub(super) fn give_up(
        &mut self,
        ticket: Ticket,
        unanswered: Unanswered,
        sizer: &mut PageSizer,
    ) {
        let Unanswered { failure, total, .. } = unanswered;
        if self.asks_for_fewer(total, sizer) {
            let page = self.pass.counts().pages;
            event::stepped_back(self.config.id, self.iteration, page, "page not answered");
            self.drop_void();
            self.makes_void = true;
            return;
        }
        let taken = self.pass.unanswered(ticket, total);
        self.drop_void();
        if let AnswerOutcome::Replanned(reason) = taken {
            let page = self.pass.counts().pages;
            event::stepped_back(self.config.id, self.iteration, page, reason.name());
        }
        let Some(PassVerdict::NotCertified(UncertifiedReason::WindowUnreadable { from, to })) =
            self.pass.verdict()
        else {
            return;
        };
        let event = WindowUnreadable {
            repository: self.config.id,
            iteration: self.iteration,
            from,
            to: to.saturating_sub(1),
            error: &failure,
            answer: failure.beginning(),
        };
        event::window_unreadable(&event);
        self.unreadable = Some(ProblemReport {
            error: format!("positions {from} to {} cannot be read: {failure}", event.to),
            remedy: event::WINDOW_REMEDY.to_owned(),
            retry_in: None,
            halts: false,
        });
    }

    /// Whether the window whose turn has come is replaced by smaller ones: the page size is ours to choose, it
    /// is not as small as it gets, and the list, which has this total by now, reaches there.
    fn asks_for_fewer(&mut self, total: u64, sizer: &mut PageSizer) -> bool {
        let Some(window) = self.pass.awaited_window().filter(|it| it.size > SMALLEST) else {
            return false;
        };
        if self.config.paging.page_size != AutoOr::Auto || window.start() >= total.max(1) {
            return false;
        }
        // Where pages of this size came before, it is the place that is to blame, and only there smaller
        // ones are asked for.
        let is_usual = self.pass.widest() >= window.size / 4 * 3;
        let page_size = if !is_usual && sizer.failed(window.size) {
            sizer.size()
        } else {
            self.small_until = window.end();
            SMALLEST
        };
        let overlap = self.config.paging.overlap;
        self.pass.change_settings(PassSettings { page_size, overlap });
        true
    }

    /// Whether requests under way have become void since this was last asked.
    pub(super) fn take_makes_void(&mut self) -> bool {
        std::mem::take(&mut self.makes_void)
    }

    /// Learns from an answer to the window whose turn had come, how many items are to be asked for next.
    pub(super) fn resize(&mut self, page: PageTaken, sizer: &mut PageSizer) {
        if self.config.paging.page_size != AutoOr::Auto {
            return;
        }
        sizer.taken(page);
        if let Some(cap) = self.pass.cap() {
            sizer.capped(cap);
        }
        let is_small = self.pass.covered() < self.small_until;
        let most = if is_small { SMALLEST } else { u32::MAX };
        self.pass.set_page_size(sizer.size().min(most));
    }

    /// For each row of an answer whether the answer before it in the list, which was asked for
    /// later, has the item, too: the later reading counts.
    pub(super) fn superseded(&self, answer: &SearchAnswer, begun: Instant) -> Vec<bool> {
        if self.previous_begun.is_none_or(|before| before <= begun) {
            return vec![false; answer.items.len()];
        }
        answer.items.iter().map(|item| self.previous.has(&item.id)).collect()
    }

    /// Tells of the records of the answer whose turn has come that cannot be read.
    pub(super) fn tell_unreadable(&mut self, records: &[UnreadableItem]) {
        let start = self.pass.awaited_window().map_or(0, Window::start);
        self.reported.report((self.config.id, self.iteration), start, records);
    }

    /// Takes an answer into the pass.
    pub(super) fn take(
        &mut self,
        ticket: Ticket,
        answer: &SearchAnswer,
        begun: Instant,
    ) -> AnswerOutcome {
        let rows = self.previous.rows(&answer.items, &self.ignore);
        let digests = rows.iter().map(|row| row.digest).collect();
        let mut rows = rows.into_iter();
        let places = answer.places().map(|item| item.and_then(|_| rows.next())).collect();
        let taken = self.pass.take_with_gaps(ticket, places, answer.total);
        for id in answer.unreadable.iter().filter_map(|record| record.id.as_ref()) {
            self.pass.sighted(id);
        }
        if self.pass.latest_is_previous() {
            self.previous = PreviousAnswer::new(&answer.items, digests);
            self.previous_begun = Some(begun);
        }
        self.drop_void();
        taken
    }

    /// Drops what came of requests that a change of plan has made void.
    fn drop_void(&mut self) {
        let Self { pass, arrived, .. } = self;
        arrived.retain(|ticket, _| pass.wants(*ticket));
    }

    /// What the ledger says of the pass; `requests` is what the counter of requests stands at.
    pub(super) fn statistics(&self, requests: u64) -> PassStatistics {
        let counts = self.pass.counts();
        PassStatistics {
            pages: counts.pages,
            requests: self.requests.before + (requests - self.requests.counter_then),
            first_total: counts.first_total,
            last_total: counts.last_total,
            distinct: counts.distinct,
            repeats: counts.repeats,
            step_backs: counts.step_backs,
        }
    }

    /// The page that the pass took last, with all that goes into the same transaction.
    pub(super) fn page(
        &self,
        answer: SearchAnswer,
        superseded: &[bool],
        ts_ms: i64,
        requests: u64,
    ) -> PageOfItems {
        let unreadable = answer.unreadable.iter().filter_map(|record| record.id.as_ref());
        let rows = answer.items.into_iter().zip(self.pass.newly_seen()).zip(superseded);
        let (items, newly_seen): (Vec<Item>, Vec<bool>) = rows
            .filter(|(_, superseded)| !**superseded)
            .map(|((item, first), _)| (item, *first))
            .unzip();
        let fresh: IdSet = items
            .iter()
            .zip(&newly_seen)
            .filter(|(_, first)| **first)
            .map(|(item, _)| &item.id)
            .chain(unreadable)
            .collect();
        PageOfItems {
            iteration: self.iteration,
            ts_ms,
            items,
            newly_seen,
            ignore: Arc::clone(&self.ignore),
            member_changes: Arc::clone(&self.member_changes),
            statistics: self.statistics(requests),
            checkpoint: Checkpoint {
                state: checkpoint::state(&self.pass, self.list),
                seen: checkpoint::seen(&fresh),
            },
        }
    }
}

/// How a pass pages, by the configuration and by what was found out.
pub(super) fn pass_settings(paging: &PagingConfig, sizer: &PageSizer) -> PassSettings {
    let page_size = match paging.page_size {
        AutoOr::Value(page_size) => page_size.get(),
        AutoOr::Auto => sizer.size(),
    };
    PassSettings { page_size, overlap: paging.overlap }
}
