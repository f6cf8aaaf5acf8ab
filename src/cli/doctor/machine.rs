//! What is on this machine: the password's place, the disk, the database, the daemon, systemd.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::report::DoctorReport;
use crate::cli::output;
use crate::config::{self, Environment, MirrorConfig, SecretSource, StatusListen};
use crate::mirror::{ExaminationFinding, LockOwner, Severity, Store};
use crate::status::control::ControlOrigin;
use crate::status::control_client::{self, ControlAnswer, ControlRequestError};
use crate::status::document::{DaemonStatus, SignInStatus};
use crate::task::clock;
use crate::telemetry;

/// How long the database may be checked: some gigabytes, from a disk that is quick.
const CHECK_WITHIN: Duration = Duration::from_secs(10);

const CREDENTIAL: &str = "credential";
const DAEMON: &str = "daemon";
const CONTROL: &str = "control socket";
const SYSTEMD: &str = "systemd";

/// Where the password comes from.
pub(super) fn credential(report: &mut DoctorReport, file: &Path, environment: &Environment) {
    let (path, what) = match config::password_source(file, environment) {
        Some(SecretSource::Credential(path)) => (path, "systemd credential"),
        Some(SecretSource::Unit(path)) => (path, "what the unit hands to the daemon,"),
        Some(SecretSource::File(path)) => (path, "login.password_file"),
        Some(SecretSource::Variable(name)) => {
            report.ok(CREDENTIAL, &format!("environment variable {name}"));
            return;
        }
        None => {
            let remedy = "put it into /etc/ewmirror/password (for /etc/ewmirror/NAME.toml into \
                          NAME.password), chmod 600, and run this as root";
            report.fail(CREDENTIAL, "nobody gives the password", remedy);
            return;
        }
    };
    let place = format!("{what} {}", path.display());
    let metadata = match fs::metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) => {
            let remedy = "name a file that is there, and run this as root";
            report.fail(CREDENTIAL, &format!("{place}: {error}"), remedy);
            return;
        }
    };
    let mode = metadata.permissions().mode() & 0o7777;
    let owner = match metadata.uid() {
        0 => "root".to_owned(),
        uid => format!("user {uid}"),
    };
    let found = format!("{place} (mode {mode:04o}, owner {owner})");
    if let Err(error) = fs::File::open(&path) {
        let remedy = "run this as root, or as the daemon's user";
        report.fail(CREDENTIAL, &format!("{found}: {error}"), remedy);
    } else if config::mode_for_others(&path).is_some() {
        let remedy = format!("others can read it: chmod 600 {}", path.display());
        report.warn(CREDENTIAL, &found, &remedy);
    } else {
        report.ok(CREDENTIAL, &found);
    }
}

/// The mirror, and the room that it has.
pub(super) async fn mirror(report: &mut DoctorReport, mirror: Option<&MirrorConfig>) {
    let mut tell = |ExaminationFinding { name, severity, found, remedy }| match severity {
        Severity::Sound => report.ok(name, &found),
        Severity::Warning => report.warn(name, &found, &remedy),
        Severity::Failure => report.fail(name, &found, &remedy),
        Severity::Skipped => report.skip(name, &found),
    };
    match mirror {
        Some(mirror) => Store::of(mirror).examine(CHECK_WITHIN, &mut tell).await,
        None => {
            ExaminationFinding::skipped("the configuration is faulty").into_iter().for_each(tell);
        }
    }
}

/// Whether the daemon runs, since when, and whether it can be asked.
pub(super) async fn daemon(
    report: &mut DoctorReport,
    file: &Path,
    mirror: Option<&MirrorConfig>,
    status: Option<&StatusListen>,
    environment: &Environment,
) {
    let (Some(mirror), Some(status)) = (mirror, status) else {
        report.skip(DAEMON, "the configuration is faulty");
        report.skip(CONTROL, "the configuration is faulty");
        return;
    };
    let store = Store::of(mirror);
    let held = store.lock_owner().ok().flatten();
    let origin = ControlOrigin { file, mirror: &mirror.url, environment };
    let error = match control_client::ask(origin, status).await {
        Ok(ControlAnswer { document, at, user, .. }) => {
            if let Some(daemon) = &document.daemon {
                running(report, daemon, &document.version);
            }
            report.ok(CONTROL, &format!("{at} answers, user {user}"));
            return;
        }
        Err(error) => error,
    };
    let said = output::visible(&output::chain(&error));
    match (&error, held) {
        (_, Some(LockOwner { process, since })) => {
            let process = process.map_or_else(|| "another".to_owned(), |it| it.to_string());
            let since = since.map(moment).unwrap_or_default();
            let found = format!("process {process} has the database{since}");
            report.warn(DAEMON, &found, "it cannot be asked, see below");
            report.warn(CONTROL, &said, unasked(&error));
        }
        (ControlRequestError::Nobody { .. }, None) if store.local_file().is_none() => {
            report.skip(DAEMON, "there is no lock of this machine that could tell");
            report.skip(CONTROL, &said);
        }
        (ControlRequestError::Nobody { .. }, None) => {
            not_running(report, "nobody has the database");
            report.skip(CONTROL, "the daemon does not run");
        }
        (_, None) => {
            report.skip(DAEMON, "it cannot be asked");
            report.warn(CONTROL, &said, unasked(&error));
        }
    }
}

/// What to do about a daemon that cannot be asked.
fn unasked(error: &ControlRequestError) -> &'static str {
    match error {
        _ if error.is_forbidden() => "run this as root, or as the daemon's user",
        ControlRequestError::Nobody { .. } => {
            "see its log for \"control socket unavailable\": journalctl -u ewmirror; where nothing \
             is said, restart it (`ewmirror once` and older daemons have none)"
        }
        ControlRequestError::Another { .. } => "give each daemon a RuntimeDirectory of its own",
        ControlRequestError::Stranger { .. } => "ask that account what it does there, and end it",
        _ => "see its log: journalctl -u ewmirror",
    }
}

fn running(report: &mut DoctorReport, daemon: &DaemonStatus, version: &str) {
    let uptime = Duration::from_millis(daemon.uptime_ms);
    let since = moment(clock::now().checked_sub(uptime).unwrap_or(SystemTime::UNIX_EPOCH));
    let found = format!("version {version} runs{since}, process {}", daemon.pid);
    match daemon.sign_in {
        SignInStatus::Denied => {
            let reason = daemon.sign_in_reason.as_deref().unwrap_or("without a reason");
            let found = format!("{found}, but its login is denied: {reason}");
            report.warn(DAEMON, &found, "correct the password, then systemctl restart ewmirror");
        }
        SignInStatus::Trying | SignInStatus::Renewing => {
            let remedy = "see its log: journalctl -u ewmirror";
            report.warn(DAEMON, &format!("{found}, and has no session"), remedy);
        }
        _ => report.ok(DAEMON, &found),
    }
}

fn not_running(report: &mut DoctorReport, why: &str) {
    let remedy = "systemctl start ewmirror, and see its log: journalctl -u ewmirror";
    report.warn(DAEMON, &format!("does not run: {why}"), remedy);
}

/// Whether systemd runs this machine, and its journal listens.
pub(super) fn systemd(report: &mut DoctorReport) {
    if !Path::new("/run/systemd/system").is_dir() {
        report.skip(SYSTEMD, "this machine does not run it");
        return;
    }
    match telemetry::journal_listens() {
        Ok(()) => report.ok(SYSTEMD, "runs here, and the journal listens"),
        Err(error) => {
            let found = format!("the journal does not listen: {error}");
            report.warn(SYSTEMD, &found, "systemctl status systemd-journald");
        }
    }
}

/// ` since 2026-01-01T00:00:00Z (3h 2m)`.
fn moment(since: SystemTime) -> String {
    // What a file or a stranger says may lie anywhere.
    let now = clock::now().max(SystemTime::UNIX_EPOCH);
    let since = since.clamp(SystemTime::UNIX_EPOCH, now);
    let age = now.duration_since(since).unwrap_or_default();
    let age = Duration::from_secs(age.as_secs());
    let since = humantime::format_rfc3339_seconds(since);
    format!(" since {since} ({})", humantime::format_duration(age))
}
