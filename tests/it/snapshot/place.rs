//! Where the file goes: nothing is overwritten, no link is followed, and there is a whole file or none.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use tempfile::TempDir;

use super::{Place, Snapshot, mirrored, names, path};
use crate::support::daemon::{config_file, output};
use crate::support::machine::Disk;
use crate::support::shop::{Signal, signal};
use crate::support::{DEADLINE, Daemon, Kept, Sim, eventually, ewmirror, pause, repositories};

/// So many items that writing them takes a while.
const MANY: usize = 6000;
/// By then some of them are written, in bytes.
const SOME: u64 = 1 << 20;

/// How the command ends, and what it says.
fn asked(kept: &Kept, more: &[&str]) -> (Option<i32>, String) {
    let folder = TempDir::new().expect("a directory for the test");
    let file = config_file(folder.path());
    fs::write(&file, super::setup(kept).toml()).expect("the configuration can be written");
    let mut command = ewmirror(["--config"]);
    let ended = output(command.arg(file).arg("snapshot").args(more));
    (ended.status.code(), String::from_utf8_lossy(&ended.stderr).into_owned())
}

/// The command by way of another program.
fn by(kept: &Kept, words: &[&str], file: &Path) -> Daemon {
    let folder = TempDir::new().expect("a directory for the test");
    let config = config_file(folder.path());
    fs::write(&config, super::setup(kept).toml()).expect("the configuration can be written");
    let arguments = ["--config", path(&config), "snapshot", path(file)].map(str::to_owned);
    Daemon::by(words, arguments, folder)
}

/// The command, stopped once it has written some of the items.
fn halfway(kept: &Kept, place: &Place) -> Daemon {
    eventually(|| {
        let running = until_halfway(kept, place);
        signal(running.process(), Signal::STOP);
        // A machine that is busy with other things may look at it too late.
        if !place.file().exists() {
            return Ok(running);
        }
        running.signal("CONT");
        assert!(running.finish().status.success());
        fs::remove_file(place.file()).expect("it is there");
        Err("it never was half way".to_owned())
    })
}

/// The command, once it has written some of the items, or all.
fn until_halfway(kept: &Kept, place: &Place) -> Daemon {
    let running =
        Daemon::start(&["snapshot", path(&place.file()), "--history"], &super::setup(kept));
    let begun = std::time::Instant::now();
    let part = place.0.path().join(".out.db.ewmirror-part");
    // One that a killed command left has nobody who holds it open, once for its lock and once to write.
    let holds = || {
        let files = fs::read_dir(format!("/proc/{}/fd", running.process())).into_iter().flatten();
        let links = files.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
        links.filter(|link| *link == part).count()
    };
    let is_halfway = || holds() >= 2 && fs::metadata(&part).is_ok_and(|found| found.len() >= SOME);
    while !is_halfway() && !place.file().exists() {
        assert!(begun.elapsed() < DEADLINE, "it never was half way");
        pause(std::time::Duration::from_millis(1));
    }
    running
}

#[test]
fn it_goes_where_nothing_is() {
    let sim = Sim::start(repositories(&[(1, 20), (2, 10)]));
    let kept = mirrored(&sim);
    let place = Place::new();
    let (file, folder) = (place.file(), place.0.path());
    let named = |name: &str| folder.join(name);
    let refused = |place: &Path, more: &[&str], exit: i32, words: &str| {
        let (code, told) = asked(&kept, &[&[path(place)], more].concat());
        assert_eq!(code, Some(exit), "{told}");
        assert!(told.contains(path(place)) && told.contains(words), "{words}: {told}");
    };
    refused(&folder.join("none/out.db"), &[], 1, "the folder");
    refused(Path::new("/sys/ewmirror.db"), &[], 1, "cannot write");
    fs::create_dir(named("folder")).unwrap();
    refused(&named("folder"), &["--overwrite"], 1, "it is a folder");
    for target in ["nowhere", "something"] {
        fs::write(named("something"), "mine").unwrap();
        symlink(named(target), &file).unwrap();
        for more in [&[][..], &["--overwrite"]] {
            refused(&file, more, 1, "it is a symbolic link, and none is followed");
        }
        fs::remove_file(&file).unwrap();
        assert!(!named("nowhere").exists());
        assert_eq!(fs::read_to_string(named("something")).unwrap(), "mine");
    }
    refused(&named("something"), &[], 1, "it is there already; --overwrite");
    assert_eq!(fs::read_to_string(named("something")).unwrap(), "mine");
    fs::write(named("something-journal"), "").unwrap();
    refused(&named("something"), &["--overwrite"], 1, "belongs to another database");
    fs::remove_file(named("something-journal")).unwrap();
    let (code, told) = asked(&kept, &[path(&named("something")), "--overwrite"]);
    assert_eq!(code, Some(0), "{told}");
    Snapshot::open(&named("something"));
    assert_eq!(place.names(), ["folder", "something"]);
    // A relative name is one in the folder where the command is given.
    let config = config_file(folder);
    fs::write(&config, super::setup(&kept).toml()).unwrap();
    let mut command = ewmirror(["--config", path(&config), "snapshot", "out.db"]);
    assert!(output(command.current_dir(folder)).status.success());
    Snapshot::open(&file);
}

#[test]
fn it_never_goes_where_the_mirror_is() {
    let sim = Sim::start(repositories(&[(1, 20), (2, 10)]));
    let kept = mirrored(&sim);
    let before = fs::read(kept.database()).unwrap();
    let other = kept.beside("-same");
    fs::hard_link(kept.database(), &other).unwrap();
    let ends = ["-wal", "-shm", "-journal", ".lock", ".sock"];
    for file in ends.map(|end| kept.beside(end)).iter().chain([&kept.database(), &other]) {
        let (code, told) = asked(&kept, &[path(file), "--overwrite"]);
        assert_eq!(code, Some(2), "{told}");
        assert!(told.contains("is the mirror itself, or belongs to it"), "{told}");
    }
    assert!(fs::read(kept.database()).unwrap() == before);
    kept.assert_sound();
    let none = Kept::new(&sim);
    let place = Place::new();
    let (code, told) = asked(&none, &[path(&place.file())]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("there is no mirror"), "{told}");
    assert!(place.names().is_empty());
}

#[test]
fn it_is_its_owners_alone_whatever_the_umask() {
    let sim = Sim::start(repositories(&[(1, 20), (2, 10)]));
    let kept = mirrored(&sim);
    for umask in ["000", "777"] {
        let place = Place::new();
        let line = format!("umask {umask} && exec \"$@\"");
        let ended = by(&kept, &["sh", "-c", &line, "sh"], &place.file()).finish();
        assert!(ended.status.success(), "{:?}", ended.events);
        let mode = fs::metadata(place.file()).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
    }
}

#[test]
fn a_kill_leaves_no_file_and_the_next_command_clears_up() {
    let sim = Sim::start(repositories(&[(1, MANY), (2, 10)]));
    let kept = mirrored(&sim);
    let place = Place::new();
    for _ in 0..3 {
        halfway(&kept, &place).kill();
        assert_eq!(place.names(), [".out.db.ewmirror-part"]);
    }
    let half = fs::read(place.0.path().join(".out.db.ewmirror-part")).unwrap();
    assert_eq!(half[68..72], [0; 4], "nobody takes it for a file of ours");
    // While one is being written there is no second one.
    let running = halfway(&kept, &place);
    let (code, told) = asked(&kept, &[path(&place.file())]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("another snapshot is being written there"), "{told}");
    running.signal("CONT");
    let ended = running.finish();
    assert!(ended.status.success(), "{:?}", ended.events);
    assert_eq!(place.names(), ["out.db"]);
    let snapshot = Snapshot::open(&place.file());
    assert!(snapshot.items(1) == super::exported(&kept.export(1)));
}

#[test]
fn a_signal_leaves_nothing_behind() {
    let sim = Sim::start(repositories(&[(1, MANY), (2, 10)]));
    let kept = mirrored(&sim);
    for name in ["INT", "TERM"] {
        let place = Place::new();
        let running = halfway(&kept, &place);
        running.signal(name);
        running.signal("CONT");
        let ended = running.finish();
        assert_eq!(ended.status.code(), Some(1), "{:?}", ended.events);
        let told = &ended.events.last().unwrap().line;
        assert_eq!(told, "ewmirror: stopped by a signal: no file was made");
        assert!(place.names().is_empty());
    }
}

#[test]
fn a_place_without_room_is_told_of_and_left_as_it_was() {
    let sim = Sim::start(repositories(&[(1, MANY), (2, 10)]));
    let kept = mirrored(&sim);
    let place = Place::new();
    // 2 MiB, by which the size of a file is limited.
    let limited = by(&kept, &["sh", "-c", "ulimit -f 4096 && exec \"$@\"", "sh"], &place.file());
    let ended = limited.finish();
    assert_eq!(ended.status.code(), Some(1), "{:?}", ended.events);
    let told = &ended.events.last().unwrap().line;
    assert!(told.contains("cannot write") && told.contains("limit on the size of files"), "{told}");
    assert!(place.names().is_empty());
    let Some(disk) = Disk::in_memory("a snapshot on a full disk", 2 << 20) else { return };
    let (code, told) = asked(&kept, &[path(&disk.path().join("out.db"))]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("disk is full; see that there is room in the folder"), "{told}");
    assert!(names(disk.path()).is_empty());
}
