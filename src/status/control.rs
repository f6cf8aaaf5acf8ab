//! The control socket: where it is, and who may be at either end of it.
//!
//! Commands ask the daemon there and nowhere else, because any account of the machine can listen at
//! a TCP port before the daemon does and say what it likes. Both sides find the addresses by one rule,
//! from the configuration file and what it says of the mirror:
//!
//! | address | where |
//! | --- | --- |
//! | runtime directory | `control.sock` in `$RUNTIME_DIRECTORY`; a command, which is no part of the unit, also looks in `/run/ewmirror` for `/etc/ewmirror/ewmirror.toml` and in `/run/ewmirror-NAME` for `/etc/ewmirror/NAME.toml` |
//! | beside the database | its path and `.sock` |
//! | user's directory, where there is neither | `ewmirror-HASH.sock`, of the path of the configuration, in `$XDG_RUNTIME_DIR`, `/run/user/UID`, or `/tmp/ewmirror-UID`, which is made for the user alone |
//!
//! The daemon listens at the first *and* the second, so that a command finds it that knows only one
//! of them. It answers root and its own account. A command believes root, its own account, the owner
//! of the database, and the owner of the folder where that folder can only have been made by root.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use crate::config::{Environment, MirrorUrl, StatusListen};

/// The folder of the configurations that the shipped units read.
const CONFIGURATIONS: &str = "/etc/ewmirror";

/// The longest name of a file that a socket is found by through its folder.
const LONGEST_NAME: usize = 80;

/// The permission bits that let others write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Those that let them do anything at all.
const OPEN_TO_OTHERS: u32 = 0o077;

const ROOT: u32 = 0;

/// Where one control socket is, or may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlAddress {
    pub(super) path: PathBuf,
    kind: ControlAddressKind,
    /// The database, whose owner is believed.
    database: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ControlAddressKind {
    /// In a runtime directory.
    Runtime,
    /// Beside the database.
    Database,
    /// In a folder that is a user's own.
    User,
    /// The same, in a folder that is made for it.
    Made,
    /// `status.listen`, where that is a socket.
    Status,
}

/// What the addresses follow from.
#[derive(Clone, Copy, Debug)]
pub struct ControlOrigin<'a> {
    /// The configuration file.
    pub file: &'a Path,
    /// `mirror.url`.
    pub mirror: &'a MirrorUrl,
    /// The environment.
    pub environment: &'a Environment,
}

impl ControlOrigin<'_> {
    /// Where the daemon listens. The database, if there is to be one, has been made.
    pub fn of_daemon(&self) -> Vec<ControlAddress> {
        let mut addresses: Vec<ControlAddress> =
            self.runtime().into_iter().chain(self.beside_database()).collect();
        if addresses.is_empty() {
            addresses.extend(self.of_user().into_iter().find(ControlAddress::has_folder));
        }
        addresses
    }

    /// Where a command looks.
    pub fn of_command(&self, listen: &StatusListen) -> Vec<ControlAddress> {
        let mut addresses: Vec<ControlAddress> = self.runtime().into_iter().collect();
        addresses.extend(self.unit().filter(|address| !addresses.contains(address)));
        addresses.extend(self.beside_database());
        if self.database().is_none() {
            addresses.extend(self.of_user());
        }
        if let StatusListen::Unix(path) = listen {
            addresses.push(self.address(path.clone(), ControlAddressKind::Status));
        }
        addresses
    }

    fn address(&self, path: PathBuf, kind: ControlAddressKind) -> ControlAddress {
        ControlAddress { path, kind, database: self.database() }
    }

    fn runtime(&self) -> Option<ControlAddress> {
        let folders = self.environment.get("RUNTIME_DIRECTORY")?.to_str()?;
        let folder = folders.split(':').next().filter(|folder| folder.starts_with('/'))?;
        Some(self.address(Path::new(folder).join("control.sock"), ControlAddressKind::Runtime))
    }

    /// What the shipped unit of this file has for a runtime directory.
    fn unit(&self) -> Option<ControlAddress> {
        let file = std::path::absolute(self.file).ok()?;
        let name = file.file_name()?.to_str()?.strip_suffix(".toml")?;
        if file.parent()? != Path::new(CONFIGURATIONS) {
            return None;
        }
        let folder = match name {
            "ewmirror" => "/run/ewmirror".to_owned(),
            name => format!("/run/ewmirror-{name}"),
        };
        Some(self.address(Path::new(&folder).join("control.sock"), ControlAddressKind::Runtime))
    }

    fn beside_database(&self) -> Option<ControlAddress> {
        let database = self.database()?;
        let mut name = database.file_name()?.to_owned();
        name.push(".sock");
        if name.len() > LONGEST_NAME {
            name = format!("ewmirror-{:016x}.sock", xxh3_64(name.as_encoded_bytes())).into();
        }
        Some(self.address(database.with_file_name(name), ControlAddressKind::Database))
    }

    /// The database without links, so that one database has one socket.
    fn database(&self) -> Option<PathBuf> {
        let path = self.mirror.local_file()?;
        let resolved = fs::canonicalize(path).or_else(|error| {
            let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
                return Err(error);
            };
            Ok(fs::canonicalize(folder)?.join(name))
        });
        Some(resolved.unwrap_or_else(|_| path.to_owned()))
    }

    fn of_user(&self) -> Vec<ControlAddress> {
        let user = own();
        let file = fs::canonicalize(self.file).or_else(|_| std::path::absolute(self.file));
        let file = file.unwrap_or_else(|_| self.file.to_owned());
        let hash = xxh3_64(file.as_os_str().as_encoded_bytes());
        let name = format!("ewmirror-{hash:016x}.sock");
        let given = self.environment.get("XDG_RUNTIME_DIR").map(PathBuf::from);
        let given = given.filter(|folder| folder.is_absolute());
        let usual = PathBuf::from(format!("/run/user/{user}"));
        let made = PathBuf::from(format!("/tmp/ewmirror-{user}"));
        let mut addresses: Vec<ControlAddress> = given
            .into_iter()
            .chain([usual])
            .map(|folder| self.address(folder.join(&name), ControlAddressKind::User))
            .collect();
        addresses.dedup();
        addresses.push(self.address(made.join(&name), ControlAddressKind::Made));
        addresses
    }
}

impl ControlAddress {
    /// Whether a lock says that nobody else makes a socket here at the same time.
    pub(super) fn is_locked(&self) -> bool {
        self.kind == ControlAddressKind::Database
    }

    fn has_folder(&self) -> bool {
        self.kind == ControlAddressKind::Made || self.path.parent().is_some_and(Path::is_dir)
    }

    /// Makes the folder where it is to be made, and sees that it is ours alone.
    pub(super) fn prepare(&self) -> io::Result<()> {
        let Some(folder) = self.path.parent().filter(|_| self.kind == ControlAddressKind::Made)
        else {
            return Ok(());
        };
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let made = fs::symlink_metadata(folder)?;
        if made.is_dir() && made.uid() == own() && made.mode() & OPEN_TO_OTHERS == 0 {
            return Ok(());
        }
        let why = format!("{} is not this account's alone", folder.display());
        Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
    }

    /// Whether a daemon of this account is believed when it answers here.
    pub(super) fn believes(&self, user: u32) -> bool {
        if may_ask(user) {
            return true;
        }
        if matches!(self.kind, ControlAddressKind::User | ControlAddressKind::Made) {
            return false;
        }
        let owner = |path: &Path| fs::metadata(path).ok().map(|it| it.uid());
        let database = self.database.as_deref().and_then(owner);
        let folder = self.path.parent().and_then(keeper);
        [database, folder].contains(&Some(user))
    }
}

/// Whether the daemon answers this account.
pub(super) fn may_ask(user: u32) -> bool {
    user == ROOT || user == own()
}

/// The account of this process.
fn own() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Who keeps a folder, where nobody but root can have given it to them: everything above it is
/// root's, and nobody else may write there.
fn keeper(folder: &Path) -> Option<u32> {
    let folder = fs::canonicalize(folder).ok()?;
    let is_roots = |above: &Path| {
        let above = fs::symlink_metadata(above);
        above.is_ok_and(|it| it.uid() == ROOT && it.mode() & WRITABLE_BY_OTHERS == 0)
    };
    if !folder.ancestors().skip(1).all(is_roots) {
        return None;
    }
    fs::symlink_metadata(&folder).ok().map(|it| it.uid())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: StatusListen = StatusListen::Off;

    fn paths(addresses: &[ControlAddress]) -> Vec<String> {
        addresses.iter().map(|address| address.path.display().to_string()).collect()
    }

    fn origin<'a>(
        file: &'a str,
        mirror: &'a MirrorUrl,
        environment: &'a Environment,
    ) -> ControlOrigin<'a> {
        ControlOrigin { file: Path::new(file), mirror, environment }
    }

    #[test]
    fn a_command_outside_of_the_unit_looks_where_the_unit_listens() {
        let mirror = MirrorUrl::Sqlite("/nonexistent/ewmirror-eu/mirror.db".into());
        let inside =
            Environment::from_pairs([("RUNTIME_DIRECTORY", "/run/ewmirror-eu:/run/other")]);
        let file = "/etc/ewmirror/eu.toml";
        let daemon = origin(file, &mirror, &inside).of_daemon();
        let both = ["/run/ewmirror-eu/control.sock", "/nonexistent/ewmirror-eu/mirror.db.sock"];
        assert_eq!(paths(&daemon), both);
        let outside = Environment::empty();
        assert_eq!(origin(file, &mirror, &outside).of_command(&NONE), daemon);
        assert_eq!(origin(file, &mirror, &inside).of_command(&NONE), daemon);
        let file = "/etc/ewmirror/ewmirror.toml";
        let first = &origin(file, &mirror, &outside).of_command(&NONE)[0];
        assert_eq!(first.path, Path::new("/run/ewmirror/control.sock"));
        // Nobody else's file leads there, and one in another folder is somebody else's.
        let file = "/home/me/ewmirror.toml";
        assert_eq!(paths(&origin(file, &mirror, &outside).of_command(&NONE)), both[1..]);
    }

    #[test]
    fn a_daemon_without_a_database_listens_in_a_folder_of_its_user() {
        let folder = tempfile::tempdir().unwrap();
        let own_folder = [("XDG_RUNTIME_DIR", folder.path().as_os_str())];
        let environment = Environment::from_pairs(own_folder);
        let daemon = origin("/a.toml", &MirrorUrl::None, &environment).of_daemon();
        assert!(daemon[0].path.starts_with(folder.path()), "{daemon:?}");
        let command = origin("/a.toml", &MirrorUrl::None, &environment).of_command(&NONE);
        assert_eq!(command[0], daemon[0]);
        assert_eq!(command.last().unwrap().kind, ControlAddressKind::Made);
        let other = origin("/b.toml", &MirrorUrl::None, &environment).of_daemon();
        assert_ne!(other, daemon);
        let listen = StatusListen::Unix("/run/s.sock".into());
        let command = origin("/a.toml", &MirrorUrl::None, &environment).of_command(&listen);
        assert_eq!(command.last().unwrap().path, Path::new("/run/s.sock"));
    }

    #[test]
    fn a_long_name_has_a_short_socket() {
        let mirror = MirrorUrl::Sqlite(Path::new("/nonexistent").join("x".repeat(200)));
        let addresses = origin("/a.toml", &mirror, &Environment::empty()).of_daemon();
        assert!(paths(&addresses)[0].starts_with("/nonexistent/ewmirror-"), "{addresses:?}");
        assert!(addresses[0].path.file_name().unwrap().len() < LONGEST_NAME);
    }

    #[test]
    fn root_and_the_same_account_are_believed_and_a_stranger_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let mirror = MirrorUrl::Sqlite(folder.path().join("mirror.db"));
        let environment = Environment::empty();
        for address in origin("/a.toml", &mirror, &environment).of_command(&NONE) {
            assert!(address.believes(ROOT) && address.believes(own()));
            assert!(!address.believes(4_000_000_000), "{address:?}");
        }
        // Anybody can make a folder below /tmp.
        assert_eq!(keeper(folder.path()), None);
        assert_eq!(keeper(Path::new("/proc")), Some(ROOT));
    }
}
