//! What a database said, in words for people, with what they can do about it. What the database adds as
//! a detail is left out, since it holds rows; so are its words on a value that it refused.

use std::error::Error as _;

use tokio_postgres::Error;

use crate::mirror::MirrorErrorKind;
use crate::telemetry::event::Chain;

/// Classes of conditions whose words hold values: those of data, and of constraints.
const OF_VALUES: [&str; 2] = ["22", "23"];

/// What went wrong, in one line.
pub(super) fn words(error: &Error) -> String {
    let Some(database) = error.as_db_error() else {
        return if error.is_closed() {
            "the connection was closed".to_owned()
        } else {
            Chain(error).to_string()
        };
    };
    let code = database.code().code();
    if OF_VALUES.iter().any(|class| code.starts_with(class)) {
        return format!("the database refused a value (SQLSTATE {code})");
    }
    let message = database.message().lines().next().unwrap_or_default();
    format!("{message} (SQLSTATE {code})")
}

/// What kind of failure it is, and what can be done.
pub(super) fn verdict(error: &Error) -> (MirrorErrorKind, &'static str) {
    let Some(database) = error.as_db_error() else {
        let remedy = if error.is_closed() || is_of_network(error) {
            "see whether the database runs and can be reached; the daemon goes on when it is back"
        } else {
            "see the database's own log; `ewmirror doctor` looks at what lies between"
        };
        return (MirrorErrorKind::Unavailable, remedy);
    };
    verdict_on(database.code().code())
}

/// The same, of a condition that the database names.
fn verdict_on(code: &str) -> (MirrorErrorKind, &'static str) {
    let kind = match code {
        "53100" => MirrorErrorKind::Full,
        "55P03" => MirrorErrorKind::Locked,
        _ => MirrorErrorKind::Unavailable,
    };
    let remedy = match code {
        "53100" => "make room on the disk of the database; the daemon goes on when there is some",
        "53300" => {
            "end other connections, or raise max_connections, or the limit of the role or database"
        }
        "25006" => {
            "it takes no writes: name the primary in mirror.url, or see default_transaction_read_only"
        }
        "57P01" | "57P02" | "57P03" => {
            "the database restarts, or its administrator ends connections; the daemon goes on when it \
             is back"
        }
        "57014" | "25P03" | "25P02" => {
            "the database was too slow, or somebody cancelled a statement; the next try may succeed"
        }
        "55P03" | "40P01" | "40001" => {
            "another session has locked the tables: see pg_locks; the next try may succeed"
        }
        "3D000" => "create the database, or correct its name in mirror.url",
        "42501" => "grant the role what it lacks: see docs/postgresql.md",
        _ if code.starts_with("28") => {
            "check the user in mirror.url, the password, and pg_hba.conf of the database"
        }
        _ if code.starts_with("XX") => {
            "see the database's own log; if it is damaged, restore it from a backup"
        }
        _ => "see the database's own log; the next try may succeed",
    };
    (kind, remedy)
}

/// Whether the system says it, and not the database.
fn is_of_network(error: &Error) -> bool {
    error.source().is_some_and(|source| source.is::<std::io::Error>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_that_an_operator_can_mend_say_how() {
        for (code, word) in [
            ("53100", "make room"),
            ("53300", "max_connections"),
            ("25006", "primary"),
            ("57P01", "goes on when it is back"),
            ("28P01", "password"),
            ("28000", "pg_hba.conf"),
            ("42501", "grant"),
            ("XX001", "backup"),
            ("42P01", "own log"),
        ] {
            assert!(verdict_on(code).1.contains(word), "{code}: {}", verdict_on(code).1);
        }
        assert_eq!(verdict_on("53100").0, MirrorErrorKind::Full);
    }
}
