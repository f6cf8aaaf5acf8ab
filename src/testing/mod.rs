//! What the tests of the tasks stand on: a scripted server, a mirror that remembers, an ear for
//! events, and a rig that puts them under a supervisor.
//!
//! All of it lives on the paused clock of a current-thread runtime; there is no socket anywhere.

mod memory;
mod memory_contracts;
mod memory_feeds;
mod memory_leases;
mod memory_models;
mod memory_writer;
mod mirror;
pub(crate) mod postgres;
mod recorder;
mod rig;
mod script;
mod server;
mod sqlite;

use proptest::prelude::ProptestConfig;

use crate::domain::Sequence;
use crate::mirror::{MirrorSummary, StorageUse};

pub(crate) use self::memory::Memory;
pub(crate) use self::memory_leases::{MemoryLeases, Way};
pub(crate) use self::mirror::{Delivered, Trouble, WatchfulMirror};
pub(crate) use self::recorder::{Recorded, Recorder};
pub(crate) use self::rig::{HOUR, MINUTE, Rig, SECOND, configuration, configuration_with_mirror};
pub(crate) use self::script::{Asked, Call, ItemCall, Logged, Outcome, StaleRest};
pub(crate) use self::server::{Server, State, revised};
pub(crate) use self::sqlite::SqliteInTime;

/// Whether nothing is left to samples, however long it takes: where `THOROUGH` is set, as before a change lands.
#[expect(clippy::disallowed_methods, reason = "it is for who runs the tests")]
pub(crate) fn is_thorough() -> bool {
    std::env::var_os("THOROUGH").is_some()
}

/// How many of so many cases are tried that take long: all where [`is_thorough`], else an eighth.
pub(crate) fn slow_cases(cases: u32) -> u32 {
    if is_thorough() { cases } else { cases.div_ceil(8) }
}

/// A property of which so many cases are tried, as [`slow_cases`] says.
pub(crate) fn slow_property(cases: u32) -> ProptestConfig {
    ProptestConfig::with_cases(slow_cases(cases))
}

/// Checks that these pages are one trip over a list of so many items that nobody changed: from the
/// top to the end, each page once, in order, without a gap, but for one more look at the end.
pub(crate) fn assert_whole(pages: &[Delivered], items: i128) {
    let mut covered = 0;
    for page in pages {
        let (Some(&first), Some(&last)) = (page.items.first(), page.items.last()) else { continue };
        assert!(first <= covered + 1, "a gap before {first}: {covered} items covered");
        assert!(last > covered || last == items, "{first} to {last} came again or too late");
        assert!(page.items.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{page:?}");
        covered = last;
    }
    assert_eq!(covered, items, "the end is missing");
}

/// An empty mirror.
pub(crate) fn summary() -> MirrorSummary {
    MirrorSummary {
        storage: storage(0, 0),
        last: Sequence(0),
        dropped_through: Sequence(0),
        newest: Vec::new(),
        repositories: Vec::new(),
    }
}

/// The room that a database and its WAL take.
pub(crate) fn storage(database: u64, wal: u64) -> Vec<StorageUse> {
    [("database", database), ("wal", wal)].map(|(label, bytes)| StorageUse { label, bytes }).into()
}
