//! What the status document says of feeds. Pure.

use serde::{Deserialize, Serialize};

use crate::domain::FeedName;
use crate::progress::{FeedActivity, FeedFacts, Progress};

/// A feed. Of one that another daemon delivers nothing is known here but that: what this daemon last
/// delivered of it, if ever, says nothing of now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FeedStatus {
    /// What it is called.
    pub name: String,
    /// What it does.
    pub state: FeedStateStatus,
    /// Every change up to here is delivered, parked or missed; null where another daemon delivers, as is all
    /// that follows.
    pub delivered_through: Option<u64>,
    /// How many changes of the log come after that, its own and others; null where that is not known.
    pub lag_changes: Option<u64>,
    /// How long ago the first of these was found; null where there is none.
    pub lag_ms: Option<u64>,
    /// Changes that it has ever delivered.
    pub delivered: Option<u64>,
    /// Changes that are parked.
    pub parked: Option<u64>,
    /// Changes that the log dropped before they were delivered.
    pub missed: Option<u64>,
    /// When a delivery last succeeded; null: none has yet.
    pub last_success_at_ms: Option<i64>,
}

/// What a feed does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FeedStateStatus {
    /// It waits for changes to come.
    Waiting,
    /// It delivers.
    Delivering,
    /// The last delivery failed; it is tried again.
    Retrying,
    /// It stands still until it is resumed.
    Paused,
    /// Another daemon delivers it.
    Standby,
    /// A word of another version.
    #[default]
    #[serde(other)]
    Unknown,
}

impl FeedStatus {
    /// Those of this daemon at this time, in milliseconds since 1970 (UTC).
    pub(super) fn all(progress: &Progress, now_ms: i64) -> Vec<Self> {
        progress.feeds.all().iter().map(|(name, facts)| Self::of(*name, facts, now_ms)).collect()
    }

    fn of(name: FeedName, facts: &FeedFacts, now_ms: i64) -> Self {
        let state = match facts.activity {
            FeedActivity::Waiting => FeedStateStatus::Waiting,
            FeedActivity::Delivering => FeedStateStatus::Delivering,
            FeedActivity::Retrying => FeedStateStatus::Retrying,
            FeedActivity::Paused => FeedStateStatus::Paused,
            FeedActivity::StandingBy => FeedStateStatus::Standby,
        };
        let name = name.to_string();
        if state == FeedStateStatus::Standby {
            return Self { name, state, ..Self::default() };
        }
        // A clock that was set back is no reason for a negative age.
        let since = |since_ms| u64::try_from(now_ms.saturating_sub(since_ms)).unwrap_or_default();
        Self {
            name,
            state,
            delivered_through: Some(facts.delivered_through.0),
            lag_changes: None,
            lag_ms: facts.behind_since_ms.map(since),
            delivered: Some(facts.delivered),
            parked: Some(facts.parked),
            missed: Some(facts.missed),
            last_success_at_ms: facts.last_success_ms,
        }
    }

    /// The same beside the last change that there is.
    #[must_use]
    pub(super) fn beside(mut self, last: Option<u64>) -> Self {
        let lag = last.zip(self.delivered_through);
        self.lag_changes = lag.map(|(last, through)| last.saturating_sub(through));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Sequence;

    const NOW_MS: i64 = 1_772_366_400_000;

    fn shown(change: impl FnOnce(&mut FeedFacts), now_ms: i64) -> FeedStatus {
        let progress = Progress::new();
        progress.feeds.note(FeedName::of("shop"), change);
        let mut all = FeedStatus::all(&progress, now_ms);
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    fn behind(facts: &mut FeedFacts) {
        facts.delivered_through = Sequence(7);
        facts.delivered = 6;
        facts.parked = 2;
        facts.missed = 1;
        facts.last_success_ms = Some(NOW_MS - 9000);
        facts.behind_since_ms = Some(NOW_MS - 5000);
    }

    #[test]
    fn the_lag_is_what_is_in_the_log_beyond_the_cursor_and_since_when() {
        let feed = shown(behind, NOW_MS);
        assert_eq!((feed.lag_ms, feed.lag_changes), (Some(5000), None));
        assert_eq!(feed.clone().beside(None).lag_changes, None);
        assert_eq!(feed.clone().beside(Some(10)).lag_changes, Some(3));
        // The log is read a moment before the feed is.
        assert_eq!(feed.beside(Some(6)).lag_changes, Some(0));
        // A clock that was set back, and one that was never set.
        assert_eq!(shown(behind, NOW_MS - 60_000).lag_ms, Some(0));
        let far = shown(|facts| facts.behind_since_ms = Some(i64::MIN), i64::MAX);
        assert_eq!(far.lag_ms, Some(i64::MAX as u64));
        assert_eq!(shown(|_| {}, NOW_MS).lag_ms, None);
    }

    #[test]
    fn of_a_feed_that_another_daemon_delivers_no_figure_is_shown() {
        let feed = shown(
            |facts| {
                behind(facts);
                facts.activity = FeedActivity::StandingBy;
            },
            NOW_MS,
        );
        let nothing = FeedStatus {
            name: "shop".to_owned(),
            state: FeedStateStatus::Standby,
            ..FeedStatus::default()
        };
        assert_eq!(feed.beside(Some(10)), nothing);
    }
}
