//! Programs in Python that use what `.ci/run` has installed.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::skipped;

/// What a program exits with that does not find its package.
const NOT_INSTALLED: i32 = 77;

/// Runs a program by the Python that has this package, or by any other; what it says. `None`, and said so as a
/// check that was left out, where there is no such package: then the program exits with 77.
pub(crate) fn run(
    package: &str,
    check: &str,
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Option<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let installed = root.join("target").join(package).join("bin/python");
    let python = if installed.exists() { installed } else { PathBuf::from("python3") };
    let run = Command::new(python).args(arguments).output();
    match run.map(|output| (output.status.code(), output)) {
        Ok((Some(0), output)) => Some(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok((Some(NOT_INSTALLED), _)) | Err(_) => {
            skipped(check, &format!("{package} is not installed"));
            None
        }
        Ok((_, output)) => panic!("{package}: {}", String::from_utf8_lossy(&output.stderr)),
    }
}
