//! How often a login is tried that is denied: accounts get locked.
//!
//! Pure but for the lock: the time is an argument. Kept outside of the refresher's task, so that one
//! that is started anew tries no more often.
//!
//! Guarantees: of denied tries at most three lie within any quarter of an hour, unless what is tried
//! has changed. A failure that may have been a denial counts as one once it has been told in the same
//! words three times.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// So many tries fit in [`WINDOW`]: servers lock accounts from three to five wrong ones on.
pub(super) const TRIES: usize = 3;

/// A quarter of an hour, and a second for clocks that do not run alike.
pub(super) const WINDOW: Duration = Duration::from_secs(15 * 60 + 1);

/// The waits after the first denials in a row: a server whose directory is away for a moment says
/// the same as one that knows better.
const WAITS: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(30)];

/// The least wait after any later one, which spreads the tries over the window.
const LATER: Duration = Duration::from_secs(5 * 60);

/// The least waits after failures that may have been denials: a server in trouble is asked again
/// soon, but not three times within its first second.
const SUSPECTED_WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

/// Of so many failures in the same words the last is taken for a denial.
const SAME_WORDS: u32 = 3;

/// What is remembered of denied logins.
#[derive(Debug, Default)]
pub struct Denials(Mutex<DenialRecord>);

#[derive(Debug, Default)]
struct DenialRecord {
    /// The latest tries that were denied or may have been, at most [`TRIES`].
    tries: VecDeque<Instant>,
    /// Denials since the last success.
    denied: u32,
    /// What failures said that may have been denials, and how often in a row.
    words: String,
    same: u32,
    /// Before when nothing is to be tried.
    next: Option<Instant>,
}

/// What a failed login counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginFailure {
    /// A failure like others, to be tried again after so long at the soonest.
    Failure(Duration),
    /// A denial.
    Denial(CountedDenial),
}

/// A denial among those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountedDenial {
    /// Which one in a row, counted from 1.
    pub number: u32,
    /// How long to wait before the next try.
    pub wait: Duration,
}

impl Denials {
    /// Notes a denial.
    pub fn denied(&self, now: Instant) -> CountedDenial {
        let mut record = self.record();
        record.note(now);
        record.denied(now)
    }

    /// Notes a failure in these words that may have been a denial.
    pub fn suspected(&self, words: &str, now: Instant) -> LoginFailure {
        let mut record = self.record();
        record.note(now);
        let words = lasting_words(words);
        record.same = if record.words == words { record.same.saturating_add(1) } else { 1 };
        record.words = words;
        // Where it has been denied before, it most likely is again.
        if record.same >= SAME_WORDS || record.denied > 0 {
            return LoginFailure::Denial(record.denied(now));
        }
        let index = usize::try_from(record.same.saturating_sub(1)).unwrap_or(usize::MAX);
        LoginFailure::Failure(SUSPECTED_WAITS.get(index).copied().unwrap_or_default())
    }

    /// Forgets all: a login succeeded, or what is tried has changed.
    pub fn forget(&self) {
        *self.record() = DenialRecord::default();
    }

    /// Takes in when all daemons that share a mirror were denied, the newest first; this one's own
    /// denials are among them.
    pub(super) fn take_in(&self, mut tries: Vec<Instant>) {
        let mut record = self.record();
        tries.truncate(TRIES);
        if tries.len() < record.tries.len() {
            return;
        }
        if let Some(first) = tries.get(TRIES - 1) {
            record.next = record.next.max(Some(*first + WINDOW));
        }
        record.tries = tries.into_iter().rev().collect();
    }

    /// How long nothing is to be tried yet.
    pub fn wait(&self, now: Instant) -> Duration {
        let next = self.record().next;
        next.map_or(Duration::ZERO, |next| next.saturating_duration_since(now))
    }

    fn record(&self) -> MutexGuard<'_, DenialRecord> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DenialRecord {
    fn note(&mut self, now: Instant) {
        self.tries.push_back(now);
        while self.tries.len() > TRIES {
            self.tries.pop_front();
        }
    }

    fn denied(&mut self, now: Instant) -> CountedDenial {
        self.denied = self.denied.saturating_add(1);
        let index = usize::try_from(self.denied.saturating_sub(1)).unwrap_or(usize::MAX);
        let soonest = now + WAITS.get(index).copied().unwrap_or(LATER);
        let first = self.tries.front().filter(|_| self.tries.len() >= TRIES);
        let next = first.map_or(soonest, |first| soonest.max(*first + WINDOW));
        self.next = Some(next);
        CountedDenial { number: self.denied, wait: next.saturating_duration_since(now) }
    }
}

/// Of an answer what does not change from one try to the next: no times, no numbers of requests.
fn lasting_words(words: &str) -> String {
    let words = words.split(|it: char| !it.is_alphanumeric());
    let words = words.filter(|word| !word.contains(|it: char| it.is_ascii_digit()));
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn denials_wait_longer_each_time_and_leave_room_for_three_in_a_quarter_of_an_hour() {
        let denials = Denials::default();
        let mut now = Instant::now();
        let mut waits = Vec::new();
        for number in 1..=8 {
            let denied = denials.denied(now);
            assert_eq!((denied.number, denials.wait(now)), (number, denied.wait));
            waits.push(denied.wait.as_secs());
            now += denied.wait;
            assert_eq!(denials.wait(now), Duration::ZERO);
        }
        assert_eq!(waits, [5, 30, 866, 300, 300, 301, 300, 300]);
        denials.forget();
        assert_eq!(denials.denied(now), CountedDenial { number: 1, wait: 5 * SECOND });
    }

    #[test]
    fn the_same_words_three_times_are_a_denial_and_other_words_are_trouble() {
        let denials = Denials::default();
        let now = Instant::now();
        let said = |words: &str, after: u32| denials.suspected(words, now + SECOND * after);
        assert_eq!(said("500 at 17:04:01: bad credentials", 0), LoginFailure::Failure(SECOND));
        assert_eq!(said("500 at 17:04:02: bad credentials", 1), LoginFailure::Failure(3 * SECOND));
        assert_eq!(said("500 at 17:04:05: out of memory", 4), LoginFailure::Failure(SECOND));
        assert_eq!(said("500 at 17:04:06: bad credentials", 5), LoginFailure::Failure(SECOND));
        assert_eq!(said("500 at 17:04:07: bad credentials", 6), LoginFailure::Failure(3 * SECOND));
        let LoginFailure::Denial(denied) = said("500 at 17:04:10: bad credentials", 9) else {
            panic!()
        };
        // Those that were not sure count, too.
        assert_eq!(denied, CountedDenial { number: 1, wait: WINDOW.saturating_sub(4 * SECOND) });
    }

    proptest! {
        #[test]
        fn no_more_than_three_denied_tries_fit_in_a_quarter_of_an_hour(
            steps in prop::collection::vec((0..3_u8, 0..400_u32), 1..40),
        ) {
            let denials = Denials::default();
            let mut now = Instant::now();
            let mut tries: Vec<Instant> = Vec::new();
            for (kind, more) in steps {
                now += SECOND * more;
                let wait = if kind == 0 {
                    denials.denied(now).wait
                } else {
                    match denials.suspected("the same words", now) {
                        LoginFailure::Failure(wait) => wait,
                        LoginFailure::Denial(denied) => denied.wait,
                    }
                };
                tries.push(now);
                let within = tries.iter().filter(|it| now - **it <= Duration::from_secs(900));
                prop_assert!(within.count() <= 3, "{tries:?}");
                now += wait;
            }
        }
    }
}
