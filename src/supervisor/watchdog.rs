//! Whether every task has been heard of within the time that it allowed itself.
//!
//! Pure: the time is an argument. A server that is away makes nobody late, because each wait for it
//! has an end that was told beforehand, and each try marks its lane; a task that does not come
//! back from a wait, or does not get as far as its next one, is late.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::tasks::TaskName;
use crate::session::Generation;
use crate::task::heartbeat::{LaneState, TaskLanes, Until};

/// How much longer than it allowed itself a lane may be silent: it includes the work between two
/// waits, such as reading and comparing the largest page, on a machine that is busy with others.
pub const GRACE: Duration = Duration::from_secs(30);

/// What is known from one check to the next.
#[derive(Debug, Default)]
pub struct Watchdog {
    /// The session that stands, and since which check it has been seen to.
    session: Option<(Generation, Instant)>,
    /// Tasks that were late at the last check, and whether that has been told.
    late: BTreeMap<TaskName, bool>,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthReport {
    /// Whether no task hangs.
    pub is_healthy: bool,
    /// The tasks that were not known to hang.
    pub newly_hung: Vec<HungTask>,
}

/// A task that hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HungTask {
    /// Which.
    pub task: TaskName,
    /// Since when it has not been heard of.
    pub silent: Duration,
}

impl Watchdog {
    /// Looks at what tasks were last heard of; `standing` is the session that is good to use.
    ///
    /// A task hangs when it is late at two checks in a row: after the whole process, or the
    /// machine, has stood still, everybody is late once.
    pub fn check(
        &mut self,
        tasks: impl IntoIterator<Item = (TaskName, TaskLanes)>,
        standing: Option<Generation>,
        now: Instant,
    ) -> HealthReport {
        let since = self.session.filter(|(known, _)| standing == Some(*known)).map(|it| it.1);
        self.session = standing.map(|generation| (generation, since.unwrap_or(now)));
        let session_since = self.session.map(|it| it.1);

        let before = std::mem::take(&mut self.late);
        let mut report = HealthReport { is_healthy: true, newly_hung: Vec::new() };
        for (task, lanes) in tasks {
            let Some(silent) = silent(&lanes, session_since, now) else { continue };
            let told = match before.get(&task) {
                None => false,
                Some(told) => {
                    report.is_healthy = false;
                    if !told {
                        report.newly_hung.push(HungTask { task, silent });
                    }
                    true
                }
            };
            self.late.insert(task, told);
        }
        report
    }
}

/// For how long the latest of the late lanes has been silent; `None` where none is late.
fn silent(lanes: &TaskLanes, session_since: Option<Instant>, now: Instant) -> Option<Duration> {
    let is_late = |state: &&LaneState| {
        let due = match state.until {
            Until::Within(time) => state.at.checked_add(time),
            Until::Session => session_since.map(|since| since.max(state.at)),
            Until::OtherLanes => (lanes.lanes.len() == 1).then(|| lanes.ended.max(state.at)),
        };
        due.is_some_and(|due| now.saturating_duration_since(due) > GRACE)
    };
    let late = lanes.lanes.iter().filter(is_late);
    late.map(|state| now.saturating_duration_since(state.at)).max()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::RepositoryId;
    use crate::session::SharedSession;
    use crate::testing::{HOUR, MINUTE, SECOND};

    const PAGER: TaskName = TaskName::Pager(RepositoryId(1));

    fn states(lanes: &[(Instant, Until)], ended: Instant) -> TaskLanes {
        let lanes = lanes.iter().map(|(at, until)| LaneState { at: *at, until: *until }).collect();
        TaskLanes { lanes, ended }
    }

    /// A generation that stands.
    fn generation() -> Generation {
        let tokens = crate::session::Tokens::new(crate::config::Secret::new("s"), None);
        SharedSession::new().replace(tokens)
    }

    #[tokio::test(start_paused = true)]
    async fn a_lane_is_late_where_it_exceeds_what_it_allowed_itself() {
        let start = Instant::now();
        let within = |time| (start, Until::Within(time));
        let (session, others) = ((start, Until::Session), (start, Until::OtherLanes));
        let forever = within(Duration::MAX);
        // What the lanes wait for, since when there is a session, when a lane ended, and after
        // how long somebody is late.
        let cases = [
            (vec![], None, Duration::ZERO, None),
            (vec![(start, Until::AT_ONCE)], None, Duration::ZERO, Some(GRACE)),
            (vec![within(HOUR)], None, Duration::ZERO, Some(HOUR + GRACE)),
            (vec![within(HOUR), within(MINUTE)], None, Duration::ZERO, Some(MINUTE + GRACE)),
            (vec![forever], None, Duration::ZERO, None),
            (vec![session], None, Duration::ZERO, None),
            (vec![session], Some(Duration::ZERO), Duration::ZERO, Some(GRACE)),
            (vec![session], Some(HOUR), Duration::ZERO, Some(HOUR + GRACE)),
            (vec![others], None, Duration::ZERO, Some(GRACE)),
            (vec![others], None, HOUR, Some(HOUR + GRACE)),
            (vec![others, forever], None, Duration::ZERO, None),
            (vec![others, within(MINUTE)], None, Duration::ZERO, Some(MINUTE + GRACE)),
        ];
        for (lanes, session, ended, late_after) in cases {
            let known = states(&lanes, start + ended);
            let session = session.map(|after| start + after);
            let at = |now| silent(&known, session, now);
            match late_after {
                Some(time) => {
                    assert_eq!(at(start + time), None, "{known:?}");
                    let soon = time + SECOND;
                    assert_eq!(at(start + soon), Some(soon), "{known:?}");
                }
                None => assert_eq!(at(start + 100 * HOUR), None, "{known:?}"),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_late_twice_hangs_and_is_told_of_once_until_it_is_well_again() {
        let (mut watchdog, start) = (Watchdog::default(), Instant::now());
        let mut check = |heard: Duration, now: Duration| {
            let lanes = states(&[(start + heard, Until::AT_ONCE)], start);
            let well = TaskLanes { lanes: Vec::new(), ended: start };
            watchdog.check([(PAGER, lanes), (TaskName::Refresher, well)], None, start + now)
        };
        let well = HealthReport { is_healthy: true, newly_hung: vec![] };
        let known = HealthReport { is_healthy: false, newly_hung: vec![] };
        let news = |silent| HealthReport {
            is_healthy: false,
            newly_hung: vec![HungTask { task: PAGER, silent }],
        };
        assert_eq!(check(Duration::ZERO, MINUTE), well);
        assert_eq!(check(Duration::ZERO, 2 * MINUTE), news(2 * MINUTE));
        assert_eq!(check(Duration::ZERO, 3 * MINUTE), known);
        assert_eq!(check(3 * MINUTE, 3 * MINUTE), well);
        assert_eq!(check(3 * MINUTE, 5 * MINUTE), well);
        assert_eq!(check(5 * MINUTE, 5 * MINUTE), well);
        assert_eq!(check(5 * MINUTE, 7 * MINUTE), well);
        assert_eq!(check(5 * MINUTE, 8 * MINUTE), news(3 * MINUTE));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_session_hangs_only_where_the_same_one_has_long_been_there() {
        let (mut watchdog, start) = (Watchdog::default(), Instant::now());
        let waiting = states(&[(start, Until::Session)], start);
        let mut alive = |standing, minutes: u32| {
            watchdog
                .check([(PAGER, waiting.clone())], standing, start + minutes * MINUTE)
                .is_healthy
        };
        let one = Some(generation());
        assert!(alive(None, 1) && alive(None, 600));
        // Just there, then gone, then there again.
        assert!(alive(one, 601) && alive(None, 602) && alive(one, 603));
        assert!(alive(one, 604));
        assert!(!alive(one, 605));
    }

    proptest! {
        #[test]
        fn who_keeps_its_word_never_hangs(
            waits in prop::collection::vec((0..100_000_u64, 0..100_000_u64, 0..=1_u64), 1..50),
            every in 1..100_000_u64,
        ) {
            let (start, mut watchdog) = (Instant::now(), Watchdog::default());
            let (mut clock, mut next_check) = (0, 0);
            for (allowed, taken, late) in waits {
                let until = Until::Within(Duration::from_millis(allowed));
                let word = states(&[(start + Duration::from_millis(clock), until)], start);
                // In time, or late by less than the grace.
                clock += taken.min(allowed) + late * 29_999;
                while next_check <= clock {
                    let now = start + Duration::from_millis(next_check);
                    let report = watchdog.check([(PAGER, word.clone())], None, now);
                    prop_assert!(report.is_healthy);
                    next_check += every;
                }
            }
        }

        #[test]
        fn who_breaks_its_word_is_found_within_the_grace_and_two_checks(
            allowed in 0..100_000_u64, every in 1_000..100_000_u64, from in 0..100_000_u64,
        ) {
            let (start, mut watchdog) = (Instant::now(), Watchdog::default());
            let until = Until::Within(Duration::from_millis(allowed));
            let word = states(&[(start, until)], start);
            let mut now = Duration::from_millis(from);
            let step = Duration::from_millis(every);
            while watchdog.check([(PAGER, word.clone())], None, start + now).is_healthy {
                now += step;
            }
            let due = Duration::from_millis(allowed.max(from)) + GRACE;
            prop_assert!(now <= due + 2 * step + Duration::from_millis(1));
            prop_assert!(now > Duration::from_millis(allowed) + GRACE);
        }
    }
}
