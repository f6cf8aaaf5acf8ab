//! What all end-to-end tests share. They drive the built binary from outside and know of the crate
//! only its simulator.

pub(crate) mod await_event;
pub(crate) mod cluster;
pub(crate) mod daemon;
pub(crate) mod editor;
pub(crate) mod kept;
pub(crate) mod machine;
pub(crate) mod oracle;
pub(crate) mod postgres;
pub(crate) mod python;
pub(crate) mod servers;
pub(crate) mod shop;
pub(crate) mod sim;
pub(crate) mod spiteful;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

pub(crate) use await_event::Event;
pub(crate) use daemon::{Daemon, Ended, Setup, ewmirror};
pub(crate) use kept::Kept;
pub(crate) use sim::{Sim, repositories};

/// The one deadline of everything that is waited for: long enough for a machine that is busy with
/// other things, so that to meet it is never luck.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// How often something is looked at that tells nobody by itself.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a stop may take, whatever the server does. Where more tests run at once than there are processors, as they do
/// but in the gate, ten seconds more.
pub(crate) fn stop_within() -> Duration {
    Duration::from_secs(if is_thorough() { 5 } else { 15 })
}

/// Runs a check for several cases at once: most of their time is waiting.
pub(crate) fn for_each<T: Sync>(cases: &[T], check: impl Fn(&T) + Sync) {
    std::thread::scope(|scope| {
        for case in cases {
            scope.spawn(|| check(case));
        }
    });
}

/// Whether nothing is left to samples, however long it takes: so in the gate. Not a name that the program would take for
/// one of its settings.
#[expect(clippy::disallowed_methods, reason = "it is for who runs the tests")]
pub(crate) fn is_thorough() -> bool {
    std::env::var_os("THOROUGH").is_some()
}

/// One of so many cases, spread over them; all where [`is_thorough`].
pub(crate) fn sampled<T>(cases: impl IntoIterator<Item = T>, one_of: usize) -> Vec<T> {
    cases.into_iter().step_by(if is_thorough() { 1 } else { one_of }).collect()
}

/// Says that a check was left out, past whatever keeps the words of tests that pass.
pub(crate) fn skipped(check: &str, why: &str) {
    writeln!(std::io::stderr(), "SKIPPED: {check} ({why})").expect("stderr can be written");
}

/// Lets some time pass, for tests that want a moment that nothing announces.
pub(crate) fn pause(duration: Duration) {
    let begun = Instant::now();
    // A parked thread may be woken too early.
    while let Some(left) = duration.checked_sub(begun.elapsed()).filter(|it| !it.is_zero()) {
        std::thread::park_timeout(left);
    }
}

/// Looks now and then until there is what is looked for, which must come in time; else the words of the last
/// look say what there was.
#[track_caller]
pub(crate) fn eventually<T>(mut look: impl FnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(words) => assert!(begun.elapsed() < DEADLINE, "{words}"),
        }
        pause(LOOK_EVERY);
    }
}

/// `Ok` once it is so, for [`eventually`].
pub(crate) fn is_so(is_so: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(otherwise()) }
}

/// Writes a file that its owner alone can read.
pub(crate) fn write_secret(path: &Path, text: &str) {
    fs::write(path, text).expect("the secret can be written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("its mode can be set");
}
