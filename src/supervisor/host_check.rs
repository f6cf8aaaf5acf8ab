//! What of the machine is wrong before it stops anything: a disk that fills, a clock that is off.
//!
//! The judging is pure. The disk is asked on a thread that may wait for it, one question at a time,
//! so that a disk that hangs holds up nobody and gathers no threads.

use std::sync::Arc;

use bytesize::ByteSize;
use tokio::task::JoinHandle;

use crate::client::CLOCKS_APART_S;
use crate::mirror::{DiskSpace, Mirror};
use crate::progress::Progress;
use crate::progress::problems::{ProblemReport, Scope, Source};

const DISK: Source = Source { scope: Scope::Mirror, repository: None, what: "disk" };
const CLOCK: Source = Source { scope: Scope::Mirror, repository: None, what: "clock" };

/// Looks at the machine.
#[derive(Debug, Default)]
pub(super) struct HostCheck {
    /// The question that the disk was asked last.
    asked: Option<JoinHandle<()>>,
}

impl HostCheck {
    /// Asks the disk that the mirror grows on; what it says is reported when it says it.
    pub(super) fn check_disk<M: Mirror>(&mut self, mirror: &Arc<M>, progress: &Arc<Progress>) {
        if self.asked.as_ref().is_some_and(|asked| !asked.is_finished()) {
            return;
        }
        let (mirror, progress) = (Arc::clone(mirror), Arc::clone(progress));
        self.asked = Some(tokio::task::spawn_blocking(move || {
            // One that cannot be asked shows at the next page.
            let Some(space) = mirror.disk_space() else { return };
            match disk(&space) {
                Some(report) => progress.problems.stands(DISK, report),
                None => progress.problems.over(DISK),
            }
        }));
    }
}

/// Compares the clocks, as far as the server has told the time.
pub(super) fn check_clock(ahead_s: Option<i64>, progress: &Progress) {
    match ahead_s.and_then(clock) {
        Some(report) => progress.problems.stands(CLOCK, report),
        None => progress.problems.over(CLOCK),
    }
}

fn disk(space: &DiskSpace) -> Option<ProblemReport> {
    space.is_little().then(|| ProblemReport {
        error: format!("the disk of {} fills: {} free", space.of, ByteSize::b(space.free_bytes)),
        remedy: "make room on it, or set changes.keep to keep less of the past".to_owned(),
        retry_in: None,
        halts: false,
    })
}

fn clock(ahead_s: i64) -> Option<ProblemReport> {
    let apart = ahead_s.unsigned_abs();
    let direction = if ahead_s > 0 { "ahead of" } else { "behind" };
    (apart > CLOCKS_APART_S).then(|| ProblemReport {
        error: format!("the server's clock is {apart} s {direction} this machine's"),
        remedy: "see with timedatectl which is wrong, and set it by NTP".to_owned(),
        retry_in: None,
        halts: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(free_bytes: u64, size_bytes: u64) -> DiskSpace {
        DiskSpace { of: "/m/mirror.db".to_owned(), free_bytes, size_bytes }
    }

    #[test]
    fn a_disk_fills_where_little_is_left_of_it_and_of_it_for_what_is_to_come() {
        const MIB: u64 = 1 << 20;
        for (free, size, little) in [
            (60 * MIB, 64 * MIB, false),
            (15 * MIB, 64 * MIB, true),
            (6 * MIB, 64 * MIB, true),
            (2048 * MIB, 1 << 50, false),
            (1023 * MIB, 10_000 * MIB, false),
            (999 * MIB, 10_000 * MIB, true),
            (1024 * MIB, 1 << 50, false),
        ] {
            assert_eq!(space(free, size).is_little(), little, "{free} of {size}");
        }
        let report = disk(&space(3 * MIB, 64 * MIB)).unwrap();
        assert_eq!(report.error, "the disk of /m/mirror.db fills: 3.0 MiB free");
    }

    #[test]
    fn a_clock_is_off_by_more_than_a_minute_either_way() {
        assert!(clock(60).is_none() && clock(-60).is_none());
        let error = |ahead| clock(ahead).unwrap().error;
        assert_eq!(error(61), "the server's clock is 61 s ahead of this machine's");
        assert_eq!(error(-3600), "the server's clock is 3600 s behind this machine's");
    }
}
