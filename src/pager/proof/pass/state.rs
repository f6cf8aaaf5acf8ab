//! Where a pass is: what it has asked for, what it has read, and the window to ask for next.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::terms::{AnswerOutcome, PassCounts, PassSettings, RereadReason, Ticket, WindowRequest};
use super::verdict::{PassVerdict, UncertifiedReason};
use crate::domain::{IdSet, ItemId};
use crate::pager::proof::overlap::{ItemDigest, RowRange};
use crate::pager::proof::window::{self, Window};

/// How often in a row a window is stepped back before the pass goes on without a proof. The
/// overlap grows fourfold each time, but by no more than three quarters of a page, so that this
/// reaches back over at least one and a half pages of any size up to 1000 without a gap.
pub(super) const STEP_BACKS: u32 = 6;

/// The state machine.
///
/// Its stored form (serde) is that of the moment after an answer was taken: without the requests
/// planned since, which are made again, and without the ids seen, which are stored page by page
/// and handed back to [`Pass::resume`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Pass {
    pub(super) settings: PassSettings,
    /// The page size that the server turned out to keep to, where it is smaller.
    pub(super) cap: Option<u32>,
    /// The positions before this one are read, without a gap as far as is proven.
    pub(super) covered: u64,
    /// The furthest that `covered` has been; the pass gets on only beyond that position.
    pub(super) reached: u64,
    /// Rows that could not be read: each may be any item.
    pub(super) unread: u64,
    /// How far before the end of one window the next begins, at least.
    pub(super) overlap: u64,
    /// The accepted answer with which the next one must share an item.
    pub(super) previous: Option<RowRange>,
    /// The total that came with that answer.
    pub(super) previous_total: u64,
    #[serde(skip)]
    pub(super) planned: VecDeque<PendingWindow>,
    /// A range to be read again, before anything else is planned.
    pub(super) reread: Option<Window>,
    #[serde(skip)]
    pub(super) next_ticket: u64,
    /// Step backs since the pass last got on.
    pub(super) stepped_back: u32,
    /// The window whose answer was not believed the first time, and is asked for again, and why.
    pub(super) repeated: Option<(Window, RereadReason)>,
    /// Whether the server cut a page to a smaller size and then, or before, another one not.
    pub(super) wavers: bool,
    /// The most rows that an answer of this pass had: pages of this size the server does not cut.
    pub(super) widest: u32,
    /// The most that the next window asks for, where it is to show that the latest page was not cut.
    pub(super) looks_beyond: Option<u32>,
    /// Whether the server has sent more items than it announces.
    pub(super) understated: bool,
    #[serde(skip)]
    pub(super) seen: IdSet,
    /// For each row of the latest answer that could be read whether its id was new.
    #[serde(skip)]
    pub(super) newly_seen: Vec<bool>,
    /// Whether the latest answer is the one with which the next must share an item.
    #[serde(skip)]
    pub(super) latest_is_previous: bool,
    pub(super) counts: PassCounts,
    /// How much was seen to come, go or move: changes of the total, displacements, strangers in
    /// overlaps.
    pub(super) came_and_went: u64,
    pub(super) reason: Option<UncertifiedReason>,
    pub(super) verdict: Option<PassVerdict>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct PendingWindow {
    pub(super) ticket: Ticket,
    pub(super) window: Window,
    /// Whether the window was planned to begin inside what is covered.
    pub(super) overlaps: bool,
    /// Whether the window reads a range again: nothing else is asked for meanwhile, because the
    /// answer would be void if this window fails as well, and because the time that another request
    /// takes gives the list's neighbours more time to move apart.
    pub(super) again: bool,
}

impl Pass {
    /// A pass at its beginning.
    pub fn new(settings: PassSettings) -> Self {
        Self {
            settings,
            cap: None,
            covered: 0,
            reached: 0,
            unread: 0,
            overlap: 1,
            previous: None,
            previous_total: 0,
            planned: VecDeque::new(),
            reread: None,
            next_ticket: 0,
            stepped_back: 0,
            repeated: None,
            wavers: false,
            widest: 0,
            looks_beyond: None,
            understated: false,
            seen: IdSet::new(),
            newly_seen: Vec::new(),
            latest_is_previous: false,
            counts: PassCounts::default(),
            came_and_went: 0,
            reason: None,
            verdict: None,
        }
    }

    /// Takes an interrupted pass up again with the ids that it had seen. Windows that are to be read
    /// again still are, unless the settings have changed meanwhile.
    #[must_use]
    pub fn resume(self, seen: IdSet, settings: PassSettings) -> Self {
        let mut pass = Self { seen, ..self };
        if pass.settings != settings {
            pass.change_settings(settings);
        }
        pass
    }

    /// Applies new settings to all windows from now on; the place in the pass is kept. Requests under
    /// way are void: they may be the very ones that the old settings let fail.
    pub fn change_settings(&mut self, settings: PassSettings) {
        self.settings = settings;
        self.planned.clear();
        self.reread = None;
    }

    /// The next window to ask for; `None` while nothing more is known to be needed before an
    /// answer comes, and for ever once the pass has ended.
    pub fn plan(&mut self) -> Option<WindowRequest> {
        if self.verdict.is_some() {
            return None;
        }
        if let Some(window) = self.reread.take() {
            let overlaps = self.settings.overlap && window.start() < self.covered;
            return Some(self.push(window, overlaps, true));
        }
        let from = match self.planned.back() {
            None => self.covered,
            Some(last) if last.again => return None,
            // Ahead only as far as the announced total, and one window to reach past it; before one
            // was announced, nothing.
            Some(last) if last.window.end() <= self.counts.last_total => last.window.end(),
            Some(_) => return None,
        };
        let size = self.looks_beyond.unwrap_or(u32::MAX).min(self.page_size());
        let planned = if self.settings.overlap {
            window::next_overlapping(from, size, self.overlap)
        } else {
            window::next_plain(from, size)
        };
        Some(self.push(planned.window, planned.overlaps, false))
    }

    /// The request whose answer is to be taken next.
    pub fn awaited(&self) -> Option<Ticket> {
        self.planned.front().map(|planned| planned.ticket)
    }

    /// What it asked for.
    pub fn awaited_window(&self) -> Option<Window> {
        self.planned.front().map(|planned| planned.window)
    }

    /// Whether an answer to this request is still wanted.
    pub fn wants(&self, ticket: Ticket) -> bool {
        self.planned.iter().any(|planned| planned.ticket == ticket)
    }

    /// The verdict, once the pass has ended.
    pub fn verdict(&self) -> Option<PassVerdict> {
        self.verdict
    }

    /// What has been counted so far.
    pub fn counts(&self) -> PassCounts {
        PassCounts { distinct: self.seen.count(), ..self.counts }
    }

    /// For each row of the answer that was taken last and could be read whether its id was new to
    /// the pass.
    pub fn newly_seen(&self) -> &[bool] {
        &self.newly_seen
    }

    /// Whether the answer that was taken last is the one with which the next must share an item.
    pub fn latest_is_previous(&self) -> bool {
        self.latest_is_previous
    }

    /// The ids seen, for the reconciliation of what is missing. Leaves none behind.
    pub fn take_seen(&mut self) -> IdSet {
        std::mem::take(&mut self.seen)
    }

    /// Some items that the server had a moment ago: of the answer accepted last.
    pub fn probes(&self) -> impl Iterator<Item = &ItemId> {
        self.previous.iter().flat_map(|range| range.rows.iter().flatten().map(|row| &row.id))
    }

    /// Takes note of an item that an answer showed, but not in a form that can be read.
    pub fn sighted(&mut self, id: &ItemId) {
        self.seen.insert(id);
    }

    /// The positions before this one are read.
    pub fn covered(&self) -> u64 {
        self.covered
    }

    /// Asks for so many items at most from now on. What was asked for stays wanted: the proof takes windows of
    /// any sizes.
    pub fn set_page_size(&mut self, page_size: u32) {
        self.settings.page_size = page_size;
    }

    /// The page size that the server turned out to keep to in this pass, where it is smaller.
    pub fn cap(&self) -> Option<u32> {
        self.cap
    }

    /// The most rows that an answer of this pass had.
    pub fn widest(&self) -> u32 {
        self.widest
    }

    /// The most that the next window asks for.
    pub fn page_size(&self) -> u32 {
        let configured = self.settings.page_size.max(1);
        self.cap.map_or(configured, |cap| cap.min(configured))
    }

    pub(super) fn push(&mut self, window: Window, overlaps: bool, again: bool) -> WindowRequest {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.planned.push_back(PendingWindow { ticket, window, overlaps, again });
        WindowRequest { ticket, window }
    }

    pub(super) fn count(&mut self, rows: &[Option<ItemDigest>], total: u64) {
        if self.counts.pages == 0 {
            self.counts.first_total = total;
        } else {
            self.moved(self.counts.last_total.abs_diff(total));
        }
        self.counts.last_total = total;
        self.counts.pages += 1;
        self.counts.rows += rows.len() as u64;
        self.widest = self.widest.max(u32::try_from(rows.len()).unwrap_or(u32::MAX));
        self.unread += rows.iter().filter(|row| row.is_none()).count() as u64;
        self.newly_seen = rows.iter().flatten().map(|row| self.seen.insert(&row.id)).collect();
        self.counts.repeats += self.newly_seen.iter().filter(|first| !**first).count() as u64;
    }

    /// Takes note of so much that came, went or moved.
    pub(super) fn moved(&mut self, items: u64) {
        self.came_and_went = self.came_and_went.saturating_add(items);
    }

    /// Asks for the same window once more.
    pub(super) fn again(&mut self, planned: PendingWindow, reason: RereadReason) -> AnswerOutcome {
        self.counts.step_backs += 1;
        self.planned.clear();
        self.reread = Some(planned.window);
        AnswerOutcome::Replanned(reason)
    }
}
