//! Makes the status document of what the daemon, the mirror and the configuration say. Pure.

use std::collections::{HashMap, HashSet};

use super::document::{
    CertifiedStatus, ChangeDelayStatus, ChangeStatus, DaemonStatus, FreshnessStatus, HeldStatus,
    IncrementalStatus, InstanceStatus, MirrorStatus, PassStatus, ProblemStatus, RepositoryStatus,
    StateStatus, StatusDocument, TotalsStatus,
};
use super::held::shown;
use super::input::{ConfiguredRepository, DocumentInput};
use super::problem_list::wrong;
use crate::domain::RepositoryId;
use crate::mirror::{CertifiedPass, ChangeHead, RepositorySummary};
use crate::progress::problems::Health;
use crate::progress::{Activity, whole_millis};

/// The document of this version.
pub fn compose(input: DocumentInput<'_>) -> StatusDocument {
    let signed_in = input.daemon.as_ref().is_some_and(|daemon| daemon.signed_in);
    let summary = input.summary.as_ref().and_then(|summary| summary.as_ref().ok());
    let last = summary.map(|summary| summary.last.0);
    let kept = summary.map(|summary| summary.repositories.as_slice()).unwrap_or_default();
    let latest = summary.map(|summary| summary.newest.as_slice()).unwrap_or_default();
    let problems = wrong(&input);
    let read = input.repositories.iter().filter(|it| it.progress.is_some());
    let read: Vec<_> = read.map(|configured| configured.id).collect();
    let health = Health::of(&problems, &read, signed_in).into();
    let by_id: HashMap<_, _> = kept.iter().map(|kept| (kept.id, kept)).collect();
    let mut repositories: Vec<_> = input
        .repositories
        .iter()
        .map(|configured| {
            repository(configured, by_id.get(&configured.id).copied(), signed_in, input.now_ms)
        })
        .collect();
    // Those that were taken out of the configuration: their items are still there.
    let configured: HashSet<_> = input.repositories.iter().map(|it| it.id).collect();
    for kept in kept {
        if !configured.contains(&kept.id) {
            let bare = ConfiguredRepository {
                id: kept.id,
                name: None,
                model_read_ms: None,
                progress: None,
                last_certified: None,
                delays: None,
            };
            repositories.push(repository(&bare, Some(kept), signed_in, input.now_ms));
        }
    }
    repositories.sort_by_key(|repository| repository.id);
    if let Some(instance) = &input.instance {
        for repository in &mut repositories {
            let id = RepositoryId(repository.id);
            let own = instance.held.contains_key(&id).then_some(&instance.name);
            repository.owner = own.or_else(|| instance.others.get(&id)).cloned();
        }
    }
    let problems: Vec<_> = problems.iter().map(ProblemStatus::from).collect();
    StatusDocument {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        server: input.server.map(str::to_owned),
        max_age_ms: input.max_age.map(whole_millis),
        health,
        totals: TotalsStatus::of(&repositories, &problems, input.max_age),
        problems,
        mirror: MirrorStatus {
            url: Some(input.mirror_url.to_owned()),
            database_bytes: summary.and_then(|it| it.bytes_of("database")),
            wal_bytes: summary.and_then(|it| it.bytes_of("wal")),
            last_sequence: last,
            dropped_through: summary.map(|it| it.dropped_through.0),
            error: input.summary.and_then(Result::err),
        },
        daemon: input.daemon.map(|daemon| DaemonStatus {
            feeds: daemon.feeds.into_iter().map(|feed| feed.beside(last)).collect(),
            ..daemon
        }),
        instance: input.instance.as_ref().map(InstanceStatus::from),
        repositories,
        latest_changes: latest.iter().map(ChangeStatus::from).collect(),
        command: Some(input.command.with([])),
    }
}

fn repository(
    configured: &ConfiguredRepository,
    kept: Option<&RepositorySummary>,
    signed_in: bool,
    now_ms: i64,
) -> RepositoryStatus {
    let newest = kept.and_then(|kept| kept.passes.first());
    let last_certified = kept.map_or(configured.last_certified, |kept| kept.certified);
    let mut status = RepositoryStatus {
        id: configured.id.0,
        name: configured.name.clone(),
        model_read_at_ms: configured.model_read_ms,
        state: configured.progress.map(|progress| state(progress.activity, signed_in)),
        owner: None,
        iteration: newest.map(|pass| pass.iteration.0),
        pages: newest.map(|pass| pass.statistics.pages),
        covered: None,
        total: newest.map(|pass| pass.statistics.last_total),
        in_flight_limit: None,
        page_interval_ms: None,
        items: kept.map(|kept| kept.items),
        // A clock that was set back is no reason for a negative age.
        certified_age_ms: last_certified
            .map(|pass| u64::try_from(now_ms.saturating_sub(pass.ended_ms)).unwrap_or_default()),
        last_certified: last_certified.map(CertifiedStatus::from),
        suspects: kept.map(|kept| kept.suspects),
        held_deletions: kept.and_then(|kept| kept.held.as_ref()).map(HeldStatus::from),
        passes: kept
            .map(|kept| kept.passes.iter().map(PassStatus::from).collect())
            .unwrap_or_default(),
        change_delay: configured.delays.map(ChangeDelayStatus::from),
        freshness: None,
        incremental: None,
    };
    // The daemon is ahead of the mirror by the page in hand.
    if let Some(progress) = configured.progress {
        status.iteration = Some(progress.iteration.0);
        status.pages = Some(progress.pages);
        status.covered = Some(progress.covered);
        status.total = progress.total;
        status.freshness = progress.freshness.map(FreshnessStatus::from);
        status.incremental = progress.incremental.map(IncrementalStatus::from);
        // Before its first pass no pager has said.
        if progress.in_flight > 0 {
            status.in_flight_limit = Some(progress.in_flight.into());
            status.page_interval_ms = Some(whole_millis(progress.page_interval));
        }
    }
    status
}

fn state(activity: Activity, signed_in: bool) -> StateStatus {
    match activity {
        Activity::Paging if signed_in => StateStatus::Paging,
        // Pages cannot come without a session.
        Activity::Paging | Activity::Waiting => StateStatus::Waiting,
        Activity::Idle => StateStatus::Resting,
        Activity::Stopped => StateStatus::Stopped,
        Activity::StandingBy => StateStatus::Standby,
    }
}

impl From<&ChangeHead> for ChangeStatus {
    fn from(change: &ChangeHead) -> Self {
        Self {
            sequence: change.sequence.0,
            found_at_ms: change.ts_ms,
            op: change.op.letter().to_owned(),
            repository: change.repository.0,
            item: shown(&change.item),
        }
    }
}

impl From<CertifiedPass> for CertifiedStatus {
    fn from(pass: CertifiedPass) -> Self {
        Self { iteration: pass.iteration.0, ended_at_ms: pass.ended_ms }
    }
}
