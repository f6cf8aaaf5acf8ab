//! The line of one repository: its own bounds, and what has gone by them. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::ids::WaitingId;

/// The bounds of one repository.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// The least time between two requests of any kind.
    pub least: Option<Duration>,
    /// The least time from one page to the next.
    pub page_interval: Duration,
    /// How many requests may be under way at once.
    pub most: u32,
    /// Whether its page interval is the default one, so that a default bound of all holds for it.
    pub is_default: bool,
}

impl Terms {
    /// Whether any request has to wait for the time that it may go.
    pub(super) fn has_pace(&self) -> bool {
        self.least.is_some() || !self.page_interval.is_zero()
    }
}

/// The line of one repository.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) terms: Terms,
    /// When its latest request went.
    sent: Option<Instant>,
    /// When its latest page went.
    page_sent: Option<Instant>,
    pub(super) under_way: u32,
    /// How many requests wait in it.
    pub(super) waiting: usize,
    /// Those of whole passes, the one that needs it most first.
    pub(super) whole: BTreeSet<(Instant, WaitingId)>,
    /// The page of a whole pass whose turn it is.
    pub(super) awaited: Option<u64>,
    /// How many went since one of a whole pass, while such a one could have gone.
    pub(super) passed_over: u32,
}

impl Line {
    pub(super) fn new(terms: Terms) -> Self {
        Self {
            terms,
            sent: None,
            page_sent: None,
            under_way: 0,
            waiting: 0,
            whole: BTreeSet::new(),
            awaited: None,
            passed_over: 0,
        }
    }

    /// A request goes; `is_over` says whether one of a whole pass could have gone instead.
    pub(super) fn take(&mut self, now: Instant, is_page: bool, is_over: bool) {
        self.sent = Some(now);
        if is_page {
            self.page_sent = Some(now);
        }
        self.under_way = self.under_way.saturating_add(1);
        self.passed_over = if is_over { self.passed_over.saturating_add(1) } else { 0 };
    }

    /// When a request may go that has waited since `entered`; `None` while as many are under way as may be.
    pub(super) fn opens(&self, entered: Instant, is_paced: bool) -> Option<Instant> {
        if self.under_way >= self.terms.most {
            return None;
        }
        let own = self.sent.zip(self.terms.least).map(|(sent, least)| sent + least);
        let page = self.page_sent.filter(|_| is_paced).map(|sent| sent + self.terms.page_interval);
        own.max(page).max(Some(entered))
    }
}
