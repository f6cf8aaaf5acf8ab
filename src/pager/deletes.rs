//! Whether items that a certified pass did not see are to be deleted.
//!
//! Pure. A deletion is a serious claim: see [`judge`] for how many at once are believed, and
//! [`Case::verdict`] for each single one.

use crate::client::Presence;

/// How many items are missing from a certified pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Items in the mirror, the missing ones included.
    pub items: u64,
    /// Items that the pass did not see.
    pub missing: u64,
    /// Of these, those whose deletion was held back before and has been released by the operator.
    pub released: u64,
}

/// What is to be done about the missing items that nobody has released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Each is looked at.
    Examine,
    /// They are too many: none is deleted before the operator says so.
    Hold,
}

/// Judges how many are missing: more than `max_fraction` of what the mirror has besides the items
/// released are too many. The released ones do not count on either side, so that a permission for
/// some never makes room for others.
pub fn judge(missing: Missing, max_fraction: f64) -> Judgement {
    let rest = missing.missing.saturating_sub(missing.released);
    let items = missing.items.saturating_sub(missing.released);
    // A hair above the product, which for 0.29 of 100 items comes to 28.999999999999996.
    let most = (max_fraction * items as f64 + 1e-6).floor();
    if rest as f64 > most { Judgement::Hold } else { Judgement::Examine }
}

/// One missing item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// Whether the certified pass before did not see it either, nor any other pass since.
    pub suspected: bool,
    /// What the server said when it was asked for the item.
    pub presence: Presence,
}

/// What a missing item is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Gone: it is deleted.
    Gone,
    /// There all the same: taken as read.
    There,
    /// A suspect until the next certified pass.
    Suspect,
}

impl Case {
    /// The server's word counts; where it has none, a second certified pass does.
    pub fn verdict(self) -> Finding {
        match self.presence {
            Presence::There => Finding::There,
            Presence::Gone => Finding::Gone,
            Presence::Unclear if self.suspected => Finding::Gone,
            Presence::Unclear => Finding::Suspect,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn missing(items: u64, missing: u64, released: u64) -> Missing {
        Missing { items, missing, released }
    }

    #[test]
    fn as_many_as_the_fraction_are_looked_at_and_one_more_is_too_many() {
        for (items, most, fraction) in [
            (100, 10, 0.1),
            (100, 29, 0.29),
            (1000, 70, 0.07),
            (9, 0, 0.1),
            (5, 5, 1.0),
            (5, 0, 0.0),
        ] {
            assert_eq!(judge(missing(items, most, 0), fraction), Judgement::Examine, "{items}");
            if most < items {
                let more = missing(items, most + 1, 0);
                assert_eq!(judge(more, fraction), Judgement::Hold, "{items}");
            }
        }
    }

    #[test]
    fn what_is_released_makes_no_room_for_more() {
        // 75 of 100 were announced and released; meanwhile the other 25 went, too.
        assert_eq!(judge(missing(100, 75, 75), 0.1), Judgement::Examine);
        assert_eq!(judge(missing(100, 77, 75), 0.1), Judgement::Examine);
        assert_eq!(judge(missing(100, 78, 75), 0.1), Judgement::Hold);
        assert_eq!(judge(missing(100, 100, 75), 0.1), Judgement::Hold);
    }

    #[test]
    fn the_server_is_believed_and_otherwise_a_second_pass() {
        let verdict = |suspected, presence| Case { suspected, presence }.verdict();
        for suspected in [false, true] {
            assert_eq!(verdict(suspected, Presence::Gone), Finding::Gone);
            assert_eq!(verdict(suspected, Presence::There), Finding::There);
        }
        assert_eq!(verdict(false, Presence::Unclear), Finding::Suspect);
        assert_eq!(verdict(true, Presence::Unclear), Finding::Gone);
    }

    proptest! {
        #[test]
        fn no_more_than_the_fraction_is_ever_looked_at(
            items in 0..1_000_000_u64, part in 0..=1000_u64, released in 0..=1000_u64,
            fraction in 0.0..=1.0,
        ) {
            let lost = items * part / 1000;
            let given = missing(items, lost, lost * released / 1000);
            let rest = (given.missing - given.released) as f64;
            let left = (given.items - given.released) as f64;
            if judge(given, fraction) == Judgement::Examine {
                prop_assert!(rest <= left * fraction + 1e-6);
            } else {
                prop_assert!(rest > left * fraction);
            }
        }
    }
}
