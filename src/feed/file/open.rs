//! Opening the file of a feed: as it was left, and nothing but a regular file of that name.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::task::clock;

/// Who may read it: the owner and the group.
pub(super) const MODE: u32 = 0o640;

/// How much is read at once to find the end of the last line.
const PIECE: u64 = 64 << 10;

/// How every line of ours begins, and so every file.
const BEGINNING: &[u8] = b"{\"before\":";

/// How much of a file before its end is looked at to know it again.
const TAIL: u64 = 4 << 10;

/// How far a file is written, as it is kept with the cursor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FilePlace {
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) length: u64,
    /// A digest of what stands before its end: the number of a file may be that of another one on another
    /// machine, and a file that is copied over keeps its own.
    pub(super) tail: u64,
    /// When it was begun, in milliseconds since 1970 (UTC).
    pub(super) begun_ms: i64,
}

impl OpenFile {
    /// Notes that so many bytes more are in it.
    pub(super) fn grow(&mut self, more: u64) -> io::Result<()> {
        self.place.length = self.place.length.saturating_add(more);
        self.place.tail = tail(&self.file, self.place.length)?;
        Ok(())
    }
}

/// The file while it is open; nobody else has its lock.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) file: File,
    pub(super) place: FilePlace,
}

/// Whether the file of this name is still the one that ends there.
pub(super) fn is_at(path: &Path, place: &FilePlace) -> bool {
    let found = fs::symlink_metadata(path);
    found.is_ok_and(|found| {
        (found.dev(), found.ino(), found.len()) == (place.device, place.inode, place.length)
    })
}

/// Opens a file, or makes it, to be appended to where `place` says that it ends. Of another file than that
/// one all whole lines stay, and it is refused where it does not begin as one of ours.
pub(super) fn open(path: &Path, place: Option<&FilePlace>) -> io::Result<OpenFile> {
    let (file, is_new) = match options().create_new(true).mode(MODE).open(path) {
        Ok(file) => (file, true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            (options().open(path)?, false)
        }
        Err(error) => return Err(error),
    };
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other("is no regular file"));
    }
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| io::Error::other("is being written by somebody else"))?;
    // Whatever the umask is: a service may have to read it. One that is empty may have been made so, and no more.
    let is_own = found.uid() == rustix::process::geteuid().as_raw();
    if is_new || (found.len() == 0 && is_own) {
        file.set_permissions(Permissions::from_mode(MODE))?;
        file.sync_all()?;
        sync_folder(path)?;
    }
    // Once more: before the lock was ours it may have grown.
    let found = file.metadata()?;
    let is_known = |it: &FilePlace| -> io::Result<bool> {
        let is_same = (it.device, it.inode) == (found.dev(), found.ino());
        Ok(is_same && it.length <= found.len() && tail(&file, it.length)? == it.tail)
    };
    let known = match place {
        Some(place) if is_known(place)? => Some(place),
        _ => None,
    };
    let length = match known {
        Some(known) => known.length,
        None if begins_as_ours(&file, found.len())? => end_of_last_line(&file, found.len())?,
        None => {
            return Err(io::Error::other(
                "holds something else than a feed: move it away, or name another path",
            ));
        }
    };
    if length < found.len() {
        file.set_len(length)?;
        file.sync_all()?;
    }
    let begun_ms = known.map_or_else(clock::now_ms, |known| known.begun_ms);
    let tail = tail(&file, length)?;
    let place = FilePlace { device: found.dev(), inode: found.ino(), length, tail, begun_ms };
    Ok(OpenFile { file, place })
}

/// Whether a file of this length is empty or begins as ours do.
fn begins_as_ours(file: &File, length: u64) -> io::Result<bool> {
    let mut beginning = [0; BEGINNING.len()];
    let length = usize::try_from(length).unwrap_or(usize::MAX).min(BEGINNING.len());
    file.read_exact_at(&mut beginning[..length], 0)?;
    Ok(beginning[..length] == BEGINNING[..length])
}

/// The digest of what stands before this place in a file.
fn tail(file: &File, end: u64) -> io::Result<u64> {
    let start = end.saturating_sub(TAIL);
    let mut bytes = vec![0; usize::try_from(end - start).unwrap_or_default()];
    file.read_exact_at(&mut bytes, start)?;
    Ok(xxh3_64(&bytes))
}

/// Makes durable what the folder of a file says of it.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder(path))?.sync_all()
}

/// The folder of a file.
pub(super) fn folder(path: &Path) -> PathBuf {
    path.parent().map_or_else(|| PathBuf::from("/"), Path::to_path_buf)
}

/// Without waiting for anybody at the other end, and without following a link.
fn options() -> OpenOptions {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut options = OpenOptions::new();
    options.read(true).append(true);
    options.custom_flags(i32::try_from(flags.bits()).unwrap_or_default());
    options
}

/// Where the last whole line ends.
fn end_of_last_line(file: &File, length: u64) -> io::Result<u64> {
    let (mut file, mut end) = (file, length);
    while end > 0 {
        let start = end.saturating_sub(PIECE);
        file.seek(SeekFrom::Start(start))?;
        let mut piece = Vec::new();
        file.take(end - start).read_to_end(&mut piece)?;
        if let Some(place) = piece.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + place as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}
