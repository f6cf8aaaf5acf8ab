//! What the mirror takes, measured against limit programs that do the same work and nothing else,
//! on the same machine in the same run: `cargo bench --bench mirror`. Absolute numbers drift with
//! the machine; the ratios hold.
//!
//! `-- --quick` measures a tenth of the items once. `-- --million` measures a million items instead
//! (it takes minutes, and server and disk a few gigabytes), start-up and resume among it, or with
//! `--unchanged` the unchanged pass alone. `-- --matrix` measures every page size at every latency,
//! with one request in flight and with eight, and then what does not depend on items. With each,
//! `--items N` and `--repetitions N`; with the default one `--in-flight N`, which is 1 by itself; but
//! for the matrix, `--shuffled` serves the items in no order instead of by ascending id. `-- --postgres`
//! measures the mirror in PostgreSQL alone, with which the default measurement ends. `-- --adaptive`
//! measures something else instead: [`adaptive`]; so do `-- --repositories` ([`repositories`]) and
//! `-- --small` ([`small`]).
//!
//! Each figure is the median of its repetitions; programs that are compared take turns.

#![expect(clippy::print_stdout, reason = "a program whose output is its purpose")]

mod adaptive;
#[path = "../../tests/it/support/cluster.rs"]
#[expect(dead_code, reason = "the tests do more to it than the bench")]
mod cluster;
mod copy;
mod figures;
mod limit;
mod matrix;
mod million;
mod postgres;
mod programs;
mod repositories;
mod roundtrips;
mod rows;
mod server;
mod small;

use std::error::Error;
use std::process::ExitCode;

/// What may go wrong is told and ends the program.
type Fallible<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments = Arguments(std::env::args().skip(1).collect());
    let done = match arguments.0.first().map(String::as_str) {
        Some("serve") => server::serve(&arguments),
        Some("limit") => limit::run(&arguments),
        Some("copy") => copy::run(&arguments),
        Some("rows") => rows::run(&arguments),
        _ if !arguments.has("--bench") => {
            println!("this takes a release build and minutes: cargo bench --bench mirror");
            Ok(())
        }
        _ if arguments.has("--million") => million::measure(&arguments),
        _ if arguments.has("--matrix") => matrix::measure(&arguments),
        _ if arguments.has("--postgres") => postgres::measure(&arguments),
        _ if arguments.has("--adaptive") => adaptive::measure(&arguments),
        _ if arguments.has("--repositories") => repositories::measure(&arguments),
        _ if arguments.has("--small") => small::measure(&arguments),
        _ => figures::measure(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell_error(error.as_ref());
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "a program whose output is its purpose")]
fn tell_error(error: &dyn Error) {
    eprintln!("error: {error}");
}

/// The command line.
struct Arguments(Vec<String>);

impl Arguments {
    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|it| it == name)
    }

    /// What follows a name.
    fn text(&self, name: &str) -> Fallible<&str> {
        let mut rest = self.0.iter().skip_while(|it| *it != name).skip(1);
        Ok(rest.next().ok_or_else(|| format!("{name} is missing"))?)
    }

    fn number(&self, name: &str) -> Fallible<usize> {
        let text = self.text(name)?;
        Ok(text.parse().map_err(|_| format!("{name} {text} is no number"))?)
    }

    fn number_or(&self, name: &str, default: usize) -> Fallible<usize> {
        if self.has(name) { self.number(name) } else { Ok(default) }
    }
}
