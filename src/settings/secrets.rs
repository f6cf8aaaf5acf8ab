//! Where secrets come from: a systemd credential, a file of their own, or a variable; the password
//! also from where the shipped unit has it.
//!
//! The first of these that is there is taken, in that order, and a warning names the rest; one
//! that is there but unusable is an error, because falling back to another would hide it. A secret
//! is one line: what an editor leaves around it is taken off where that cannot be meant, and refused
//! where it could be, because a wrong password locks accounts. Nothing here repeats a secret or any
//! part of the file that holds it.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use toml::Value;

use super::codec::{Codec, Parsed, invalid};
use super::environment::Environment;
use super::error::SettingSource;
use super::parser::{ParseResult, Parser};
use super::schema::ConfigKey;
use super::secret::{MASK, Secret};
use super::sensitivity::Sensitivity;
use super::trusted_file;

/// The variable in which systemd names the directory of a service's credentials.
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// The largest secret read, in bytes: far beyond any password, and it ends the reading of a device.
const LARGEST_SECRET: usize = 64 << 10;

/// The permission bits that let the group or others read a file.
const READABLE_BY_OTHERS: u32 = 0o044;

/// The one that lets everybody read.
const READABLE_BY_ALL: u32 = 0o004;

/// A secret, which stands in no file: what is parsed here has been found elsewhere.
pub const SECRET: Codec<Secret> =
    Codec::new(|input| input.text("it").map(Secret::new), |_| Value::from(MASK))
        .with(Sensitivity::Secret);

/// The path of a file that holds a secret.
pub const SECRET_FILE: Codec<PathBuf> =
    Codec::plain(|input| input.text("\"text\"").map(PathBuf::from)).with(Sensitivity::SecretFile);

/// Where a secret is taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// The file of a systemd credential.
    Credential(PathBuf),
    /// The file that a key ending in `_file` names.
    File(PathBuf),
    /// The environment variable of this name.
    Variable(String),
    /// The file that the shipped units hand to the daemon.
    Unit(PathBuf),
}

/// A secret, the key that names its file, and the file in which the shipped unit has it.
pub struct SecretKey<'a> {
    pub key: &'static ConfigKey,
    pub file: &'static ConfigKey,
    pub unit: Option<&'a Path>,
}

impl SecretKey<'_> {
    /// Finds the secret, if it is anywhere, and makes it the value of its key.
    pub fn resolve(&self, parser: &mut Parser, environment: &Environment) {
        if self.found(parser, environment).is_err() {
            parser.mark_reported(self.key.path);
        }
    }

    fn found(&self, parser: &mut Parser, environment: &Environment) -> ParseResult<()> {
        let key = self.key.path;
        let file = parser.optional(self.file.section(), self.file, &SECRET_FILE)?;
        let mut sources = self.sources(parser, environment, file).into_iter();
        let Some(taken) = sources.next() else { return Ok(()) };
        let variable = parser.get(key).map(ToString::to_string).unwrap_or_default();
        for ignored in sources {
            let (taken, ignored) = (self.description(&taken), self.description(&ignored));
            parser.warn(key, format!("{ignored} is ignored, because {taken} comes first"));
        }
        let (told, source, secret) = match &taken {
            SecretSource::Credential(path) => {
                (key, SettingSource::Credential(path.clone()), secret_in(path))
            }
            SecretSource::File(path) => {
                (self.file.path, parser.source(self.file.path), secret_in(path))
            }
            SecretSource::Variable(_) => (key, parser.source(key), one_line(&variable)),
            SecretSource::Unit(path) => {
                let name = path.display().to_string();
                (key, SettingSource::File { name, location: None }, secret_in(path))
            }
        };
        match secret {
            Ok(secret) => parser.set(key, secret),
            Err(found) => {
                let shown = parser.get(told).and_then(|kind| self.file.sensitivity.shown(kind));
                let shown = shown.filter(|_| told == self.file.path);
                return Err(parser.report_at(told, source, shown, found));
            }
        }
        if let SecretSource::File(path) | SecretSource::Unit(path) = &taken {
            warn_if_exposed(parser, told, path);
        }
        Ok(())
    }

    /// The places that have the secret, the one that counts first.
    fn sources(
        &self,
        parser: &Parser,
        environment: &Environment,
        file: Option<PathBuf>,
    ) -> Vec<SecretSource> {
        let credential = credential(environment, self.key.credential());
        // The file has no such key, so what the merge holds comes from the variable.
        let variable = parser.get(self.key.path).map(|_| self.key.variable());
        let sources = [
            credential.map(SecretSource::Credential),
            file.map(SecretSource::File),
            variable.map(SecretSource::Variable),
        ];
        let mut sources: Vec<_> = sources.into_iter().flatten().collect();
        // What the unit hands over is that very credential where there is one, so nothing is ignored.
        if sources.is_empty() {
            sources.extend(self.unit.map(|path| SecretSource::Unit(path.to_owned())));
        }
        sources
    }

    /// Where the secret would be taken from, faulty or not; the place itself is not looked at.
    pub fn source(&self, parser: &Parser, environment: &Environment) -> Option<SecretSource> {
        let file = parser.peek(self.file.section(), self.file, &SECRET_FILE);
        self.sources(parser, environment, file).into_iter().next()
    }

    fn description(&self, source: &SecretSource) -> String {
        match source {
            SecretSource::Credential(_) => {
                format!("the systemd credential \"{}\"", self.key.credential())
            }
            SecretSource::File(_) => self.file.path.to_owned(),
            SecretSource::Variable(name) => name.clone(),
            SecretSource::Unit(path) => path.display().to_string(),
        }
    }
}

/// A secret of one element of a list: it has no variable, and a credential of its own.
pub struct ElementSecret<'a> {
    pub key: &'static ConfigKey,
    pub file: &'static ConfigKey,
    /// The path of the element.
    pub element: &'a str,
    /// What its credential is called.
    pub credential: &'a str,
}

impl ElementSecret<'_> {
    /// Finds the secret, if it is anywhere, and makes it the value of its key.
    pub fn resolve(&self, parser: &mut Parser, environment: &Environment) {
        let key = format!("{}.{}", self.element, self.key.name());
        let file_key = format!("{}.{}", self.element, self.file.name());
        let file = parser.peek(self.element, self.file, &SECRET_FILE);
        let given = credential(environment, self.credential);
        if given.is_some() && file.is_some() {
            let credential = self.credential;
            let comes_first = format!("the systemd credential \"{credential}\" comes first");
            parser.warn(&file_key, format!("is ignored, because {comes_first}"));
        }
        let is_file = given.is_none();
        let Some(path) = given.or(file) else { return };
        let told = if is_file { &file_key } else { &key };
        match secret_in(&path) {
            Ok(secret) => parser.set(&key, secret),
            Err(found) => {
                let shown = is_file.then(|| path.display().to_string());
                let source = if is_file {
                    parser.source(&file_key)
                } else {
                    SettingSource::Credential(path.clone())
                };
                parser.report_at(told, source, shown, found);
                parser.mark_reported(&key);
            }
        }
        if is_file {
            warn_if_exposed(parser, told, &path);
        }
    }
}

/// Warns where others than its owner can read a file that holds a secret.
pub fn warn_if_exposed(parser: &mut Parser, key: &str, path: &Path) {
    if let Some(mode) = mode_for_others(path) {
        let path = path.display();
        parser.warn(
            key,
            format!("{path} can be read by others than its owner (mode {mode:04o}): chmod 600 it"),
        );
    }
}

/// The mode of a file that more can read than its owner and this process. A file of root's reaches another account
/// through its group alone (as the secrets that Kubernetes mounts do): then that group may read it.
pub fn mode_for_others(path: &Path) -> Option<u32> {
    // The file was found to be there a moment ago.
    let metadata = fs::metadata(path).ok()?;
    let us = trusted_file::own_user();
    is_exposed(metadata.mode(), metadata.uid(), us).then_some(metadata.mode() & 0o7777)
}

fn is_exposed(mode: u32, owner: u32, us: Option<u32>) -> bool {
    let group_reads_for_us = owner == 0 && us.is_some_and(|us| us != 0);
    let others = if group_reads_for_us { READABLE_BY_ALL } else { READABLE_BY_OTHERS };
    mode & others != 0
}

/// The file of a credential, if systemd gave one. One that cannot be looked at counts as given:
/// reading it then says why.
fn credential(environment: &Environment, name: &str) -> Option<PathBuf> {
    use io::ErrorKind::{NotADirectory, NotFound};
    let directory = environment.get(CREDENTIALS_DIRECTORY).filter(|path| !path.is_empty())?;
    let path = Path::new(directory).join(name);
    match fs::symlink_metadata(&path) {
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => None,
        _ => Some(path),
    }
}

fn secret_in(path: &Path) -> Parsed<String> {
    let hint = "give a file that the user of the daemon can read and that holds the secret alone";
    let bytes = trusted_file::read(path, LARGEST_SECRET, hint)?;
    let Ok(text) = str::from_utf8(trusted_file::without_mark(&bytes)) else {
        let utf16 = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
        return invalid(if utf16 { "is UTF-16, not UTF-8" } else { "is not UTF-8" }, hint);
    };
    // An editor's last newline is no part of a password; a second one would be.
    let text = text.strip_suffix('\n').map_or(text, |it| it.strip_suffix('\r').unwrap_or(it));
    let text = one_line(text)?;
    let hint = "take it out; where it is meant, give the secret in the environment";
    if text.starts_with(char::is_whitespace) {
        return invalid("begins with a blank", hint);
    }
    if text.ends_with(char::is_whitespace) {
        return invalid("ends in a blank", hint);
    }
    Ok(text)
}

/// A secret is one line of text.
fn one_line(text: &str) -> Parsed<String> {
    let hint = "put the secret alone there, in one line";
    if text.is_empty() {
        return invalid("holds an empty secret", "put the secret there, or unset it");
    }
    if text.trim_end_matches(['\n', '\r']).is_empty() {
        return invalid("holds empty lines and no secret", hint);
    }
    let lines = text.lines().count();
    if lines > 1 {
        return invalid(format!("holds {lines} lines"), hint);
    }
    match text.chars().find(|it| it.is_control() || *it == '\u{feff}') {
        Some('\n' | '\r') => invalid("ends in an empty line", hint),
        Some(odd) => {
            let odd = u32::from(odd);
            invalid(format!("holds a character that nobody types (U+{odd:04X})"), hint)
        }
        None => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_may_read_a_secret_of_roots_that_reaches_this_account_in_no_other_way() {
        let (root, us) = (0, Some(65_532));
        for (mode, owner, exposed) in [
            (0o440, root, false),
            (0o640, root, false),
            (0o444, root, true),
            (0o400, 65_532, false),
            (0o440, 65_532, true),
            (0o404, 65_532, true),
        ] {
            assert_eq!(is_exposed(mode, owner, us), exposed, "{mode:o} of {owner}");
        }
        assert!(is_exposed(0o440, root, Some(root)));
        assert!(is_exposed(0o440, root, None));
    }
}
