//! One real hour, or as long as told: the daemon in a process of its own, at the pace of the clock,
//! against a look-alike server whose items come, go and change, whose requests go wrong in every
//! way there is, and whose tokens end every few seconds: `cargo bench --bench soak -- --for 1h`.
//!
//! Meanwhile somebody asks for its status, somebody follows its changes, and now and then somebody
//! exports. Every so often the processes are looked at, and each look is a line of a table. At the
//! end the world comes to rest, and the last third of the looks is held against the one before it:
//! memory, files, threads, database and WAL must not have grown by more than is stated beside
//! each. The mirror must be what the server has, the changes that were followed must fold to it, and
//! no item may have been told as deleted and found again.
//!
//! `--binary FILE` soaks that program in place of the one just built. The exit status is the verdict.
//! Months of the tasks on a paused clock are a test: `supervisor::tests::soak`.

#![expect(clippy::print_stdout, reason = "a program whose output is its purpose")]

mod fold;
mod look;
mod programs;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::Value;

use self::fold::Fold;
use self::look::{Look, Looks};
use self::programs::Soaked;

/// What may go wrong is told and ends the program.
type Fallible<T> = Result<T, Box<dyn Error>>;

/// The repositories, each with its items at the start.
const REPOSITORIES: [(u64, usize); 2] = [(1, 3000), (2, 1000)];

/// How often somebody asks for the status.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// How often somebody exports a repository.
const EXPORT_EVERY: Duration = Duration::from_secs(180);

/// How long the daemon may take for two certified passes over a world at rest, and a follower for
/// the last changes: many times what it takes.
const TO_CATCH_UP: Duration = Duration::from_secs(600);

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "soak", about = "Runs the daemon for a while and tells whether anything grows")]
struct Arguments {
    /// How long
    #[arg(long = "for", value_name = "DURATION", default_value = "1h", value_parser = humantime::parse_duration)]
    time: Duration,

    /// How often the processes are looked at
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = humantime::parse_duration)]
    every: Duration,

    /// The program to soak
    #[arg(long, value_name = "FILE", default_value = env!("CARGO_BIN_EXE_ewmirror"))]
    binary: PathBuf,

    /// Probability of each fault, per request
    #[arg(long, value_name = "PART", default_value_t = 0.01)]
    odds: f64,

    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if !arguments.bench {
        println!("this takes a release build and an hour: cargo bench --bench soak -- --for 1h");
        return ExitCode::SUCCESS;
    }
    match soak(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Soaks; whether everything held.
fn soak(arguments: &Arguments) -> Fallible<bool> {
    let Arguments { time, every, binary, odds, .. } = arguments;
    println!(
        "{} for {}, each fault at {odds} a request, repositories of {} items\n",
        binary.display(),
        humantime::format_duration(*time),
        REPOSITORIES.map(|(_, items)| items.to_string()).join(" and "),
    );
    let mut soaked = Soaked::start(binary, &REPOSITORIES, *odds)?;
    let begun = Instant::now();
    let mut fold = Fold::default();
    let mut looks = Looks::default();
    Looks::print_head();
    let (mut asked, mut exported, mut looked) = (begun, begun, begun);
    let (mut status, mut exports) = (Value::Null, 0);
    while begun.elapsed() < *time {
        let next = (asked + ASK_EVERY).saturating_duration_since(Instant::now());
        follow(&soaked, &mut fold, next)?;
        asked = Instant::now();
        status = soaked.status()?;
        if exported.elapsed() >= EXPORT_EVERY {
            exported = Instant::now();
            for (repository, _) in REPOSITORIES {
                soaked.export(repository)?;
                exports += 1;
            }
        }
        if looked.elapsed() >= *every {
            looked += *every;
            looks.add(Look::at(begun.elapsed(), &soaked, &status)?);
        }
    }

    let mut verdict = looks.judge();
    println!("\nexports: {exports}; logins: {}", status["daemon"]["logins"]);
    soaked.calm()?;
    catch_up(&soaked, &mut fold)?;
    println!("changes followed: {}", fold.told());
    verdict &= exact(&mut soaked, &fold)?;
    if verdict {
        soaked.forget();
        println!("flat and exact");
    } else {
        println!("NOT flat and exact; {}", soaked.kept());
    }
    Ok(verdict)
}

/// Takes in the changes that the follower tells of within this time.
fn follow(soaked: &Soaked, fold: &mut Fold, within: Duration) -> Fallible<()> {
    let until = Instant::now() + within;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match soaked.changes.recv_timeout(left) {
            Ok(line) => fold.apply(&line)?,
            Err(RecvTimeoutError::Timeout) => return Ok(()),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(format!("the follower has ended; {}", soaked.kept()).into());
            }
        }
    }
}

/// Waits until each repository has had a certified pass that began after this moment and left no
/// suspect, and until all changes have been followed.
fn catch_up(soaked: &Soaked, fold: &mut Fold) -> Fallible<()> {
    let begun = Instant::now();
    let at_rest: BTreeMap<u64, u64> = passes(&soaked.status()?).collect();
    while begun.elapsed() < TO_CATCH_UP {
        follow(soaked, fold, ASK_EVERY)?;
        let status = soaked.status()?;
        let caught_up = status["repositories"].as_array().is_some_and(|repositories| {
            repositories.iter().all(|it| {
                let certified = it["last_certified"]["iteration"].as_u64().unwrap_or_default();
                let id = it["id"].as_u64().unwrap_or_default();
                // The pass under way began before; where single items cannot be asked for, it
                // takes two more.
                certified > at_rest.get(&id).copied().unwrap_or_default() + 1
                    && it["suspects"] == 0
                    && it["held_deletions"].is_null()
            })
        });
        if caught_up && status["mirror"]["last_sequence"].as_u64() == Some(fold.last()) {
            return Ok(());
        }
    }
    let status = soaked.status()?;
    Err(format!("it does not come to rest: {status:#}; {}", soaked.kept()).into())
}

/// The last pass of each repository.
fn passes(status: &Value) -> impl Iterator<Item = (u64, u64)> {
    let repositories = status["repositories"].as_array().cloned().unwrap_or_default();
    repositories.into_iter().filter_map(|it| Some((it["id"].as_u64()?, it["iteration"].as_u64()?)))
}

/// Ends the daemon and compares the mirror with the server and with the fold; whether they are the
/// same.
fn exact(soaked: &mut Soaked, fold: &Fold) -> Fallible<bool> {
    soaked.stop()?;
    let mut same = true;
    for (repository, _) in REPOSITORIES {
        let mirror = soaked.export(repository)?;
        let (server, folded) = (soaked.served(repository)?, fold.items(repository));
        println!(
            "repository {repository}: {} items; as the server: {}; as the changes folded: {}",
            mirror.len(),
            mirror == server,
            mirror == folded,
        );
        same &= mirror == server && mirror == folded;
    }
    println!("items told as deleted and found again: {}", fold.false_deletions());
    Ok(same && fold.false_deletions() == 0)
}
