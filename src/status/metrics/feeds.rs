//! What feeds have delivered, and how they stand.

use std::fmt;

use prometheus_client::registry::Unit;

use super::encoder::{MetricsEncoder, by, in_seconds};
use crate::progress::Progress;
use crate::status::document::{FeedStateStatus, FeedStatus, StatusDocument};

/// Encodes it.
pub(super) fn encode(
    document: &StatusDocument,
    progress: &Progress,
    encoder: &mut MetricsEncoder<'_>,
) -> fmt::Result {
    let seen = progress.feeds.all();
    let of = |feed: &str| by("feed", feed);
    let outcomes = seen.iter().flat_map(|(name, facts)| {
        let counts = &facts.counts;
        [
            ("delivered", &counts.delivered),
            ("failed", &counts.failed),
            ("unfit", &counts.unfit),
            ("gone", &counts.gone),
        ]
        .map(|(outcome, count)| (of(name.as_str()).and("outcome", outcome), count.get()))
    });
    let help = "Deliveries of feeds, by what came of them.";
    encoder.counter("ewmirror_feed_deliveries", help, outcomes)?;
    let changes = seen.iter().map(|(name, it)| (of(name.as_str()), it.counts.changes.get()));
    encoder.counter("ewmirror_feed_changes", "Changes that feeds have delivered.", changes)?;

    let feeds = document.daemon.as_ref().map(|it| it.feeds.as_slice()).unwrap_or_default();
    // Of what another daemon delivers that one tells.
    let own = || feeds.iter().filter(|it| it.state != FeedStateStatus::Standby);
    let known = |figure: fn(&FeedStatus) -> Option<u64>| {
        own().filter_map(move |it| Some((of(&it.name), figure(it)?)))
    };
    let help = "Changes of the log that come after the feed's cursor.";
    encoder.gauge("ewmirror_feed_lag_changes", None, help, known(|it| it.lag_changes))?;
    let seconds = Some(&Unit::Seconds);
    let lag = own().map(|it| (of(&it.name), it.lag_ms.unwrap_or_default() as f64 / 1000.0));
    let help = "Time since the first change was found that is not delivered.";
    encoder.gauge("ewmirror_feed_lag", seconds, help, lag)?;
    let help = "Changes that are parked.";
    encoder.gauge("ewmirror_feed_parked_changes", None, help, known(|it| it.parked))?;
    let help = "Changes that the log dropped before they were delivered.";
    encoder.gauge("ewmirror_feed_missed_changes", None, help, known(|it| it.missed))?;
    let paused = known(|it| Some(u64::from(it.state == FeedStateStatus::Paused)));
    let help = "Whether the feed stands still until it is resumed.";
    encoder.gauge("ewmirror_feed_paused", None, help, paused)?;
    let last = own().filter_map(|it| Some((of(&it.name), in_seconds(it.last_success_at_ms?))));
    let help = "When a delivery last succeeded, since 1970 (UTC).";
    encoder.gauge("ewmirror_feed_last_success_timestamp", seconds, help, last)
}
