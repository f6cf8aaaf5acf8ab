//! Where secrets come from: a systemd credential, a file of their own, or a variable; the password
//! also from where the shipped unit has it.
//!
//! The first of these that is there is taken, in that order, and a warning names the rest; one
//! that is there but unusable is a fault, because falling back to another would hide it. A secret is
//! one line: what an editor leaves around it is taken off where that cannot be meant, and refused
//! where it could be, because a wrong password locks accounts. Nothing here repeats a secret or any
//! part of the file that holds it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::fault::Origin;
use super::guarded;
use super::keys::{self, Exposure};
use super::load::BYTE_ORDER_MARK;
use super::reader::{Read, Reader, shown};
use super::units::{self, Parsed, Raw, Rejection};
use super::{Secret, SecretPlace};

/// The variable in which systemd names the directory of a service's credentials.
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// The largest secret read, in bytes: far beyond any password, and it ends the reading of a device.
const LARGEST_SECRET: usize = 64 << 10;

/// The permission bits that let the group or others read a file.
const READABLE_BY_OTHERS: u32 = 0o044;

/// `login.password`, which somebody must give.
pub(super) fn password(reader: &mut Reader, environment: &Environment) -> Read<Secret> {
    let found =
        find(reader, environment, "login.password", "password", environment.unit_password())?;
    found.ok_or_else(|| {
        let remedy = "give it as the systemd credential \"password\" (LoadCredential= in the unit), \
                      in a file named by login.password_file, or in EWMIRROR_LOGIN__PASSWORD; for \
                      /etc/ewmirror/ewmirror.toml also in /etc/ewmirror/password";
        reader.missing("login.password", remedy.to_owned())
    })
}

/// `login.client_secret`, which may be absent.
pub(super) fn client_secret(
    reader: &mut Reader,
    environment: &Environment,
) -> Read<Option<Secret>> {
    find(reader, environment, "login.client_secret", "client_secret", None)
}

/// `server.proxy_password`, which may be absent.
pub(super) fn proxy_password(
    reader: &mut Reader,
    environment: &Environment,
) -> Read<Option<Secret>> {
    find(reader, environment, "server.proxy_password", "proxy-password", None)
}

/// Warns where others can read the file that a key stands in, as it holds a password.
pub(super) fn warn_if_readable(reader: &mut Reader, key: &str) {
    let Origin::File { name, .. } = reader.origin(key) else { return };
    let Ok(metadata) = fs::metadata(&name) else { return };
    let mode = metadata.permissions().mode();
    if mode & READABLE_BY_OTHERS != 0 {
        let mode = mode & 0o7777;
        reader.warn(
            key,
            format!(
                "holds a password, and others can read {name} (mode {mode:04o}): give it as the \
                 systemd credential \"proxy-password\" or in server.proxy_password_file"
            ),
        );
    }
}

/// A file that must be there and readable, but is not read here.
pub(super) fn readable_file(raw: Raw<'_>) -> Parsed<PathBuf> {
    let path = PathBuf::from(raw.text("\"/etc/ewmirror/file.pem\"")?);
    let remedy = "name a file that the user of the daemon can read";
    let kind = fs::metadata(&path).map_err(|error| unusable(&error, remedy))?;
    if !kind.is_file() {
        return Err(Rejection::new("is not a file", remedy));
    }
    File::open(&path).map_err(|error| unusable(&error, remedy))?;
    Ok(path)
}

/// Warns where others than its owner can read a file that holds a secret.
pub(super) fn warn_if_exposed(reader: &mut Reader, key: &str, path: &Path) {
    // Whoever needs the file has just found it to be there.
    let Ok(metadata) = fs::metadata(path) else { return };
    let mode = metadata.permissions().mode();
    if mode & READABLE_BY_OTHERS != 0 {
        let (path, mode) = (path.display(), mode & 0o7777);
        reader.warn(
            key,
            format!("{path} can be read by others than its owner (mode {mode:04o}): chmod 600 it"),
        );
    }
}

/// Where `login.password` would be taken from; the place itself is not looked at.
pub(super) fn password_place(
    reader: &mut Reader,
    environment: &Environment,
) -> Option<SecretPlace> {
    let (key, name) = ("login.password", "password");
    let file = reader.optional(&format!("{key}_file"), units::text).ok().flatten();
    let variable = reader.raw(key).is_some().then(|| keys::variable(key));
    credential(environment, name)
        .map(SecretPlace::Credential)
        .or_else(|| file.map(|file| SecretPlace::File(file.into())))
        .or_else(|| variable.map(SecretPlace::Variable))
        .or_else(|| environment.unit_password().map(|path| SecretPlace::Unit(path.to_owned())))
}

/// One of the places that may hold a secret, with the secret where that is a variable.
enum Place {
    Credential(PathBuf),
    File(PathBuf),
    Variable(String),
    Unit(PathBuf),
}

impl Place {
    fn description(&self, key: &str, name: &str) -> String {
        match self {
            Self::Credential(_) => format!("the systemd credential \"{name}\""),
            Self::File(_) => format!("{key}_file"),
            Self::Variable(_) => keys::variable(key),
            Self::Unit(path) => path.display().to_string(),
        }
    }
}

fn find(
    reader: &mut Reader,
    environment: &Environment,
    key: &str,
    name: &str,
    unit: Option<&Path>,
) -> Read<Option<Secret>> {
    let file_key = format!("{key}_file");
    let file = reader.optional(&file_key, units::text)?.map(PathBuf::from);
    // The file has no such key, so what the merge holds comes from the variable.
    let variable = reader.raw(key).map(ToString::to_string);
    let places = [
        credential(environment, name).map(Place::Credential),
        file.map(Place::File),
        variable.map(Place::Variable),
    ];
    let mut places = places.into_iter().flatten();
    // What the unit hands over is that very credential where there is one, so nothing is ignored.
    let unit = || unit.map(|path| Place::Unit(path.to_owned()));
    let Some(taken) = places.next().or_else(unit) else { return Ok(None) };
    for ignored in places {
        let (taken, ignored) = (taken.description(key, name), ignored.description(key, name));
        reader.warn(key, format!("{ignored} is ignored, because {taken} comes first"));
    }
    match taken {
        Place::Credential(path) => secret_in(&path)
            .map_err(|rejection| reader.fault_at(key, Origin::Credential(path), None, rejection)),
        Place::File(path) => {
            let secret = secret_in(&path).map_err(|rejection| {
                let value =
                    reader.raw(&file_key).and_then(|kind| shown(kind, Exposure::SecretFile));
                reader.fault(&file_key, value, rejection)
            });
            if secret.is_ok() {
                warn_if_exposed(reader, &file_key, &path);
            }
            secret
        }
        Place::Variable(text) => {
            line(&text).map(Secret::new).map_err(|rejection| reader.fault(key, None, rejection))
        }
        Place::Unit(path) => {
            let secret = secret_in(&path).map_err(|rejection| {
                let name = path.display().to_string();
                reader.fault_at(key, Origin::File { name, place: None }, None, rejection)
            });
            if secret.is_ok() {
                warn_if_exposed(reader, key, &path);
            }
            secret
        }
    }
    .map(Some)
}

/// The file of a credential, if systemd gave one. One that cannot be looked at counts as given:
/// reading it then says why.
fn credential(environment: &Environment, name: &str) -> Option<PathBuf> {
    let directory = environment.get(CREDENTIALS_DIRECTORY).filter(|path| !path.is_empty())?;
    let path = Path::new(directory).join(name);
    match fs::symlink_metadata(&path) {
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            None
        }
        _ => Some(path),
    }
}

fn secret_in(path: &Path) -> Parsed<Secret> {
    let remedy = "give a file that the user of the daemon can read and that holds the secret alone";
    let bytes = guarded::read(path, LARGEST_SECRET, remedy)?;
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes);
    let text = str::from_utf8(bytes).map_err(|_| {
        let utf16 = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
        Rejection::new(if utf16 { "is UTF-16, not UTF-8" } else { "is not UTF-8" }, remedy)
    })?;
    // An editor's last newline is no part of a password; a second one would be.
    let text = text.strip_suffix('\n').map_or(text, |it| it.strip_suffix('\r').unwrap_or(it));
    let text = line(text)?;
    let odd = [
        (text.starts_with(char::is_whitespace), "begins with a blank"),
        (text.ends_with(char::is_whitespace), "ends in a blank"),
    ];
    match odd.into_iter().find(|(is_so, _)| *is_so) {
        Some((_, what)) => Err(Rejection::new(
            what,
            "take it out; where it is meant, give the secret in the environment",
        )),
        None => Ok(Secret::new(text)),
    }
}

/// A secret is one line of text.
fn line(text: &str) -> Parsed<&str> {
    let remedy = "put the secret alone there, in one line";
    if text.is_empty() {
        return Err(Rejection::new("holds an empty secret", "put the secret there, or unset it"));
    }
    if text.trim_end_matches(['\n', '\r']).is_empty() {
        return Err(Rejection::new("holds empty lines and no secret", remedy));
    }
    let lines = text.lines().count();
    if lines > 1 {
        return Err(Rejection::new(format!("holds {lines} lines"), remedy));
    }
    match text.chars().find(|it| it.is_control() || *it == '\u{feff}') {
        Some('\n' | '\r') => Err(Rejection::new("ends in an empty line", remedy)),
        Some(odd) => {
            let what = format!("holds a character that nobody types (U+{:04X})", u32::from(odd));
            Err(Rejection::new(what, remedy))
        }
        None => Ok(text),
    }
}

fn unusable(error: &io::Error, remedy: &str) -> Rejection {
    Rejection::new(format!("cannot be read: {error}"), remedy)
}
