//! `ewmirror check`: whether a configuration holds, and what it amounts to.
//!
//! It prints nothing itself: what goes where is returned.

use std::fmt::Write as _;
use std::path::Path;

use super::daemon;
use crate::client::Client;
use crate::config::{self, Environment, MirrorConfig};
use crate::mirror::Store;

/// The exit status of a configuration that does not hold.
const WRONG_CONFIGURATION: u8 = 2;

/// What `check` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckReport {
    /// Data: `valid` and the effective configuration as TOML, or nothing.
    pub stdout: String,
    /// Warnings, or every fault under a heading that counts them.
    pub stderr: String,
    /// 0 for a configuration that holds, 2 for one that does not.
    pub exit: u8,
}

/// Checks a configuration file without asking the server anything.
pub fn report(file: &Path, environment: &Environment) -> CheckReport {
    match config::load(file, environment) {
        Ok(loaded) => {
            // What `run` would refuse: a file that holds no certificate, for instance.
            if let Err(error) = Client::new(&daemon::settings(&loaded.config, environment)) {
                let stderr = format!("{}: 1 fault\n{error}\n", file.display());
                return CheckReport { stdout: String::new(), stderr, exit: WRONG_CONFIGURATION };
            }
            let mut stderr = String::new();
            if let Some(fault) = unmounted(&loaded.config.mirror) {
                let stderr = format!("{}: 1 fault\n{fault}\n", file.display());
                return CheckReport { stdout: String::new(), stderr, exit: WRONG_CONFIGURATION };
            }
            for warning in &loaded.warnings {
                writeln!(stderr, "warning: {warning}").expect("a string takes any text");
            }
            let stdout = format!("valid\n\n{}", loaded.config.effective());
            CheckReport { stdout, stderr, exit: 0 }
        }
        Err(faults) => {
            let stderr = format!("{}: {}\n{faults}\n", file.display(), faults.count());
            CheckReport { stdout: String::new(), stderr, exit: WRONG_CONFIGURATION }
        }
    }
}

/// What `run` would find wrong with the place of the mirror.
fn unmounted(mirror: &MirrorConfig) -> Option<String> {
    let error = Store::of(mirror).check_place().err()?;
    Some(format!("  mirror.url: {error}\n    {}", error.remedy()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn checked(toml: &str, variables: &[(&str, &str)]) -> CheckReport {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ewmirror.toml");
        fs::write(&file, toml).unwrap();
        report(&file, &Environment::from_pairs(variables.iter().copied()))
    }

    #[test]
    fn a_configuration_that_holds_is_called_valid_and_shown() {
        let report = checked(
            "[server]\nurl = 'http://pim'\n[login]\nusername = 'u'\n[[repository]]\nid = 1\n",
            &[("EWMIRROR_LOGIN__PASSWORD", "hunter2")],
        );
        assert_eq!(report.exit, 0);
        assert!(report.stdout.starts_with("valid\n\n[server]\nurl = \"http://pim/\"\n"));
        assert!(!report.stdout.contains("hunter2"));
        assert!(report.stderr.starts_with("warning: server.url: is plain http"));
        assert_eq!(report.stderr.lines().count(), 1);
    }

    #[test]
    fn a_file_that_run_would_refuse_is_a_fault() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        fs::write(&path, "no certificate").unwrap();
        for (key, expected) in [
            ("ca_file", "holds no certificate"),
            ("client_identity_file", "must hold the client's certificate chain"),
        ] {
            let toml = format!(
                "[server]\nurl = 'http://pim'\n{key} = '{}'\n[login]\nusername = 'u'\n[[repository]]\nid = 1\n",
                path.display(),
            );
            let report = checked(&toml, &[("EWMIRROR_LOGIN__PASSWORD", "hunter2")]);
            assert_eq!((report.exit, report.stdout.as_str()), (2, ""), "{key}");
            assert!(report.stderr.contains("1 fault\n"), "{}", report.stderr);
            assert!(report.stderr.contains(&format!("server.{key}: ")), "{}", report.stderr);
            assert!(report.stderr.contains(expected), "{}", report.stderr);
        }
    }

    #[test]
    fn faults_stand_under_a_heading_that_counts_them() {
        let report = checked("[server]\nurl = 'ftp://pim'\n[[repository]]\nid = 0\n", &[]);
        assert_eq!((report.exit, report.stdout.as_str()), (2, ""));
        let heading = report.stderr.lines().next().unwrap();
        assert!(heading.ends_with("ewmirror.toml: 4 faults"), "{}", report.stderr);
        assert_eq!(report.stderr.lines().count(), 1 + 2 * 4);
    }

    #[test]
    fn a_file_that_is_not_there_is_a_fault_of_its_own() {
        let report = report(Path::new("/nonexistent/ewmirror.toml"), &Environment::empty());
        assert_eq!(report.exit, 2);
        assert!(report.stderr.contains("1 fault\n"), "{}", report.stderr);
        assert!(report.stderr.contains("cannot be read: No such file"), "{}", report.stderr);
    }
}
