//! `ewmirror doctor`: everything that the daemon needs, looked at one by one.
//!
//! One line a check: `ok`, `warn`, `fail` or `skip`, what was found, and what to do. A check whose
//! grounds have failed is skipped; all others are made, also where the configuration is faulty. It
//! signs in once at most, signs out again, and shows no secret. It changes nothing.
//!
//! Where nobody gives a password, it takes the one that the shipped unit would hand to the daemon,
//! so that `sudo ewmirror doctor` needs no more.

mod feeds;
mod hints;
mod machine;
mod readable_config;
mod report;
mod server;

use std::path::Path;

use self::readable_config::ReadableConfig;
use self::report::DoctorReport;
use super::{Exit, daemon};
use crate::config::{self, ConfigError, Environment, Loaded};

/// Makes all checks. Ends with 0 where none failed, with 2 where the configuration is faulty.
pub(super) fn run(file: &Path, environment: &Environment) -> Exit {
    let runtime = match daemon::runtime() {
        Ok(runtime) => runtime,
        Err(exit) => return exit,
    };
    let mut report = DoctorReport::new(environment);
    let known = configuration(&mut report, file, environment);
    machine::credential(&mut report, file, environment);
    runtime.block_on(async {
        server::check(&mut report, &known, environment).await;
        machine::mirror(&mut report, known.mirror()).await;
        feeds::check(&mut report, &known, environment).await;
        machine::daemon(&mut report, file, known.mirror(), known.status(), environment).await;
    });
    // A name that is still being looked up must not hold up the end.
    runtime.shutdown_background();
    machine::systemd(&mut report);
    report.end(matches!(known, ReadableConfig::All(_)))
}

fn configuration(
    report: &mut DoctorReport,
    file: &Path,
    environment: &Environment,
) -> ReadableConfig {
    const CHECK: &str = "configuration";
    match config::load(file, environment) {
        Ok(Loaded { config, warnings }) => {
            let repositories = match config.repositories.len() {
                1 => "1 repository".to_owned(),
                several => format!("{several} repositories"),
            };
            report.ok(CHECK, &format!("{}: {repositories}", file.display()));
            for warning in warnings {
                report.warn(CHECK, &warning.key, &warning.message);
            }
            ReadableConfig::All(Box::new(config))
        }
        Err(errors) => {
            for ConfigError { key, value, source, error, hint } in &errors {
                let value = value.as_ref().map(|value| format!(" = {value}")).unwrap_or_default();
                let key = if key.is_empty() { String::new() } else { format!("{key}{value}: ") };
                report.fail(CHECK, &format!("{source}: {key}{error}"), hint);
            }
            config::load_for_queries_leniently(file, environment)
                .map_or(ReadableConfig::Nothing, |config| ReadableConfig::Some(Box::new(config)))
        }
    }
}
