//! Which daemon writes what.

use deadpool_postgres::Object;

use crate::mirror::ExaminationFinding;
use crate::mirror::postgres::error::PostgresError;
use crate::mirror::sql_text::quoted;

pub(super) const LEASES: &str = "leases";

/// Who has the leases, and how many daemons stand by.
pub(super) async fn leases(
    connection: &Object,
    schema: &str,
) -> Result<ExaminationFinding, PostgresError> {
    let schema = quoted(schema);
    let there = "SELECT to_regclass($1) IS NOT NULL";
    let row = connection.query_one(there, &[&format!("{schema}.lease")]).await?;
    if !row.try_get::<_, bool>(0)? {
        return Ok(ExaminationFinding::unseen(LEASES, "there are no tables yet"));
    }
    let row = connection
        .query_one(
            &format!(
                "SELECT coalesce(string_agg(format('%s writes %s', name, repositories), '; ' \
                     ORDER BY name), ''), \
                     (SELECT count(*) FROM {schema}.instance \
                      WHERE expires_at > clock_timestamp()) \
                 FROM (SELECT i.name, string_agg(l.repository::text, ', ' ORDER BY l.repository) \
                           AS repositories \
                       FROM {schema}.lease l JOIN {schema}.instance i USING (owner) \
                       WHERE i.expires_at > clock_timestamp() GROUP BY i.owner, i.name) held"
            ),
            &[],
        )
        .await?;
    let (held, daemons): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
    Ok(if held.is_empty() && daemons == 0 {
        ExaminationFinding::sound(LEASES, "nobody writes the mirror")
    } else if held.is_empty() {
        let found = format!("nobody writes the mirror, and {daemons} daemons are there");
        ExaminationFinding::warning(LEASES, found, "see the log of each: journalctl -u ewmirror")
    } else {
        ExaminationFinding::sound(LEASES, format!("{held}; {daemons} daemons are there"))
    })
}
