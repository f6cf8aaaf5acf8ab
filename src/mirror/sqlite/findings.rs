//! What `doctor` is told of a database: whether it is sound, who writes it, and the room that it has.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use bytesize::ByteSize;

use super::error::OpenError;
use super::examine::{Examination, Integrity, examine, lock_owner};
use super::open::check_folder;
use super::read::ReadError;
use crate::mirror::disk::DiskSpace;
use crate::mirror::{ExaminationFinding, LockOwner};
use crate::telemetry::event::Chain;

/// Free space below which the disk is called full: what a WAL may grow to while it is read, and
/// as much again.
const LITTLE_SPACE: u64 = 1 << 30;

const DISK: &str = "disk";
const DATABASE: &str = "database";

/// Looks at the disk and at the database, for `within` at most, and tells of each as soon as it is
/// known. As for
/// [`SqliteReader::open`](super::read::SqliteReader::open), this process must have no connection to
/// the file.
pub(in crate::mirror) fn findings(
    path: &Path,
    within: Duration,
    tell: &mut dyn FnMut(ExaminationFinding),
) {
    tell(of_disk(path));
    tell(of_database(path, within));
}

fn of_database(path: &Path, within: Duration) -> ExaminationFinding {
    match examine(path, within) {
        Ok(examination) => of_examination(path, &examination, within),
        Err(error @ ReadError::Missing { .. }) => match check_folder(path) {
            Ok(()) => {
                ExaminationFinding::sound(DATABASE, format!("{error} yet: the daemon makes it"))
            }
            Err(error) => {
                ExaminationFinding::failure(DATABASE, Chain(&error).to_string(), error.remedy())
            }
        },
        Err(error @ ReadError::Older { .. }) => {
            ExaminationFinding::warning(DATABASE, Chain(&error).to_string(), error.remedy())
        }
        Err(error) => {
            ExaminationFinding::failure(DATABASE, Chain(&error).to_string(), remedy(&error))
        }
    }
}

fn of_disk(path: &Path) -> ExaminationFinding {
    // The daemon makes the last folder itself.
    let folder = path.ancestors().skip(1).find(|folder| folder.is_dir());
    let folder = folder.unwrap_or(Path::new("."));
    let free = match DiskSpace::of_folder(folder, String::new()) {
        Ok(space) => space.free_bytes,
        Err(error) => {
            let found = format!("{}: {error}", folder.display());
            return ExaminationFinding::warning(
                DISK,
                found,
                "run this as root, or as the daemon's user",
            );
        }
    };
    let size = fs::metadata(path).map_or(0, |metadata| metadata.len());
    let found = format!("{} free in {}", shown(free), folder.display());
    if free < LITTLE_SPACE.max(size) {
        let remedy = format!("make room: the database has {}, and may double", shown(size));
        ExaminationFinding::warning(DISK, found, remedy)
    } else {
        ExaminationFinding::sound(DISK, found)
    }
}

fn of_examination(path: &Path, examination: &Examination, within: Duration) -> ExaminationFinding {
    let Examination { schema_version, database_bytes, wal_bytes, integrity } = examination;
    let lock_owner = match lock_owner(path) {
        Ok(None) => "nobody has it open to write".to_owned(),
        Ok(Some(LockOwner { process: Some(process), .. })) => {
            format!("process {process} writes it")
        }
        Ok(Some(_)) => "another process writes it".to_owned(),
        Err(error) => format!("who writes it is not known ({error})"),
    };
    let found = format!(
        "{}: schema version {schema_version}, {}, WAL {}, {lock_owner}",
        path.display(),
        shown(*database_bytes),
        shown(*wal_bytes)
    );
    match integrity {
        Integrity::Sound => ExaminationFinding::sound(DATABASE, format!("{found}, sound")),
        Integrity::Unknown => {
            let seconds = within.as_secs();
            ExaminationFinding::sound(
                DATABASE,
                format!("{found}, no fault found within {seconds} s"),
            )
        }
        Integrity::Damaged(faults) => {
            let found = format!("{found}, DAMAGED: {}", faults.join(", "));
            let remedy = "stop the daemon, and restore the database from a backup or move it away \
                          to have it made anew; look at the disk";
            ExaminationFinding::failure(DATABASE, found, remedy)
        }
    }
}

/// What can be done about a database that cannot be examined.
fn remedy(error: &ReadError) -> &'static str {
    match error {
        ReadError::Open(OpenError::File { source, .. })
            if source.kind() == ErrorKind::PermissionDenied =>
        {
            "run this as root, or as the daemon's user"
        }
        other => other.remedy(),
    }
}

/// A size for people.
fn shown(bytes: u64) -> bytesize::Display {
    ByteSize(bytes).display()
}
