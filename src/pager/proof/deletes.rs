//! Whether items that a certified pass did not see are to be deleted.
//!
//! Pure. A deletion is a serious claim: see [`judge`] for how many at once are believed, and
//! [`Case::verdict`] for each single one.

use serde_json::{Map, Value};

use crate::client::Presence;
use crate::config::DeletesConfig;

/// How many items are missing from a certified pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingItems {
    /// Items in the mirror, the missing ones included.
    pub items: u64,
    /// Items that the pass did not see.
    pub missing: u64,
    /// Of these, those whose deletion was held back before and has been approved by the operator.
    pub approved: u64,
}

/// What is to be done about the missing items that nobody has approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Each is looked at.
    Examine,
    /// They are too many: none is deleted before the operator says so.
    Hold,
}

/// From this part of a repository on its loss is never a small matter, however few the items are:
/// an emptied list of three needs a human as one of three thousand does.
const HALF: f64 = 0.5;

/// Judges how many are missing. More than `max_fraction` of what the mirror has besides the items
/// approved are too many, unless they are no more than `min_count`; and so are more than a half of
/// it, where `max_fraction` does not allow more itself. The approved ones do not count on either
/// side, so that a permission for some never makes room for others.
pub fn judge(missing: MissingItems, allowed: DeletesConfig) -> Judgement {
    let undecided = missing.missing.saturating_sub(missing.approved);
    let items = missing.items.saturating_sub(missing.approved);
    let more_than = |part: f64| {
        // A hair above the product, which for 0.29 of 100 items comes to 28.999999999999996.
        let most = (part * items as f64 + 1e-6).floor();
        undecided as f64 > most
    };
    let DeletesConfig { max_fraction, min_count } = allowed;
    let hold =
        more_than(max_fraction) && undecided > min_count || more_than(max_fraction.max(HALF));
    if hold { Judgement::Hold } else { Judgement::Examine }
}

/// Members of a search that choose how items look, not which they are (the names are seen; that they
/// leave none out is likely).
const OF_FORM: [&str; 2] = ["userPreferenceId", "getCodeSetDescInd"];

/// Whether a search may leave out items that the server has. Then asking for one of them tells nothing
/// of whether it still belongs in the mirror: an item that leaves a saved set is still there.
pub fn is_conditional(search: &Map<String, Value>) -> bool {
    search.keys().any(|name| !OF_FORM.contains(&name.as_str()))
}

/// One missing item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// Whether the certified pass before did not see it either, nor any other pass since, and the
    /// server has not said meanwhile that it has the item.
    pub suspected: bool,
    /// What the server said when it was asked for the item.
    pub presence: Presence,
}

/// What a missing item is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingItemStatus {
    /// Gone: it is deleted.
    Absent,
    /// There all the same: it stays, and stays a suspect, because the list lacks it.
    Present,
    /// A suspect until the next certified pass.
    Suspect,
}

impl Case {
    /// The server's word counts; where it has none, a second certified pass does.
    pub fn verdict(self) -> MissingItemStatus {
        match self.presence {
            Presence::Present => MissingItemStatus::Present,
            Presence::Absent => MissingItemStatus::Absent,
            Presence::Unknown if self.suspected => MissingItemStatus::Absent,
            Presence::Unknown => MissingItemStatus::Suspect,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn missing(items: u64, missing: u64, approved: u64) -> MissingItems {
        MissingItems { items, missing, approved }
    }

    fn allowed(max_fraction: f64, min_count: u64) -> DeletesConfig {
        DeletesConfig { max_fraction, min_count }
    }

    #[test]
    fn as_many_as_the_fraction_are_looked_at_and_one_more_is_too_many() {
        for (items, most, fraction) in [
            (100, 10, 0.1),
            (100, 29, 0.29),
            (1000, 70, 0.07),
            (9, 0, 0.1),
            (5, 5, 1.0),
            (10, 7, 0.7),
            (5, 0, 0.0),
        ] {
            let allowed = allowed(fraction, 0);
            assert_eq!(judge(missing(items, most, 0), allowed), Judgement::Examine, "{items}");
            if most < items {
                let more = missing(items, most + 1, 0);
                assert_eq!(judge(more, allowed), Judgement::Hold, "{items}");
            }
        }
    }

    #[test]
    fn a_few_need_no_human_unless_they_are_more_than_half_of_all() {
        for (items, most) in [(1, 0), (2, 1), (3, 1), (5, 2), (19, 9), (20, 10), (21, 10), (99, 10)]
        {
            let allowed = allowed(0.1, 10);
            assert_eq!(judge(missing(items, most, 0), allowed), Judgement::Examine, "{items}");
            assert_eq!(judge(missing(items, most + 1, 0), allowed), Judgement::Hold, "{items}");
        }
        assert_eq!(judge(missing(1000, 100, 0), allowed(0.1, 10)), Judgement::Examine);
        assert_eq!(judge(missing(1000, 101, 0), allowed(0.1, 10)), Judgement::Hold);
    }

    #[test]
    fn what_is_approved_makes_no_room_for_more() {
        // 75 of 100 were announced and approved; meanwhile the other 25 went, too.
        let allowed = allowed(0.1, 0);
        assert_eq!(judge(missing(100, 75, 75), allowed), Judgement::Examine);
        assert_eq!(judge(missing(100, 77, 75), allowed), Judgement::Examine);
        assert_eq!(judge(missing(100, 78, 75), allowed), Judgement::Hold);
        assert_eq!(judge(missing(100, 100, 75), allowed), Judgement::Hold);
    }

    #[test]
    fn whatever_else_is_searched_for_may_leave_items_out() {
        let is_conditional = |search: Value| is_conditional(search.as_object().unwrap());
        assert!(!is_conditional(serde_json::json!({})));
        assert!(!is_conditional(serde_json::json!({"userPreferenceId": 7})));
        assert!(is_conditional(serde_json::json!({"savedSetId": 7})));
        assert!(is_conditional(serde_json::json!({"userPreferenceId": 7, "conditions": []})));
    }

    #[test]
    fn the_server_is_believed_and_otherwise_a_second_pass() {
        let verdict = |suspected, presence| Case { suspected, presence }.verdict();
        for suspected in [false, true] {
            assert_eq!(verdict(suspected, Presence::Absent), MissingItemStatus::Absent);
            assert_eq!(verdict(suspected, Presence::Present), MissingItemStatus::Present);
        }
        assert_eq!(verdict(false, Presence::Unknown), MissingItemStatus::Suspect);
        assert_eq!(verdict(true, Presence::Unknown), MissingItemStatus::Absent);
    }

    proptest! {
        #[test]
        fn no_more_than_allowed_is_ever_looked_at(
            items in 0..1_000_000_u64, part in 0..=1000_u64, approved in 0..=1000_u64,
            fraction in 0.0..=1.0, min_count in 0..1000_u64,
        ) {
            let lost = items * part / 1000;
            let given = missing(items, lost, lost * approved / 1000);
            let undecided = given.missing - given.approved;
            let left = (given.items - given.approved) as f64;
            let within = |part: f64| undecided as f64 <= left * part + 1e-6;
            let few = within(fraction) || undecided <= min_count;
            let examined = judge(given, allowed(fraction, min_count)) == Judgement::Examine;
            prop_assert_eq!(examined, few && within(fraction.max(0.5)));
        }
    }
}
