//! Where the mirror is kept: nowhere, in a SQLite file, in a PostgreSQL database.
//!
//! Pure functions.

mod postgres;

use std::fmt;
use std::path::{Path, PathBuf};

use url::Url;

pub use self::postgres::{ChannelBinding, PostgresHost, PostgresUrl, SslMode, TargetSession};
use crate::settings::codec::{Codec, Input, Parsed, invalid};
use crate::settings::sensitivity::Sensitivity;

/// `mirror.url`.
pub const MIRROR_URL: Codec<MirrorUrl> = Codec::text(mirror).with(Sensitivity::Url);

/// `mirror.url`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MirrorUrl {
    /// Page and log, keep nothing.
    None,
    /// A SQLite database file.
    Sqlite(PathBuf),
    /// A PostgreSQL database.
    Postgres(PostgresUrl),
}

impl MirrorUrl {
    /// The file of this machine that the mirror is kept in.
    pub fn local_file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) => Some(path),
            Self::None | Self::Postgres(_) => None,
        }
    }
}

/// The URL as it may be shown; no password is ever in it.
impl fmt::Display for MirrorUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

fn mirror(input: Input<'_>) -> Parsed<MirrorUrl> {
    const HINT: &str = "write \"none\", \"sqlite:///var/lib/ewmirror/mirror.db\" or \
                        \"postgresql://user@host/database\"";
    let text = input.text("\"none\"")?;
    if text == "none" {
        return Ok(MirrorUrl::None);
    }
    if let Some(path) = text.strip_prefix("sqlite:") {
        // The rest is the path as it is, without percent escapes; a question mark is kept free
        // for options.
        let path = path.strip_prefix("//").unwrap_or_default();
        return if !path.starts_with('/') || path.ends_with('/') {
            invalid("names no file by its absolute path", HINT)
        } else if path.contains('?') {
            invalid("holds a question mark", HINT)
        } else {
            Ok(MirrorUrl::Sqlite(PathBuf::from(path)))
        };
    }
    if text.starts_with("postgresql://") || text.starts_with("postgres://") {
        return PostgresUrl::of(text).map(MirrorUrl::Postgres);
    }
    match Url::parse(text) {
        Err(error) => invalid(format!("is not a URL: {error}"), HINT),
        Ok(_) => invalid("is none of the kinds of mirror", HINT),
    }
}

#[cfg(test)]
mod tests {
    use config::ValueKind;

    use super::*;

    fn read(text: &str) -> Result<MirrorUrl, String> {
        let kind = ValueKind::from(text);
        mirror(Input { kind: &kind, is_variable: false }).map_err(|found| found.error)
    }

    #[test]
    fn mirrors_are_none_a_file_or_a_database() {
        assert_eq!(read("none"), Ok(MirrorUrl::None));
        let file = MirrorUrl::Sqlite(PathBuf::from("/var/lib/a b%.db"));
        assert_eq!(read("sqlite:///var/lib/a b%.db"), Ok(file));
        for text in ["postgres://u@h/d", "postgresql://h/d", "postgres:///d?host=/run"] {
            assert!(matches!(read(text), Ok(MirrorUrl::Postgres(_))), "{text}");
        }
        for text in ["sqlite:mirror.db", "sqlite://mirror.db", "sqlite:///a/", "sqlite:///a?m=1"] {
            assert!(read(text).is_err(), "{text}");
        }
        for text in ["None", "mysql://h/d", "postgres:d", "/var/lib/mirror.db"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
