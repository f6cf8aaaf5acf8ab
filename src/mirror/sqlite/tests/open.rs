//! Tests of opening.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use rusqlite::Connection;

use super::*;
use crate::domain::item::digest;
use crate::domain::{IdSet, ItemId, RepositoryId};
use crate::mirror::sqlite::error::OpenError;
use crate::mirror::sqlite::schema::{self, APPLICATION_ID, Header, SCHEMA_VERSION};
use crate::mirror::{HeldDeletions, Lease, Mirror};

fn refused(path: &Path) -> OpenError {
    SqliteMirror::open(path, SqliteOptions::default()).unwrap_err()
}

/// Tries to open the file and shows that nothing has come of it.
fn refused_untouched(place: &Place) -> OpenError {
    let before = fs::read(place.file()).unwrap();
    let error = refused(&place.file());
    assert_eq!(fs::read(place.file()).unwrap(), before);
    for end in ["-wal", "-shm", "-journal"] {
        assert!(!place.beside(end).exists(), "{end}");
    }
    error
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_lock_that_is_something_else_is_left_as_it_is() {
    type Put = fn(&Path, &Path);
    let place = Place::new();
    let (lock, other) = (place.beside(".lock"), place.beside(".other"));
    let put: [(&str, Put); 3] = [
        ("a link to another file", |lock, other| symlink(other, lock).unwrap()),
        ("another name of it", |lock, other| fs::hard_link(other, lock).unwrap()),
        ("a file of somebody", |lock, _| fs::write(lock, "dear diary").unwrap()),
    ];
    for (what, put) in put {
        fs::write(&other, "4711").unwrap();
        put(&lock, &other);
        let before = fs::read(&lock).unwrap();
        assert!(matches!(refused(&place.file()), OpenError::StrangeLock { .. }), "{what}");
        assert_eq!(fs::read(&lock).unwrap(), before, "{what}");
        assert_eq!(fs::read(&other).unwrap(), b"4711", "{what}");
        assert!(!place.file().exists(), "{what}");
        fs::remove_file(&lock).unwrap();
    }
    // One that a process left behind is taken over.
    fs::write(&lock, "4711\n").unwrap();
    drop(place.open());
    assert_eq!(fs::read_to_string(&lock).unwrap().trim(), std::process::id().to_string());
}

#[test]
fn a_new_database_is_ours_alone_and_says_what_it_is_from_the_start() {
    let place = Place::new();
    let mirror = place.open();
    // The file itself, not a WAL. Reading it drops SQLite's locks, which nobody needs here.
    let bytes = fs::read(place.file()).unwrap();
    assert_eq!(bytes[60..64], SCHEMA_VERSION.to_be_bytes());
    assert_eq!(bytes[68..72], APPLICATION_ID.to_be_bytes());
    assert_eq!(mode(&place.file()), 0o600);
    assert_eq!(mode(&place.beside(".lock")), 0o600);
    drop(mirror);
    assert_eq!(schema::check_header(&place.file()).unwrap(), Header::Ours(SCHEMA_VERSION));
    assert!(!place.beside("-wal").exists());
}

#[test]
fn an_empty_file_is_taken_but_not_beside_the_wal_of_a_database_that_is_gone() {
    let place = Place::new();
    fs::write(place.file(), "").unwrap();
    fs::write(place.beside("-wal"), "what was left of a database").unwrap();
    let error = refused(&place.file());
    assert!(matches!(error, OpenError::Orphan { .. }), "{error}");
    assert_eq!(fs::read(place.file()).unwrap(), b"");
    assert_eq!(fs::read(place.beside("-wal")).unwrap(), b"what was left of a database");
    fs::remove_file(place.file()).unwrap();
    assert!(matches!(refused(&place.file()), OpenError::Orphan { .. }));
    assert!(!place.file().exists());
    fs::write(place.beside("-wal"), "").unwrap();
    drop(place.open());
    drop(place.open());
}

#[test]
fn a_folder_is_made_where_systemd_would_make_it_and_nowhere_else() {
    for folder in ["/var/lib/ewmirror", "/var/lib/ewmirror-eu"] {
        // There or not, it may be.
        assert!(crate::mirror::sqlite::check_folder(&Path::new(folder).join("mirror.db")).is_ok());
    }
    let place = Place::new();
    let folder = place.folder.path().join("ewmirror");
    let error = refused(&folder.join("mirror.db"));
    assert!(matches!(&error, OpenError::NoFolder { folder: named } if *named == folder), "{error}");
    assert!(!folder.exists());
    let error = refused(&place.folder.path().join("no/folder/mirror.db"));
    assert!(matches!(error, OpenError::NoFolder { .. }), "{error}");
}

#[test]
fn what_is_no_database_is_refused_untouched() {
    for text in ["a text", &"a long text ".repeat(1000)] {
        let place = Place::new();
        fs::write(place.file(), text).unwrap();
        let error = refused_untouched(&place);
        assert!(matches!(error, OpenError::NotSqlite { .. }), "{error}");
    }
    let place = Place::new();
    let error = refused(place.folder.path());
    assert!(matches!(error, OpenError::File { .. }), "{error}");
}

#[test]
fn a_database_of_somebody_else_is_refused_untouched() {
    for pragma in ["application_id = 7", "user_version = 1", "user_version = 0"] {
        let place = Place::new();
        let sql = format!("CREATE TABLE item (id); PRAGMA {pragma}; PRAGMA journal_mode = WAL;");
        Connection::open(place.file()).unwrap().execute_batch(&sql).unwrap();
        let error = refused_untouched(&place);
        assert!(matches!(error, OpenError::Stranger { .. }), "{error}");
        assert!(error.to_string().contains("mirror.db"), "{error}");
    }
}

#[test]
fn a_database_of_a_later_version_is_refused_untouched() {
    let place = Place::new();
    drop(place.open());
    let later = SCHEMA_VERSION + 1;
    let connection = Connection::open(place.file()).unwrap();
    connection.pragma_update(None, "user_version", later).unwrap();
    drop(connection);
    let error = refused_untouched(&place);
    assert!(matches!(error, OpenError::Newer { found, .. } if found == later), "{error}");
}

#[test]
fn two_daemons_on_one_file_are_refused_and_told_who_has_it() {
    let place = Place::new();
    let link = place.folder.path().join("link.db");
    let first = place.open();
    symlink(place.file(), &link).unwrap();
    for path in [&place.file(), &link] {
        let error = refused(path);
        let us = std::process::id();
        assert!(
            matches!(error, OpenError::InUse { process: Some(process), .. } if process == us),
            "{error}"
        );
    }
    drop(first);
    drop(place.open());
}

#[test]
fn no_released_migration_is_ever_edited() {
    let digests: Vec<u64> = schema::MIGRATIONS.iter().map(|sql| digest(sql.as_bytes())).collect();
    assert_eq!(
        digests,
        [
            4_244_440_805_526_751_129,
            3_625_122_729_149_856_911,
            16_819_744_772_591_163_817,
            13_231_282_112_109_565_560,
            16_972_753_478_767_672_925,
            8_170_915_434_587_338_000,
            9_020_013_385_329_079_584,
            12_873_090_808_311_219_016,
            10_973_076_860_889_010_276,
            12_945_507_104_627_955_870,
        ]
    );
}

#[tokio::test]
async fn what_an_earlier_version_released_stays_approved() {
    let place = Place::new();
    let connection = Connection::open(place.file()).unwrap();
    connection.execute_batch(schema::MIGRATIONS[0]).unwrap();
    connection.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
    connection.pragma_update(None, "user_version", 1).unwrap();
    let items: IdSet = [ItemId::Integer(5), ItemId::Text("x".into())].iter().collect();
    for (repository, approved) in [(1, true), (2, false)] {
        connection
            .execute(
                "INSERT INTO suspicion VALUES (?1, ?2, 2, ?2, 2, 3, 4, ?3)",
                (repository, items.to_bytes(), approved),
            )
            .unwrap();
    }
    drop(connection);
    let mirror = place.open();
    for (repository, approved) in [(1, items.clone()), (2, IdSet::new())] {
        let known =
            mirror.writer(RepositoryId(repository), &Lease::sole()).suspects().await.unwrap();
        let held = HeldDeletions { items: items.clone(), announced: 2, approved, picked: false };
        assert_eq!((known.suspects, known.held), (items.clone(), Some(held)));
    }
}

#[test]
fn an_older_database_or_a_blank_one_is_brought_up_to_date_by_all_migrations_or_none() {
    let place = Place::new();
    let mut connection = Connection::open(place.file()).unwrap();
    let version = |connection: &Connection| {
        connection.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0)).unwrap()
    };
    let first = "CREATE TABLE a (id)";
    let broken = "CREATE TABLE b (id); INSERT INTO nowhere VALUES (1)";
    schema::migrate(&mut connection, &[first, broken]).unwrap_err();
    let tables = "SELECT count(*) FROM sqlite_schema";
    let tables: u32 = connection.query_row(tables, [], |row| row.get(0)).unwrap();
    assert_eq!((version(&connection), tables), (0, 0), "a blank one is made whole or stays blank");
    schema::migrate(&mut connection, &[first]).unwrap();
    assert_eq!(version(&connection), 1);
    schema::migrate(&mut connection, &[first, broken]).unwrap_err();
    assert_eq!(version(&connection), 1);
    schema::migrate(&mut connection, &[first, "CREATE TABLE b (id)"]).unwrap();
    connection.execute("INSERT INTO b VALUES (1)", []).unwrap();
    assert_eq!(version(&connection), 2);
}
