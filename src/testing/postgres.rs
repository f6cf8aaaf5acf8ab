//! A PostgreSQL for tests: started when the first of them needs it, on a socket in a folder of its own,
//! and gone with the process. Where PostgreSQL is not installed, the tests that need it say SKIPPED.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a server may take to start on a busy machine.
const START_WITHIN: Duration = Duration::from_secs(120);

/// A schema in the tests' database that nobody else uses.
#[derive(Clone, Debug)]
pub(crate) struct SchemaPlace {
    /// The URL of the database.
    pub(crate) url: String,
    /// The schema, which is not made yet.
    pub(crate) schema: String,
}

/// A server.
#[derive(Debug)]
pub(crate) struct TestDatabase {
    folder: PathBuf,
    /// Its standard input is the server's life: when this process ends, however it does, the input
    /// ends too, and the server stops and takes its folder along.
    _keeper: Child,
}

impl TestDatabase {
    /// The one server of this process; `None` where PostgreSQL is not installed, which it says.
    pub(crate) fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<TestDatabase>> = OnceLock::new();
        let server = SHARED.get_or_init(Self::start).as_ref();
        if server.is_none() {
            eprintln!("SKIPPED: PostgreSQL is not installed");
        }
        server
    }

    /// Starts a server; `None` where PostgreSQL is not installed.
    pub(crate) fn start() -> Option<Self> {
        Some(Self::run(&programs()?, None))
    }

    /// Starts a server that follows this one and can only be read.
    pub(crate) fn start_standby(&self) -> Self {
        let programs = programs().expect("this server runs");
        Self::run(&programs, Some(&self.folder.join("socket")))
    }

    fn run(programs: &Path, primary: Option<&Path>) -> Self {
        let folder = tempfile::Builder::new().prefix("ewmirror-pg").tempdir().unwrap().keep();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        let run = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .args([programs, folder.as_path()])
            .args(primary)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("keeper.log")).unwrap())
            .spawn()
            .unwrap();
        let server = Self { folder, _keeper: run };
        let begun = Instant::now();
        while !server.folder.join("ready").exists() {
            assert!(begun.elapsed() < START_WITHIN, "no server: {}", server.log());
            pause();
        }
        server
    }

    /// The URL of the database `postgres` for its superuser, on the socket.
    pub(crate) fn url(&self) -> String {
        let socket = self.folder.join("socket").display().to_string().replace('/', "%2F");
        format!("postgresql://postgres@{socket}/postgres")
    }

    /// A schema that nobody else uses.
    pub(crate) fn new_schema(&self) -> SchemaPlace {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        SchemaPlace { url: self.url(), schema: format!("mirror {} {number}", std::process::id()) }
    }

    /// What the server said so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("keeper.log")).unwrap_or_default()
    }
}

/// Between two looks at whether a server is up.
#[expect(
    clippy::disallowed_methods,
    reason = "a program of its own is waited for, without a runtime"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}

/// Makes a database cluster, or copies that of a primary, runs its server, and stops it when the standard input ends. The server must
/// not run as root, so root runs it as the user that the package made.
const KEEPER: &str = r#"
programs=$1 folder=$2
as=
if [ "$(id -u)" = 0 ]; then
    as="setpriv --reuid=postgres --regid=postgres --clear-groups"
    chown postgres "$folder"
fi
cd "$folder"
$as mkdir socket || exit 1
if [ "${3-}" ]; then
    $as "$programs/pg_basebackup" --host="$3" --username=postgres --pgdata=data --no-sync \
        --checkpoint=fast --write-recovery-conf >&2 || exit 1
else
    $as "$programs/initdb" --username=postgres --auth=trust --encoding=UTF8 --locale=C \
        --no-sync --pgdata=data >&2 || exit 1
fi
$as "$programs/postgres" -D data -k "$folder/socket" -c listen_addresses= -c fsync=off \
    -c max_connections=300 >&2 &
server=$!
until $as "$programs/pg_isready" -q -h "$folder/socket"; do
    kill -0 "$server" || exit 1
    sleep 0.05
done
touch ready
read -r _
kill -QUIT "$server"
wait "$server"
rm -rf "$folder"
"#;

/// Where PostgreSQL's programs are: in the folder that `EWMIRROR_POSTGRES` names, or of several versions the
/// newest.
#[expect(
    clippy::disallowed_methods,
    reason = "it is for who runs the tests, and no setting of ours"
)]
fn programs() -> Option<PathBuf> {
    if let Some(chosen) = std::env::var_os("EWMIRROR_POSTGRES") {
        return Some(chosen.into());
    }
    let number = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    versions.sort_by_key(|path| number(path));
    versions.into_iter().rev().map(|path| path.join("bin")).find(|bin| bin.join("initdb").exists())
}
