//! Taking answers: each is joined to the one before it, or shows what is to be read again.

use super::state::{Pass, PendingWindow, STEP_BACKS};
use super::terms::{AnswerOutcome, RereadReason, Ticket};
use super::verdict::UncertifiedReason;
use crate::pager::proof::overlap::{self, ItemDigest, Overlap, RowRange};
use crate::pager::proof::window::{self, Window};

impl Pass {
    /// Takes the answer to the oldest planned window: its rows in order, and the announced total.
    #[cfg(any(test, fuzzing))]
    pub fn take(&mut self, ticket: Ticket, rows: Vec<ItemDigest>, total: u64) -> AnswerOutcome {
        self.take_with_gaps(ticket, rows.into_iter().map(Some).collect(), total)
    }

    /// Takes an answer some of whose rows (`None`) could not be read: they hold their positions, so
    /// that all others stand where they do, but prove nothing and are no certificate.
    pub fn take_with_gaps(
        &mut self,
        ticket: Ticket,
        rows: Vec<Option<ItemDigest>>,
        total: u64,
    ) -> AnswerOutcome {
        let Some(planned) = self.planned.front().copied().filter(|front| front.ticket == ticket)
        else {
            return AnswerOutcome::Void;
        };
        self.planned.pop_front();
        self.latest_is_previous = false;
        self.count(&rows, total);

        let window = planned.window;
        if let Some(place) = rows.iter().position(Option::is_none) {
            let position = window.start().saturating_add(place as u64);
            self.reason.get_or_insert(UncertifiedReason::Unreadable { position });
        }
        let range = RowRange { start: window.start(), rows };
        let carried = range.rows.len() as u64;
        let promised = total.min(window.end()).saturating_sub(window.start());
        if carried < promised {
            return self.short(planned, range, total);
        }
        self.join(planned, range, total)
    }

    /// An answer with fewer items than promised: asked for once more, then taken for the server's
    /// own page size or, at the end of the list, for an announced total that is too high.
    fn short(&mut self, planned: PendingWindow, range: RowRange, total: u64) -> AnswerOutcome {
        let asked = (planned.window, RereadReason::ShortPage);
        if self.repeated.replace(asked) != Some(asked) {
            return self.again(planned, RereadReason::ShortPage);
        }
        self.repeated = None;
        let position = range.end();
        let ends_early = UncertifiedReason::EndsEarly { position, announced: total };
        self.wavers |= self.cap.is_some();
        let Some(cap) = u32::try_from(range.rows.len()).ok().filter(|rows| *rows > 0) else {
            self.reason.get_or_insert(ends_early);
            return self.end();
        };
        self.planned.clear();
        if planned.window.start() == 0 {
            self.cap = Some(cap);
            // Whatever its size, the first page begins at the top, so these rows can stay.
            return match self.join(planned, range, total) {
                AnswerOutcome::Accepted => AnswerOutcome::Replanned(RereadReason::ShortPage),
                other => other,
            };
        }
        self.counts.step_backs += 1;
        let overlap = self.previous.as_ref().and_then(|previous| overlap::check(previous, &range));
        if planned.window.end() > total
            && let Some(overlap) = overlap
            && cut_by(planned.window, &range, overlap).is_none()
        {
            // It begins where it should, so it is no page of another size.
            if position <= self.covered {
                self.reason.get_or_insert(ends_early);
                return self.end();
            }
            self.note(overlap);
            return match self.accept(planned, range, total) {
                AnswerOutcome::Accepted => AnswerOutcome::Replanned(RereadReason::ShortPage),
                other => other,
            };
        }
        // Where a page begins that was cut to another size than asked for, nobody knows.
        self.cap = Some(cap);
        AnswerOutcome::Replanned(RereadReason::ShortPage)
    }

    /// Joins an answer of full length to the one before it.
    pub(super) fn join(
        &mut self,
        planned: PendingWindow,
        range: RowRange,
        total: u64,
    ) -> AnswerOutcome {
        // A range from the top of the list needs no neighbour before it.
        if let Some(previous) = self.previous.as_ref().filter(|_| range.start > 0) {
            let from = previous.start;
            if range.repeats(previous) && self.stands_still(from, &range, total) {
                let asked = (planned.window, RereadReason::PageRepeated);
                if self.repeated.replace(asked) != Some(asked) {
                    return self.again(planned, RereadReason::PageRepeated);
                }
                self.reason.get_or_insert(UncertifiedReason::PageRepeated);
                return self.end();
            }
            match overlap::check(previous, &range) {
                Some(overlap) => {
                    let advance = range.start.saturating_sub(from);
                    if i64::try_from(advance).is_ok_and(|advance| overlap.displacement >= advance)
                        && self.stands_still(from, &range, total)
                    {
                        // The same page over again, but for what moved within it meanwhile.
                        self.reason.get_or_insert(UncertifiedReason::PageRepeated);
                    }
                    if let Some(shift) = cut_by(planned.window, &range, overlap) {
                        return self.cut(range, shift, total);
                    }
                    self.note(overlap);
                }
                // Nor is an empty answer a proof: the list now ends before this window, so what it
                // has lost may have pulled items from behind the last answer to before it.
                None if planned.overlaps => return self.step_back(planned, &range, total),
                None if self.ends_as_announced(&range, total) => {}
                None => {
                    let position = range.start;
                    self.reason.get_or_insert(if self.settings.overlap {
                        UncertifiedReason::PageSizeTooSmall { position }
                    } else {
                        UncertifiedReason::PlainPages
                    });
                }
            }
        }
        self.accept(planned, range, total)
    }

    /// Whether so much further on the same items can only mean that the server ignores the page
    /// number: the pass went on by half a page at least, and the total did not grow by as much.
    /// (A range that is read again may begin so little further on that a few insertions do it.)
    fn stands_still(&self, from: u64, range: &RowRange, total: u64) -> bool {
        let advance = range.start.saturating_sub(from);
        let grown = total.saturating_sub(self.previous_total);
        advance > grown && advance >= u64::from(self.page_size() / 2)
    }

    /// Takes note of what a link shows of the movement, and sets the overlap by it.
    pub(super) fn note(&mut self, overlap: Overlap) {
        self.moved(overlap.displacement.unsigned_abs().saturating_add(overlap.unmatched));
        // Wide enough for twice the loss just seen, and narrower again in calm.
        let lost = overlap.displacement.min(0).unsigned_abs();
        self.overlap = (self.overlap / 2).max(lost.saturating_mul(2)).max(1);
    }

    /// Takes an answer for what the shared items show it to be: a page cut to a smaller size, that
    /// begins this much further up than its window. So the pass has not come as far as it seems.
    fn cut(&mut self, range: RowRange, shift: u64, total: u64) -> AnswerOutcome {
        self.wavers = true;
        self.planned.clear();
        self.counts.step_backs += 1;
        self.stepped_back += 1;
        let range = RowRange { start: range.start.saturating_sub(shift), ..range };
        self.covered = range.end();
        if self.stepped_back > STEP_BACKS {
            self.reason.get_or_insert(UncertifiedReason::PagesCut { position: self.covered });
            return self.end();
        }
        self.previous = Some(range);
        self.latest_is_previous = true;
        self.previous_total = total;
        AnswerOutcome::Replanned(RereadReason::ShortPage)
    }

    /// Reads again with a wider overlap, or, after too many tries, goes on without a proof.
    fn step_back(&mut self, planned: PendingWindow, range: &RowRange, total: u64) -> AnswerOutcome {
        self.planned.clear();
        self.counts.step_backs += 1;
        self.stepped_back += 1;
        if self.stepped_back > STEP_BACKS {
            self.reason
                .get_or_insert(UncertifiedReason::OverlapLost { position: planned.window.start() });
            self.overlap = 1;
            self.stepped_back = 0;
            // On from where it had come, wherever the last try had gone back to.
            self.covered = self.reached.max(range.end());
            let is_new = self.gets_on();
            self.previous = None;
            let full = range.rows.len() as u64 >= u64::from(planned.window.size);
            return if self.covered >= total && !(full && is_new) {
                self.end()
            } else {
                AnswerOutcome::Replanned(RereadReason::OverlapLost)
            };
        }
        // Not further at once than a window is long, or it might begin before all that is shared.
        let stride = u64::from(self.page_size()).div_ceil(4) * 3;
        let wider = self.overlap.saturating_mul(4).min(self.overlap.saturating_add(stride));
        self.overlap = wider.max(2);
        let end_of_list = self.covered.min(total);
        self.reread = Some(window::step_back(end_of_list, self.page_size(), self.overlap));
        AnswerOutcome::Replanned(RereadReason::OverlapLost)
    }
}

/// How much further up than its window an answer begins, where it seems to be a page that the
/// server cut to a smaller size, though it has as many rows as the last page should have.
///
/// A page with fewer rows than asked for is either the last one or, cut to just so many rows,
/// begins `(page - 1) * (size - rows)` positions before its window. The shared items show which:
/// whatever needs less movement since the answer before is taken for true.
fn cut_by(window: Window, range: &RowRange, overlap: Overlap) -> Option<u64> {
    let missing = u64::from(window.size).saturating_sub(range.rows.len() as u64);
    let shift = window.page.saturating_sub(1).saturating_mul(missing);
    let down = u64::try_from(overlap.displacement).ok()?;
    (shift > 0 && down > shift / 2).then_some(shift)
}
