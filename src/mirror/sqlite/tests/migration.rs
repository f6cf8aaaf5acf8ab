//! A database that the version before this one wrote, as the one who writes it finds it.

use std::fs;
use std::io::Read;

use flate2::read::GzDecoder;
use rusqlite::Connection;

use super::*;
use crate::domain::{Iteration, RepositoryId};
use crate::mirror::sqlite::schema::{self, SCHEMA_VERSION};
use crate::mirror::{Lease, Mirror, ResumePoint};

/// The version of its tables.
const OLD_VERSION: u32 = 3;

/// The repository that was in the middle of a pass.
const REPOSITORY: RepositoryId = RepositoryId(10_150);

/// A copy of the old database.
fn old() -> Place {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fixtures/migration/mirror.db.gz");
    let mut bytes = Vec::new();
    GzDecoder::new(fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    let place = Place::new();
    fs::write(place.file(), bytes).unwrap();
    place
}

async fn resume_point(place: &Place) -> ResumePoint {
    place.open().writer(REPOSITORY, &Lease::sole()).load().await.unwrap()
}

#[tokio::test]
async fn the_pass_under_way_is_taken_up() {
    let resume_point = resume_point(&old()).await;
    assert_eq!(resume_point.iteration, Iteration(46));
    let interrupted = resume_point.interrupted.unwrap();
    assert_eq!((interrupted.saved_ms, interrupted.statistics.pages), (1_795_901_910_227, 1));
    assert_eq!((interrupted.state.len(), interrupted.seen.len()), (360, 1));
}

/// What is on the disk when the process is killed in the middle of a transaction, some of whose
/// pages have already been written.
#[tokio::test]
async fn a_kill_in_the_middle_of_it_leaves_the_old_version_which_is_then_brought_up_to_date() {
    let (place, killed) = (old(), Place::new());
    let connection = Connection::open(place.file()).unwrap();
    connection.execute_batch("PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN").unwrap();
    connection.execute_batch(schema::MIGRATIONS[3]).unwrap();
    connection.execute_batch("UPDATE change SET ts_ms = 0").unwrap();
    assert!(fs::metadata(place.beside("-wal")).unwrap().len() > 0, "nothing has been written yet");
    for end in ["", "-wal"] {
        fs::copy(place.beside(end), killed.beside(end)).unwrap();
    }
    drop(connection);
    let version = |place: &Place| -> u32 {
        let connection = Connection::open(place.file()).unwrap();
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    };
    assert_eq!(version(&killed), OLD_VERSION);
    let taken_up = resume_point(&killed).await;
    assert_eq!(taken_up, resume_point(&old()).await);
    assert_eq!(version(&killed), SCHEMA_VERSION);
    let changes = "SELECT count(*) FROM change WHERE ts_ms > 0";
    let connection = Connection::open(killed.file()).unwrap();
    assert_eq!(connection.query_row(changes, [], |row| row.get::<_, i64>(0)).unwrap(), 111);
}

#[test]
fn a_log_that_had_dropped_changes_is_told_from_its_first_one_on() {
    let place = Place::new();
    let connection = Connection::open(place.file()).unwrap();
    connection.execute_batch(&schema::MIGRATIONS[..4].concat()).unwrap();
    connection
        .execute_batch(
            "UPDATE log SET dropped_through = 5;
            INSERT INTO change VALUES (4, 1, 1, 'r', 1, 99, NULL, x'7b7d');
            INSERT INTO change VALUES (6, 1, 2, 'r', 1, 77, NULL, x'7b7d');
            INSERT INTO change VALUES (7, 1, 3, 'r', 1, 88, NULL, x'7b7d')",
        )
        .unwrap();
    connection.pragma_update(None, "application_id", schema::APPLICATION_ID).unwrap();
    connection.pragma_update(None, "user_version", 4).unwrap();
    drop(connection);
    drop(place.open());
    let connection = Connection::open(place.file()).unwrap();
    let dropped_ms = connection.query_row("SELECT dropped_ms FROM log", [], |row| row.get(0));
    assert_eq!(dropped_ms, Ok(77_i64));
}
