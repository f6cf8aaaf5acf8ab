//! What is found in a database of the tests' own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::findings;
use crate::mirror::postgres::error::PostgresError;
use crate::mirror::postgres::{PostgresAddress, PostgresPool, schema};
use crate::mirror::{ExaminationFinding, MirrorError, Severity};
use crate::telemetry::event::Chain;
use crate::testing::postgres::TestDatabase;

const WITHIN: Duration = Duration::from_secs(60);

/// A schema of its own, which is not made yet.
fn address() -> Option<PostgresAddress> {
    let place = TestDatabase::shared()?.new_schema();
    Some(PostgresAddress::at(&place.url, &place.schema))
}

struct Findings(Vec<ExaminationFinding>);

impl Findings {
    async fn at(address: &PostgresAddress) -> Self {
        let mut found = Vec::new();
        findings(address, WITHIN, &mut |finding| found.push(finding)).await;
        Self(found)
    }

    #[track_caller]
    fn expect(&self, name: &str, severity: Severity, parts: &[&str]) {
        let of_name: Vec<_> = self.0.iter().filter(|finding| finding.name == name).collect();
        let [finding] = of_name[..] else { panic!("{name}: {:#?}", self.0) };
        let text = format!("{}; {}", finding.found, finding.remedy);
        assert_eq!(finding.severity, severity, "{name}: {text}");
        for part in parts {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}

/// Runs statements as the superuser.
async fn run(address: &PostgresAddress, statements: &str) {
    let pool = PostgresPool::new(address.clone()).unwrap();
    pool.get().await.unwrap().batch_execute(statements).await.unwrap();
}

#[tokio::test]
async fn a_database_is_described_before_and_after_its_schema_is_made() {
    let Some(address) = address() else { return };
    let found = Findings::at(&address).await;
    found.expect("database", Severity::Sound, &["PostgreSQL ", "no mirror yet"]);
    found.expect("leases", Severity::Skipped, &["no tables"]);
    schema::migrate(&PostgresPool::new(address.clone()).unwrap()).await.unwrap();
    let found = Findings::at(&address).await;
    let version = format!("version {}", schema::SCHEMA_VERSION);
    found.expect("database", Severity::Sound, &["PostgreSQL ", &address.schema, &version]);
    found.expect("database TLS", Severity::Skipped, &["socket"]);
    found.expect("encoding", Severity::Sound, &["UTF8"]);
    found.expect("database clock", Severity::Sound, &["within "]);
    found.expect("database role", Severity::Warning, &["postgres is a superuser"]);
    found.expect("replication", Severity::Sound, &["a primary"]);
    found.expect("durability", Severity::Warning, &["fsync off", "set both to on"]);
    found.expect("connections", Severity::Sound, &[" are left"]);
    found.expect("pooler", Severity::Sound, &["none"]);
    found.expect("autovacuum", Severity::Sound, &["on"]);
    found.expect("dead rows", Severity::Sound, &["about 0 "]);
    found.expect("leases", Severity::Sound, &["nobody writes the mirror"]);
    assert_eq!(found.0.len(), 13);
}

#[tokio::test]
async fn a_schema_of_a_later_version_is_a_failure() {
    let Some(address) = address() else { return };
    schema::migrate(&PostgresPool::new(address.clone()).unwrap()).await.unwrap();
    run(&address, "INSERT INTO migration VALUES (99, 'x', 'later')").await;
    Findings::at(&address).await.expect(
        "database",
        Severity::Failure,
        &["version 99", "later ewmirror"],
    );
}

#[tokio::test]
async fn a_role_that_may_only_read_is_a_failure_and_one_that_owns_the_tables_is_not() {
    let Some(address) = address() else { return };
    let role = format!("reader {}", address.schema);
    run(&address, &format!("CREATE ROLE \"{role}\" LOGIN CONNECTION LIMIT 12")).await;
    schema::migrate(&PostgresPool::new(address.clone()).unwrap()).await.unwrap();
    let schema = &address.schema;
    run(
        &address,
        &format!(
            "GRANT USAGE ON SCHEMA \"{schema}\" TO \"{role}\"; \
             GRANT SELECT ON ALL TABLES IN SCHEMA \"{schema}\" TO \"{role}\""
        ),
    )
    .await;
    let mut reading = address.clone();
    reading.url.user = Some(role.clone());
    let found = Findings::at(&reading).await;
    found.expect("database role", Severity::Failure, &["may only read", "a role that writes"]);
    found.expect("connections", Severity::Warning, &["may have 12"]);
    found.expect("transactions", Severity::Sound, &["this role may see"]);
    found.expect("pooler", Severity::Sound, &[]);
    run(&address, &format!("GRANT ALL ON ALL TABLES IN SCHEMA \"{schema}\" TO \"{role}\"")).await;
    Findings::at(&reading).await.expect(
        "database role",
        Severity::Sound,
        &["writes, and cannot migrate"],
    );
}

#[tokio::test]
async fn what_the_role_is_set_to_and_what_holds_vacuum_back_is_told() {
    let Some(address) = address() else { return };
    schema::migrate(&PostgresPool::new(address.clone()).unwrap()).await.unwrap();
    let role = format!("careless {}", address.schema);
    run(
        &address,
        &format!(
            "CREATE ROLE \"{role}\" SUPERUSER LOGIN; \
             ALTER ROLE \"{role}\" SET default_transaction_read_only = on; \
             ALTER TABLE item SET (autovacuum_enabled = false)"
        ),
    )
    .await;
    let mut careless = address.clone();
    careless.url.user = Some(role);
    let found = Findings::at(&careless).await;
    found.expect("replication", Severity::Failure, &["read only"]);
    found.expect("autovacuum", Severity::Warning, &["off for item"]);
}

#[tokio::test]
async fn the_daemons_that_have_leases_are_named() {
    let Some(address) = address() else { return };
    schema::migrate(&PostgresPool::new(address.clone()).unwrap()).await.unwrap();
    run(
        &address,
        "INSERT INTO instance (owner, name, expires_at, repositories, spread) VALUES \
             ('a 1', 'a', now() + interval '1 hour', '{7,9}', false), \
             ('b 1', 'b', now() + interval '1 hour', '{7,9}', false), \
             ('c 1', 'c', now() - interval '1 hour', '{11}', false); \
         INSERT INTO lease (repository, owner, generation) VALUES \
             (7, 'a 1', 1), (9, 'a 1', 1), (11, 'c 1', 1)",
    )
    .await;
    let found = Findings::at(&address).await;
    found.expect("leases", Severity::Sound, &["a writes 7, 9; 2 daemons are there"]);
}

#[tokio::test]
async fn no_error_holds_a_row() {
    let Some(address) = address() else { return };
    let pool = PostgresPool::new(address).unwrap();
    let connection = pool.get().await.unwrap();
    connection
        .batch_execute("CREATE TEMPORARY TABLE pair (id text PRIMARY KEY, n int)")
        .await
        .unwrap();
    let insert = "INSERT INTO pair VALUES ('canary', 7)";
    connection.batch_execute(insert).await.unwrap();
    let refused = [
        (insert, "23505"),
        ("SELECT 'canary'::int", "22P02"),
        ("INSERT INTO pair VALUES (NULL, 1234567)", "23502"),
    ];
    for (statement, code) in refused {
        let error = connection.batch_execute(statement).await.unwrap_err();
        let error = MirrorError::from(PostgresError::from(error));
        let told = format!("{error} {error:?} {}", Chain(&error));
        assert!(told.contains(code), "{told}");
        assert!(!told.contains("canary") && !told.contains("1234567"), "{told}");
    }
}

/// A pooler in this mode before the tests' server; `None` where it is not installed.
fn pooled(address: &PostgresAddress, mode: &str) -> Option<(PostgresAddress, Pooler)> {
    let program = Path::new("/usr/sbin/pgbouncer");
    if !program.exists() {
        eprintln!("SKIPPED: poolers (pgbouncer is not installed)");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display();
    let socket = address.socket();
    let settings = format!(
        "[databases]\n* = host={} port=5432 user=postgres\n[pgbouncer]\nlisten_port = 5432\nlisten_addr =\n\
         unix_socket_dir = {path}\nauth_type = any\npool_mode = {mode}\nlogfile = {path}/log\n",
        socket.display()
    );
    fs::write(folder.path().join("ini"), settings).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let mut command = Command::new("setpriv");
    if rustix::process::getuid().is_root() {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    }
    let child = command.arg(program).arg("--quiet").arg(folder.path().join("ini")).spawn().unwrap();
    let behind = address.behind(folder.path());
    let pooler = Pooler { child, folder };
    let begun = Instant::now();
    while !pooler.folder.path().join(".s.PGSQL.5432").exists() {
        assert!(begun.elapsed() < WITHIN, "no pooler");
        std::thread::park_timeout(Duration::from_millis(20));
    }
    Some((behind, pooler))
}

/// Ends with its owner.
struct Pooler {
    child: Child,
    folder: TempDir,
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[tokio::test]
async fn a_pooler_in_transaction_mode_is_told_from_one_in_session_mode() {
    let Some(address) = address() else { return };
    let modes = [("transaction", Severity::Failure), ("session", Severity::Sound)];
    for (mode, severity) in modes {
        let Some((pooled, _pooler)) = pooled(&address, mode) else { return };
        Findings::at(&pooled).await.expect("pooler", severity, &["session mode"]);
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_failure_and_all_else_is_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("postgresql://nobody@/d?host={}", folder.path().display());
    let address = PostgresAddress::at(&url, "ewmirror");
    let found = Findings::at(&address).await;
    found.expect(
        "database",
        Severity::Failure,
        &["no connection to PostgreSQL: ", "whether the database runs"],
    );
    found.expect("leases", Severity::Skipped, &["no connection"]);
    assert_eq!(found.0.len(), 13);
}
