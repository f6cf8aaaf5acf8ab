//! The daemon killed, its writes failed and the power cut at every call that it makes on its
//! database: opening, pages, the end of a pass, checkpointing the WAL, closing; at a sample of them but in the gate.
//!
//! strace records one run of `once` with all that it writes. Then the same run is killed, or fails,
//! at each call that strace can aim at; and from the record is rebuilt what a write cut short or a
//! loss of power leaves at each. What must be true then: see [`judge`]. And the next `once` takes
//! it up and makes the mirror what the server has.

mod disk;
mod judge;
mod strace;

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use ewmirror::simulator::Options;
use fastrand::Rng;
use serde_json::json;
use tempfile::TempDir;

use self::disk::{Files, History, Unsynced};
use self::judge::judge;
use self::strace::{Act, Call};
use crate::mirror::{edit, ids};
use crate::support::oracle::Fold;
use crate::support::{
    Daemon, Kept, Setup, Sim, for_each, is_thorough, repositories, sampled, skipped,
};

/// Few enough for every call of a pass to be tried, and several pages.
const ITEMS: usize = 12;
/// Runs side by side: most of their time they wait for the disk.
const AT_ONCE: usize = 6;
/// Different losses of power at each call.
const LOSSES: u64 = 3;

/// One of so many calls is tried where not all are: an odd number, since many come in pairs, a head and a page.
const ONE_OF: usize = 8;

/// One run of `once`, from the same beginning each time.
struct Scene {
    name: &'static str,
    sim: Sim,
    /// The database it begins with.
    before: Files,
    calls: Vec<Call>,
    history: History,
    /// The last sequence that a kill leaves after so many calls.
    committed: Vec<u64>,
    /// What the server has.
    served: BTreeSet<String>,
}

impl Scene {
    /// The first pass, into a database that is not there yet.
    fn first_pass() -> Self {
        let sim = server();
        Self::record("first pass", sim, Files::new())
    }

    /// The second pass, which finds something of each kind.
    fn second_pass() -> Self {
        let sim = server();
        let kept = Kept::new(&sim);
        assert!(Daemon::start(&["once"], &setup(&kept)).finish().status.success());
        let before = disk::read(&kept.database());
        let there = ids(&sim);
        let (delete, update) = (&there[3..5], [there[0], there[7], there[11]]);
        edit(&sim, json!({"insert": 3, "delete": delete, "update": update}));
        Self::record("second pass", sim, before)
    }

    fn record(name: &'static str, sim: Sim, before: Files) -> Self {
        let kept = placed(&sim, &before);
        let calls = strace::record(&kept, &setup(&kept));
        let history = History::new(before.clone(), &calls);
        let directory = TempDir::new().expect("a directory for the test");
        let copy = directory.path().join("copy.db");
        let last_after = |done| {
            disk::write(&history.files(done, Unsynced::Kept), &copy);
            judge(&copy, "the record").last
        };
        let committed: Vec<u64> = (0..=calls.len()).map(last_after).collect();
        let served = sim.items(1).into_iter().collect();
        let last = committed[calls.len()];
        let scene = Self { name, sim, before, calls, history, committed, served };
        assert_eq!(judge(&kept.database(), name).items, scene.served);
        assert!(last >= scene.served.len() as u64, "the record has all that was written");
        scene
    }

    /// A database as it was before.
    fn place(&self) -> Kept {
        placed(&self.sim, &self.before)
    }

    /// All writes to files that a kill leaves: the call, the file, where in it, and what.
    fn writes(&self) -> Vec<(usize, String, usize, Vec<u8>)> {
        let write = |(index, call): (usize, &Call)| match (&call.file, &call.act) {
            (Some(file), Act::Write { offset, bytes }) if file != "-shm" => {
                Some((index, file.clone(), *offset, bytes.clone()))
            }
            _ => None,
        };
        self.calls.iter().enumerate().filter_map(write).collect()
    }

    /// The last sequence that must be on the disk before this call: the one before it may have been
    /// the sync of what was committed before that.
    fn synced(&self, index: usize) -> u64 {
        self.committed[index.saturating_sub(1)]
    }

    /// The call after which nothing is left to be written but what the WAL has, and what a power cut may take.
    fn last_commit(&self) -> usize {
        let of_journal = |call: &Call| call.file.as_deref() == Some("-wal");
        let written = |call: &Call| of_journal(call) && matches!(call.act, Act::Write { .. });
        let last = self.calls.iter().rposition(written).expect("a pass writes");
        let is_sync = |call: &Call| of_journal(call) && call.act == Act::Sync;
        let syncs = self.calls.iter().enumerate().filter(|(_, call)| is_sync(call));
        let syncs: Vec<usize> = syncs.map(|(index, _)| index).collect();
        // The checkpoint at the end syncs the journal, too. Where nothing else does behind the last write, that
        // is what is known of the answers, which may be lost.
        let before = syncs.partition_point(|index| *index < last);
        let commit = if syncs.len() - before > 1 { before } else { before - 1 };
        syncs[commit]
    }

    /// The next `once` takes up what is left, and ends with what the server has.
    fn goes_on(&self, kept: &Kept, what: &str) {
        let ended = Daemon::start(&["once"], &setup(kept)).finish();
        assert!(ended.status.success(), "{what}: {:?}", ended.events.last());
        assert!(ended.all("pass complete").iter().all(|pass| pass.truth("certified")), "{what}");
        assert_eq!(judge(&kept.database(), what).items, self.served, "{what}");
    }
}

fn server() -> Sim {
    let sim = Sim::start(Options { seed: 5, ..repositories(&[(1, ITEMS)]) });
    sim.door("items-call", &json!({"mode": "honest"}));
    sim
}

fn placed(sim: &Sim, files: &Files) -> Kept {
    let kept = Kept::new(sim);
    disk::write(files, &kept.database());
    kept
}

fn setup(kept: &Kept) -> Setup {
    let paging = "page_size = 5\nin_flight = 1\npage_interval = '0s'".to_owned();
    let mut setup = Setup { paging, ..kept.setup() };
    setup.mirror += "\n[deletes]\nmax_fraction = 1.0";
    setup
}

/// Has a few threads do something for each of many.
fn share<T: Sync>(cases: &[T], check: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    for_each(&[(); AT_ONCE], |()| {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            check(case);
        }
    });
}

/// Both scenes, or nothing where there is no strace.
fn scenes(check: &str) -> Vec<Scene> {
    match strace::works() {
        Ok(()) => vec![Scene::first_pass(), Scene::second_pass()],
        Err(why) => {
            skipped(check, &why);
            Vec::new()
        }
    }
}

#[test]
fn a_kill_at_any_call_on_the_database_loses_nothing_and_invents_nothing() {
    for scene in scenes("a kill at every call on the database") {
        let aims = sampled(strace::aims(&scene.calls), ONE_OF);
        let survived = AtomicUsize::new(0);
        share(&aims, |aim| {
            let what = format!("{}, killed at {aim:?}", scene.name);
            let kept = scene.place();
            let ended = strace::kill(&kept, &setup(&kept), aim);
            let is_killed = ended.status.signal() == Some(9);
            assert!(is_killed || ended.status.success(), "{what}: {:?}", ended.events.last());
            survived.fetch_add(usize::from(!is_killed), Ordering::Relaxed);

            let judged = judge(&copied(&kept), &what);
            let committed = scene.committed[if is_killed { aim.index } else { scene.calls.len() }];
            assert_eq!(judged.last, committed, "{what}");
            let told = ended.all("pass complete");
            let passes = told.last().map_or(0, |pass| pass.number("iteration"));
            assert!(judged.ended >= passes, "{what}: pass {passes} was told of");
            if kept.is_made() {
                Fold::default().check(&kept, if judged.last > 0 { &[1] } else { &[] });
            }
            scene.goes_on(&kept, &what);
        });
        let survived = survived.into_inner();
        println!("{}: {} kills, {survived} too late", scene.name, aims.len());
        // Of few a single one is many.
        let too_many = if is_thorough() { aims.len() / 10 } else { 1 + aims.len() / 5 };
        assert!(survived < too_many, "{survived} of {} were too late", aims.len());
    }
}

/// A copy of a database that is to be judged as it is, and left so.
fn copied(kept: &Kept) -> PathBuf {
    let copy = kept.database().with_file_name("copy.db");
    disk::write(&disk::read(&kept.database()), &copy);
    copy
}

#[test]
fn a_call_on_the_database_that_fails_is_told_of_and_made_again() {
    for scene in scenes("a failure of every call on the database") {
        let aims = sampled(strace::aims(&scene.calls), ONE_OF);
        let (last_commit, told) = (scene.last_commit(), AtomicUsize::new(0));
        share(&aims, |aim| {
            let error = if aim.index % 2 == 0 { "ENOSPC" } else { "EIO" };
            let what = format!("{}, {error} at {aim:?}", scene.name);
            let kept = scene.place();
            let ended = strace::fail(&kept, &setup(&kept), aim, error);
            let said = ended.events.last().map_or("", |event| &event.line);
            let is_told = if ended.status.success() {
                let failed = ended.all("request failed");
                failed.iter().any(|it| it.text("endpoint") == "mirror")
            } else {
                said.contains("mirror.db cannot be opened: ") && said.contains("; ")
            };
            // SQLite does without the folder's sync, and what cannot be checkpointed now can be later.
            let is_borne = aim.call.file.is_none() || aim.index > last_commit;
            assert!(is_told || is_borne, "{what}: {said}");
            told.fetch_add(usize::from(is_told), Ordering::Relaxed);
            scene.goes_on(&kept, &what);
        });
        println!("{}: {} failures, {told:?} of them told of", scene.name, aims.len());
    }
}

#[test]
fn a_write_cut_short_anywhere_is_as_if_it_had_not_been() {
    for scene in scenes("a kill within every write") {
        let cuts = AtomicUsize::new(0);
        share(&sampled(scene.writes(), ONE_OF), |(index, file, offset, bytes)| {
            let directory = TempDir::new().expect("a directory for the test");
            let database = directory.path().join("cut.db");
            let mut files = scene.history.files(*index, Unsynced::Kept);
            for cut in (0..bytes.len()).step_by(disk::SECTOR) {
                let content = files.entry(file.clone()).or_default();
                content.resize(content.len().max(offset + cut), 0);
                content[*offset..offset + cut].copy_from_slice(&bytes[..cut]);
                disk::write(&files, &database);
                let what = format!("{}, call {index} cut at byte {cut}", scene.name);
                assert_eq!(judge(&database, &what).last, scene.committed[*index], "{what}");
                cuts.fetch_add(1, Ordering::Relaxed);
            }
        });
        println!("{}: {cuts:?} writes cut short", scene.name);
    }
}

#[test]
fn a_power_cut_at_any_call_loses_nothing_that_was_synced() {
    for scene in scenes("a loss of power at every call on the database") {
        let all = sampled(0..scene.calls.len() as u64, ONE_OF);
        share(&all, |done| {
            let index = usize::try_from(*done).expect("an index");
            let kept = scene.place();
            for loss in 0..LOSSES {
                let mut rng = Rng::with_seed(done * LOSSES + loss);
                let unsynced = if loss == 0 { Unsynced::Lost } else { Unsynced::Chance(&mut rng) };
                let files = scene.history.files(index, unsynced);
                let what = format!("{}, power cut {loss} before call {index}", scene.name);
                disk::write(&files, &kept.database());
                let (judged, synced) = (judge(&kept.database(), &what), scene.synced(index));
                assert!(judged.last >= synced, "{what}: {} of {synced} changes", judged.last);
                if loss == done % LOSSES {
                    disk::write(&files, &kept.database());
                    scene.goes_on(&kept, &what);
                }
            }
        });
        println!("{}: {} losses of power", scene.name, all.len() as u64 * LOSSES);
    }
}
