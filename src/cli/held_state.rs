//! What is read from one state of a mirror, on its way to stdout.
//!
//! A state that is held keeps the daemon's WAL from being checkpointed. So a thread of its own reads as
//! fast as it can and lets go of the state; what the reader of stdout cannot take by then waits in a file
//! ([`spill_file`]). Neither memory nor the time that the state is held grows with how slow that reader is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::output::Stdout;
use super::query::MirrorQuery;
use super::spill_file::{self, SpillWriter};
use super::{Exit, PANICKED};

/// How long a state may be held for the reader of stdout, in all.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where large files may wait that nobody needs after a restart. The folder of the database comes
/// after it, because the daemon needs the room there.
const SPILL_FOLDER: &str = "/var/tmp";

/// Has a state written to stdout: `write` takes it, and is done with it before it finishes the writer.
/// The inner result is that of `write`.
pub(super) fn to_stdout<T: Send + 'static>(
    query: MirrorQuery,
    write: impl FnOnce(&MirrorQuery, SpillWriter) -> T + Send + 'static,
) -> Result<T, Exit> {
    let folders = [Some(Path::new(SPILL_FOLDER)), query.store.local_file().and_then(Path::parent)];
    let folders = folders.into_iter().flatten().map(PathBuf::from).collect();
    let (writer, mut pipe) = spill_file::pipe(PATIENCE, folders);
    let reading = std::thread::Builder::new()
        .name("held-state".to_owned())
        .spawn(move || write(&query, writer))
        .map_err(|error| Exit::Failed(format!("cannot start a thread: {error}")))?;
    let mut stdout = Stdout::new();
    while let Some(bytes) = pipe.next().map_err(|error| {
        Exit::Failed(format!("cannot read back what waited for stdout: {error}"))
    })? {
        stdout.write(&bytes)?;
    }
    stdout.flush()?;
    reading.join().map_err(|_| Exit::Failed(PANICKED.to_owned()))
}
