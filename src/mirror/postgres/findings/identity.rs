//! Which database it is: its version, its schema, its encoding, its clock.

use std::cmp::Ordering;

use std::time::{Duration, SystemTime};

use bytesize::ByteSize;
use deadpool_postgres::Object;

use crate::mirror::ExaminationFinding;
use crate::mirror::postgres::error::PostgresError;
use crate::mirror::postgres::schema::SCHEMA_VERSION;
use crate::mirror::sql_text::quoted;
use crate::task::clock;

pub(super) const DATABASE: &str = "database";
pub(super) const ENCODING: &str = "encoding";
pub(super) const CLOCK: &str = "database clock";

/// The oldest PostgreSQL that the mirror is kept in, as `server_version_num` has it.
const OLDEST: i32 = 130_000;

/// Clocks that are further apart are told of: people compare the times of the log with others.
const CLOCKS_APART: Duration = Duration::from_secs(5);

/// The server's version and our schema in it.
pub(super) async fn database(
    connection: &Object,
    schema: &str,
) -> Result<ExaminationFinding, PostgresError> {
    let row = connection
        .query_one(
            "SELECT current_setting('server_version'), \
                 current_setting('server_version_num')::int, current_database()::text, \
                 pg_database_size(current_database()), \
                 has_database_privilege(current_database(), 'CREATE'), \
                 to_regnamespace($1) IS NOT NULL, to_regclass($2) IS NOT NULL",
            &[&quoted(schema), &format!("{}.migration", quoted(schema))],
        )
        .await?;
    let (server, number): (String, i32) = (row.try_get(0)?, row.try_get(1)?);
    let (name, bytes): (String, i64) = (row.try_get(2)?, row.try_get(3)?);
    let (may_create, has_schema, has_tables): (bool, bool, bool) =
        (row.try_get(4)?, row.try_get(5)?, row.try_get(6)?);
    let size = ByteSize(u64::try_from(bytes).unwrap_or_default()).display();
    let place = format!("PostgreSQL {server}, database {name} ({size}), schema {schema}");
    if number < OLDEST {
        let remedy = "upgrade it to PostgreSQL 13 or later";
        return Ok(ExaminationFinding::failure(DATABASE, place, remedy));
    }
    if !has_tables {
        return Ok(empty(&place, has_schema, may_create));
    }
    let version = format!("SELECT coalesce(max(version), 0) FROM {}.migration", quoted(schema));
    let version: i32 = connection.query_one(&version, &[]).await?.try_get(0)?;
    let found = format!("{place} version {version}");
    Ok(match version.cmp(&SCHEMA_VERSION) {
        Ordering::Greater => {
            let remedy = "a later ewmirror has made it: install that one";
            ExaminationFinding::failure(DATABASE, found, remedy)
        }
        Ordering::Less => {
            let found = format!("{found}, of an earlier ewmirror");
            let remedy = "the daemon brings it up to date when it starts, with a role that owns it";
            ExaminationFinding::warning(DATABASE, found, remedy)
        }
        Ordering::Equal => ExaminationFinding::sound(DATABASE, found),
    })
}

/// A database without our tables.
fn empty(place: &str, has_schema: bool, may_create: bool) -> ExaminationFinding {
    if has_schema || may_create {
        let found = format!("{place} has no mirror yet: the daemon makes it");
        ExaminationFinding::sound(DATABASE, found)
    } else {
        let found = format!("{place} is not there, and this role may not make it");
        let remedy =
            "make it as docs/postgresql.md says: a schema whose owner is the role that migrates";
        ExaminationFinding::failure(DATABASE, found, remedy)
    }
}

/// How it keeps text.
pub(super) async fn encoding(connection: &Object) -> Result<ExaminationFinding, PostgresError> {
    let row = connection.query_one("SELECT current_setting('server_encoding')", &[]).await?;
    let encoding: String = row.try_get(0)?;
    Ok(if encoding == "UTF8" {
        ExaminationFinding::sound(ENCODING, encoding)
    } else {
        let remedy = "items are UTF-8: create a database with ENCODING 'UTF8' TEMPLATE template0";
        ExaminationFinding::failure(ENCODING, encoding, remedy)
    })
}

/// Its clock against this machine's. Leases go by the database's alone; the log tells this machine's.
pub(super) async fn clock(connection: &Object) -> Result<ExaminationFinding, PostgresError> {
    let before = clock::now();
    let row = connection.query_one("SELECT clock_timestamp()", &[]).await?;
    let theirs: SystemTime = row.try_get(0)?;
    let after = clock::now();
    // It was looked at between the two.
    let ahead = theirs.duration_since(after).unwrap_or_default();
    let behind = before.duration_since(theirs).unwrap_or_default();
    let apart = ahead.max(behind);
    if apart <= CLOCKS_APART {
        let limit = CLOCKS_APART.as_secs();
        return Ok(ExaminationFinding::sound(CLOCK, format!("within {limit} s of this machine's")));
    }
    let direction = if ahead > behind { "ahead of" } else { "behind" };
    let found = format!("{} s {direction} this machine's", apart.as_secs());
    let remedy = "set both by NTP; leases go by the database's alone, and hold all the same";
    Ok(ExaminationFinding::warning(CLOCK, found, remedy))
}
