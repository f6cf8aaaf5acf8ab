//! One incremental pass after the other, for as long as they are configured.

use std::convert::Infallible;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::obstacle::no_obstacle;
use super::series::Series;
use crate::client::Api;
use crate::config::RepositoryConfig;
use crate::domain::{Iteration, RepositoryId};
use crate::mirror::Mirror;
use crate::pager::request::fetcher::Fetcher;
use crate::pager::request::incremental::over;
use crate::pager::retrying_mirror::RetryingMirror;
use crate::pager::task::Pager;
use crate::progress::RepositoryProgress;
use crate::task::{Context, Stopped, Until};

/// What makes the incremental passes of one repository, while it is configured to.
pub(in crate::pager) struct IncrementalPasses<A, M> {
    pub(super) repository: RepositoryId,
    pub(super) fetcher: Arc<Fetcher<A>>,
    pub(super) mirror: Arc<RetryingMirror<M>>,
    pub(super) settings: watch::Receiver<Arc<RepositoryConfig>>,
    pub(super) source: watch::Receiver<u64>,
    pub(super) progress: watch::Sender<RepositoryProgress>,
    /// The whole pass that is taken up, or begins.
    pub(super) first: Iteration,
    /// The field ids of the time of an item's last change, and when the model was asked for them.
    pub(super) last_updated: Option<(Instant, Vec<String>)>,
    pub(super) context: Context,
}

impl<A: Api, M: Mirror> IncrementalPasses<A, M> {
    /// Those beside the whole passes of this pager, of which `first` is the first.
    pub(in crate::pager) fn new(
        pager: &Pager<A, M>,
        mirror: &Arc<RetryingMirror<M>>,
        first: Iteration,
        context: Context,
    ) -> Self {
        Self {
            repository: mirror.repository,
            fetcher: Arc::clone(&pager.fetcher),
            mirror: Arc::clone(mirror),
            settings: pager.settings.clone(),
            source: pager.source.clone(),
            progress: pager.progress.clone(),
            first,
            last_updated: None,
            context,
        }
    }

    /// Makes pass after pass until told to stop; `stored` is the mark that the mirror has.
    pub(in crate::pager) async fn run(mut self, stored: Option<Vec<u8>>) {
        let Err(Stopped) = self.passes(stored).await;
    }

    async fn passes(&mut self, stored: Option<Vec<u8>>) -> Result<Infallible, Stopped> {
        let mut series: Option<Series> = None;
        let mut stored = stored;
        let mut begun = None;
        loop {
            let source = *self.source.borrow_and_update();
            let config = Arc::clone(&self.settings.borrow_and_update());
            let Some(incremental) = config.incremental.clone() else {
                series = None;
                self.none();
                self.context.run(Until::UNLIMITED, self.settings.changed()).await??;
                continue;
            };
            let current = match series.take().filter(|it| it.is_of(source, &config)) {
                Some(known) => known.with(&config),
                None => Series::new(source, &config, &incremental, stored.as_deref()),
            };
            let current = series.insert(current);
            let due =
                begun.map_or_else(Instant::now, |begun| begun + current.rest(incremental.interval));
            if !self.is_due(due).await? {
                continue;
            }
            begun = Some(Instant::now());
            if current.awaits_first_pass(self.first_pass_is_under_way()) {
                continue;
            }
            let deadline = self.deadline(due);
            // Boxed: most repositories make none.
            Box::pin(self.pass(current, &incremental, deadline)).await?;
            if let Some(mark) = current.stored() {
                stored = Some(mark);
            }
        }
    }

    /// Waits for this moment; false where the settings are others before.
    async fn is_due(&mut self, due: Instant) -> Result<bool, Stopped> {
        let left = due.saturating_duration_since(Instant::now());
        let Self { settings, source, context, .. } = self;
        let event = async {
            tokio::select! {
                biased;
                changed = settings.changed() => changed.map(|()| false),
                changed = source.changed() => changed.map(|()| false),
                () = sleep_until(due) => Ok(true),
            }
        };
        Ok(context.run(Until::Within(left), event).await??)
    }

    /// When the pages of a pass that was due are to be let through: while a goal of freshness is missed, before those of
    /// repositories that have none or meet it.
    fn deadline(&self, due: Instant) -> Instant {
        let missed = self.progress.borrow().freshness.filter(|it| it.missed.is_some());
        missed.and_then(|it| due.checked_sub(it.goal)).unwrap_or(due)
    }

    /// Whether the first of all whole passes is not over yet.
    fn first_pass_is_under_way(&self) -> bool {
        self.iteration() == Iteration::FIRST && self.progress.borrow().passes == 0
    }

    /// The whole pass under way, or the last one.
    pub(super) fn iteration(&self) -> Iteration {
        self.progress.borrow().iteration.max(self.first)
    }

    /// No incremental passes are made.
    fn none(&self) {
        over(&self.fetcher, self.repository);
        no_obstacle(&self.fetcher.progress, self.repository);
        self.progress.send_if_modified(|progress| progress.incremental.take().is_some());
    }
}
