//! `ewmirror move`: the whole mirror, log and all, to another store.
//!
//! The source is what the configuration names and stays as it is. A move that was broken off, by a kill
//! too, goes on where it was when it is asked for again.

use std::path::Path;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output;
use super::{Exit, daemon};
use crate::config::{self, Environment, QueryConfig};
use crate::mirror::Store;
use crate::mirror::transfer::{self, RepositoryDigest, TransferError, TransferProgress};

/// The variable that stands for `mirror.url`. The target is read as if it were set, so that whatever
/// holds of the key holds of the target.
const MIRROR_URL: &str = "EWMIRROR_MIRROR__URL";

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
    let moved = runtime.block_on(async {
        let from = from.open_to_transfer().await.map_err(TransferError::Source)?;
        let to = to.open_for_transfer().await.map_err(TransferError::Target)?;
        let bar = bar(environment);
        let moved = transfer::transfer(&*from, &*to, &mut |progress| show(&bar, progress)).await;
        bar.finish_and_clear();
        // Where that fails they are let in a little later.
        drop((from.release().await, to.release().await));
        moved
    });
    let moved = moved
        .map_err(|error| Exit::Failed(format!("{}; {}", output::chain(&error), error.remedy())))?;
    Ok(report(&moved, &args.to, file))
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

fn bar(environment: &Environment) -> ProgressBar {
    let target = if output::may_draw(environment) {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let style = ProgressStyle::with_template("{wide_bar} {percent}%, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(None, target).with_style(style)
}

fn show(bar: &ProgressBar, progress: TransferProgress) {
    bar.set_length(progress.total);
    bar.set_position(progress.done);
}
