//! Whether what is committed stays: on this server, and where it fails over to another.

use deadpool_postgres::Object;

use crate::mirror::ExaminationFinding;
use crate::mirror::postgres::error::PostgresError;

pub(super) const STANDBY: &str = "replication";
pub(super) const DURABILITY: &str = "durability";

/// Whether it is a standby, or has some.
pub(super) async fn standby(connection: &Object) -> Result<ExaminationFinding, PostgresError> {
    let row = connection
        .query_one(
            "SELECT pg_is_in_recovery(), \
                 extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::bigint, \
                 current_setting('transaction_read_only')::bool, \
                 (SELECT count(*) FROM pg_stat_replication), \
                 current_setting('synchronous_standby_names')",
            &[],
        )
        .await?;
    let (in_recovery, lag_s): (bool, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
    let (read_only, standbys): (bool, i64) = (row.try_get(2)?, row.try_get(3)?);
    let synchronous: String = row.try_get(4)?;
    if in_recovery {
        let lag = lag_s.map(|lag| format!(", {} s behind at most", lag.max(0))).unwrap_or_default();
        let remedy = "only the primary can be written: name all hosts in mirror.url, with \
                      target_session_attrs=read-write";
        return Ok(ExaminationFinding::failure(STANDBY, format!("a standby{lag}"), remedy));
    }
    if read_only {
        let remedy = "see default_transaction_read_only of the server, the database and the role";
        let found = "a primary, but transactions are read only";
        return Ok(ExaminationFinding::failure(STANDBY, found, remedy));
    }
    let found = match standbys {
        0 => "a primary, without standbys".to_owned(),
        some if synchronous.is_empty() => {
            format!(
                "a primary; {some} standbys, asynchronous: a failover may lose the last commits"
            )
        }
        some => format!("a primary; {some} standbys, synchronous: {synchronous}"),
    };
    Ok(ExaminationFinding::sound(STANDBY, found))
}

/// Whether a commit is on the disk when it is told.
pub(super) async fn durability(connection: &Object) -> Result<ExaminationFinding, PostgresError> {
    let row = connection
        .query_one(
            "SELECT current_setting('fsync'), current_setting('full_page_writes'), \
                 current_setting('synchronous_commit')",
            &[],
        )
        .await?;
    let (fsync, pages): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    let commit: String = row.try_get(2)?;
    let found = format!("fsync {fsync}, full_page_writes {pages}, synchronous_commit {commit}");
    Ok(if fsync == "off" || pages == "off" {
        let remedy = "a crash of that machine may damage the database: set both to on";
        ExaminationFinding::warning(DURABILITY, found, remedy)
    } else if commit == "off" {
        let remedy =
            "a crash may lose the last commits, and pages are then read again: set it to on";
        ExaminationFinding::warning(DURABILITY, found, remedy)
    } else {
        ExaminationFinding::sound(DURABILITY, found)
    })
}
