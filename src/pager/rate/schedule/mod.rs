//! In which order requests go, and when.
//!
//! Pure: the time is an argument. Each request waits in the line of its repository; what may go by all
//! bounds (how many a second, of all and of one; the page interval; how many at once; how many bytes of pages
//! are in hand) goes in the order of the deadlines.
//!
//! Guarantees:
//! - No bound is ever exceeded, but for what [`bytes`] says of one page that must get in.
//! - Of any [`SHARE`] requests in a row that are let through while a page of a whole pass may go, at least one
//!   is of the pass that has the least time for each page that is left of it; among all repositories that
//!   share a bound on requests a second, and within each repository. So whole passes that need, each by its pages left over
//!   the time left, no more than that share of the budget together end in time, whatever else is asked
//!   for; and where the budget suffices for everything, everything is let through by its deadline.
//! - Where as many requests are under way as all repositories together may have, the next place is that of the
//!   earliest deadline.
//! - A page that does not fit into the bytes that are left holds up those less urgent, so that they do not
//!   take for ever what it waits for.

mod bytes;
mod ids;
mod line;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use self::bytes::Bytes;
pub use self::bytes::{Fit, Held};
pub use self::ids::{LineId, WaitingId};
use self::line::Line;
pub use self::line::Terms;
use super::urgency::{RequestClass, Urgency};

/// Of so many requests one is of a whole pass, while one waits: a quarter of the budget is enough for a
/// pass of a million items in pages of 200 each day at one request in four seconds.
pub const SHARE: u32 = 4;

/// So many requests may be under way at once, of all repositories together: twice what one may have. Each has a
/// connection with its buffers, beside the bytes of its page.
const MOST_TOGETHER: u32 = 128;

/// What a request needs.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// The repository that it is for.
    pub line: LineId,
    /// How urgent it is.
    pub urgency: Urgency,
    /// Whether it keeps the page interval: each page does when it is asked for first, and a retry has its own delay.
    pub is_paced: bool,
    /// How many bytes its answer is expected to take.
    pub bytes: u64,
}

/// A request that is let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted {
    /// Which.
    pub id: WaitingId,
    /// The bytes that are kept for its answer.
    pub held: Held,
}

#[derive(Clone, Copy, Debug)]
struct WaitingRequest {
    wish: Wish,
    entered: Instant,
}

/// A bound on the requests of several repositories.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bound {
    /// The least time between two requests; `None`: no bound.
    pub least: Option<Duration>,
    /// Whether it holds for every repository, or for those only that have no page interval of their own.
    pub is_for_all: bool,
}

/// The requests that wait, and what was let through.
#[derive(Debug)]
pub struct Schedule {
    bound: Bound,
    /// When the latest request went that is bound by it.
    sent: Option<Instant>,
    /// How many went since one of the pass that needs it most, while such a one could have gone.
    passed_over: u32,
    bytes: Bytes,
    /// How many requests are under way.
    under_way: u32,
    lines: HashMap<LineId, Line>,
    waiting: HashMap<WaitingId, WaitingRequest>,
    /// How many of them only a bound for all repositories would hold up.
    unbound: usize,
    by_deadline: BTreeSet<(Instant, WaitingId)>,
    /// Those whose answers are no pages, and take no bytes of them.
    weightless: BTreeSet<(Instant, WaitingId)>,
    /// Those of whole passes.
    by_need: BTreeSet<(Instant, WaitingId)>,
    next: u64,
}

impl Schedule {
    /// Nothing waits; `most_bytes` of pages may be in hand.
    pub fn new(bound: Bound, most_bytes: u64) -> Self {
        Self {
            bound,
            sent: None,
            passed_over: 0,
            bytes: Bytes::new(most_bytes),
            under_way: 0,
            lines: HashMap::new(),
            waiting: HashMap::new(),
            unbound: 0,
            by_deadline: BTreeSet::new(),
            weightless: BTreeSet::new(),
            by_need: BTreeSet::new(),
            next: 0,
        }
    }

    /// Another bound, counted from the latest request.
    pub fn set_bound(&mut self, bound: Bound) {
        self.bound = bound;
    }

    /// So many bytes of pages may be in hand from now on.
    pub fn set_most_bytes(&mut self, most: u64) {
        self.bytes.set_most(most);
    }

    /// The line of another repository.
    pub fn add_line(&mut self, terms: Terms) -> LineId {
        let line = LineId(self.number());
        self.lines.insert(line, Line::new(terms));
        line
    }

    /// Other terms for a repository; what has been sent counts by them.
    pub fn set_terms(&mut self, line: LineId, terms: Terms) {
        if let Some(line) = self.lines.get_mut(&line) {
            let count = |is_default: bool| if is_default { 0 } else { line.waiting };
            self.unbound = self.unbound - count(line.terms.is_default) + count(terms.is_default);
            line.terms = terms;
        }
    }

    /// The page of a whole pass whose turn it is to be taken into the mirror.
    pub fn set_awaited(&mut self, line: LineId, ticket: Option<u64>) {
        if let Some(line) = self.lines.get_mut(&line) {
            line.awaited = ticket;
        }
    }

    /// The repository is gone, and with it whatever of it waits.
    pub fn remove_line(&mut self, line: LineId) {
        let of_line = self.waiting.iter().filter(|(_, it)| it.wish.line == line);
        for id in of_line.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.leave(id);
        }
        self.lines.remove(&line);
    }

    /// How many repositories there are.
    pub fn lines(&self) -> usize {
        self.lines.len()
    }

    /// A request waits from now on.
    pub fn enter(&mut self, now: Instant, wish: Wish) -> WaitingId {
        let id = WaitingId(self.number());
        self.by_deadline.insert((wish.urgency.deadline, id));
        if wish.bytes == 0 {
            self.weightless.insert((wish.urgency.deadline, id));
        }
        let needed = wish.needed();
        self.by_need.extend(needed.map(|needed| (needed, id)));
        if let Some(line) = self.lines.get_mut(&wish.line) {
            line.waiting += 1;
            line.whole.extend(needed.map(|needed| (needed, id)));
            self.unbound += usize::from(!line.terms.is_default);
        }
        self.waiting.insert(id, WaitingRequest { wish, entered: now });
        id
    }

    /// It waits no longer; whether it did.
    pub fn leave(&mut self, id: WaitingId) -> bool {
        let Some(WaitingRequest { wish, .. }) = self.waiting.remove(&id) else { return false };
        self.by_deadline.remove(&(wish.urgency.deadline, id));
        self.weightless.remove(&(wish.urgency.deadline, id));
        let needed = wish.needed().map(|needed| (needed, id));
        if let Some(needed) = &needed {
            self.by_need.remove(needed);
        }
        if let Some(line) = self.lines.get_mut(&wish.line) {
            line.waiting -= 1;
            self.unbound -= usize::from(!line.terms.is_default);
            if let Some(needed) = &needed {
                line.whole.remove(needed);
            }
        }
        true
    }

    /// A request that was let through has ended.
    pub fn ended(&mut self, line: LineId) {
        self.under_way = self.under_way.saturating_sub(1);
        if let Some(line) = self.lines.get_mut(&line) {
            line.under_way = line.under_way.saturating_sub(1);
        }
    }

    /// The page takes so many bytes, not what was expected.
    pub fn resize(&mut self, held: &mut Held, bytes: u64) {
        self.bytes.resize(held, bytes);
    }

    /// The page is written or thrown away.
    pub fn give_back(&mut self, held: Held) {
        self.bytes.give_back(held);
    }

    /// The bytes of pages in hand.
    #[cfg(test)]
    pub fn bytes_in_hand(&self) -> u64 {
        self.bytes.used()
    }

    /// The next request that goes now, which is taken for sent.
    pub fn grant(&mut self, now: Instant) -> Option<Granted> {
        if self.under_way >= MOST_TOGETHER || self.holds_up_all(now).is_some() {
            return None;
        }
        let neediest = self.neediest(now);
        let owed = self.passed_over + 1 >= SHARE;
        let (id, fit) = match neediest {
            Some(found) if owed => found,
            _ => self.most_urgent(now)?,
        };
        let WaitingRequest { wish, .. } = *self.waiting.get(&id)?;
        self.leave(id);
        self.under_way += 1;
        if self.is_bound(wish.line) {
            self.sent = Some(now);
            // With nobody to wait for, nobody is passed over.
            let over = neediest.is_some_and(|(neediest, _)| neediest != id);
            self.passed_over = if over { self.passed_over.saturating_add(1) } else { 0 };
        }
        let in_line = self.open_whole(wish.line, now);
        if let Some(line) = self.lines.get_mut(&wish.line) {
            line.take(now, wish.is_page(), in_line && !wish.is_whole());
        }
        Some(Granted { id, held: self.bytes.take(wish.bytes, fit) })
    }

    /// When the next request may go that waits for nothing but the time, or before that; `None`: none does.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        if self.waiting.is_empty() || self.under_way >= MOST_TOGETHER {
            return None;
        }
        if let Some(until) = self.holds_up_all(now) {
            return Some(until);
        }
        if self.bound.least.is_none() && !self.lines.values().any(|line| line.terms.has_pace()) {
            return None;
        }
        let opens = self.waiting.values().filter_map(|it| self.opens(it));
        opens.filter(|at| *at > now).min()
    }

    /// Until when the shared bound holds up everything that waits, if it does: what there is to be said then without
    /// a look at each request, of which a thousand may wait.
    fn holds_up_all(&self, now: Instant) -> Option<Instant> {
        let until = self.sent? + self.bound.least?;
        let is_all = self.bound.is_for_all || self.unbound == 0;
        (is_all && until > now).then_some(until)
    }

    /// Of the requests that may go now, the one with the earliest deadline.
    fn most_urgent(&self, now: Instant) -> Option<(WaitingId, Fit)> {
        let mut is_held_up = false;
        for (_, id) in &self.by_deadline {
            let Some(waiting) = self.waiting.get(id) else { continue };
            if !self.is_open(waiting, now) {
                continue;
            }
            match self.fit(waiting.wish) {
                Some(Fit::Room) if is_held_up && waiting.wish.bytes > 0 => {}
                Some(fit) => return Some((*id, fit)),
                // No page fits any more, of a thousand that may wait.
                None if self.bytes.is_beyond() => return self.most_urgent_weightless(now),
                None => is_held_up = true,
            }
        }
        None
    }

    /// The same of those that take no bytes.
    fn most_urgent_weightless(&self, now: Instant) -> Option<(WaitingId, Fit)> {
        self.weightless.iter().find_map(|(_, id)| {
            let waiting = self.waiting.get(id)?;
            let fit = self.is_open(waiting, now).then(|| self.fit(waiting.wish))??;
            Some((*id, fit))
        })
    }

    /// Whether a request may go now but for the bytes of its answer.
    fn is_open(&self, waiting: &WaitingRequest, now: Instant) -> bool {
        let wish = waiting.wish;
        self.opens(waiting).is_some_and(|at| at <= now)
            && (wish.is_whole() || !self.owes(wish.line, now))
    }

    /// Of the requests of whole passes that may go now, the one that needs it most, by the bound that they share.
    fn neediest(&self, now: Instant) -> Option<(WaitingId, Fit)> {
        self.bound.least?;
        self.by_need.iter().find_map(|(_, id)| {
            let waiting = self.waiting.get(id)?;
            let may_go =
                self.is_bound(waiting.wish.line) && self.opens(waiting).is_some_and(|at| at <= now);
            let fit = may_go.then(|| self.fit(waiting.wish))??;
            Some((*id, fit))
        })
    }

    /// Whether it is the turn of a whole pass in this line, and one could go.
    fn owes(&self, line: LineId, now: Instant) -> bool {
        let owes = self.lines.get(&line).is_some_and(|it| it.passed_over + 1 >= SHARE);
        owes && self.open_whole(line, now)
    }

    /// Whether a page of a whole pass of this line may go now.
    fn open_whole(&self, line: LineId, now: Instant) -> bool {
        let Some(line) = self.lines.get(&line) else { return false };
        line.whole.iter().any(|(_, id)| {
            self.waiting.get(id).is_some_and(|it| {
                self.opens(it).is_some_and(|at| at <= now) && self.fit(it.wish).is_some()
            })
        })
    }

    /// When a request may go by the bounds on time; `None` while as many are under way as may be.
    fn opens(&self, waiting: &WaitingRequest) -> Option<Instant> {
        let line = self.lines.get(&waiting.wish.line)?;
        let own = line.opens(waiting.entered, waiting.wish.is_paced)?;
        let sent = self.sent.filter(|_| self.is_bound(waiting.wish.line));
        let shared = sent.zip(self.bound.least).map(|(sent, least)| sent + least);
        shared.max(Some(own))
    }

    /// Whether the shared bound is one for this line.
    fn is_bound(&self, line: LineId) -> bool {
        let is_for_it =
            self.bound.is_for_all || self.lines.get(&line).is_some_and(|it| it.terms.is_default);
        self.bound.least.is_some() && is_for_it
    }

    fn fit(&self, wish: Wish) -> Option<Fit> {
        let awaited = self.lines.get(&wish.line).and_then(|line| line.awaited);
        let is_awaited = match wish.urgency.class {
            RequestClass::Whole { ticket, .. } => awaited == Some(ticket),
            RequestClass::Incremental | RequestClass::Question => true,
        };
        self.bytes.fit(wish.bytes, is_awaited)
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl Wish {
    /// When it is needed, where it is a page of a whole pass.
    fn needed(&self) -> Option<Instant> {
        match self.urgency.class {
            RequestClass::Whole { needed, .. } => Some(needed),
            RequestClass::Incremental | RequestClass::Question => None,
        }
    }

    fn is_whole(&self) -> bool {
        matches!(self.urgency.class, RequestClass::Whole { .. })
    }

    fn is_page(&self) -> bool {
        self.urgency.class != RequestClass::Question
    }
}

#[cfg(test)]
mod freshness;
#[cfg(test)]
mod tests;
