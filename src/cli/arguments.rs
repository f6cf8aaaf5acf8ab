//! The command line as clap reads it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use super::approve::ApproveArgs;
use super::attributes::AttributesArgs;
use super::changes::ChangesArgs;
use super::diff::DiffArgs;
use super::digest::DigestArgs;
use super::export::ExportArgs;
use super::feeds::FeedsArgs;
use super::history::HistoryArgs;
use super::learn::LearnArgs;
use super::query::{self, RepositorySelector};
use super::simulate::{self, SimulateArgs};
use super::snapshot::SnapshotArgs;
use super::transfer::MoveArgs;

/// The flag that names the configuration file.
const CONFIG: &str = "config";

/// Keeps an exact, current copy of EnterWorks repositories and says what changed.
#[derive(Debug, Parser)]
#[command(name = "ewmirror", version, max_term_width = 100)]
pub(super) struct Arguments {
    /// The configuration file [default: `EWMIRROR_CONFIG`, else /etc/ewmirror/ewmirror.toml]
    #[arg(long, value_name = "FILE", global = true)]
    pub(super) config: Option<PathBuf>,

    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
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
    /// Print what is known of the attributes of a repository
    Attributes(AttributesArgs),
    /// Print the items of a repository as the mirror has them, ordered by id
    Export(ExportArgs),
    /// Print the change log, one JSON object a line
    Changes(ChangesArgs),
    /// Print the changes of one item, attribute by attribute
    History(HistoryArgs),
    /// Print what became of the items of a repository between two instants
    Diff(DiffArgs),
    /// Print a digest of the items of a repository, to compare the mirror with a copy of it
    Digest(DigestArgs),
    /// Show or approve deletions that were held back because they were too many
    ApproveDeletes(ApproveArgs),
    /// Show what each feed has delivered, or put one right
    Feeds(FeedsArgs),
    /// Write the mirror to one SQLite file with tables of names, for other people's tools
    Snapshot(SnapshotArgs),
    /// Move the whole mirror, log and all, to another store
    Move(MoveArgs),
    /// Ask the server how it behaves, and report that without anything of what it keeps
    Learn(LearnArgs),
    /// Ask for server, login and repositories, try them, and write the configuration
    Setup,
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
        #[arg(value_enum, default_value_t = ManPage::Ewmirror)]
        page: ManPage,
    },
}

/// The commands that read no configuration.
const WITHOUT_CONFIGURATION: [&str; 4] = ["simulate", "demo", "completions", "man"];

/// The manual pages.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum ManPage {
    /// The program, ewmirror(1)
    Ewmirror,
    /// The configuration file, ewmirror.toml(5)
    #[value(name = "ewmirror.toml")]
    Configuration,
}

#[derive(Args, Debug)]
pub(super) struct OnceArgs {
    /// Give up after so long without any success
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = simulate::duration)]
    pub(super) patience: Duration,
}

#[derive(Args, Debug)]
pub(super) struct StatusArgs {
    /// Print the status document itself
    #[arg(long)]
    pub(super) json: bool,

    /// Only this repository, by number or name; may be given more than once
    #[arg(long, value_name = "ID", value_parser = query::repository, conflicts_with = "all")]
    pub(super) repository: Vec<RepositorySelector>,

    /// Each repository, also where there are many and nothing is wrong
    #[arg(long)]
    pub(super) all: bool,
}

#[derive(Args, Debug)]
pub(super) struct CheckArgs {
    /// Also sign in and read one page of each repository
    #[arg(long)]
    pub(super) online: bool,
}

#[derive(Args, Debug)]
pub(super) struct DemoArgs {
    /// End by itself after so long; otherwise Ctrl-C ends it
    #[arg(long = "for", value_name = "DURATION", value_parser = simulate::duration)]
    pub(super) run_for: Option<Duration>,

    /// Keep the mirror and its configuration when it ends
    #[arg(long)]
    pub(super) keep: bool,
}

/// The commands and flags as they are shown: `--config` only where it is read.
pub(super) fn definition() -> clap::Command {
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
pub(super) fn parse(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Arguments, clap::Error> {
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
