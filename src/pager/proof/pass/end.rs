//! How far a pass has come, and what proves that it has come to the end of the list.
//!
//! Guarantees: a pass ends at an answer that is not full and not cut, or at an empty one; the total
//! that the server announces ends none. One that is too low is found, because the last window
//! reaches past it, and read on beyond; then it is the certificate that is lost, not the items.

use super::state::{Pass, PendingWindow, STEP_BACKS};
use super::terms::{AnswerOutcome, RereadReason};
use super::verdict::{PassVerdict, UncertifiedReason};
use crate::pager::proof::overlap::RowRange;
use crate::pager::proof::window::Window;

/// A page of so few rows is believed to be the last one: nobody sets a largest page size like this,
/// and no window that begins inside so few rows reaches past them.
const SURELY_NOT_CUT: usize = 2;

impl Pass {
    /// Goes on behind this answer, or ends.
    pub(super) fn accept(
        &mut self,
        planned: PendingWindow,
        range: RowRange,
        total: u64,
    ) -> AnswerOutcome {
        let repeated = self.repeated.take();
        self.wavers |= repeated == Some((planned.window, RereadReason::ShortPage));
        if range.end() > total && !self.understated {
            // With items beyond its own total an answer says two things about where the list ends.
            let asked = (planned.window, RereadReason::TotalTooLow);
            if repeated != Some(asked) {
                self.repeated = Some(asked);
                return self.again(planned, RereadReason::TotalTooLow);
            }
            self.understated = true;
            let position = range.end();
            self.reason
                .get_or_insert(UncertifiedReason::TotalTooLow { position, announced: total });
        }
        let full = range.rows.len() as u64 >= u64::from(planned.window.size);
        let reached = self.reached;
        self.covered = range.end();
        let is_new = self.gets_on();
        if self.reached > reached {
            self.stepped_back = 0;
        }
        let rows = range.rows.len();
        let from_top = range.start == 0;
        self.previous = Some(range);
        self.latest_is_previous = true;
        self.previous_total = total;
        let looked_beyond = self.looks_beyond.take();
        if rows == 0 {
            return self.end();
        }
        if self.covered < total {
            return AnswerOutcome::Accepted;
        }
        if full {
            if !is_new {
                self.reason.get_or_insert(UncertifiedReason::PageRepeated);
                return self.end();
            }
            return self.read_on(planned, looked_beyond);
        }
        if self.wavers && !from_top {
            // Only a full page is certainly not cut, and a page of one item is always full.
            let last = Window { page: self.covered, size: 1 };
            return self.again(PendingWindow { window: last, ..planned }, RereadReason::ShortPage);
        }
        if rows <= SURELY_NOT_CUT || rows < self.widest as usize {
            return self.end();
        }
        self.look_beyond(self.reached > reached)
    }

    /// Takes note of how far the pass has come; whether there are different items for at least half
    /// of that. A server whose lists never end goes over the same items again and again.
    pub(super) fn gets_on(&mut self) -> bool {
        self.reached = self.reached.max(self.covered);
        let distinct = self.seen.count().saturating_add(self.unread);
        distinct >= self.reached / 2
    }

    /// After a page that is not full and as long as any before: it may be the last one, or the
    /// server may cut all pages to just so many rows and announce no more. A window of at most as
    /// many rows is not cut by such a server, and if it reaches past the end it is not full.
    fn look_beyond(&mut self, gets_on: bool) -> AnswerOutcome {
        self.stepped_back += u32::from(!gets_on);
        if self.stepped_back > STEP_BACKS {
            self.reason.get_or_insert(UncertifiedReason::PagesCut { position: self.covered });
            return self.end();
        }
        self.looks_beyond = Some(self.widest);
        AnswerOutcome::Accepted
    }

    /// After a full page that reaches as far as what is announced, or further: nothing shows yet
    /// that there is no more.
    fn read_on(&mut self, planned: PendingWindow, looked_beyond: Option<u32>) -> AnswerOutcome {
        if looked_beyond.is_some() {
            // The page before was cut. (Or the list has grown meanwhile: then smaller pages than
            // need be are asked for until the end of this pass.)
            self.cap = looked_beyond;
        }
        if self.wavers && planned.window.size == 1 {
            // What is not cut and reaches past the end is one position there.
            let beyond = Window { page: self.covered.saturating_add(1), size: 1 };
            return self
                .again(PendingWindow { window: beyond, ..planned }, RereadReason::ShortPage);
        }
        AnswerOutcome::Accepted
    }

    /// Whether an empty answer to a window that overlaps nothing is the end all the same: before
    /// and after, the list was announced to end just where the window begins.
    pub(super) fn ends_as_announced(&self, range: &RowRange, total: u64) -> bool {
        range.rows.is_empty() && self.covered == total && self.previous_total == total
    }

    /// The end, and what the pass has proved.
    pub(super) fn end(&mut self) -> AnswerOutcome {
        self.planned.clear();
        let counts = self.counts();
        if let Some(UncertifiedReason::TotalTooLow { position, .. }) = &mut self.reason {
            *position = self.reached;
        }
        let difference = counts.distinct.abs_diff(counts.last_total);
        if difference > self.came_and_went {
            self.reason.get_or_insert(UncertifiedReason::CountDisagrees {
                distinct: counts.distinct,
                announced: counts.last_total,
                came_and_went: self.came_and_went,
            });
        }
        self.verdict = Some(self.reason.map_or(PassVerdict::Certified, PassVerdict::NotCertified));
        AnswerOutcome::Ended
    }
}
