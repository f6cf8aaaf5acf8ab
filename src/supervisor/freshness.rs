//! Whether changes are found as soon as `freshness` of a repository asks for, and why not. The judging is pure.
//!
//! The goal is missed while no incremental pass has ended as it should for longer than it allows, or one of a hundred
//! changes of the last minutes was found later. That is told once it was so at two looks in a row, and over once it was
//! not at three, so that a single slow answer tells nothing and the problem does not come and go.

use std::time::Duration;

use crate::progress::problems::{ProblemKind, ProblemReport, Scope};
use crate::progress::{FreshnessCause, FreshnessProgress, IncrementalObstacle};

/// A goal that is missed.
pub(super) const FRESHNESS: ProblemKind =
    ProblemKind { scope: Scope::Repository, what: "freshness" };

/// Of changes of so many minutes it is asked how late they were found.
pub(super) const LATELY: u64 = 5;

/// At so many looks in a row it is missed before that is told.
const TOLD_AFTER: u32 = 2;

/// At so many looks in a row it is met before that is told.
const OVER_AFTER: u32 = 3;

/// What is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct FreshnessLook {
    /// `freshness`.
    pub(super) goal: Duration,
    /// Since the last incremental pass ended as it should, or since the start.
    pub(super) unread_for: Duration,
    /// What 99 of a hundred of the latest changes did not exceed, where there are any.
    pub(super) p99: Option<Duration>,
    /// What keeps incremental passes from being of use.
    pub(super) obstacle: Option<IncrementalObstacle>,
    /// How far the server's clock is ahead of this machine's, in seconds, where it is known.
    pub(super) clock_ahead_s: Option<i64>,
    /// How long the latest answer to an incremental pass took.
    pub(super) answer: Duration,
}

/// How a goal stood at the last looks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FreshnessWatch {
    missed_in_a_row: u32,
    met_in_a_row: u32,
    told: Option<FreshnessCause>,
}

impl FreshnessWatch {
    /// Takes a look; what is to be told of the goal now.
    pub(super) fn look(&mut self, look: &FreshnessLook) -> FreshnessProgress {
        if let Some(cause) = missed(look) {
            self.met_in_a_row = 0;
            self.missed_in_a_row = self.missed_in_a_row.saturating_add(1);
            if self.told.is_some() || self.missed_in_a_row >= TOLD_AFTER {
                self.told = Some(cause);
            }
        } else {
            self.missed_in_a_row = 0;
            self.met_in_a_row = self.met_in_a_row.saturating_add(1);
            if self.met_in_a_row >= OVER_AFTER {
                self.told = None;
            }
        }
        FreshnessProgress { goal: look.goal, missed: self.told }
    }
}

/// Why the goal is missed; `None` where it is met.
fn missed(look: &FreshnessLook) -> Option<FreshnessCause> {
    let is_late = look.p99.is_some_and(|p99| p99 > look.goal);
    if look.unread_for <= look.goal && !is_late {
        return None;
    }
    let half = look.goal / 2;
    // A server whose clock is behind dates its changes earlier than they are.
    let behind_s = look.clock_ahead_s.unwrap_or_default().saturating_neg();
    let behind = Duration::from_secs(u64::try_from(behind_s).unwrap_or_default());
    Some(match look.obstacle {
        Some(_) => FreshnessCause::Conditions,
        None if !behind.is_zero() && behind >= half => FreshnessCause::Clock,
        None if look.answer >= half => FreshnessCause::Latency,
        None => FreshnessCause::Budget,
    })
}

/// What is to be said of a goal that is missed.
pub(super) fn report(look: &FreshnessLook, cause: FreshnessCause) -> ProblemReport {
    let goal = humantime::format_duration(look.goal);
    let seconds = |time: Duration| humantime::format_duration(Duration::from_secs(time.as_secs()));
    let what = match look.p99.filter(|p99| *p99 > look.goal) {
        Some(p99) if look.unread_for <= look.goal => {
            format!("of the latest changes one in a hundred was found after {}", seconds(p99))
        }
        _ => format!("no incremental pass has ended for {}", seconds(look.unread_for)),
    };
    let (why, remedy) = match cause {
        FreshnessCause::Conditions => (
            match look.obstacle {
                Some(IncrementalObstacle::Ignored) => {
                    "the server does not obey the conditions of incremental.search"
                }
                Some(IncrementalObstacle::OutOfOrder) => {
                    "the list is not in the order of last change"
                }
                Some(IncrementalObstacle::Failing) | None => {
                    "the searches of incremental passes fail"
                }
            },
            "mend incremental (docs/configure.md, \"Fresh within seconds\"); ewmirror learn proposes what fits",
        ),
        FreshnessCause::Clock => (
            "the server's clock is behind this machine's, so that its changes seem older than they are",
            "see with timedatectl which clock is wrong, and set it by NTP",
        ),
        FreshnessCause::Latency => (
            "the server takes long to answer",
            "ask its administrator why, lower page_size, or set freshness to what it can do",
        ),
        FreshnessCause::Budget => (
            "more requests are to be made than the budget allows",
            "raise max_requests_per_second or lower page_interval, make pass_interval longer, or set freshness to \
             what the budget allows",
        ),
    };
    let error = format!("freshness = \"{goal}\" is missed: {what}: {why}");
    ProblemReport { error, remedy: remedy.to_owned(), retry_in: None, halts: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MET: FreshnessLook = FreshnessLook {
        goal: Duration::from_secs(30),
        unread_for: Duration::from_secs(30),
        p99: Some(Duration::from_secs(30)),
        obstacle: None,
        clock_ahead_s: Some(3600),
        answer: Duration::from_millis(50),
    };

    const MISSED: FreshnessLook = FreshnessLook { p99: Some(Duration::from_secs(31)), ..MET };

    #[test]
    fn a_goal_is_missed_by_late_changes_and_by_passes_that_do_not_end_each_with_its_cause() {
        assert_eq!(missed(&MET), None);
        let unread = FreshnessLook { unread_for: Duration::from_secs(31), p99: None, ..MET };
        for look in [MISSED, unread] {
            assert_eq!(missed(&look), Some(FreshnessCause::Budget));
            let slow = FreshnessLook { answer: Duration::from_secs(15), ..look };
            assert_eq!(missed(&slow), Some(FreshnessCause::Latency));
            let behind = FreshnessLook { clock_ahead_s: Some(-15), ..slow };
            assert_eq!(missed(&behind), Some(FreshnessCause::Clock));
            let obstacle = Some(IncrementalObstacle::Ignored);
            assert_eq!(
                missed(&FreshnessLook { obstacle, ..behind }),
                Some(FreshnessCause::Conditions)
            );
        }
        // What never ends is no reason to be told of while changes are found in time.
        let obstacle = Some(IncrementalObstacle::Failing);
        assert_eq!(missed(&FreshnessLook { obstacle, clock_ahead_s: Some(-60), ..MET }), None);
    }

    #[test]
    fn a_single_look_tells_nothing_and_what_is_told_does_not_flap() {
        let mut watch = FreshnessWatch::default();
        let mut told = |look| watch.look(look).missed.is_some();
        assert_eq!([&MISSED, &MET, &MISSED, &MISSED].map(&mut told), [false, false, false, true]);
        assert_eq!([&MET, &MET, &MISSED].map(&mut told), [true; 3]);
        assert_eq!([&MET, &MET, &MET, &MISSED].map(&mut told), [true, true, false, false]);
    }

    #[test]
    fn the_words_say_what_is_so_and_what_to_do() {
        let words = |look: &FreshnessLook| report(look, missed(look).unwrap());
        assert_eq!(
            words(&MISSED).error,
            "freshness = \"30s\" is missed: of the latest changes one in a hundred was found after \
             31s: more requests are to be made than the budget allows"
        );
        let unread = FreshnessLook {
            unread_for: Duration::from_secs(90),
            obstacle: Some(IncrementalObstacle::Failing),
            ..MISSED
        };
        assert_eq!(
            words(&unread).error,
            "freshness = \"30s\" is missed: no incremental pass has ended for 1m 30s: the searches \
             of incremental passes fail"
        );
        assert!(words(&unread).remedy.contains("Fresh within seconds"));
    }
}
