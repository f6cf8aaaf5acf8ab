//! The commands, their flags, and what they exit with.
//!
//! Exit status: 0 done, 1 failed at work, 2 wrong usage or configuration. Data goes to stdout,
//! everything else, the log too, to stderr; a closed pipe is a normal end. An error is told once,
//! here.

mod approve;
mod arguments;
mod as_of;
mod attributes;
mod changes;
pub mod check;
mod daemon;
mod demo;
mod diff;
mod digest;
mod doctor;
mod exit;
mod export;
mod feeds;
#[cfg(fuzzing)]
pub mod fuzzing;
mod generate;
mod held_state;
mod history;
mod known_model;
mod learn;
mod manual;
mod new_file;
mod once;
mod online;
mod output;
mod query;
mod repositories;
mod setup;
pub mod simulate;
mod snapshot;
mod spill_file;
mod status;
mod transfer;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

pub(crate) use exit::{Exit, PANICKED};

use self::arguments::{CheckArgs, Command, ManPage, definition, parse};
use self::simulate::SimulateArgs;
use crate::config::Environment;
use crate::signals::Listener;
use crate::simulator::StartError;
use crate::text::DEFAULT_CONFIG;

/// Runs the program with these arguments, the program's name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match parse(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    daemon::report_panics();
    let environment = Environment::of_process();
    let named = arguments.config.as_deref().or_else(|| environment.configuration());
    let config = named.unwrap_or(Path::new(DEFAULT_CONFIG)).to_owned();
    let exit = match arguments.command {
        Command::Run => daemon::run(&config, environment),
        Command::Once(args) => once::run(&config, environment, args.patience),
        Command::Status(args) => status::run(&config, &environment, &args),
        Command::Check(args) => check(&config, &environment, &args),
        Command::Doctor => doctor::run(&config, &environment),
        Command::Repositories => repositories::run(&config, &environment),
        Command::Attributes(args) => attributes::run(&config, &environment, &args),
        Command::Export(args) => export::run(&config, &environment, &args),
        Command::Changes(args) => changes::run(&config, &environment, &args),
        Command::History(args) => history::run(&config, &environment, &args),
        Command::Diff(args) => diff::run(&config, &environment, &args),
        Command::Digest(args) => digest::run(&config, &environment, &args),
        Command::Snapshot(args) => snapshot::run(&config, &environment, &args),
        Command::Move(args) => transfer::run(&config, &environment, &args),
        Command::ApproveDeletes(args) => approve::run(&config, &environment, &args),
        Command::Feeds(args) => feeds::run(&config, &environment, &args),
        Command::Learn(args) => learn::run(&config, &environment, &args),
        Command::Setup => setup::run(&config, &environment),
        Command::Simulate(args) => simulate(*args, &environment),
        Command::Demo(args) => demo::run(&args, &environment),
        Command::Completions { shell } => output::data(&generate::completions(shell, definition())),
        Command::Man { page: ManPage::Configuration } => output::data(&manual::configuration()),
        Command::Man { page: ManPage::Ewmirror } => match generate::man(definition()) {
            Ok(page) => output::data(&page),
            Err(error) => Exit::Failed(format!("cannot render the manual page: {error}")),
        },
    };
    match exit {
        Exit::Done => ExitCode::SUCCESS,
        Exit::Failed(message) => {
            output::error(&message);
            ExitCode::from(1)
        }
        Exit::Wrong(message) => {
            output::error(&message);
            ExitCode::from(2)
        }
    }
}

/// What clap has to say: help and version on stdout, wrong usage on stderr.
fn usage(error: &clap::Error) -> ExitCode {
    // A closed pipe is a normal end here, too.
    drop(error.print());
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

fn check(file: &Path, environment: &Environment, args: &CheckArgs) -> Exit {
    let report = check::report(file, environment);
    output::note(&report.stderr);
    match report.exit {
        // The settings come last, and only where all is well: an error is not to be looked for.
        0 if args.online => online::check(file, environment, &report.stdout),
        0 => output::data(&report.stdout),
        _ => Exit::Wrong(String::new()),
    }
}

fn simulate(args: SimulateArgs, environment: &Environment) -> Exit {
    if let Err(exit) = daemon::start_plain_log(environment) {
        return exit;
    }
    let report = match args.report() {
        Ok(report) => report,
        Err(why) => return Exit::Wrong(format!("--report {why}")),
    };
    let (mut signals, _listener) = match Listener::start() {
        Ok(started) => started,
        Err(error) => return Exit::Failed(format!("cannot listen for signals: {error}")),
    };
    let runtime = match daemon::runtime() {
        Ok(runtime) => runtime,
        Err(exit) => return exit,
    };
    let stop = async move {
        use crate::signals::Signal;
        while let Some(Signal::Reload | Signal::NextPass) = signals.recv().await {}
    };
    let announce = |line: &str| drop(output::data(&format!("{line}\n")));
    match runtime.block_on(simulate::run(args, report, stop, announce)) {
        Ok(()) => Exit::Done,
        Err(error @ StartError::Option(_)) => Exit::Wrong(output::chain(&error)),
        Err(error) => Exit::Failed(output::chain(&error)),
    }
}
