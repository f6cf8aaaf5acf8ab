//! The metrics of incremental passes.

use std::fmt;
use std::sync::Arc;

use prometheus_client::registry::Unit;

use super::encoder::{MetricsEncoder, known, of};
use crate::domain::RepositoryId;
use crate::progress::RepositoryCounts;
use crate::status::document::StatusDocument;

/// What incremental passes have done. Of a repository that has none, nothing is told.
pub(super) fn encode(
    document: &StatusDocument,
    counts_of: &[(RepositoryId, Arc<RepositoryCounts>)],
    encoder: &mut MetricsEncoder<'_>,
) -> fmt::Result {
    let counts = || {
        counts_of
            .iter()
            .map(|(id, it)| (*id, &it.incremental))
            .filter(|(_, it)| it.requests.get() > 0)
    };
    let passes = counts().flat_map(|(id, it)| {
        [("complete", &it.passes), ("failed", &it.failed)]
            .map(|(outcome, count)| (of(id).and("outcome", outcome), count.get()))
    });
    encoder.counter("ewmirror_incremental_passes", "Incremental passes made.", passes)?;
    let requests = counts().map(|(id, it)| (of(id), it.requests.get()));
    let help = "Page requests sent by incremental passes.";
    encoder.counter("ewmirror_incremental_requests", help, requests)?;
    let items = counts().map(|(id, it)| (of(id), it.items.get()));
    let help = "Items read by incremental passes, however often.";
    encoder.counter("ewmirror_incremental_items_read", help, items)?;
    let changes = counts().flat_map(|(id, it)| {
        [("create", &it.created), ("update", &it.updated)]
            .map(|(op, count)| (of(id).and("op", op), count.get()))
    });
    let help = "Changes that incremental passes found; they are among the changes written.";
    encoder.counter("ewmirror_incremental_changes", help, changes)?;
    let delays = counts_of.iter().map(|(id, it)| (of(*id), &it.delays.all));
    let help = "How late changes were found: from the change at the server to the mirror.";
    let measured = delays.filter(|(_, it)| it.buckets().iter().any(|(_, count)| *count > 0));
    encoder.histogram("ewmirror_change_delay", help, measured)?;
    let goal = known(document, |it| Some(it.freshness.as_ref()?.goal_ms as f64 / 1000.0));
    let help = "freshness, where it is set.";
    encoder.gauge("ewmirror_freshness_goal", Some(&Unit::Seconds), help, goal)?;
    let missed = known(document, |it| Some(u64::from(it.freshness.as_ref()?.missed.is_some())));
    let help = "Whether changes are found later than freshness asks for.";
    encoder.gauge("ewmirror_freshness_missed", None, help, missed)?;
    let mark = known(document, |it| {
        let mark = it.incremental.as_ref()?.mark_at_ms?;
        Some(mark as f64 / 1000.0)
    });
    let help = "The latest change that incremental passes know, since 1970 (UTC).";
    encoder.gauge("ewmirror_incremental_mark_timestamp", Some(&Unit::Seconds), help, mark)?;
    let obstructed =
        known(document, |it| Some(u64::from(it.incremental.as_ref()?.obstacle.is_some())));
    let help = "Whether something keeps incremental passes from being of use.";
    encoder.gauge("ewmirror_incremental_obstructed", None, help, obstructed)
}
