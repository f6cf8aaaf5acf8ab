//! Which changes are old enough to be dropped, under a clock that may have been ahead, and which feeds
//! hold. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::domain::Sequence;

/// How far back changes are kept, as of one moment.
#[derive(Clone, Copy, Debug)]
pub struct RetentionCutoff {
    now_ms: i64,
    before_ms: i64,
}

impl RetentionCutoff {
    /// Keeps what was found no longer than `keep` before `now_ms`, in milliseconds since 1970 (UTC).
    pub fn new(now_ms: i64, keep: Duration) -> Self {
        let keep_ms = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
        Self { now_ms, before_ms: now_ms.saturating_sub(keep_ms) }
    }

    /// The moment that all is measured by, in milliseconds since 1970 (UTC).
    pub fn now_ms(self) -> i64 {
        self.now_ms
    }

    /// When a change that is dropped was found at the latest: one from a clock that was ahead is as old as
    /// all that is dropped.
    pub fn dropped_ms(self, found_ms: i64) -> i64 {
        found_ms.min(self.before_ms)
    }

    /// Since when a change counts as found.
    ///
    /// One from later than now is one from a clock that was ahead. It was found before the next pass
    /// of its repository began, and counts as that old; `next_pass_ms` tells when the first such pass
    /// began that does not lie ahead itself. Where there is none, nobody knows since when the change
    /// has been there, and it is as good as found now.
    ///
    /// # Errors
    ///
    /// What `next_pass_ms` fails with.
    fn age_from_ms<E>(
        self,
        found_ms: i64,
        next_pass_ms: impl FnOnce() -> Result<Option<i64>, E>,
    ) -> Result<i64, E> {
        if found_ms <= self.now_ms {
            return Ok(found_ms);
        }
        Ok(next_pass_ms()?.unwrap_or(self.now_ms).min(self.now_ms))
    }
}

/// For how long each feed that is configured holds what it has not delivered, counted from when a change
/// was found. A feed that is not among them holds nothing, nor does one that was never saved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedHolds(BTreeMap<String, Duration>);

impl FeedHolds {
    /// The names of the feeds.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether there is no feed that may hold anything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same feeds, none of which holds anything: what they have not delivered is told all the same.
    pub fn let_go(&self) -> Self {
        self.names().map(|name| (name.to_owned(), Duration::ZERO)).collect()
    }
}

impl FromIterator<(String, Duration)> for FeedHolds {
    fn from_iter<I: IntoIterator<Item = (String, Duration)>>(holds: I) -> Self {
        Self(holds.into_iter().collect())
    }
}

/// What a call dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DroppedChanges {
    /// Whether there may be more.
    pub more: bool,
    /// Which feeds had not delivered some of them, though they held them for as long as they may. They
    /// go on after what was dropped, but for one that is to begin again and has not yet.
    pub undelivered: Vec<UndeliveredChanges>,
}

/// Changes that were dropped before a feed had delivered them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UndeliveredChanges {
    /// The feed.
    pub feed: String,
    /// How many, those that were parked included; also those that a filter of the feed would have left
    /// out.
    pub changes: u64,
    /// The last of them.
    pub through: Sequence,
}

/// Up to where changes may be dropped: asked of one after the other, in the order of their sequences.
#[derive(Clone, Debug)]
pub(crate) struct RetentionFloor<'a> {
    cutoff: RetentionCutoff,
    holds: &'a FeedHolds,
    feeds: Vec<HoldingFeed>,
}

/// A feed that has not delivered everything.
#[derive(Clone, Debug)]
struct HoldingFeed {
    cutoff: RetentionCutoff,
    delivered_through: Sequence,
    parked: BTreeSet<Sequence>,
    dropped: UndeliveredChanges,
}

impl<'a> RetentionFloor<'a> {
    /// Keeps what was found no longer than `keep` before `now_ms`, and what feeds hold.
    pub(crate) fn new(now_ms: i64, keep: Duration, holds: &'a FeedHolds) -> Self {
        Self { cutoff: RetentionCutoff::new(now_ms, keep), holds, feeds: Vec::new() }
    }

    /// The moment that all is measured by.
    pub(crate) fn cutoff(&self) -> RetentionCutoff {
        self.cutoff
    }

    /// Heeds a feed, if it is one that holds: what it has delivered, and what is parked of it.
    pub(crate) fn heed(
        &mut self,
        feed: &str,
        delivered_through: Sequence,
        parked: impl IntoIterator<Item = Sequence>,
    ) {
        let Some(hold) = self.holds.0.get(feed) else { return };
        let dropped =
            UndeliveredChanges { feed: feed.to_owned(), changes: 0, through: Sequence(0) };
        self.feeds.push(HoldingFeed {
            cutoff: RetentionCutoff::new(self.cutoff.now_ms, *hold),
            delivered_through,
            parked: parked.into_iter().collect(),
            dropped,
        });
    }

    /// Whether a change is to be kept, and with it all that come after it; else it counts as dropped.
    /// The rest is as in [`RetentionCutoff::age_from_ms`].
    ///
    /// # Errors
    ///
    /// What `next_pass_ms` fails with.
    pub(crate) fn keeps<E>(
        &mut self,
        sequence: Sequence,
        found_ms: i64,
        next_pass_ms: impl FnOnce() -> Result<Option<i64>, E>,
    ) -> Result<bool, E> {
        let age_from_ms = self.cutoff.age_from_ms(found_ms, next_pass_ms)?;
        let is_held = |feed: &HoldingFeed| {
            age_from_ms >= feed.cutoff.before_ms && feed.has_not_delivered(sequence)
        };
        if age_from_ms >= self.cutoff.before_ms || self.feeds.iter().any(is_held) {
            return Ok(true);
        }
        for feed in self.feeds.iter_mut().filter(|feed| feed.has_not_delivered(sequence)) {
            feed.dropped.changes += 1;
            feed.dropped.through = sequence;
        }
        Ok(false)
    }

    /// What was dropped and not delivered.
    pub(crate) fn undelivered(self) -> Vec<UndeliveredChanges> {
        let dropped = self.feeds.into_iter().map(|feed| feed.dropped);
        dropped.filter(|dropped| dropped.changes > 0).collect()
    }
}

impl HoldingFeed {
    fn has_not_delivered(&self, sequence: Sequence) -> bool {
        sequence > self.delivered_through || self.parked.contains(&sequence)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_found_in_time_is_kept_and_a_clock_ahead_keeps_nothing_longer(
            now in 0_i64..1000, keep in 0_u64..1000, found in 0_i64..2000,
            next in prop::option::of(0_i64..1000),
        ) {
            let cutoff = RetentionCutoff::new(now, Duration::from_millis(keep));
            let next = next.map(|next| next.min(now));
            let from = cutoff.age_from_ms(found, || Ok::<_, Infallible>(next)).unwrap();
            let kept = from >= cutoff.before_ms;
            let age = now - if found > now { next.unwrap_or(now) } else { found };
            prop_assert_eq!(kept, age <= i64::try_from(keep).unwrap());
        }
    }

    #[test]
    fn a_feed_holds_what_it_has_not_delivered_and_for_no_longer_than_it_may() {
        let holds: FeedHolds = [("shop", 7), ("erp", 3)]
            .map(|(name, hold)| (name.to_owned(), Duration::from_millis(hold)))
            .into_iter()
            .collect();
        let at = |now_ms| {
            let mut floor = RetentionFloor::new(now_ms, Duration::from_millis(1), &holds);
            floor.heed("shop", Sequence(3), [Sequence(2)]);
            floor.heed("erp", Sequence(1), []);
            floor.heed("gone", Sequence(0), []);
            // One change a millisecond, up to the first that is kept.
            let keeps = |floor: &mut RetentionFloor<'_>, sequence: u64| {
                let found_ms = i64::try_from(sequence).unwrap();
                floor.keeps(Sequence(sequence), found_ms, || Ok::<_, Infallible>(None)).unwrap()
            };
            let kept = (1..99).find(|sequence| keeps(&mut floor, *sequence)).unwrap();
            let lost = floor.undelivered().into_iter();
            (kept, lost.map(|it| (it.feed, it.changes, it.through.0)).collect::<Vec<_>>())
        };
        assert_eq!(at(2), (1, vec![]));
        assert_eq!(at(3), (2, vec![]), "what all have delivered goes as ever");
        assert_eq!(
            at(5),
            (2, vec![]),
            "the one holds what is parked, the other all that it has not"
        );
        assert_eq!(at(9), (2, vec![]));
        let erp = |changes, through| ("erp".to_owned(), changes, through);
        let shop = |changes, through| ("shop".to_owned(), changes, through);
        assert_eq!(at(10), (4, vec![shop(1, 2), erp(2, 3)]), "what is not delivered is held still");
        assert_eq!(at(12), (5, vec![shop(2, 4), erp(3, 4)]));
        let let_go = holds.let_go();
        let mut floor = RetentionFloor::new(3, Duration::from_millis(1), &let_go);
        floor.heed("erp", Sequence(0), []);
        let keeps = floor.keeps(Sequence(1), 1, || Ok::<_, Infallible>(None));
        assert_eq!((keeps, floor.undelivered().len()), (Ok(false), 1), "for want of room");
    }

    #[test]
    fn the_next_pass_is_asked_for_only_where_the_clock_was_ahead() {
        let cutoff = RetentionCutoff::new(100, Duration::MAX);
        assert_eq!(cutoff.age_from_ms(100, || Err("asked")), Ok(100));
        assert_eq!(cutoff.age_from_ms(101, || Err("asked")), Err("asked"));
    }
}
