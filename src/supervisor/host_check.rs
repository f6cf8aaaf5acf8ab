//! What of the machine is wrong before it stops anything: a disk that fills, a clock that is off.
//!
//! The judging is pure. The disk is asked on a thread that may wait for it, one question at a time,
//! so that a disk that hangs holds up nobody and gathers no threads.

use std::path::Path;
use std::sync::Arc;

use bytesize::ByteSize;
use tokio::task::JoinHandle;

use crate::client::CLOCKS_APART_S;
use crate::progress::Progress;
use crate::progress::problems::{ProblemReport, Scope, Source};

const DISK: Source = Source { scope: Scope::Mirror, repository: None, what: "disk" };
const CLOCK: Source = Source { scope: Scope::Mirror, repository: None, what: "clock" };

/// Free space below which a disk fills that has a tenth left: what a WAL may grow to while it is
/// read, and as much again.
const LITTLE: u64 = 1 << 30;

/// Free space below which any disk is as good as full: a few pages of large items.
const NEXT_TO_NOTHING: u64 = 16 << 20;

/// What is left of a disk.
#[derive(Clone, Copy, Debug)]
struct DiskSpace {
    free: u64,
    size: u64,
}

impl DiskSpace {
    fn is_little(self) -> bool {
        self.free < NEXT_TO_NOTHING || self.free < LITTLE && self.free < self.size / 10
    }
}

/// Looks at the machine.
#[derive(Debug, Default)]
pub(super) struct HostCheck {
    /// The question that the disk was asked last.
    asked: Option<JoinHandle<()>>,
}

impl HostCheck {
    /// Asks the disk that this file is on; what it says is reported when it says it.
    pub(super) fn check_disk(&mut self, file: Option<&Path>, progress: &Arc<Progress>) {
        let Some(file) = file.map(Path::to_owned) else { return };
        if self.asked.as_ref().is_some_and(|asked| !asked.is_finished()) {
            return;
        }
        let progress = Arc::clone(progress);
        self.asked = Some(tokio::task::spawn_blocking(move || {
            // One that cannot be asked shows at the next page.
            let Some(room) = room(&file) else { return };
            match disk(room, &file) {
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

fn room(file: &Path) -> Option<DiskSpace> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let space = rustix::fs::statvfs(folder.unwrap_or(Path::new("."))).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(space.f_frsize);
    Some(DiskSpace { free: bytes(space.f_bavail), size: bytes(space.f_blocks) })
}

fn disk(room: DiskSpace, file: &Path) -> Option<ProblemReport> {
    room.is_little().then(|| ProblemReport {
        error: format!("the disk of {} fills: {} free", file.display(), ByteSize::b(room.free)),
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
            assert_eq!(DiskSpace { free, size }.is_little(), little, "{free} of {size}");
        }
        let report =
            disk(DiskSpace { free: 3 * MIB, size: 64 * MIB }, Path::new("/m/mirror.db")).unwrap();
        assert_eq!(report.error, "the disk of /m/mirror.db fills: 3.0 MiB free");
    }

    #[test]
    fn a_clock_is_off_by_more_than_a_minute_either_way() {
        assert!(clock(60).is_none() && clock(-60).is_none());
        let error = |ahead| clock(ahead).unwrap().error;
        assert_eq!(error(61), "the server's clock is 61 s ahead of this machine's");
        assert_eq!(error(-3600), "the server's clock is 3600 s behind this machine's");
    }

    #[tokio::test]
    async fn the_disk_of_a_file_is_asked_where_the_file_is() {
        let folder = tempfile::TempDir::new().unwrap();
        assert!(room(&folder.path().join("mirror.db")).unwrap().size > 0);
        assert!(room(Path::new("/nonexistent/mirror.db")).is_none());
        assert!(room(Path::new("mirror.db")).is_some());
    }
}
