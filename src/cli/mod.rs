//! The commands, their flags, and what they exit with.
//!
//! Exit status: 0 done, 1 failed at work, 2 wrong usage or configuration. Data goes to stdout,
//! everything else, the log too, to stderr; a closed pipe is a normal end. An error is told once,
//! here.

mod approve;
mod ask;
mod changes;
pub mod check;
mod daemon;
mod demo;
mod doctor;
mod export;
#[cfg(fuzzing)]
pub mod fuzzing;
mod generate;
mod history;
mod manual;
mod once;
mod online;
mod output;
mod repositories;
pub mod simulate;
mod spool;
mod status;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use self::approve::ApproveArgs;
use self::changes::ChangesArgs;
use self::export::ExportArgs;
use self::history::HistoryArgs;
use self::simulate::SimulateArgs;
use crate::config::Environment;
use crate::signals::Listener;
use crate::simulator::StartError;
use crate::text::DEFAULT_CONFIG;

/// The flag that names the configuration file.
const CONFIG: &str = "config";

/// Keeps an exact, current copy of EnterWorks repositories and says what changed.
#[derive(Debug, Parser)]
#[command(name = "ewmirror", version, max_term_width = 100)]
struct Arguments {
    /// The configuration file [default: `EWMIRROR_CONFIG`, else /etc/ewmirror/ewmirror.toml]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The daemon: page through every repository, pass after pass, until told to stop
    Run,
    /// One pass over each repository, then exit
    Once(OnceArgs),
    /// What the running daemon is doing, and how old the last certified passes are
    Status(StatusArgs),
    /// Check the configuration: every fault at once, each with its key
    Check(CheckArgs),
    /// Look at everything that the daemon needs, and say what is wrong and what to do
    Doctor,
    /// Print the repositories that the server offers to this login
    Repositories,
    /// Print the items of a repository as the mirror has them, ordered by id
    Export(ExportArgs),
    /// Print the change log, one JSON object a line
    Changes(ChangesArgs),
    /// Print the changes of one item, attribute by attribute
    History(HistoryArgs),
    /// Show or approve deletions that were held back because they were too many
    ApproveDeletes(ApproveArgs),
    /// Run an EnterWorks look-alike on loopback, for trying things out
    Simulate(Box<SimulateArgs>),
    /// Run look-alike and daemon in one, with short-lived tokens and items on the move
    Demo(DemoArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print a manual page
    Man {
        /// Which one
        #[arg(value_enum, default_value_t = Page::Ewmirror)]
        page: Page,
    },
}

/// The commands that read no configuration.
const WITHOUT_CONFIGURATION: [&str; 4] = ["simulate", "demo", "completions", "man"];

/// The manual pages.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Page {
    /// The program, ewmirror(1)
    Ewmirror,
    /// The configuration file, ewmirror.toml(5)
    #[value(name = "ewmirror.toml")]
    Configuration,
}

#[derive(Args, Debug)]
struct OnceArgs {
    /// Give up after so long without any success
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = simulate::duration)]
    patience: Duration,
}

#[derive(Args, Debug)]
struct StatusArgs {
    /// Print the status document itself
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct CheckArgs {
    /// Also sign in and read one page of each repository
    #[arg(long)]
    online: bool,
}

#[derive(Args, Debug)]
struct DemoArgs {
    /// End by itself after so long; otherwise Ctrl-C ends it
    #[arg(long = "for", value_name = "DURATION", value_parser = simulate::duration)]
    run_for: Option<Duration>,

    /// Keep the mirror and its configuration when it ends
    #[arg(long)]
    keep: bool,
}

/// What a command says whose thread has panicked, of which the log has told.
const PANICKED: &str = "a thread of this program has panicked: report this";

/// How a command ended.
enum Exit {
    /// 0.
    Done,
    /// 1, with what failed.
    Failed(String),
    /// 2, with what is wrong.
    Wrong(String),
}

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
        Command::Status(args) => status::run(&config, &environment, args.json),
        Command::Check(args) => check(&config, &environment, &args),
        Command::Doctor => doctor::run(&config, &environment),
        Command::Repositories => repositories::run(&config, &environment),
        Command::Export(args) => export::run(&config, &environment, &args),
        Command::Changes(args) => changes::run(&config, &environment, &args),
        Command::History(args) => history::run(&config, &environment, &args),
        Command::ApproveDeletes(args) => approve::run(&config, &environment, &args),
        Command::Simulate(args) => simulate(*args, &environment),
        Command::Demo(args) => demo::run(&args, &environment),
        Command::Completions { shell } => output::data(&generate::completions(shell, definition())),
        Command::Man { page: Page::Configuration } => output::data(&manual::configuration()),
        Command::Man { page: Page::Ewmirror } => match generate::man(definition()) {
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

/// The commands and flags as they are shown: `--config` only where it is read.
fn definition() -> clap::Command {
    let command = Arguments::command();
    let config = command.get_arguments().find(|argument| argument.get_id() == CONFIG).cloned();
    command.mut_subcommands(|subcommand| match &config {
        // A command that has a flag of its own is not given the one that all have.
        Some(config) if WITHOUT_CONFIGURATION.contains(&subcommand.get_name()) => {
            subcommand.arg(config.clone().hide(true))
        }
        _ => subcommand,
    })
}

/// Reads the command line.
fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Arguments, clap::Error> {
    let mut definition = definition();
    let matches = definition.try_get_matches_from_mut(arguments)?;
    let arguments =
        Arguments::from_arg_matches(&matches).map_err(|error| error.format(&mut definition))?;
    match matches.subcommand_name() {
        Some(name) if arguments.config.is_some() && WITHOUT_CONFIGURATION.contains(&name) => {
            let message = format!("'{name}' reads no configuration: leave --config out");
            Err(definition.error(ErrorKind::ArgumentConflict, message))
        }
        _ => Ok(arguments),
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
    match runtime.block_on(simulate::run(args, stop, announce)) {
        Ok(()) => Exit::Done,
        Err(error @ StartError::Option(_)) => Exit::Wrong(output::chain(&error)),
        Err(error) => Exit::Failed(output::chain(&error)),
    }
}
