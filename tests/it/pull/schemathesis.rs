//! The pull API beside its own description, by a program that nobody here wrote: Schemathesis, which makes up
//! requests that the description allows and ones that it forbids.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Pulled, TOKEN};
use crate::support::skipped;

/// Where `.ci/run` puts Schemathesis; one on the path does as well.
const SCHEMATHESIS: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/target/schemathesis/bin/schemathesis");

/// What an answer is held to. Left out is `positive_data_acceptance`: a sequence that has not come yet is a
/// number as the description has it, and is refused all the same.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance,\
                      negative_data_rejection,unsupported_method,allow_header_conformance,\
                      ignored_auth";

#[test]
fn schemathesis_finds_nothing_that_is_not_as_described() {
    let installed = PathBuf::from(SCHEMATHESIS);
    let program = if installed.exists() { installed } else { PathBuf::from("schemathesis") };
    if Command::new(&program).arg("--version").output().is_err() {
        return skipped("the pull API by its description", "Schemathesis is not installed");
    }
    let pulled = Pulled::start(30, "");
    let item = &pulled.get("/repositories/1/items").lines()[0]["itemId"];
    let answers = run(&program, &pulled, "");
    assert!(answers.contains("10 selected / 10 total"), "{answers}");
    // And of an item that there is.
    let known = format!("[parameters]\nrepository = 1\nitem = '{item}'\n");
    let answers = run(&program, &pulled, &known);
    assert!(!answers.contains("Missing test data"), "{answers}");
    pulled.daemon.stop();
}

/// What it says in the end, where it found nothing.
fn run(program: &Path, pulled: &Pulled, config: &str) -> String {
    let folder = tempfile::tempdir().expect("a directory for the test");
    fs::write(folder.path().join("schemathesis.toml"), config).expect("it can be written");
    // The same requests each time.
    let ran = Command::new(program)
        .args(["run", "--no-color"])
        .args(["--phases", "examples,coverage,fuzzing", "--checks", CHECKS])
        .args(["--seed", "1", "--max-examples", "40", "--request-timeout", "60"])
        .args(["--header", &format!("Authorization: Bearer {TOKEN}")])
        .arg(format!("http://{}/openapi.json", pulled.client.0))
        .current_dir(folder.path())
        .env("HOME", folder.path())
        .env("NO_PROXY", "127.0.0.1")
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    let told = String::from_utf8_lossy(&ran.stdout).into_owned();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{told}\n{said}");
    told
}
