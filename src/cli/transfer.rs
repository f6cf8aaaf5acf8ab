//! `ewmirror move`: the whole mirror, log and all, to another store.
//!
//! The source is what the configuration names and stays as it is. A move that was broken off, by a kill
//! too, goes on where it was when it is asked for again; and by itself where a store that had answered
//! fails for a while.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;
use tokio::time::{Instant, sleep};

use super::output;
use super::{Exit, daemon};
use crate::config::{self, Environment, QueryConfig};
use crate::mirror::Store;
use crate::mirror::transfer::{self, RepositoryDigest, TransferError, TransferProgress};
use crate::task::{Backoff, Retries};

/// The variable that stands for `mirror.url`. The target is read as if it were set, so that whatever
/// holds of the key holds of the target.
const MIRROR_URL: &str = "EWMIRROR_MIRROR__URL";

/// How long a store that fails is left in peace.
const PAUSES: Backoff = Backoff::steady(Duration::from_secs(1), Duration::from_secs(30));

/// So many failures without a step in between end a move: a minute and a half after the first.
const MOST_FAILURES: u32 = 8;

/// What the bar shows.
const BAR: &str = "{wide_bar} {percent}%, {eta} left";

/// The flags of `ewmirror move`.
#[derive(Args, Debug)]
pub(super) struct MoveArgs {
    /// Where the mirror goes, as in mirror.url; nothing may be there but what an earlier try has
    /// written. The password of a PostgreSQL database comes from where the mirror's own would
    #[arg(long, value_name = "URL")]
    to: String,
}

/// Moves the mirror.
pub(super) fn run(file: &Path, environment: &Environment, args: &MoveArgs) -> Exit {
    match move_mirror(file, environment, args) {
        Ok(report) => output::data(&report),
        Err(exit) => exit,
    }
}

fn move_mirror(file: &Path, environment: &Environment, args: &MoveArgs) -> Result<String, Exit> {
    let load = |environment: &Environment| {
        config::load_for_queries(file, environment)
            .map_err(|faults| format!("{}: {}\n{faults}", file.display(), faults.count()))
    };
    let config = load(environment).map_err(Exit::Wrong)?;
    let with_target = environment.clone().with(MIRROR_URL, &args.to);
    let target = load(&with_target).map_err(|faults| Exit::Wrong(format!("--to: {faults}")))?;
    let (from, to) = (store(&config)?, store(&target)?);
    if from == to {
        return Err(Exit::Wrong("--to is where the mirror is already".to_owned()));
    }
    let runtime = daemon::runtime()?;
    let moved = runtime.block_on(go_on_to_the_end(&from, &to, &output::bar(environment, BAR)));
    let moved = moved
        .map_err(|error| Exit::Failed(format!("{}; {}", output::chain(&error), error.remedy())))?;
    Ok(report(&moved, &args.to, file))
}

/// Moves it, and goes on where a store fails that had answered before. What fails at the beginning is a
/// mistake of who asks, as often as not, and is told at once.
async fn go_on_to_the_end(
    from: &Store,
    to: &Store,
    bar: &ProgressBar,
) -> Result<Vec<RepositoryDigest>, TransferError> {
    let (mut has_begun, mut retries) = (false, Retries::new(PAUSES));
    loop {
        // Where an earlier try has ended is told first. What is compared is compared from its beginning.
        let (mut first, mut written) = (None, None);
        let mut tell = |progress: TransferProgress| {
            if !progress.is_compared {
                first.get_or_insert(progress.done);
                written = Some(progress.done);
            }
            show(bar, progress);
        };
        let error = match go_on(from, to, &mut tell).await {
            Err(error) if error.may_pass() => error,
            ended => {
                bar.finish_and_clear();
                return ended;
            }
        };
        has_begun |= first.is_some();
        if written > first {
            retries.start_over();
        }
        let retry = retries.failed(Instant::now(), 0.0, None);
        if !has_begun || retry.attempt >= MOST_FAILURES {
            bar.finish_and_clear();
            return Err(error);
        }
        let (error, pause) = (output::chain(&error), retry.delay.as_secs());
        bar.suspend(|| output::note(&format!("{error}; the move goes on in {pause} s\n")));
        sleep(retry.delay).await;
    }
}

/// Moves it from where an earlier try has ended.
async fn go_on(
    from: &Store,
    to: &Store,
    tell: &mut (dyn FnMut(TransferProgress) + Send),
) -> Result<Vec<RepositoryDigest>, TransferError> {
    let from = from.open_to_transfer().await.map_err(TransferError::Source)?;
    let to = to.open_for_transfer().await.map_err(TransferError::Target)?;
    let moved = transfer::transfer(&*from, &*to, tell).await;
    // Where that fails they are let in a little later.
    drop((from.release().await, to.release().await));
    moved
}

/// The store of a configuration that keeps anything.
fn store(config: &QueryConfig) -> Result<Store, Exit> {
    let store = Store::of(&config.mirror);
    store.expect_kept().map_err(|error| Exit::Wrong(error.to_string()))?;
    Ok(store)
}

fn report(moved: &[RepositoryDigest], to: &str, file: &Path) -> String {
    let line = |RepositoryDigest { repository, digest }: &RepositoryDigest| {
        let count = digest.count();
        format!("repository {repository}: {count} items on both sides, digest {digest}\n")
    };
    let lines: String = moved.iter().map(line).collect();
    let (to, file) = (output::visible(to), file.display().to_string());
    let file = output::visible(&file);
    format!(
        "{lines}the mirror is moved; now set mirror.url = \"{to}\" in {file} and start the daemon. What \
         was moved is still where it was\n"
    )
}

fn show(bar: &ProgressBar, progress: TransferProgress) {
    bar.set_length(progress.total);
    bar.set_position(progress.done);
}
