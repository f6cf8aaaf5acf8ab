//! The `ewmirror` program: hands its arguments to [`ewmirror::run`].

use std::process::ExitCode;

fn main() -> ExitCode {
    ewmirror::run(std::env::args_os())
}
