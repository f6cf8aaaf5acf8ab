//! `ewmirror once`: one pass over each repository, with a progress bar on a terminal.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use super::output::{self, AboveBars};
use super::{Exit, daemon};
use crate::config::Environment;
use crate::ids::RepositoryId;
use crate::pager::Passes;
use crate::problems::Scope;
use crate::progress::{Progress, RepositoryProgress};
use crate::supervisor::End;

/// Runs one pass; `patience` is how long it may go without any success.
pub(super) fn run(file: &Path, environment: Environment, patience: Duration) -> Exit {
    let bars = MultiProgress::with_draw_target(if output::on_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    });
    let above = AboveBars(bars.clone());
    let writer = if output::on_terminal() {
        BoxMakeWriter::new(move || above.clone())
    } else {
        daemon::stderr_writer()
    };
    let ended = daemon::Prepared::new(file, environment, writer).and_then(|prepared| {
        let progress = Arc::clone(&prepared.progress);
        let end = prepared.supervise(Passes::One, Some(patience), async |supervisor| {
            // Dropped, and so ended, when the supervisor is done.
            let mut drawing = JoinSet::new();
            for (id, progress) in supervisor.repositories() {
                drawing.spawn(draw(bars.add(bar(id)), progress));
            }
            supervisor.run().await
        })?;
        Ok((end, held(&progress)))
    });
    match ended {
        Ok((End::Finished, held)) if !held.is_empty() => Exit::Failed(held),
        Ok((End::Finished, _)) => Exit::Done,
        Ok((End::Asked, _)) => {
            Exit::Failed("told to stop before every repository was read".to_owned())
        }
        Ok((End::GaveUp(why), _)) => Exit::Failed(why.to_string()),
        Ok((End::MirrorLost(why), _)) => Exit::Failed(why),
        Err(exit) => exit,
    }
}

/// What is to be said of deletions that wait for the operator; empty where none does.
fn held(progress: &Progress) -> String {
    let problems = progress.problems.told();
    let held = problems.iter().filter(|problem| problem.source.scope == Scope::Deletes);
    held.map(ToString::to_string).collect::<Vec<_>>().join("\newmirror: ")
}

fn bar(repository: RepositoryId) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix:>8} {bar:40} {pos}/{len} {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::no_length().with_style(style).with_prefix(repository.to_string())
}

async fn draw(bar: ProgressBar, mut progress: watch::Receiver<RepositoryProgress>) {
    while progress.changed().await.is_ok() {
        let now = *progress.borrow_and_update();
        if let Some(total) = now.total {
            bar.set_length(total);
        }
        bar.set_position(now.covered);
        bar.set_message(format!("{} pages", now.pages));
        if now.passes > 0 {
            bar.finish();
        }
    }
}
