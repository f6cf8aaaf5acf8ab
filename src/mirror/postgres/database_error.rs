//! What the database said, in our words.
//!
//! An answer of the database may quote a row: in its detail, its hint, its context, and in some messages
//! in the message itself. So nothing of it is shown but its code, and the message of those classes that
//! are about the server, the connection and our rights. What this type wraps is no source of it, or a
//! chain of errors would show it all.

use std::error::Error;
use std::fmt;
use std::io;

use tokio_postgres::error::SqlState;

use crate::mirror::MirrorErrorKind;

/// The most characters of a message that are shown.
const LONGEST_MESSAGE: usize = 300;

/// An error of the database or of the connection to it, of which nothing that may come from a row is
/// ever shown.
pub(crate) struct DatabaseError(tokio_postgres::Error);

/// What a code means.
struct Meaning {
    kind: MirrorErrorKind,
    words: &'static str,
    remedy: &'static str,
}

impl DatabaseError {
    /// The code, where it was the database that said no.
    pub(crate) fn code(&self) -> Option<&SqlState> {
        self.0.code()
    }

    /// Whether the connection is at its end, and another one may do better.
    pub(crate) fn is_of_connection(&self) -> bool {
        match self.code() {
            // The server ends, has crashed or starts, or its administrator has ended this connection.
            Some(code) => code.code().starts_with("57P") || code.code().starts_with("08"),
            None => self.0.is_closed() || self.io().is_some(),
        }
    }

    /// The failed call of the system beneath it.
    pub(crate) fn io(&self) -> Option<&io::Error> {
        self.0.source()?.downcast_ref()
    }

    /// Why no secured connection came about, where that is why.
    pub(crate) fn tls(&self) -> Option<&rustls::Error> {
        self.io()?.get_ref()?.downcast_ref()
    }

    /// Whether TLS was asked for and the server has none.
    pub(crate) fn lacks_tls(&self) -> bool {
        // The library has no type for it.
        self.io().is_none() && self.0.to_string() == "error performing TLS handshake"
    }

    /// Whether the server wants a password and none was given.
    pub(crate) fn lacks_password(&self) -> bool {
        self.is_for("password missing")
    }

    /// Whether channel binding is required and the server let us in, or would, without it.
    pub(crate) fn lacks_binding(&self) -> bool {
        self.is_for("server did not use channel binding")
    }

    /// Whether the library refuses for this reason, for which it has no type.
    fn is_for(&self, reason: &str) -> bool {
        let source = self.0.source().map(ToString::to_string);
        self.code().is_none() && source.is_some_and(|source| source == reason)
    }

    /// What kind of failure it is.
    pub(crate) fn kind(&self) -> MirrorErrorKind {
        self.meaning().map_or(MirrorErrorKind::Unavailable, |meaning| meaning.kind)
    }

    /// What the operator can do.
    pub(crate) fn remedy(&self) -> &'static str {
        const UNKNOWN: &str = "see what the database's own log says; the next try may succeed";
        match self.meaning() {
            Some(meaning) => meaning.remedy,
            None if self.is_of_connection() => {
                "see whether the database runs and what lies between; it is tried again"
            }
            None if self.lacks_password() => {
                "give the password: see \"The password\" in docs/configure.md"
            }
            None => UNKNOWN,
        }
    }

    fn meaning(&self) -> Option<Meaning> {
        let code = self.code()?.code();
        let (kind, words, remedy) = meaning(code)?;
        Some(Meaning { kind, words, remedy })
    }

    /// The server's own message, where it cannot hold anything of a row.
    fn message(&self) -> Option<String> {
        let error = self.0.as_db_error()?;
        let code = error.code().code();
        let about_rows = !["08", "25", "28", "3D", "53", "55", "57", "58"]
            .iter()
            .any(|class| code.starts_with(class));
        // A right that is missing names a table, a schema or a function.
        if about_rows && code != "42501" {
            return None;
        }
        Some(error.message().chars().take(LONGEST_MESSAGE).collect())
    }
}

/// The codes that matter, and the classes of the rest.
fn meaning(code: &str) -> Option<(MirrorErrorKind, &'static str, &'static str)> {
    use MirrorErrorKind::{Damaged, Full, Locked, ReadOnly, Unavailable};
    let meaning = match code {
        "53100" => (
            Full,
            "the database's disk is full",
            "make room on the database's disk; the daemon goes on by itself",
        ),
        "53200" => (Unavailable, "the database is out of memory", "give the database more memory"),
        "53300" => (
            Unavailable,
            "the database has no connection left",
            "raise max_connections, or the limit of the role or database, or end other connections",
        ),
        "57P01" | "57P02" => (
            Unavailable,
            "the database is being stopped, or has ended this connection",
            "see whether the database runs; it is tried again",
        ),
        "57P03" => (
            Unavailable,
            "the database is starting or stopping",
            "wait until the database is up; it is tried again",
        ),
        "57P05" | "25P03" => (
            Unavailable,
            "the database ended a connection that was idle",
            "it is tried again; where it lasts, see what keeps this machine busy",
        ),
        "57014" => (
            Unavailable,
            "the database took too long, or somebody cancelled the statement",
            "see what keeps the database busy; it is tried again",
        ),
        "25006" => (
            ReadOnly,
            "the database is read only",
            "connect to the primary: name all hosts in mirror.url, and see default_transaction_read_only",
        ),
        "28P01" => (
            Unavailable,
            "the database does not accept the password",
            "give the right password: see \"The password\" in docs/configure.md",
        ),
        _ if code.starts_with("28") => (
            Unavailable,
            "the database does not let this user in",
            "see user and password in mirror.url, and the database's pg_hba.conf",
        ),
        "3D000" => (
            MirrorErrorKind::Missing,
            "there is no such database",
            "create the database that mirror.url names: createdb",
        ),
        "42501" => (
            Unavailable,
            "the database role has not got the right",
            "grant it: docs/postgresql.md has the statements for each role",
        ),
        "42P01" | "3F000" | "42703" | "42883" => (
            MirrorErrorKind::Missing,
            "a table, view or function of the mirror is not there",
            "see whether mirror.schema is right, and start the daemon, which makes it",
        ),
        "40001" | "40P01" => (
            Unavailable,
            "the database took another transaction first",
            "nothing: it is tried again",
        ),
        "55P03" => (
            Locked,
            "somebody else keeps what is to be written locked",
            "see who holds locks in pg_locks; it is tried again",
        ),
        "22021" | "22P05" | "22P02" => (
            Unavailable,
            "the database cannot hold a character, or take a value for what it should be",
            "see that the database's encoding is UTF8",
        ),
        "XX001" | "XX002" => (
            Damaged,
            "the database says that it is damaged",
            "restore the database from a backup, or have it checked",
        ),
        "58030" | "58P01" => {
            (Unavailable, "the database's disk fails", "see the database's own log and its disk")
        }
        _ => return of_class(code),
    };
    Some(meaning)
}

fn of_class(code: &str) -> Option<(MirrorErrorKind, &'static str, &'static str)> {
    use MirrorErrorKind::Unavailable;
    Some(match code.get(..2)? {
        "08" => (
            Unavailable,
            "the connection to the database broke",
            "see whether the database runs and what lies between; it is tried again",
        ),
        "22" | "54" => (
            Unavailable,
            "the database does not take a value",
            "report this, with the code: it is a mistake in ewmirror",
        ),
        "23" => (
            Unavailable,
            "a row is in the way that should not be there",
            "see whether another program writes the mirror's tables",
        ),
        "42" => (
            Unavailable,
            "the database does not understand a statement",
            "see whether another program has changed the mirror's tables",
        ),
        "53" => (
            Unavailable,
            "the database has not got the means",
            "see the database's own log; it is tried again",
        ),
        _ => return None,
    })
}

impl From<tokio_postgres::Error> for DatabaseError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self(error)
    }
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(code) = self.code() else {
            // The library's own words, which are constant but for names and numbers of ours.
            self.0.fmt(f)?;
            return match self.io() {
                Some(error) => write!(f, ": {error}"),
                None if self.lacks_password() => f.write_str(": the server wants a password"),
                None => Ok(()),
            };
        };
        let words = self.meaning().map_or("the database said no", |meaning| meaning.words);
        write!(f, "{words} ({})", code.code())?;
        match self.message() {
            Some(message) => write!(f, ": {message}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseError({self})")
    }
}

impl Error for DatabaseError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_has_our_words() {
        let document = include_str!("../../../docs/postgresql.md");
        let section = document.split("## When the database fails\n").nth(1).unwrap();
        let section = section.split("\n## ").next().unwrap();
        let quoted: Vec<_> = section
            .split('`')
            .skip(1)
            .step_by(2)
            .filter_map(|said| said.strip_suffix(')')?.split_once(" ("))
            .collect();
        assert!(quoted.len() > 5, "{quoted:?}");
        for (words, code) in quoted {
            let meaning = meaning(code).map(|(_, words, _)| words);
            assert_eq!(meaning, Some(words), "{code}");
        }
    }
}
