//! How often what many repositories do is told of: line by line at a human pace, summed up otherwise.
//!
//! Each line is told exactly once at INFO, by itself or in a sum, if somebody takes the sums that are due. The
//! time is an argument. Bounded: a sum is a few numbers, and the repositories in it.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::RepositoryId;

/// Up to so many repositories are a few: each is told of by itself.
pub const FEW_REPOSITORIES: usize = 10;

/// The least time between two lines, while these are of one thing each.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// What one line would tell: a page, or a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedLine {
    /// The repository.
    pub repository: RepositoryId,
    /// Pages read.
    pub pages: u64,
    /// Page requests sent.
    pub requests: u64,
    /// Items read.
    pub items: u64,
    /// How long it took.
    pub elapsed: Duration,
}

/// Several of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineSum {
    /// How many they are.
    pub lines: u64,
    /// Of which repositories.
    pub repositories: BTreeSet<RepositoryId>,
    /// The pages of all.
    pub pages: u64,
    /// The page requests of all.
    pub requests: u64,
    /// The items of all.
    pub items: u64,
    /// The longest of the times.
    pub elapsed: Duration,
}

/// The cadence of all repositories together.
#[derive(Debug)]
pub struct SharedCadence {
    /// How long a sum is collected.
    sum_for: Duration,
    /// Held for a few instructions, never across an await.
    state: Mutex<CadenceState>,
}

#[derive(Debug, Default)]
struct CadenceState {
    last_line: Option<Instant>,
    /// The sum, and when it was begun.
    sum: Option<(Instant, LineSum)>,
}

impl SharedCadence {
    /// One whose sums are collected for so long.
    pub const fn new(sum_for: Duration) -> Self {
        Self { sum_for, state: Mutex::new(CadenceState { last_line: None, sum: None }) }
    }

    /// Whether something is told of by itself; else it goes into the sum.
    pub fn is_own_line(&self, now: Instant, line: &SharedLine) -> bool {
        let mut state = self.state();
        let is_calm =
            state.last_line.is_none_or(|last| now.saturating_duration_since(last) >= LINE_EVERY);
        if is_calm && state.sum.is_none() {
            state.last_line = Some(now);
            return true;
        }
        let (_, sum) = state.sum.get_or_insert_with(|| (now, LineSum::default()));
        sum.lines += 1;
        sum.repositories.insert(line.repository);
        sum.pages += line.pages;
        sum.requests += line.requests;
        sum.items += line.items;
        sum.elapsed = sum.elapsed.max(line.elapsed);
        false
    }

    /// The sum, where it was collected for long enough; another begins.
    pub fn take_due(&self, now: Instant) -> Option<LineSum> {
        let mut state = self.state();
        let (begun, _) = state.sum.as_ref()?;
        if now.saturating_duration_since(*begun) < self.sum_for {
            return None;
        }
        state.last_line = Some(now);
        state.sum.take().map(|(_, sum)| sum)
    }

    /// The sum so far, due or not.
    pub fn take(&self) -> Option<LineSum> {
        self.state().sum.take().map(|(_, sum)| sum)
    }

    fn state(&self) -> MutexGuard<'_, CadenceState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn line(repository: u64, millis: u64) -> SharedLine {
        SharedLine {
            repository: RepositoryId(repository),
            pages: 2,
            requests: 3,
            items: 100,
            elapsed: Duration::from_millis(millis),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_no_faster_than_one_a_second_is_told_by_itself() {
        let (cadence, start) = (SharedCadence::new(MINUTE), Instant::now());
        for second in 0..100 {
            let now = start + Duration::from_secs(second);
            assert!(cadence.is_own_line(now, &line(second % 20, 5)));
            assert_eq!(cadence.take_due(now), None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_faster_is_one_sum_that_leaves_nothing_out() {
        let (cadence, start) = (SharedCadence::new(MINUTE), Instant::now());
        let (mut own, mut summed, mut sums) = (0, 0, 0);
        for tick in 0..3000_u64 {
            let now = start + Duration::from_millis(200 * tick);
            own += u64::from(cadence.is_own_line(now, &line(tick % 1000, tick)));
            if let Some(sum) = cadence.take_due(now) {
                assert_eq!(
                    (sum.pages, sum.requests, sum.items),
                    (2 * sum.lines, 3 * sum.lines, 100 * sum.lines)
                );
                assert_eq!(sum.repositories.len() as u64, sum.lines.min(1000));
                assert_eq!(sum.elapsed, Duration::from_millis(tick));
                summed += sum.lines;
                sums += 1;
            }
        }
        summed += cadence.take().map_or(0, |sum| sum.lines);
        assert_eq!((own, own + summed), (1, 3000));
        // Ten minutes.
        assert_eq!(sums, 9);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_pause_each_is_told_by_itself_again() {
        let (cadence, start) = (SharedCadence::new(MINUTE), Instant::now());
        assert!(cadence.is_own_line(start, &line(1, 5)));
        assert!(!cadence.is_own_line(start, &line(2, 5)));
        let later = start + MINUTE;
        assert_eq!(cadence.take_due(later).map(|sum| sum.lines), Some(1));
        assert!(!cadence.is_own_line(later, &line(1, 5)), "the sum was a line");
        assert_eq!(cadence.take().map(|sum| sum.lines), Some(1));
        assert!(cadence.is_own_line(later + LINE_EVERY, &line(1, 5)));
    }
}
