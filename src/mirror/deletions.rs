//! Items that passes did not see: suspects, deletions that the guard holds back, and what the
//! operator's approval of them means. Pure.

use crate::domain::{IdSet, Iteration};

/// What is known of items that certified passes did not see.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UnseenItems {
    /// Items in the mirror, suspects included.
    pub items: u64,
    /// Suspects: not seen by the last certified pass, nor by any other since.
    pub suspects: IdSet,
    /// Deletions that were held back.
    pub held: Option<HeldDeletions>,
}

/// Deletions held back because they were too many.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeldDeletions {
    /// Which.
    pub items: IdSet,
    /// How many were announced.
    pub announced: u64,
    /// Those of them that the operator has approved.
    pub approved: IdSet,
    /// Whether the operator has picked those: the others are then held back until they are seen or
    /// approved, too, however few they are.
    pub picked: bool,
}

impl HeldDeletions {
    /// Those that wait for the operator.
    pub fn waiting(&self) -> IdSet {
        let mut waiting = self.items.clone();
        waiting.subtract(&self.approved);
        waiting
    }

    /// Approves all of them, or those of these that are held back; the others wait on.
    pub fn approve(&mut self, picked: Option<&IdSet>) {
        self.picked = picked.is_some();
        match picked {
            None => self.approved = self.items.clone(),
            Some(picked) => {
                let mut approved = picked.clone();
                approved.intersect(&self.items);
                self.approved.unite(approved);
            }
        }
    }

    /// The same for deletions that he names as the command line does, and what to tell him; where
    /// one of them is not held back, nothing is approved.
    pub fn approve_named(&mut self, named: Option<&[String]>) -> ApprovalOutcome {
        let approved = match named {
            None => {
                self.approve(None);
                self.announced
            }
            Some(named) => match self.items.named(named) {
                Ok(picked) => {
                    self.approve(Some(&picked));
                    picked.count()
                }
                Err(unknown) => return ApprovalOutcome::Unknown(unknown),
            },
        };
        ApprovalOutcome::Done { approved, waiting: self.waiting().count() }
    }

    /// Takes over what the operator has said of those that were held back before, and are again.
    pub fn carry_over(&mut self, before: &Self) {
        self.approved.unite(before.approved.clone());
        self.approved.intersect(&self.items);
        self.picked |= before.picked;
    }
}

/// Which pass announced deletions that are held back, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The pass.
    pub iteration: Iteration,
    /// When it ended, in milliseconds since 1970 (UTC).
    pub ts_ms: i64,
}

/// Deletions that are held back, as a mirror keeps them from pass to pass.
#[derive(Clone, Debug, PartialEq)]
pub struct AnnouncedDeletions {
    /// What is held back.
    pub held: HeldDeletions,
    /// Since when.
    pub since: Announcement,
}

impl AnnouncedDeletions {
    /// What is held back from the end of a pass on, if anything is, in place of what was there
    /// before. The operator may have approved some while the pass ended, and that holds; what has
    /// only become less was announced before and counts from then.
    pub fn at_end(
        held: Option<HeldDeletions>,
        before: Option<Self>,
        now: Announcement,
    ) -> Option<Self> {
        let mut held = held?;
        let Some(before) = before else { return Some(Self { held, since: now }) };
        held.carry_over(&before.held);
        let is_less = held.items.is_subset(&before.held.items);
        Some(Self { held, since: if is_less { before.since } else { now } })
    }
}

/// The deletions of one repository that wait for the operator.
#[derive(Clone, Debug, PartialEq)]
pub struct PendingDeletions {
    /// Which.
    pub items: IdSet,
    /// When they were announced, in milliseconds since 1970 (UTC).
    pub since_ms: Option<i64>,
}

/// What became of the operator's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApprovalOutcome {
    /// Nothing is held back.
    NothingHeld,
    /// These are not held back; nothing was approved.
    Unknown(Vec<String>),
    /// It holds.
    Done {
        /// How many were approved, those included that had been before.
        approved: u64,
        /// How many wait on.
        waiting: u64,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::ItemId;

    fn set(ids: &[u8]) -> IdSet {
        let ids: Vec<ItemId> = ids.iter().map(|id| ItemId::Integer((*id).into())).collect();
        ids.iter().collect()
    }

    proptest! {
        #[test]
        fn an_approval_outlives_the_end_of_a_pass_for_what_is_held_again(
            before in prop::collection::vec(0_u8..12, 0..8),
            approved in prop::collection::vec(0_u8..12, 0..8),
            again in prop::collection::vec(0_u8..12, 0..8),
            named: bool,
        ) {
            let mut held = HeldDeletions { items: set(&before), ..HeldDeletions::default() };
            held.approve(named.then(|| set(&approved)).as_ref());
            let (then, now) = [(3, 30), (4, 40)]
                .map(|(iteration, ts_ms)| Announcement { iteration: Iteration(iteration), ts_ms })
                .into();
            let kept = AnnouncedDeletions { held: held.clone(), since: then };
            let held_again = HeldDeletions { items: set(&again), ..HeldDeletions::default() };
            let at_end = AnnouncedDeletions::at_end(Some(held_again), Some(kept), now).unwrap();
            for id in (0_u8..12).map(|id| ItemId::Integer(id.into())) {
                let expected = at_end.held.items.contains(&id) && held.approved.contains(&id);
                prop_assert_eq!(at_end.held.approved.contains(&id), expected);
            }
            let is_less = again.iter().all(|id| before.contains(id));
            prop_assert_eq!(at_end.since, if is_less { then } else { now });
            prop_assert_eq!(at_end.held.picked, named);
        }
    }
}
