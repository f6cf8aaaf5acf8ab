//! `ewmirror once`: one pass over each repository, with a progress bar on a terminal.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use super::output::{self, AboveBars};
use super::{Exit, daemon};
use crate::config::{Environment, RepositoryConfig};
use crate::model_refresher::OFFER;
use crate::pager::PassLimit;
use crate::progress::problems::Scope;
use crate::progress::{Progress, RepositoryProgress};
use crate::status::WatchedRepository;
use crate::supervisor::ExitReason;

/// How often a bar is drawn although nothing has come: its time left runs on.
const TICK: Duration = Duration::from_secs(1);

/// The most characters of a repository's name, so that the bar has room beside it.
const NAME: usize = 24;

/// Runs one pass; `patience` is how long it may go without any success.
pub(super) fn run(file: &Path, environment: Environment, patience: Duration) -> Exit {
    let draws = output::may_draw(&environment);
    let bars = MultiProgress::with_draw_target(if draws {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    });
    let above = AboveBars(bars.clone());
    let writer =
        if draws { BoxMakeWriter::new(move || above.clone()) } else { daemon::stderr_writer() };
    let ended = daemon::Prepared::new(file, environment, writer).map(|prepared| {
        let names = prepared.repositories().iter().map(name);
        let width = names.map(|name| name.chars().count()).max().unwrap_or_default();
        let progress = Arc::clone(&prepared.progress);
        let end = prepared.supervise(PassLimit::One, Some(patience), async |supervisor| {
            // Dropped, and so ended, when the supervisor is done.
            let mut drawing = JoinSet::new();
            drawing.spawn(draw_all(bars, supervisor.watched(), width));
            Box::pin(supervisor.run()).await
        });
        (end, held(&progress))
    });
    match ended {
        Ok((ExitReason::Finished, held)) if !held.is_empty() => Exit::Failed(held),
        Ok((ExitReason::Finished, _)) => Exit::Done,
        Ok((ExitReason::Asked, _)) => {
            Exit::Failed("told to stop before every repository was read".to_owned())
        }
        Ok((ExitReason::GaveUp(why), _)) => Exit::Failed(why.to_string()),
        Ok((ExitReason::MirrorLost(why), _)) => Exit::Failed(why),
        Err(exit) => exit,
    }
}

/// A bar for each repository, also for those of which is heard only later.
async fn draw_all(
    bars: MultiProgress,
    mut watched: watch::Receiver<Vec<WatchedRepository>>,
    width: usize,
) {
    let mut drawn = HashSet::new();
    let mut drawing = JoinSet::new();
    loop {
        for repository in watched.borrow_and_update().iter() {
            let settings = Arc::clone(&repository.settings.borrow());
            if drawn.insert(settings.id) {
                let bar = bars.add(bar(format!("{:<width$}", name(&settings))));
                drawing.spawn(draw(bar, repository.progress.clone()));
            }
        }
        if watched.changed().await.is_err() {
            while drawing.join_next().await.is_some() {}
            return;
        }
    }
}

/// What is to be said of deletions that wait for the operator, and of repositories that could not be
/// taken; empty where there is nothing of that.
fn held(progress: &Progress) -> String {
    let problems = progress.problems.told();
    let held = problems
        .iter()
        .filter(|problem| problem.source.scope == Scope::Deletes || problem.source == OFFER);
    held.map(ToString::to_string).collect::<Vec<_>>().join("\newmirror: ")
}

/// What a repository is called.
fn name(repository: &RepositoryConfig) -> String {
    let id = repository.id;
    match &repository.name {
        None => id.to_string(),
        Some(name) => {
            let shown: String = output::visible(name).chars().take(NAME).collect();
            format!("{id} {shown}")
        }
    }
}

fn bar(name: String) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix} {wide_bar} {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::no_length().with_style(style).with_prefix(name)
}

async fn draw(bar: ProgressBar, mut progress: watch::Receiver<RepositoryProgress>) {
    let mut begun = false;
    let mut ticks = tokio::time::interval(TICK);
    loop {
        let now = *progress.borrow_and_update();
        if let Some(total) = now.total {
            bar.set_length(total);
        }
        bar.set_position(now.covered);
        if !begun && now.covered > 0 {
            // What an earlier run has read says nothing of how fast this one is.
            bar.reset_eta();
            begun = true;
        }
        if now.passes > 0 {
            bar.finish_with_message(format!("{} items, {} pages", now.covered, now.pages));
            return;
        }
        bar.set_message(words(now, bar.eta()));
        tokio::select! {
            changed = progress.changed() => if changed.is_err() { return },
            _ = ticks.tick() => {}
        }
    }
}

/// How far a pass is, and how long it will take yet.
fn words(now: RepositoryProgress, left: Duration) -> String {
    let Some(total) = now.total.filter(|_| now.covered > 0) else {
        return "waits for its first page".to_owned();
    };
    let left = Duration::from_secs(left.as_secs());
    let left = match left {
        Duration::ZERO => String::new(),
        left => format!(", {} left", humantime::format_duration(left)),
    };
    format!("{} of {total} items{left}", now.covered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_say_how_far_it_is_and_how_long_it_takes_yet() {
        let mut now = RepositoryProgress::START;
        assert_eq!(words(now, Duration::ZERO), "waits for its first page");
        (now.covered, now.total) = (200, Some(5000));
        assert_eq!(words(now, Duration::from_millis(61_900)), "200 of 5000 items, 1m 1s left");
        assert_eq!(words(now, Duration::from_millis(900)), "200 of 5000 items");
    }
}
