//! How far incremental passes have come: the latest change up to which all have been asked for.
//!
//! Pure. Guarantees: what is asked for next begins no later than the pass before it did, by the server's
//! clock as far as it is known: whatever times items claim, and however long a pass takes, a change that
//! came after the page on which it would have stood is asked for again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::pager::proof::checkpoint::ListId;

/// How far a time may lie ahead of the server's clock before it is told: clocks are read by the second,
/// and a database is another machine.
const AHEAD_MS: i64 = 60_000;

/// The form of a stored mark; another one is not understood, and passes begin anew.
const VERSION: u8 = 1;

/// A mark, and what it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// What is asked: of whom, by which search, and which member tells.
    pub(super) list: ListId,
    /// The latest change that is known, in milliseconds since 1970.
    pub(super) at_ms: i64,
}

impl Mark {
    /// A stored mark, if it is of this list.
    pub(super) fn stored(bytes: &[u8], list: ListId) -> Option<Self> {
        let (version, rest) = bytes.split_first()?;
        let mark: Self = (*version == VERSION).then(|| postcard::from_bytes(rest).ok())??;
        (mark.list == list).then_some(mark)
    }

    /// The mark as it is stored.
    pub(super) fn bytes(self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        // Nothing of it can fail to be said.
        bytes.extend(postcard::to_allocvec(&self).unwrap_or_default());
        bytes
    }
}

/// The times that the items of one pass show.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChangeTimes {
    /// Later ones move no mark.
    limit_ms: i64,
    latest_ms: Option<i64>,
    /// The latest of those that lie ahead of the clock.
    pub(super) ahead_ms: Option<i64>,
    /// Items without a time that is understood.
    pub(super) unreadable: u64,
}

impl ChangeTimes {
    /// Of a pass that begins at this time of the server's.
    pub(super) fn new(begun_ms: i64, lookback: Duration) -> Self {
        let lookback = i64::try_from(lookback.as_millis()).unwrap_or(i64::MAX);
        let limit_ms = begun_ms.saturating_add(lookback.min(AHEAD_MS));
        Self { limit_ms, latest_ms: None, ahead_ms: None, unreadable: 0 }
    }

    /// An item came, at this time of the server's, that changed when it says.
    pub(super) fn take(&mut self, changed_ms: Option<i64>, now_ms: i64) {
        let Some(changed) = changed_ms else {
            self.unreadable += 1;
            return;
        };
        if changed <= self.limit_ms {
            self.latest_ms = self.latest_ms.max(Some(changed));
        } else if changed > now_ms.saturating_add(AHEAD_MS) {
            self.ahead_ms = self.ahead_ms.max(Some(changed));
        }
    }

    /// The mark at the end of the pass.
    pub(super) fn mark_ms(&self, before_ms: i64) -> i64 {
        self.latest_ms.map_or(before_ms, |latest| latest.max(before_ms))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list(text: &str) -> ListId {
        let search = serde_json::from_str(text).unwrap();
        ListId::new(1, &search, &"/t".parse().unwrap())
    }

    #[test]
    fn a_mark_is_known_again_and_that_of_another_list_is_none() {
        let mark = Mark { list: list("{}"), at_ms: 1_795_996_259_123 };
        assert_eq!(Mark::stored(&mark.bytes(), list("{}")), Some(mark));
        assert_eq!(Mark::stored(&mark.bytes(), list(r#"{"a":1}"#)), None);
        assert_eq!(Mark::stored(&[], list("{}")), None);
        assert_eq!(Mark::stored(&[9, 1, 2, 3], list("{}")), None);
        assert_eq!(Mark::stored(&mark.bytes()[..3], list("{}")), None);
    }

    #[test]
    fn an_item_from_the_future_moves_no_mark_and_is_told() {
        let mut times = ChangeTimes::new(1_000_000, Duration::from_secs(120));
        times.take(Some(999_000), 1_001_000);
        times.take(Some(9_000_000), 1_001_000);
        times.take(None, 1_001_000);
        assert_eq!((times.mark_ms(5), times.ahead_ms), (999_000, Some(9_000_000)));
        assert_eq!((times.mark_ms(999_500), times.unreadable), (999_500, 1));
    }

    proptest! {
        /// Items change while the pass that asks for them is under way, wherever in the list, and some
        /// say that they changed at any time at all.
        #[test]
        fn the_next_pass_asks_for_all_that_came_after_the_one_before_began(
            lookback_s in 0_u64..400, begun_ms in 0_i64..1_000_000,
            times in proptest::collection::vec(0_i64..3_000_000, 0..20), took_ms in 0_i64..1_000_000,
        ) {
            let mut taken = ChangeTimes::new(begun_ms, Duration::from_secs(lookback_s));
            for time in times {
                taken.take(Some(time), begun_ms + took_ms);
            }
            let next = taken.mark_ms(0).saturating_sub(lookback_s.cast_signed() * 1000);
            prop_assert!(next <= begun_ms);
        }

        #[test]
        fn a_mark_never_goes_back(before in 0_i64..1000, times in proptest::collection::vec(0_i64..2000, 0..9)) {
            let mut taken = ChangeTimes::new(1000, Duration::ZERO);
            for time in times {
                taken.take(Some(time), 1000);
            }
            prop_assert!(taken.mark_ms(before) >= before);
        }
    }
}
