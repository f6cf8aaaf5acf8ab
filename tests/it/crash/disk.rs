//! A disk in memory: the calls of a recorded run done to it, and what a loss of power may leave.
//!
//! What was written and synced is there. What was written and not synced may be there, or not, or
//! in part: any sectors of it, whatever was written later. Names come and go in their order, and
//! are sure once the folder has been synced.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fastrand::Rng;

use super::strace::{Act, Call};

/// What a disk writes whole.
pub(super) const SECTOR: usize = 512;

/// The files there are, by the ends of their names.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// What happens to that which was not synced.
#[derive(Debug)]
pub(super) enum Unsynced<'a> {
    /// All of it is there, as after a kill.
    Kept,
    Lost,
    Chance(&'a mut Rng),
}

/// A run of the daemon, as the disk saw it.
#[derive(Debug)]
pub(super) struct History {
    /// What was there before; it is synced.
    before: Files,
    /// The calls, each with the number of the file that it is about: one name may stand for
    /// several files, one after the other.
    calls: Vec<(Call, usize)>,
}

impl History {
    pub(super) fn new(before: Files, calls: &[Call]) -> Self {
        let mut numbers: BTreeMap<Option<String>, usize> =
            before.keys().enumerate().map(|(number, name)| (Some(name.clone()), number)).collect();
        let mut next = numbers.len();
        let numbered = calls.iter().map(|call| {
            if call.act == Act::Create || call.file.is_none() {
                numbers.entry(call.file.clone()).or_insert_with(|| {
                    next += 1;
                    next
                });
            }
            let number = numbers.get(&call.file).copied().unwrap_or(usize::MAX);
            if call.act == Act::Unlink {
                numbers.remove(&call.file);
            }
            (call.clone(), number)
        });
        let calls = numbered.collect();
        Self { before, calls }
    }

    /// What is there after the first `done` calls.
    pub(super) fn files(&self, done: usize, mut unsynced: Unsynced<'_>) -> Files {
        let calls = &self.calls[..done];
        let mut sure: BTreeMap<usize, usize> = BTreeMap::new();
        for (index, (call, number)) in calls.iter().enumerate() {
            if call.act == Act::Sync {
                sure.insert(*number, index);
            }
        }
        let folder =
            calls.iter().rposition(|(call, _)| call.file.is_none() && call.act == Act::Sync);
        let folder = folder.unwrap_or(0);
        let names_until = match &mut unsynced {
            Unsynced::Kept => done,
            Unsynced::Lost => folder,
            Unsynced::Chance(rng) => rng.usize(folder..=done),
        };
        let mut names: BTreeMap<&str, usize> =
            self.before.keys().enumerate().map(|(number, name)| (name.as_str(), number)).collect();
        let mut contents: BTreeMap<usize, Vec<u8>> =
            self.before.values().cloned().enumerate().collect();
        for (index, (call, number)) in calls.iter().enumerate() {
            let Some(name) = call.file.as_deref() else { continue };
            let is_sure = sure.get(number).is_some_and(|synced| index < *synced);
            match &call.act {
                Act::Create if index < names_until => drop(names.insert(name, *number)),
                Act::Unlink if index < names_until => drop(names.remove(name)),
                Act::Write { offset, bytes } => {
                    let content = contents.entry(*number).or_default();
                    for (at, sector) in sectors(*offset, bytes, is_sure, &mut unsynced) {
                        let end = at + sector.len();
                        content.resize(content.len().max(end), 0);
                        content[at..end].copy_from_slice(sector);
                    }
                }
                Act::Truncate(length) => {
                    let content = contents.entry(*number).or_default();
                    if is_sure || unsynced.keeps() {
                        content.resize(*length, 0);
                    }
                }
                _ => {}
            }
        }
        // What is mapped into memory is no part of a disk.
        names.remove("-shm");
        let content = |number| contents.get(&number).cloned().unwrap_or_default();
        names.into_iter().map(|(name, number)| (name.to_owned(), content(number))).collect()
    }
}

impl Unsynced<'_> {
    fn keeps(&mut self) -> bool {
        match self {
            Self::Kept => true,
            Self::Lost => false,
            Self::Chance(rng) => rng.bool(),
        }
    }
}

/// What reaches the disk of one write.
fn sectors<'a>(
    offset: usize,
    bytes: &'a [u8],
    is_sure: bool,
    unsynced: &mut Unsynced<'_>,
) -> Vec<(usize, &'a [u8])> {
    if let Unsynced::Chance(rng) = unsynced
        && !is_sure
        && rng.u8(..3) == 0
    {
        // Sectors are the disk's, not the write's.
        let mut kept = Vec::new();
        let (mut at, mut rest) = (offset, bytes);
        while !rest.is_empty() {
            let (sector, more) = rest.split_at(rest.len().min(SECTOR - at % SECTOR));
            if rng.bool() {
                kept.push((at, sector));
            }
            (at, rest) = (at + sector.len(), more);
        }
        return kept;
    }
    if is_sure || unsynced.keeps() { vec![(offset, bytes)] } else { Vec::new() }
}

/// Puts files in place of what is there.
pub(super) fn write(files: &Files, database: &Path) {
    for end in ["", "-wal", "-journal", "-shm"] {
        drop(fs::remove_file(beside(database, end)));
    }
    for (end, content) in files {
        fs::write(beside(database, end), content).expect("there is room");
    }
}

/// The files of a database; not what is mapped into memory.
pub(super) fn read(database: &Path) -> Files {
    let file = |end: &str| Some((end.to_owned(), fs::read(beside(database, end)).ok()?));
    ["", "-wal", "-journal"].into_iter().filter_map(file).collect()
}

fn beside(database: &Path, end: &str) -> std::path::PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(end);
    name.into()
}
