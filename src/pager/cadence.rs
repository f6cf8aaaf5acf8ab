//! How often pages are told of: one by one at a human pace, summed up once a second otherwise.
//!
//! Pure: the time is an argument. Each page is told of exactly once at INFO, singly or in a sum.

use std::time::Duration;

use tokio::time::Instant;

use crate::telemetry::event::{PageRead, PagesRead};

/// The least time between two lines while pages come faster.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// What is to be said of a page at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLine {
    /// A line of its own.
    Own,
    /// It goes into the next sum.
    Summed,
}

/// The cadence of one repository.
#[derive(Debug, Default)]
pub struct Cadence {
    last_line: Option<Instant>,
    sum: Option<PagesRead>,
}

impl Cadence {
    /// A page was read; `page_interval` is the configured pace.
    pub fn page(&mut self, now: Instant, page_interval: Duration, page: &PageRead) -> LogLine {
        let calm = page_interval >= LINE_EVERY
            || self.last_line.is_none_or(|last| now.saturating_duration_since(last) >= LINE_EVERY);
        if calm && self.sum.is_none() {
            self.last_line = Some(now);
            return LogLine::Own;
        }
        let sum = self.sum.get_or_insert(PagesRead {
            sum: PageRead { items: 0, elapsed: Duration::ZERO, ..*page },
            pages: 0,
        });
        sum.pages += 1;
        sum.sum = PageRead {
            items: sum.sum.items + page.items,
            elapsed: sum.sum.elapsed.max(page.elapsed),
            ..*page
        };
        LogLine::Summed
    }

    /// When the sum is due, where there is one.
    pub fn due(&self) -> Option<Instant> {
        self.sum.and(self.last_line).map(|last| last + LINE_EVERY)
    }

    /// The sum so far, which begins anew; at the end of a pass, whether due or not.
    pub fn take(&mut self, now: Instant) -> Option<PagesRead> {
        let sum = self.sum.take()?;
        self.last_line = Some(now);
        Some(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Iteration, RepositoryId};

    fn page(number: u64, elapsed_ms: u64) -> PageRead {
        PageRead {
            repository: RepositoryId(1),
            iteration: Iteration::FIRST,
            page: number,
            items: 10,
            total: 1000,
            elapsed: Duration::from_millis(elapsed_ms),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn pages_a_second_apart_are_told_one_by_one() {
        let (mut cadence, start) = (Cadence::default(), Instant::now());
        for number in 1..5 {
            let now = start + Duration::from_secs(number);
            assert_eq!(cadence.page(now, Duration::ZERO, &page(number, 5)), LogLine::Own);
        }
        assert_eq!(cadence.due(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_configured_pace_of_a_second_is_calm_even_where_answers_bunch() {
        let (mut cadence, now) = (Cadence::default(), Instant::now());
        for number in 1..5 {
            let line = cadence.page(now, Duration::from_secs(1), &page(number, 5));
            assert_eq!(line, LogLine::Own);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn hasty_pages_make_one_line_a_second_that_sums_them_up() {
        let (mut cadence, start) = (Cadence::default(), Instant::now());
        assert_eq!(cadence.page(start, Duration::ZERO, &page(1, 5)), LogLine::Own);
        for number in 2..=9 {
            let now = start + Duration::from_millis(100 * number);
            let line = cadence.page(now, Duration::ZERO, &page(number, number));
            assert_eq!(line, LogLine::Summed);
        }
        let due = cadence.due().unwrap();
        assert_eq!(due, start + Duration::from_secs(1));
        let sum = cadence.take(due).unwrap();
        assert_eq!((sum.pages, sum.sum.page, sum.sum.items), (8, 9, 80));
        assert_eq!(sum.sum.elapsed, Duration::from_millis(9));
        assert_eq!(cadence.take(due), None);
        let soon = due + Duration::from_millis(10);
        assert_eq!(cadence.page(soon, Duration::ZERO, &page(10, 1)), LogLine::Summed);
    }
}
