//! The `ewmirror` program: hands its arguments to [`ewmirror::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    ewmirror::cli::run(std::env::args_os())
}
