//! One pass under way: what it asks for next, and what the mirror is handed with each page.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::time::Instant;

use super::proof::checkpoint::{self, ListId};
use super::proof::normalise::Before;
use super::proof::pass::{
    AnswerOutcome, Pass, PassSettings, PassVerdict, Ticket, UncertifiedReason, WindowRequest,
};
use super::proof::window::Window;
use super::request::outcome::{FetchOutcome, Unanswered};
use super::request::unreadable::ReportedRecords;
use crate::client::{Fingerprints, SearchAnswer, SearchRequest, UnreadableItem};
use crate::config::{PagingConfig, RepositoryConfig};
use crate::domain::{IdSet, Item, Iteration};
use crate::mirror::{Checkpoint, PageOfItems, PassStatistics};
use crate::progress::problems::ProblemReport;
use crate::telemetry::event::{self, PageRead, WindowUnreadable};

/// One pass under way.
pub(super) struct CurrentPass {
    pub(super) iteration: Iteration,
    pub(super) pass: Pass,
    pub(super) list: ListId,
    pub(super) config: Arc<RepositoryConfig>,
    /// Of the configuration: shared by all requests of the pass.
    pub(super) conditions: Arc<Map<String, Value>>,
    pub(super) begun: Instant,
    /// Planned, but not yet sent.
    pub(super) next: Option<WindowRequest>,
    /// What came of requests whose turn has not come.
    pub(super) landed: HashMap<Ticket, FetchOutcome>,
    /// Why a window of it cannot be read, where that ended it.
    pub(super) unreadable: Option<ProblemReport>,
    /// The answer with which the next must share an item; empty at the beginning, and where the
    /// pass was taken up again.
    pub(super) before: Before,
    /// When it was asked for.
    pub(super) before_begun: Option<Instant>,
    /// The records told of that cannot be read.
    pub(super) reported: ReportedRecords,
    /// Requests sent before it was interrupted.
    pub(super) requests_then: u64,
    /// What the counter of requests stood at when it was begun or taken up.
    pub(super) requests_before: u64,
}

/// A page that is being written, and what is to be told once it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingWrite {
    pub(super) read: PageRead,
    pub(super) taken: AnswerOutcome,
}

impl CurrentPass {
    /// The request to send next, if one is known to be needed.
    pub(super) fn plan_next(&mut self) -> Option<WindowRequest> {
        self.next = self.next.filter(|ask| self.pass.wants(ask.ticket));
        if self.next.is_none() {
            self.next = self.pass.plan();
        }
        self.next
    }

    pub(super) fn request(
        &self,
        ask: WindowRequest,
        fingerprints: Option<Arc<Fingerprints>>,
    ) -> SearchRequest {
        SearchRequest {
            repository: self.config.id,
            page: ask.window.page,
            page_size: ask.window.size,
            conditions: Arc::clone(&self.conditions),
            item_id: self.config.item_id.clone(),
            fingerprints,
        }
    }

    /// What came of the request whose turn it is, once something has.
    pub(super) fn awaited(&mut self) -> Option<(Ticket, FetchOutcome)> {
        let ticket = self.pass.awaited()?;
        self.landed.remove(&ticket).map(|outcome| (ticket, outcome))
    }

    /// Tells the pass, and where that ends it the operator, of a window that is not answered.
    pub(super) fn give_up(&mut self, ticket: Ticket, unanswered: Unanswered) {
        let Unanswered { failure, total, .. } = unanswered;
        let taken = self.pass.unanswered(ticket, total);
        self.drop_void();
        if let AnswerOutcome::Replanned(reason) = taken {
            let page = self.pass.counts().pages;
            event::stepped_back(self.config.id, self.iteration, page, super::words(reason));
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

    /// For each row of an answer whether the answer before it in the list, which was asked for
    /// later, has the item, too: the later reading counts.
    pub(super) fn superseded(&self, answer: &SearchAnswer, begun: Instant) -> Vec<bool> {
        if self.before_begun.is_none_or(|before| before <= begun) {
            return vec![false; answer.items.len()];
        }
        answer.items.iter().map(|item| self.before.has(&item.id)).collect()
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
        let rows = self.before.rows(&answer.items, &self.config.ignore);
        let digests = rows.iter().map(|row| row.digest).collect();
        let mut rows = rows.into_iter();
        let places = answer.places().map(|item| item.and_then(|_| rows.next())).collect();
        let taken = self.pass.take_with_gaps(ticket, places, answer.total);
        for id in answer.unreadable.iter().filter_map(|record| record.id.as_ref()) {
            self.pass.sighted(id);
        }
        if self.pass.latest_is_previous() {
            self.before = Before::new(answer.items.clone(), digests);
            self.before_begun = Some(begun);
        }
        self.drop_void();
        taken
    }

    /// Drops what came of requests that a change of plan has made void.
    pub(super) fn drop_void(&mut self) {
        let Self { pass, landed, .. } = self;
        landed.retain(|ticket, _| pass.wants(*ticket));
    }

    /// What the ledger says of it; `requests` is what the counter of requests stands at.
    pub(super) fn statistics(&self, requests: u64) -> PassStatistics {
        let counts = self.pass.counts();
        PassStatistics {
            pages: counts.pages,
            requests: self.requests_then + (requests - self.requests_before),
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
            repository: self.config.id,
            iteration: self.iteration,
            ts_ms,
            items,
            newly_seen,
            ignore: Arc::clone(&self.config.ignore),
            statistics: self.statistics(requests),
            checkpoint: Checkpoint {
                state: checkpoint::state(&self.pass, self.list),
                seen: checkpoint::seen(&fresh),
            },
        }
    }
}

/// How a pass pages, by the configuration.
pub(super) fn pass_settings(paging: &PagingConfig) -> PassSettings {
    PassSettings { page_size: paging.page_size.get(), overlap: paging.overlap }
}
