//! How the database is reached, and what it lets us do there.

use deadpool_postgres::Object;

use crate::config::SslMode;
use crate::mirror::ExaminationFinding;
use crate::mirror::postgres::error::PostgresError;

pub(super) const TLS: &str = "database TLS";
pub(super) const ROLE: &str = "database role";
pub(super) const CONNECTIONS: &str = "connections";

/// Connections that a daemon may have at once, and as many again for the commands.
const CONNECTIONS_NEEDED: i64 = 16;

/// Whether others can read or change what goes over the network. `ssl_mode` is what the configuration
/// asks for.
pub(super) async fn tls(
    connection: &Object,
    ssl_mode: SslMode,
) -> Result<ExaminationFinding, PostgresError> {
    // The session's own row is shown to everybody.
    let row = connection
        .query_one(
            "SELECT inet_server_addr() IS NULL, ssl, coalesce(version, ''), coalesce(cipher, '') \
             FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
            &[],
        )
        .await?;
    let (is_local, is_on): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
    let (version, cipher): (String, String) = (row.try_get(2)?, row.try_get(3)?);
    Ok(if is_local {
        ExaminationFinding::unseen(TLS, "a socket of this machine: nothing goes over a network")
    } else if is_on && ssl_mode == SslMode::VerifyFull {
        ExaminationFinding::sound(TLS, format!("{version}, {cipher}, verified in full"))
    } else if is_on {
        let found = format!(
            "{version}, {cipher}, but sslmode is weaker than verify-full: another server can take \
             its place"
        );
        let remedy = "set sslmode=verify-full, and mirror.ca_file where the authority is your own";
        ExaminationFinding::warning(TLS, found, remedy)
    } else {
        let remedy = "set ssl = on there, and sslmode=verify-full here";
        ExaminationFinding::warning(TLS, "none: others can read and change what is sent", remedy)
    })
}

/// Who we are there, and what we may do with our tables.
pub(super) async fn role(
    connection: &Object,
    schema: &str,
) -> Result<ExaminationFinding, PostgresError> {
    let row = connection
        .query_one(
            "SELECT current_user::text, rolsuper FROM pg_roles WHERE rolname = current_user",
            &[],
        )
        .await?;
    let (role, is_superuser): (String, bool) = (row.try_get(0)?, row.try_get(1)?);
    if is_superuser {
        let remedy = "give the daemon a role of its own: see docs/postgresql.md";
        return Ok(ExaminationFinding::warning(ROLE, format!("{role} is a superuser"), remedy));
    }
    // The owner of our tables makes the schema and brings it up to date, too.
    let row = connection
        .query_one(
            "SELECT count(*), \
                 coalesce(bool_and(pg_has_role(c.relowner, 'USAGE')), false), \
                 coalesce(bool_and(has_table_privilege(c.oid, 'SELECT')), false), \
                 count(*) FILTER (WHERE c.relname IN ('item', 'change', 'pass', 'lease') \
                     AND NOT has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE')) = 0 \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND NOT c.relispartition",
            &[&schema],
        )
        .await?;
    let (tables, owns): (i64, bool) = (row.try_get(0)?, row.try_get(1)?);
    let (reads, writes): (bool, bool) = (row.try_get(2)?, row.try_get(3)?);
    Ok(if tables == 0 {
        ExaminationFinding::unseen(ROLE, format!("{role}: there are no tables yet"))
    } else if owns {
        ExaminationFinding::sound(ROLE, format!("{role} owns the tables: it migrates and writes"))
    } else if reads && writes {
        let found = format!("{role} writes, and cannot migrate");
        ExaminationFinding::sound(ROLE, found)
    } else {
        let may = if reads { "may only read" } else { "may not read all tables" };
        let remedy = "the daemon needs a role that writes: see docs/postgresql.md";
        ExaminationFinding::failure(ROLE, format!("{role} {may}"), remedy)
    })
}

/// How many connections the server has left.
pub(super) async fn connections(connection: &Object) -> Result<ExaminationFinding, PostgresError> {
    let row = connection
        .query_one(
            "SELECT current_setting('max_connections')::bigint \
                 - current_setting('superuser_reserved_connections')::bigint, \
                 (SELECT coalesce(sum(numbackends), 0)::bigint FROM pg_stat_database), \
                 (SELECT rolconnlimit::bigint FROM pg_roles WHERE rolname = current_user), \
                 (SELECT datconnlimit::bigint FROM pg_database WHERE datname = current_database())",
            &[],
        )
        .await?;
    let (most, taken): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    let limits: [i64; 2] = [row.try_get(2)?, row.try_get(3)?];
    let own = limits.into_iter().filter(|limit| *limit >= 0).min();
    let left = most.saturating_sub(taken).max(0);
    let found = match own {
        Some(own) => format!("{left} of {most} are left; this role and database may have {own}"),
        None => format!("{left} of {most} are left"),
    };
    Ok(if left.min(own.unwrap_or(left)) < CONNECTIONS_NEEDED {
        let remedy = format!(
            "a daemon has up to 8, a command 2: raise max_connections or the limit, or end some \
             (at least {CONNECTIONS_NEEDED} should be left)"
        );
        ExaminationFinding::warning(CONNECTIONS, found, remedy)
    } else {
        ExaminationFinding::sound(CONNECTIONS, found)
    })
}
