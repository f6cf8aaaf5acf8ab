//! Disks that are full or read-only.

use std::fs;
use std::time::Duration;

use ewmirror::simulator::Options;

use crate::support::machine::Disk;
use crate::support::oracle::{self, Fold};
use crate::support::{Daemon, Event, Kept, Sim, repositories, stop_within};

const MIB: usize = 1 << 20;

/// Enough items for their copy to fill several MiB.
const ITEMS: usize = 3000;

/// Room for that, and for a WAL that is checkpointed at 16 MiB.
const ROOM: usize = 40 * MIB;

/// Says that the mirror failed, for the first time since this place of the log.
fn mirror_failed(daemon: &Daemon, place: usize) -> Event {
    daemon.wait_from(place, |it| it.is("request failed") && it.text("endpoint") == "mirror")
}

/// What was said on stderr, which is no log: why it did not start.
fn refusal(kept: &Kept) -> String {
    let ended = Daemon::run(&kept.setup()).finish();
    let said: Vec<String> = ended.events.into_iter().map(|it| it.line).collect();
    assert_eq!(ended.status.code(), Some(1), "{said:?}");
    said.join("\n")
}

#[test]
fn a_disk_that_is_full_while_pages_are_written_is_told_of_and_waited_for() {
    let check = "a disk that fills while pages are written";
    let Some(disk) = Disk::in_memory(check, ROOM) else { return };
    let options = Options { latency: Duration::from_millis(10), ..repositories(&[(1, ITEMS)]) };
    let sim = Sim::start(options);
    let kept = Kept::within(disk.path(), &sim);
    let daemon = Daemon::run(&kept.setup());
    daemon.wait_for(|it| it.is("page read") && it.number("page") == 5);
    let mark = daemon.mark();
    let ballast = disk.fill();
    let failed = mirror_failed(&daemon, mark);
    assert!(failed.text("error").contains("is full"), "{}", failed.line);
    assert!(failed.text("error").contains(kept.database().to_str().unwrap()), "{}", failed.line);
    assert!(failed.text("remedy").contains("make room"), "{}", failed.line);
    // What it has stays what it was: nobody writes now.
    let mut fold = Fold::default();
    fold.check(&kept, &[1]);
    assert!(fold.told.len() >= 400, "{}", fold.told.len());

    fs::remove_file(ballast).unwrap();
    daemon.wait_from(mark, |it| it.is("reconnected") && it.text("endpoint") == "mirror");
    assert!(daemon.wait_for_pass(1, 1).truth("certified"));
    assert!(daemon.stop().status.success());
    fold.check(&kept, &[1]);
    assert_eq!(fold.told.len(), ITEMS);
    oracle::equals_server(&kept, &sim, 1);
    kept.assert_sound();
}

#[test]
fn a_disk_that_is_full_when_the_journal_is_worked_off_and_at_the_start_costs_nothing() {
    let check = "a disk that is full at a checkpoint and at the start";
    let Some(disk) = Disk::in_memory(check, ROOM) else { return };
    let sim = Sim::start(repositories(&[(1, ITEMS)]));
    let kept = Kept::within(disk.path(), &sim);
    let daemon = Daemon::run(&kept.setup());
    daemon.wait_for_pass(1, 1);
    let ballast = disk.fill();
    // It is checkpointed at the end, for which there is no room now.
    let wal = kept.beside("-wal");
    assert!(fs::metadata(&wal).unwrap().len() > MIB as u64);
    assert!(daemon.stop().status.success());
    assert!(fs::metadata(&wal).unwrap().len() > MIB as u64, "there was room after all");

    let mut setup = kept.setup();
    setup.paging = setup.paging.replace("'1h'", "'1ms'");
    let daemon = Daemon::run(&setup);
    let failed = mirror_failed(&daemon, 0);
    assert!(failed.text("error").contains("is full"), "{}", failed.line);
    fs::remove_file(ballast).unwrap();
    daemon.wait_for(|it| it.is("reconnected") && it.text("endpoint") == "mirror");
    oracle::wait_for_certified_pass(&daemon, 1);
    daemon.stop();
    let mut fold = Fold::default();
    fold.check(&kept, &[1]);
    assert_eq!(fold.told.len(), ITEMS, "nothing was new to the second daemon");
    oracle::equals_server(&kept, &sim, 1);
    kept.assert_sound();
}

#[test]
fn a_new_mirror_on_a_full_disk_is_refused_with_what_to_do() {
    let Some(disk) = Disk::in_memory("a full disk at the first start", MIB) else { return };
    let sim = Sim::start(repositories(&[(1, 10)]));
    let kept = Kept::within(disk.path(), &sim);
    let ballast = disk.fill();
    let said = refusal(&kept);
    assert!(said.contains("make room"), "{said}");
    fs::remove_file(ballast).unwrap();
    let daemon = Daemon::run(&kept.setup());
    assert!(daemon.wait_for_pass(1, 1).truth("certified"));
}

#[test]
fn a_read_only_file_system_is_refused_at_the_start_with_what_to_do() {
    let Some(disk) = Disk::in_memory("a read-only file system", 8 * MIB) else { return };
    let sim = Sim::start(repositories(&[(1, 200)]));
    let kept = Kept::within(disk.path(), &sim);
    let daemon = Daemon::run(&kept.setup());
    daemon.wait_for_pass(1, 1);
    daemon.stop();
    let before = fs::read(kept.database()).unwrap();
    disk.remount("ro").unwrap();
    let said = refusal(&kept);
    assert!(said.contains("mount its file system writable"), "{said}");
    assert_eq!(fs::read(kept.database()).unwrap(), before);
    disk.remount("rw").unwrap();
    let mut setup = kept.setup();
    setup.paging = setup.paging.replace("'1h'", "'1ms'");
    let daemon = Daemon::run(&setup);
    oracle::wait_for_certified_pass(&daemon, 1);
    daemon.stop();
    oracle::equals_server(&kept, &sim, 1);
}

/// A file system that has met an error makes itself read-only, under whoever has files open, and
/// stays so until it is mounted anew, which nobody can do who has files open on it: so the daemon
/// says it, stops when told to, and the next one goes on.
#[test]
fn a_file_system_that_turns_read_only_is_told_of_and_the_next_start_goes_on() {
    let check = "a file system that turns read-only";
    let Some(image) = Disk::in_memory(check, 2 * ROOM) else { return };
    let file = image.path().join("image");
    fs::File::create(&file).unwrap().set_len(ROOM as u64).unwrap();
    let file = file.to_str().unwrap();
    if let Err(why) = crate::support::machine::system(&["mkfs.ext4", "-q", "-F", file]) {
        return crate::support::skipped(check, &why);
    }
    let mount = || Disk::mount(check, &["-o", "loop,errors=remount-ro", file]);
    let Some(disk) = mount() else { return };
    let options = Options { latency: Duration::from_millis(10), ..repositories(&[(1, ITEMS)]) };
    let sim = Sim::start(options);
    let kept = Kept::within(disk.path(), &sim);
    let daemon = Daemon::run(&kept.setup());
    daemon.wait_for(|it| it.is("page read") && it.number("page") == 5);
    let mark = daemon.mark();
    // The file system's own switch for tests: as if its journal had failed.
    if let Err(why) = disk.remount("abort") {
        return crate::support::skipped(check, &why);
    }
    let failed = mirror_failed(&daemon, mark);
    assert!(failed.text("remedy").contains("can be written"), "{}", failed.line);
    let (ended, took) = daemon.stop_with("TERM");
    assert!(ended.status.success() && took < stop_within(), "{} after {took:?}", ended.status);

    drop(disk);
    let Some(disk) = mount() else { return };
    let again = Kept::within(disk.path(), &sim);
    let daemon = Daemon::run(&again.setup());
    let resumed = daemon.wait_for(|it| it.is("pass resumed"));
    assert_eq!(resumed.number("iteration"), 1);
    assert!(daemon.wait_for_pass(1, 1).truth("certified"));
    daemon.stop();
    Fold::default().check(&again, &[1]);
    oracle::equals_server(&again, &sim, 1);
    again.assert_sound();
}
