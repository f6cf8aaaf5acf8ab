//! Commands of this program as they can be pasted into a shell: with the configuration that the
//! printing program was started with, so that they act on the same mirror and on no other.
//!
//! Pure. What is quoted is safe for a terminal, too: nothing in it is obeyed, and nothing turns the
//! order of the rest around.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::domain::RepositoryId;

/// Where the configuration is that nobody names.
pub const DEFAULT_CONFIG: &str = "/etc/ewmirror/ewmirror.toml";

/// How this program is called with its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// `None` where nobody needs to name it.
    config: Option<PathBuf>,
}

impl CommandLine {
    /// With the configuration that nobody needs to name.
    pub const DEFAULT: Self = Self { config: None };

    /// With this configuration file, whose path should be absolute: the shell that it is pasted into
    /// is in another folder.
    pub fn of(config: &Path) -> Self {
        Self { config: (config != Path::new(DEFAULT_CONFIG)).then(|| config.to_owned()) }
    }

    /// A command with its arguments.
    pub fn with<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> String {
        let mut line = "ewmirror".to_owned();
        if let Some(config) = &self.config {
            line.push_str(" --config ");
            line.push_str(&quoted(config.as_os_str()));
        }
        for argument in arguments {
            line.push(' ');
            line.push_str(&quoted(OsStr::new(argument)));
        }
        line
    }

    /// The command that starts a daemon with this configuration: by the unit where it is one's.
    pub fn start(&self) -> String {
        let unit = match &self.config {
            None => Some(String::new()),
            Some(config) => config.strip_prefix("/etc/ewmirror").ok().and_then(|name| {
                let name = name.to_str()?.strip_suffix(".toml")?;
                let plain = |it: char| it.is_ascii_alphanumeric() || "_.-".contains(it);
                (!name.is_empty() && name.chars().all(plain)).then(|| format!("@{name}"))
            }),
        };
        match unit {
            Some(instance) => format!("sudo systemctl start ewmirror{instance}"),
            None => self.with(["run"]),
        }
    }

    /// The command that shows the deletions of a repository that are held back.
    pub fn list_deletes(&self, repository: RepositoryId) -> String {
        self.with(["approve-deletes", "--repository", &repository.to_string(), "--list"])
    }

    /// The command that approves them.
    pub fn approve_deletes(&self, repository: RepositoryId) -> String {
        self.with(["approve-deletes", "--repository", &repository.to_string()])
    }
}

/// A word as a shell reads it back: bare where it can be, in single quotes where that is enough, and
/// otherwise as `$'...'`, which bash, zsh, ksh and POSIX of 2024 know, byte for byte.
fn quoted(word: &OsStr) -> String {
    let bytes = word.as_bytes();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(byte);
    match word.to_str() {
        Some(text) if !text.is_empty() && bytes.iter().all(plain) => text.to_owned(),
        Some(text)
            if text
                .chars()
                .all(|it| it == ' ' || it.is_ascii_graphic() || it.is_alphanumeric()) =>
        {
            format!("'{}'", text.replace('\'', r"'\''"))
        }
        _ => {
            let mut quoted = "$'".to_owned();
            for byte in bytes {
                match byte {
                    b'\'' | b'\\' => {
                        quoted.push('\\');
                        quoted.push(char::from(*byte));
                    }
                    b' '..=b'~' => quoted.push(char::from(*byte)),
                    // Octal, and always three digits: what follows is never taken for more of it.
                    _ => write!(quoted, "\\{byte:03o}").expect("a string takes any text"),
                }
            }
            quoted.push('\'');
            quoted
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_default_configuration_needs_no_name() {
        let ours = CommandLine::of(Path::new(DEFAULT_CONFIG));
        assert_eq!(ours, CommandLine::DEFAULT);
        let expected = "ewmirror approve-deletes --repository 10149";
        assert_eq!(ours.approve_deletes(RepositoryId(10_149)), expected);
    }

    #[test]
    fn another_configuration_is_named_and_quoted_where_it_must_be() {
        let eu = CommandLine::of(Path::new("/etc/ewmirror/eu.toml"));
        assert_eq!(
            eu.list_deletes(RepositoryId(7)),
            "ewmirror --config /etc/ewmirror/eu.toml approve-deletes --repository 7 --list"
        );
        let spaced = CommandLine::of(Path::new("/tmp/it's mine/é.toml"));
        assert_eq!(spaced.with(["status"]), r"ewmirror --config '/tmp/it'\''s mine/é.toml' status");
        let nasty = CommandLine::of(Path::new("/tmp/\u{1b}[2J\u{202e}'x"));
        let expected = r"ewmirror --config $'/tmp/\033[2J\342\200\256\'x' status";
        assert_eq!(nasty.with(["status"]), expected);
    }

    #[test]
    fn a_daemon_is_started_by_its_unit_where_it_has_one() {
        for (config, start) in [
            (DEFAULT_CONFIG, "sudo systemctl start ewmirror"),
            ("/etc/ewmirror/eu.toml", "sudo systemctl start ewmirror@eu"),
            ("/etc/ewmirror/a/eu.toml", "ewmirror --config /etc/ewmirror/a/eu.toml run"),
            ("/tmp/e.toml", "ewmirror --config /tmp/e.toml run"),
        ] {
            assert_eq!(CommandLine::of(Path::new(config)).start(), start);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn a_shell_reads_back_what_was_quoted(word in prop::collection::vec(1_u8.., 0..40)) {
            let word = OsStr::from_bytes(&word);
            let script = format!("printf %s {}", quoted(word));
            let Ok(read) = Command::new("bash").args(["-c", &script]).output() else {
                return Ok(());
            };
            prop_assert_eq!(read.stdout, word.as_bytes());
        }
    }
}
