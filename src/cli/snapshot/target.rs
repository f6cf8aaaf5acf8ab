//! The place of the file: where it is written, and how it gets where it belongs.
//!
//! It is written in the same folder as `.NAME.ewmirror-part`, which is locked meanwhile. What a killed
//! command left there is known by its not being locked, and goes with the next one. No link is followed,
//! and nothing is overwritten that was not to be.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{OFlags, RenameFlags};
use rustix::io::Errno;

use crate::cli::{Exit, output};

/// For its owner alone: it has all that the mirror has.
const MODE: u32 = 0o600;

/// The end of the name that a file has until it is complete.
const PART: &str = ".ewmirror-part";

/// How often the place of the part is tried while others come and go there.
const TRIES: usize = 5;

/// What stands beside a database and belongs to it.
const OF_DATABASE: [&str; 3] = ["-journal", "-wal", "-shm"];
/// What stands beside a mirror and belongs to it.
const OF_MIRROR: [&str; 6] = ["", "-journal", "-wal", "-shm", ".lock", ".sock"];

/// A file that is being made. Dropped before it is published it leaves nothing.
#[derive(Debug)]
pub(super) struct SnapshotTarget {
    /// As it was asked for.
    asked: PathBuf,
    /// The same without links on the way.
    file: PathBuf,
    folder: PathBuf,
    part: PathBuf,
    /// The part, locked.
    lock: File,
    overwrite: bool,
    is_published: bool,
}

impl SnapshotTarget {
    /// Makes an empty file beside this one, which must be free, or a file that may be overwritten; `mirror`
    /// is the database that is read.
    pub(super) fn create(
        asked: &Path,
        overwrite: bool,
        mirror: Option<&Path>,
    ) -> Result<Self, Exit> {
        let unwritten = |why: &dyn std::fmt::Display| unwritten(asked, why);
        let Some(name) = asked.file_name() else {
            return Err(unwritten(&"it is no name of a file"));
        };
        let parent = asked.parent().filter(|it| !it.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        let folder = fs::canonicalize(parent).map_err(|error| {
            let parent = output::visible(&parent.display().to_string());
            unwritten(&format!("the folder {parent}: {error}"))
        })?;
        let file = folder.join(name);
        if mirror.is_some_and(|mirror| is_of_mirror(&file, mirror)) {
            let asked = output::visible(&asked.display().to_string());
            return Err(Exit::Wrong(format!("{asked} is the mirror itself, or belongs to it")));
        }
        expect_free(&file, overwrite).map_err(|why| unwritten(&why))?;
        let part: OsString = [OsStr::new("."), name, OsStr::new(PART)].into_iter().collect();
        let part = folder.join(part);
        let lock = create_locked(&part).map_err(|error| match error.kind() {
            ErrorKind::WouldBlock => unwritten(&"another snapshot is being written there"),
            _ => unwritten(&error),
        })?;
        let asked = asked.to_owned();
        Ok(Self { asked, file, folder, part, lock, overwrite, is_published: false })
    }

    /// Where it is to be written.
    pub(super) fn part(&self) -> &Path {
        &self.part
    }

    /// Puts it where it belongs, and returns once that would outlast a power cut.
    pub(super) fn publish(mut self) -> Result<(), Exit> {
        let asked = self.asked.clone();
        expect_free(&self.file, self.overwrite).map_err(|why| unwritten(&asked, &why))?;
        let published = self.lock.sync_all().and_then(|()| self.rename());
        published.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => unwritten(&asked, &"it has come to be there meanwhile"),
            _ => unwritten(&asked, &error),
        })?;
        self.is_published = true;
        File::open(&self.folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|error| unwritten(&asked, &format!("it is there, but not synced: {error}")))
    }

    fn rename(&self) -> io::Result<()> {
        if self.overwrite {
            return fs::rename(&self.part, &self.file);
        }
        let here = rustix::fs::CWD;
        match rustix::fs::renameat_with(here, &self.part, here, &self.file, RenameFlags::NOREPLACE)
        {
            // The file system cannot do it in one step.
            Err(Errno::INVAL | Errno::NOSYS) => {
                fs::hard_link(&self.part, &self.file)?;
                fs::remove_file(&self.part)
            }
            done => Ok(done?),
        }
    }
}

impl Drop for SnapshotTarget {
    fn drop(&mut self) {
        if !self.is_published {
            // Where that fails the next command does it.
            drop(fs::remove_file(&self.part));
        }
    }
}

fn unwritten(asked: &Path, why: &dyn std::fmt::Display) -> Exit {
    let asked = output::visible(&asked.display().to_string());
    Exit::Failed(format!("cannot write {asked}: {why}"))
}

/// Why a file cannot be made there.
fn expect_free(file: &Path, overwrite: bool) -> Result<(), String> {
    match fs::symlink_metadata(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error.to_string()),
        Ok(found) if found.is_symlink() => {
            return Err("it is a symbolic link, and none is followed".to_owned());
        }
        Ok(found) if found.is_dir() => return Err("it is a folder".to_owned()),
        Ok(found) if !found.is_file() => return Err("it is no regular file".to_owned()),
        Ok(_) if !overwrite => {
            return Err(
                "it is there already; --overwrite puts the snapshot in its place".to_owned()
            );
        }
        Ok(_) => {}
    }
    // A database that comes to stand beside another's journal is changed by it.
    for end in OF_DATABASE {
        let beside = with_end(file, end);
        if fs::symlink_metadata(&beside).is_ok() {
            let beside = output::visible(&beside.display().to_string());
            return Err(format!("{beside} is there, which belongs to another database"));
        }
    }
    Ok(())
}

/// Whether a file is the database of the mirror, by any name, or one that the mirror has beside it or may
/// come to have.
fn is_of_mirror(file: &Path, mirror: &Path) -> bool {
    let mirror = fs::canonicalize(mirror).unwrap_or_else(|_| mirror.to_owned());
    OF_MIRROR.iter().map(|end| with_end(&mirror, end)).any(|of_mirror| {
        let same = identity(file).is_some_and(|file| identity(&of_mirror) == Some(file));
        same || file == of_mirror
    })
}

fn with_end(file: &Path, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// The file system and the number of a file; `None` where there is none.
fn identity(file: &Path) -> Option<(u64, u64)> {
    fs::metadata(file).ok().map(|found| (found.dev(), found.ino()))
}

/// Makes an empty file and locks it, once what was left of another is gone.
fn create_locked(part: &Path) -> io::Result<File> {
    for _ in 0..TRIES {
        let made = OpenOptions::new().read(true).write(true).create_new(true).mode(MODE).open(part);
        match made {
            Ok(file) => {
                // Whatever the umask is.
                file.set_permissions(Permissions::from_mode(MODE))?;
                if is_locked_there(&file, part)? {
                    return Ok(file);
                }
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
                let flags = flags.bits().cast_signed();
                match OpenOptions::new().read(true).custom_flags(flags).open(part) {
                    Ok(left) if is_locked_there(&left, part)? => fs::remove_file(part)?,
                    Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                    Ok(_) | Err(_) => {}
                }
            }
            Err(error) => return Err(error),
        }
    }
    Err(ErrorKind::WouldBlock.into())
}

/// Locks a file, and says whether it still stands there.
fn is_locked_there(file: &File, path: &Path) -> io::Result<bool> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => ErrorKind::WouldBlock.into(),
        TryLockError::Error(error) => error,
    })?;
    let found = file.metadata()?;
    Ok(found.is_file() && identity(path) == Some((found.dev(), found.ino())))
}
