//! What is known from one incremental pass to the next, for as long as the same is asked of the same server.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::mark::Mark;
use super::order::{ChangeOrder, Row};
use crate::config::{IncrementalConfig, IncrementalMode, RepositoryConfig};
use crate::domain::ItemId;
use crate::pager::proof::checkpoint::ListId;
use crate::progress::IncrementalObstacle;
use crate::telemetry::event::IncrementalPassesComplete;

/// The longest rest after passes that came to nothing because of what they ask for.
const LONGEST_REST: Duration = Duration::from_secs(60 * 60);

/// The longest rest after passes that came to nothing because the server was away or busy.
const LONGEST_REST_OF_SERVER: Duration = Duration::from_secs(60);

/// So many rows of a pass are known again in the next one.
const KNOWN: usize = 10_000;

/// How often passes are summed up.
const SUM_EVERY: Duration = Duration::from_secs(60 * 60);

/// What is known from one pass to the next.
#[derive(Debug)]
pub(super) struct Series {
    source: u64,
    pub(super) config: Arc<RepositoryConfig>,
    mode: IncrementalMode,
    pub(super) list: ListId,
    /// How far passes have come; none in the mode `newest_first`, and before the first pass.
    pub(super) mark: Option<Mark>,
    /// The mark that the mirror has.
    pub(super) kept: Option<Mark>,
    pub(super) order: ChangeOrder,
    /// What the pass before read.
    known: HashMap<ItemId, u64>,
    /// What the pass under way has read so far.
    read: HashMap<ItemId, u64>,
    /// Why the last passes came to nothing, and how many in a row did.
    obstacle: Option<(IncrementalObstacle, u32)>,
    /// Whether the server was away or busy, and not at odds with what was asked.
    is_passing: bool,
    pub(super) told_ahead: bool,
    pub(super) told_unreadable: bool,
    sum: IncrementalPassesComplete,
    summed: Instant,
}

impl Series {
    /// Before the first pass, with the mark that the mirror has.
    pub(super) fn new(
        source: u64,
        config: &Arc<RepositoryConfig>,
        incremental: &IncrementalConfig,
        stored: Option<&[u8]>,
    ) -> Self {
        let cursor = incremental.cursor.as_ref().unwrap_or(&config.item_id);
        let list = ListId::new(source, &incremental.search, cursor);
        let kept = match incremental.mode {
            IncrementalMode::Since => stored.and_then(|bytes| Mark::stored(bytes, list)),
            IncrementalMode::NewestFirst => None,
        };
        Self {
            source,
            config: Arc::clone(config),
            mode: incremental.mode,
            list,
            mark: kept,
            kept,
            order: ChangeOrder::default(),
            known: HashMap::new(),
            read: HashMap::new(),
            obstacle: None,
            is_passing: false,
            told_ahead: false,
            told_unreadable: false,
            sum: IncrementalPassesComplete::default(),
            summed: Instant::now(),
        }
    }

    /// Whether passes with these settings ask the same of the same server.
    pub(super) fn is_of(&self, source: u64, config: &RepositoryConfig) -> bool {
        let asked = |config: &RepositoryConfig| {
            config
                .incremental
                .as_ref()
                .map(|it| (it.mode, it.search.clone(), it.cursor.clone(), it.form.clone()))
        };
        let same_list =
            self.config.search == config.search && self.config.item_id == config.item_id;
        self.source == source && same_list && asked(&self.config) == asked(config)
    }

    /// The same with these settings.
    pub(super) fn with(self, config: &Arc<RepositoryConfig>) -> Self {
        Self { config: Arc::clone(config), ..self }
    }

    /// The mark that the mirror has, as it is stored.
    pub(super) fn stored(&self) -> Option<Vec<u8>> {
        self.kept.map(Mark::bytes)
    }

    /// Whether passes must wait for the first whole pass: a list that is new from top to bottom would be
    /// read by both.
    pub(super) fn awaits_first_pass(&self, is_under_way: bool) -> bool {
        is_under_way && self.mode == IncrementalMode::NewestFirst
    }

    /// From the beginning of the last pass to that of the next.
    pub(super) fn rest(&self, interval: Duration) -> Duration {
        let Some((obstacle, times)) = self.obstacle else { return interval };
        let longest = match obstacle {
            IncrementalObstacle::OutOfOrder => return LONGEST_REST.max(interval),
            _ if self.is_passing => LONGEST_REST_OF_SERVER,
            _ => LONGEST_REST,
        };
        let later = interval.saturating_mul(1 << times.min(20));
        later.min(longest).max(interval)
    }

    /// A pass came to nothing; returns how many in a row did for that reason.
    pub(super) fn came_to_nothing(
        &mut self,
        obstacle: IncrementalObstacle,
        is_passing: bool,
    ) -> u32 {
        self.is_passing = is_passing;
        let before = self.obstacle.filter(|(before, _)| *before == obstacle);
        let times = before.map_or(0, |(_, times)| times).saturating_add(1);
        self.obstacle = Some((obstacle, times));
        times
    }

    /// A pass ended as it should.
    pub(super) fn went_well(&mut self) {
        self.obstacle = None;
    }

    /// Why the last pass came to nothing.
    pub(super) fn obstacle(&self) -> Option<IncrementalObstacle> {
        self.obstacle.map(|(obstacle, _)| obstacle)
    }

    /// Whether the pass before read all of these as they are.
    pub(super) fn knows(&self, rows: &[Row]) -> bool {
        rows.iter().all(|(id, digest)| self.known.get(id) == Some(digest))
    }

    /// The pass under way has read these.
    pub(super) fn note(&mut self, rows: &[Row]) {
        let room = KNOWN.saturating_sub(self.read.len());
        self.read.extend(rows.iter().take(room).cloned());
    }

    /// A pass begins.
    pub(super) fn begin_pass(&mut self) {
        self.read.clear();
    }

    /// The pass under way has ended.
    pub(super) fn end_pass(&mut self) {
        self.known = std::mem::take(&mut self.read);
    }

    /// Sums passes up; returns the sum where it is to be told.
    pub(super) fn sum(
        &mut self,
        pass: IncrementalPassesComplete,
    ) -> Option<IncrementalPassesComplete> {
        self.sum.passes += 1;
        self.sum.pages += pass.pages;
        self.sum.items += pass.items;
        self.sum.created += pass.created;
        self.sum.updated += pass.updated;
        if self.summed.elapsed() < SUM_EVERY {
            return None;
        }
        self.summed = Instant::now();
        Some(std::mem::take(&mut self.sum))
    }
}
