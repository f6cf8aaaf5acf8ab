//! Reading files that say what the daemon does, or that hold its secrets.
//!
//! Guarantees: no more is read than is allowed; nothing waits, whatever the name stands for; what
//! somebody else can write is refused, because who can write the configuration can have the password
//! sent to a server of his own, and who can write the password can lock the account.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::codec::{InvalidValue, Parsed, invalid};

/// Where packages put configurations, and the units look for passwords.
const UNIT_FOLDER: &str = "/etc/ewmirror";

/// Reads a whole file of at most `limit` bytes; `hint` is told where it is missing or is none.
pub fn read(path: &Path, limit: usize, hint: &str) -> Parsed<Vec<u8>> {
    let (file, metadata) = open_regular(path, OFlags::empty(), hint)?;
    let (mode, owner, group) = (metadata.mode(), metadata.uid(), metadata.gid());
    if let Some(who) = other_writer(mode, owner, group, own_user()) {
        let path = path.display();
        let hint = format!("chown root {path}; chmod go-w {path}; and see what it says now");
        return invalid(format!("can be written by {who}"), hint);
    }
    contents(file, limit, hint)
}

/// The same of a file that says nothing about where the daemon goes or what it may: anybody may write
/// it, but it must not be a link to another.
pub fn read_unlinked(path: &Path, limit: usize, hint: &str) -> Parsed<Vec<u8>> {
    if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink()) {
        return invalid("cannot be read: it is a link", hint);
    }
    let (file, _) = open_regular(path, OFlags::NOFOLLOW, hint)?;
    contents(file, limit, hint)
}

/// Opens a regular file and no other.
fn open_regular(path: &Path, flags: OFlags, hint: &str) -> Parsed<(File, Metadata)> {
    let file = open(path, flags).map_err(|error| unreadable(&error, hint))?;
    let metadata = file.metadata().map_err(|error| unreadable(&error, hint))?;
    if !metadata.is_file() {
        let kind = if metadata.is_dir() { "a directory" } else { "no regular file" };
        return invalid(format!("cannot be read: it is {kind}"), hint);
    }
    Ok((file, metadata))
}

fn unreadable(error: &io::Error, hint: &str) -> InvalidValue {
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => "run this with sudo, or as the user of the daemon",
        _ => hint,
    };
    InvalidValue::new(format!("cannot be read: {error}"), hint)
}

fn contents(file: File, limit: usize, hint: &str) -> Parsed<Vec<u8>> {
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).map_err(|error| unreadable(&error, hint))?;
    if bytes.len() > limit {
        return invalid(format!("is larger than {limit} bytes"), hint);
    }
    Ok(bytes)
}

/// A text without what some editors put before UTF-8.
pub fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// The file that holds the secret of this name for this configuration where the units have it, if
/// there is one. None for a configuration anywhere else: its server may be anybody's.
pub fn unit_secret(configuration: &Path, name: &str) -> Option<PathBuf> {
    let file = fs::canonicalize(configuration).ok()?;
    let folder = fs::canonicalize(UNIT_FOLDER).ok()?;
    let path = secret_beside(&file, &folder, name)?;
    match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        // One that cannot be looked at counts as given: reading it says why not.
        _ => Some(path),
    }
}

/// Which secret of this name belongs to a file in the units' folder. Both paths are without links.
fn secret_beside(file: &Path, folder: &Path, name: &str) -> Option<PathBuf> {
    if file.parent() != Some(folder) {
        return None;
    }
    match file.file_name()?.to_str()?.strip_suffix(".toml")? {
        "" => None,
        "ewmirror" => Some(folder.join(name)),
        instance => Some(folder.join(format!("{instance}.{name}"))),
    }
}

/// Opens without waiting for anybody at the other end.
fn open(path: &Path, more: OFlags) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | more;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// The user that this process acts as; `None` where nobody says.
pub(super) fn own_user() -> Option<u32> {
    fs::metadata("/proc/self").ok().map(|it| it.uid())
}

/// Who else can write a file than root and its owner, who is root or `us`.
fn other_writer(mode: u32, owner: u32, group: u32, us: Option<u32>) -> Option<String> {
    let mode_text = format!("mode {:04o}", mode & 0o7777);
    // A group with the number of its owner is his own, as distributions make them.
    let foreign_group = group != 0 && group != owner;
    if mode & 0o002 != 0 {
        Some(format!("everybody ({mode_text})"))
    } else if mode & 0o020 != 0 && foreign_group {
        Some(format!("group {group} ({mode_text})"))
    } else if owner != 0 && us.is_some_and(|us| us != owner) {
        Some(format!("user {owner}, who owns it"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_belongs_to_one_configuration_and_to_no_other() {
        let folder = Path::new("/etc/ewmirror");
        let cases = [
            ("/etc/ewmirror/ewmirror.toml", Some("/etc/ewmirror/password")),
            ("/etc/ewmirror/eu.toml", Some("/etc/ewmirror/eu.password")),
            ("/etc/ewmirror/a.b.toml", Some("/etc/ewmirror/a.b.password")),
            ("/etc/ewmirror/.toml", None),
            ("/etc/ewmirror/ewmirror", None),
            ("/etc/ewmirror/ewmirror.toml.bak", None),
            ("/etc/ewmirror/more/ewmirror.toml", None),
            ("/etc/ewmirror2/ewmirror.toml", None),
            ("/home/eve/ewmirror.toml", None),
            ("/etc/ewmirror", None),
            ("/", None),
        ];
        for (file, password) in cases {
            let expected = password.map(PathBuf::from);
            assert_eq!(secret_beside(Path::new(file), folder, "password"), expected, "{file}");
        }
    }

    #[test]
    fn who_else_can_write_a_file_is_named() {
        let cases = [
            (0o644, 0, 0, None),
            (0o664, 0, 0, None),
            (0o664, 1000, 1000, None),
            (0o600, 1000, 50, None),
            (0o646, 0, 0, Some("everybody (mode 0646)")),
            (0o664, 1000, 50, Some("group 50 (mode 0664)")),
            (0o600, 1001, 1001, Some("user 1001, who owns it")),
        ];
        for (mode, owner, group, who) in cases {
            let found = other_writer(0o100_000 | mode, owner, group, Some(1000));
            assert_eq!(found.as_deref(), who, "{mode:o} {owner} {group}");
        }
        assert_eq!(other_writer(0o600, 1001, 1001, None), None);
    }

    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
        assert!(made.success());
        for path in [fifo.as_path(), folder.path(), Path::new("/dev/null")] {
            let refused = read(path, 100, "name a file").unwrap_err();
            assert!(refused.error.starts_with("cannot be read: it is "), "{refused:?}");
        }
    }
}
