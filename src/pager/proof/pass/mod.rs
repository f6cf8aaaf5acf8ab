//! One pass over a repository as a state machine: answers in, windows to ask for out.
//!
//! Pure: it neither waits nor asks nor knows the time. The pager asks for the windows that
//! [`Pass::plan`] names, as many at once as it likes, and hands the answers in with
//! [`Pass::take`], in the order in which they were planned.
//!
//! Guarantees: whatever the answers are, each new range costs a bounded number of requests, so
//! the pass ends as soon as the list stops growing faster than it is read; and a pass that calls
//! itself certified has read every item that was in the list from its beginning to its end and
//! kept its place relative to the others (see [`super::overlap`] for the proof between neighbours).
//!
//! Where the list ends is never taken from a number that the server says, nor from a short page
//! alone: see [`Pass::look_beyond`] for what proves it.
//!
//! One thing can only be judged by likelihood: whether an answer with fewer rows than asked for is
//! the last page, or one that the server cut for the first time in this pass, to exactly the
//! length that the last page would have. Such a cut deceives only if at the same moment more items
//! went from before the page than half of what the cut shifts it by (see `cut_by`).
//!
//! It does not judge whether an answer is well-formed: the client lets no other through.

mod end;
mod known;
mod terms;
mod unanswered;
mod verdict;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

pub use self::terms::{
    AnswerOutcome, PassCounts, PassSettings, RereadReason, Ticket, WindowRequest,
};
pub use self::verdict::{PassVerdict, UncertifiedReason};
use super::overlap::{self, ItemDigest, Overlap, RowRange};
use super::window::{self, Window};
use crate::domain::IdSet;

/// How often in a row a window is stepped back before the pass goes on without a proof. The
/// overlap grows fourfold each time, but by no more than three quarters of a page, so that this
/// reaches back over at least one and a half pages of any size up to 1000 without a gap.
const STEP_BACKS: u32 = 6;

/// The state machine.
///
/// Its stored form (serde) is that of the moment after an answer was taken: without the requests
/// planned since, which are made again, and without the ids seen, which are stored page by page
/// and handed back to [`Pass::resume`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Pass {
    settings: PassSettings,
    /// The page size that the server turned out to keep to, where it is smaller.
    cap: Option<u32>,
    /// The positions before this one are read, without a gap as far as is proven.
    covered: u64,
    /// The furthest that `covered` has been; only beyond it does the pass get on.
    reached: u64,
    /// Rows that could not be read: each may be any item.
    unread: u64,
    /// How far before the end of one window the next begins, at least.
    overlap: u64,
    /// The accepted answer with which the next one must share an item.
    previous: Option<RowRange>,
    /// The total that came with it.
    previous_total: u64,
    #[serde(skip)]
    planned: VecDeque<PendingWindow>,
    /// A range to be read again, before anything else is planned.
    reread: Option<Window>,
    #[serde(skip)]
    next_ticket: u64,
    /// Step backs since the pass last got on.
    stepped_back: u32,
    /// The window whose answer was not believed the first time, and is asked for again, and why.
    repeated: Option<(Window, RereadReason)>,
    /// Whether the server cut a page to a smaller size and then, or before, another one not.
    wavers: bool,
    /// The most rows that an answer of this pass had: pages of this size the server does not cut.
    widest: u32,
    /// The most that the next window asks for, where it is to show that the latest page was not cut.
    looks_beyond: Option<u32>,
    /// Whether the server has sent more items than it announces.
    understated: bool,
    #[serde(skip)]
    seen: IdSet,
    /// For each row of the latest answer that could be read whether its id was new.
    #[serde(skip)]
    newly_seen: Vec<bool>,
    /// Whether the latest answer is the one with which the next must share an item.
    #[serde(skip)]
    latest_is_previous: bool,
    counts: PassCounts,
    /// How much was seen to come, go or move: changes of the total, displacements, strangers in
    /// overlaps.
    came_and_went: u64,
    reason: Option<UncertifiedReason>,
    verdict: Option<PassVerdict>,
}

#[derive(Clone, Copy, Debug)]
struct PendingWindow {
    ticket: Ticket,
    window: Window,
    /// Whether it was planned to begin inside what is covered.
    overlaps: bool,
    /// Whether it reads a range again: nothing else is asked for meanwhile, because it would be
    /// void if this fails as well, and because it moves the list's neighbours further apart.
    again: bool,
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

    /// Takes the answer to the oldest planned window: its rows in order, and the announced total.
    pub fn take(&mut self, ticket: Ticket, rows: Vec<ItemDigest>, total: u64) -> AnswerOutcome {
        self.take_with_gaps(ticket, rows.into_iter().map(Some).collect(), total)
    }

    /// The same, where some of the rows (`None`) could not be read: they hold their positions, so
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

    fn page_size(&self) -> u32 {
        let configured = self.settings.page_size.max(1);
        self.cap.map_or(configured, |cap| cap.min(configured))
    }

    fn push(&mut self, window: Window, overlaps: bool, again: bool) -> WindowRequest {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.planned.push_back(PendingWindow { ticket, window, overlaps, again });
        WindowRequest { ticket, window }
    }

    fn count(&mut self, rows: &[Option<ItemDigest>], total: u64) {
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
    fn moved(&mut self, items: u64) {
        self.came_and_went = self.came_and_went.saturating_add(items);
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
    fn join(&mut self, planned: PendingWindow, range: RowRange, total: u64) -> AnswerOutcome {
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
    fn note(&mut self, overlap: Overlap) {
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

    /// Asks for the same window once more.
    fn again(&mut self, planned: PendingWindow, reason: RereadReason) -> AnswerOutcome {
        self.counts.step_backs += 1;
        self.planned.clear();
        self.reread = Some(planned.window);
        AnswerOutcome::Replanned(reason)
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

#[cfg(test)]
mod adversary;
#[cfg(test)]
mod steps;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod totals;
