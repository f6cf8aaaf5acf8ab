//! How sessions end, and how long to wait before the next login because of that.
//!
//! Pure: times are arguments. A session is good for a day (vendor). One that is refused before it
//! served once, or soon after it was made, has been ended by something else: most likely by somebody
//! who signs in with the same user where a server allows one session each, and then each login of
//! ours ends theirs, and the other way round. So logins become ever rarer, and are rare again no
//! sooner than when a session has lasted.

use std::time::Duration;

use crate::task::Backoff;

/// A session that ends sooner has been cut short, however fast requests follow each other: by then
/// another program that asks once a second has noticed that its own has ended, and signed in.
const SHORT: Duration = Duration::from_secs(3);

/// A session that ends sooner was brief: nothing waits for that, but again and again it is told.
const BRIEF: Duration = Duration::from_secs(60);

/// So many sessions cut short in a row are told, and cost waits.
const SHORT_TOLD: u32 = 3;

/// So many brief ones in a row are told.
const BRIEF_TOLD: u32 = 30;

/// The waits before the next login.
const PAUSES: Backoff = Backoff::steady(Duration::from_secs(1), Duration::from_secs(300));

/// How the sessions of late have fared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionLifetimes {
    /// How many in a row were refused before any request succeeded with them.
    unproven: u32,
    /// How many in a row were cut short.
    short: u32,
    /// How many in a row were brief.
    brief: u32,
    /// The wait before the latest login.
    paused: Duration,
}

impl SessionLifetimes {
    /// Notes that a session was refused after so long; `proven` if it had served before.
    pub fn refused(&mut self, lived: Duration, proven: bool) {
        self.lasted(lived);
        self.unproven = if proven { 0 } else { self.unproven.saturating_add(1) };
        if lived < self.lasting() {
            self.short = self.short.saturating_add(1);
        }
        if lived < BRIEF {
            self.brief = self.brief.saturating_add(1);
        }
        let after_short = (self.short + 1).saturating_sub(SHORT_TOLD);
        self.paused = pause(self.unproven.max(after_short));
    }

    /// Notes that a session has lasted for so long and still stands: what was before is forgotten
    /// where that is long enough; true if it was told and is over.
    pub fn lasted(&mut self, lived: Duration) -> bool {
        let told = self.is_told();
        if lived >= self.lasting() {
            (self.unproven, self.short, self.paused) = (0, 0, Duration::ZERO);
        }
        if lived >= BRIEF {
            self.brief = 0;
        }
        told && !self.is_told()
    }

    /// From which age on a session has lasted. One that is made after a wait has lasted only when it
    /// outlived what the other program waits, which is as long if that is one like this.
    fn lasting(&self) -> Duration {
        SHORT.max(self.paused.saturating_mul(2))
    }

    /// The age at which something is to be forgotten, where there is something.
    pub fn next_age(&self) -> Option<Duration> {
        let lasting = (self.short > 0).then(|| self.lasting());
        lasting.or_else(|| (self.brief > 0).then_some(BRIEF))
    }

    /// How long to wait before the next login.
    pub fn pause(&self) -> Duration {
        self.paused
    }

    /// Whether an operator is to know of it.
    pub fn is_told(&self) -> bool {
        self.short >= SHORT_TOLD || self.brief >= BRIEF_TOLD
    }

    /// Whether the log is to say so once more.
    pub fn is_news(&self) -> bool {
        self.short >= SHORT_TOLD || (self.brief > 0 && self.brief.is_multiple_of(BRIEF_TOLD))
    }

    /// How many in a row it is told of.
    pub fn in_a_row(&self) -> u32 {
        if self.short >= SHORT_TOLD { self.short } else { self.brief }
    }
}

/// The wait after so many bad sessions in a row.
fn pause(count: u32) -> Duration {
    if count == 0 { Duration::ZERO } else { PAUSES.ceiling(count) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// The pauses after sessions that lived so long each.
    fn pauses(lives: &[u32], proven: bool) -> Vec<u64> {
        let mut lifetimes = SessionLifetimes::default();
        let after = |lived: &u32| {
            lifetimes.refused(SECOND * *lived, proven);
            lifetimes.pause().as_secs()
        };
        lives.iter().map(after).collect()
    }

    #[test]
    fn sessions_that_never_serve_are_made_ever_more_rarely() {
        assert_eq!(pauses(&[0; 10], false), [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert_eq!(pause(u32::MAX), PAUSES.cap);
    }

    #[test]
    fn sessions_cut_short_are_made_ever_more_rarely_from_the_third_on() {
        assert_eq!(pauses(&[1; 12], true), [0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        // Another program that waits as long as this one keeps it from forgetting.
        assert_eq!(pauses(&[1, 1, 1, 1, 3, 6, 10, 20], true), [0, 0, 1, 2, 4, 8, 16, 32]);
        // One that lasted is a new beginning.
        assert_eq!(pauses(&[1, 1, 1, 1, 10, 1, 1, 1], true), [0, 0, 1, 2, 0, 0, 0, 1]);
        // Servers whose sessions are brief by themselves are not waited for.
        assert_eq!(pauses(&[10; 40], true), [0; 40]);
    }

    #[test]
    fn it_is_told_from_the_third_on_and_over_when_a_session_has_lasted() {
        let mut lifetimes = SessionLifetimes::default();
        for told in [false, false, true, true] {
            lifetimes.refused(SECOND, true);
            assert_eq!((lifetimes.is_told(), lifetimes.is_news()), (told, told));
        }
        assert_eq!((lifetimes.in_a_row(), lifetimes.next_age()), (4, Some(4 * SECOND)));
        assert!(!lifetimes.lasted(3 * SECOND));
        assert!(lifetimes.lasted(4 * SECOND));
        assert_eq!((lifetimes.is_told(), lifetimes.next_age()), (false, Some(BRIEF)));
        assert!(!lifetimes.lasted(BRIEF));
        assert_eq!(lifetimes, SessionLifetimes::default());
    }

    #[test]
    fn brief_sessions_are_told_once_there_were_many() {
        let mut lifetimes = SessionLifetimes::default();
        let news = (1..=60).filter(|_| {
            lifetimes.refused(10 * SECOND, true);
            lifetimes.is_news()
        });
        assert_eq!(news.collect::<Vec<_>>(), [30, 60]);
        assert_eq!((lifetimes.is_told(), lifetimes.in_a_row()), (true, 60));
        assert!(lifetimes.lasted(BRIEF));
    }
}
