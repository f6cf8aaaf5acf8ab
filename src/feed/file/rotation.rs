//! Beginning a new file, and compressing the old ones.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::fs::{FlockOperation, OFlags};
use tokio::task::spawn_blocking;

use super::open::{FilePlace, MODE, folder, sync_folder};
use crate::text::moment;

/// Where it is, and when a new one is begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedFileSettings {
    /// The file.
    pub path: PathBuf,
    /// It is rotated before it gets larger than this.
    pub max_size: u64,
    /// It is rotated before anything is appended once it is older than this.
    pub max_age: Option<Duration>,
}

/// Whether a new file is to be begun before so many bytes more are appended.
pub(super) fn is_due(
    settings: &FeedFileSettings,
    place: &FilePlace,
    more: u64,
    now_ms: i64,
) -> bool {
    if place.length == 0 {
        return false;
    }
    let age = u128::try_from(now_ms.saturating_sub(place.begun_ms)).unwrap_or_default();
    place.length.saturating_add(more) > settings.max_size
        || settings.max_age.is_some_and(|most| age > most.as_millis())
}

/// Renames a file after the time, so that its name is free.
pub(super) fn rotate(path: &Path, now_ms: i64) -> io::Result<()> {
    let stamp = stamp(now_ms);
    let mut number = 0_u32;
    loop {
        let suffix = if number == 0 { stamp.clone() } else { format!("{stamp}-{number}") };
        let new = with_suffix(path, &suffix);
        if !is_there(&new)? && !is_there(&with_suffix(&new, "gz"))? {
            fs::rename(path, &new)?;
            return sync_folder(path);
        }
        number = number.saturating_add(1);
    }
}

/// Compresses, in a thread for that, all files that have been renamed so and are not compressed yet. One
/// that fails stays as it is until the next time.
pub(super) fn compress_all(path: PathBuf) {
    drop(spawn_blocking(move || {
        for old in rotated(&path).unwrap_or_default() {
            // It is found as it is by all who read it.
            drop(compress(&old));
        }
    }));
}

/// The files that have been renamed so and are not compressed.
fn rotated(path: &Path) -> io::Result<Vec<PathBuf>> {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder(path))? {
        let entry = entry?;
        let other = entry.file_name();
        let suffix = other.to_str().and_then(|other| other.strip_prefix(name)?.strip_prefix('.'));
        if suffix.is_some_and(is_stamp) && entry.file_type()?.is_file() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn compress(old: &Path) -> io::Result<()> {
    let flags =
        i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).map_err(io::Error::other)?;
    let mut from = OpenOptions::new().read(true).custom_flags(flags).open(old)?;
    // Another one may be at it.
    rustix::fs::flock(&from, FlockOperation::NonBlockingLockExclusive)?;
    // Hidden until it is whole: readers take what begins with the file's name.
    let mut hidden = OsString::from(".");
    hidden.push(old.file_name().unwrap_or_default());
    let (new, part) = (with_suffix(old, "gz"), with_suffix(&old.with_file_name(hidden), "gz.part"));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(MODE).custom_flags(flags);
    let to = options.open(&part)?;
    let compressed = || {
        // Whatever the umask is.
        to.set_permissions(Permissions::from_mode(MODE))?;
        let mut encoder = GzEncoder::new(to, Compression::default());
        io::copy(&mut from, &mut encoder)?;
        let to: File = encoder.finish()?;
        to.sync_all()?;
        fs::rename(&part, &new)
    };
    // On a disk that is full it must not stay.
    compressed().inspect_err(|_| drop(fs::remove_file(&part)))?;
    sync_folder(&new)?;
    fs::remove_file(old)?;
    sync_folder(old)
}

fn is_there(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".");
    name.push(suffix);
    name.into()
}

/// `20261129T121528Z` of a time in milliseconds since 1970 (UTC).
fn stamp(now_ms: i64) -> String {
    let shown = moment(now_ms);
    let whole = shown.split('.').next().unwrap_or_default();
    let digits: String = whole.chars().filter(|it| it.is_ascii_digit() || *it == 'T').collect();
    digits + "Z"
}

fn is_stamp(suffix: &str) -> bool {
    let (stamp, number) = suffix.split_once('-').unwrap_or((suffix, "1"));
    let bytes = stamp.as_bytes();
    let is_digit = |place: usize| bytes.get(place).is_some_and(u8::is_ascii_digit);
    bytes.len() == 16
        && (0..8).chain(9..15).all(is_digit)
        && bytes.get(8) == Some(&b'T')
        && bytes.get(15) == Some(&b'Z')
        && !number.is_empty()
        && number.bytes().all(|it| it.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_followed_by_another_before_it_is_too_large_or_once_it_is_too_old() {
        let place = |length| FilePlace {
            device: 1,
            inode: 2,
            length,
            tail: 3,
            begun_ms: 1_764_000_000_000,
        };
        let settings = |max_age| FeedFileSettings { path: "/f".into(), max_size: 100, max_age };
        let is_due = |max_age: Option<u64>, length, more, age_ms: i64| {
            let settings = settings(max_age.map(Duration::from_millis));
            is_due(&settings, &place(length), more, 1_764_000_000_000 + age_ms)
        };
        // The last byte that there is room for, and one more; a batch that is too large for any file has one.
        for (length, more, due) in
            [(99, 1, false), (100, 1, true), (1, 100, true), (0, 101, false), (1, u64::MAX, true)]
        {
            assert_eq!(is_due(None, length, more, i64::MAX / 4), due, "{length} and {more}");
        }
        for (age_ms, due) in [(0, false), (1000, false), (1001, true), (-5000, false)] {
            assert_eq!(is_due(Some(1000), 10, 1, age_ms), due, "{age_ms}");
            // An empty file is as good as a new one.
            assert!(!is_due(Some(1000), 0, 1, age_ms), "{age_ms}");
        }
        assert!(!is_due(Some(u64::MAX), 10, 1, i64::MAX / 4));
    }

    #[test]
    fn what_is_compressed_is_there_once_and_for_the_same_readers() {
        let folder = tempfile::tempdir().unwrap();
        let old = folder.path().join("f.20251124T160000Z");
        fs::write(&old, "{\"before\":1}\n".repeat(1000)).unwrap();
        fs::set_permissions(&old, Permissions::from_mode(0o600)).unwrap();
        compress(&old).unwrap();
        let names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert_eq!(names, ["f.20251124T160000Z.gz"]);
        let new = with_suffix(&old, "gz");
        assert_eq!(fs::metadata(&new).unwrap().permissions().mode() & 0o7777, MODE);
        let mut text = String::new();
        let mut decoder = flate2::read::GzDecoder::new(File::open(new).unwrap());
        io::Read::read_to_string(&mut decoder, &mut text).unwrap();
        assert_eq!(text, "{\"before\":1}\n".repeat(1000));
    }

    #[test]
    fn a_rotated_file_is_known_by_its_name_and_no_other_is() {
        assert_eq!(stamp(1_764_000_000_123), "20251124T160000Z");
        for name in ["20251124T160000Z", "20251124T160000Z-1", "20251124T160000Z-12"] {
            assert!(is_stamp(name), "{name}");
        }
        for name in [
            "",
            "gz",
            "20251124T160000Z.gz",
            "20251124T160000Z-",
            "20251124T160000Z-a",
            "20251124T160000",
            "2025112aT160000Z",
            "20251124T160000Z.gz.part",
        ] {
            assert!(!is_stamp(name), "{name}");
        }
    }
}
