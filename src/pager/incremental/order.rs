//! Whether a list that is said to have the last change first really has.
//!
//! Pure. Three signs speak against it, each of which a list in order cannot show, whatever comes, goes
//! and changes meanwhile: a page on which an item changed earlier than the one below it, by the member
//! that says so; an item that changed below one that did not, of two that stood on the first page before;
//! and a change that a whole pass found, of which none of so many rows from the top shows anything that
//! changes cannot have filled them all. A server may list an item anew without a change that we see, and
//! an item may go just after it changed, so that one sign is not enough; signs that the list is in order
//! make up for them.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::domain::{IdSet, ItemId};

/// So many signs against the order in a row are believed.
const BELIEVED: u32 = 3;

/// So many rows of the first page are kept from one pass to the next.
const KEPT: usize = 1000;

/// So many changes that whole passes found wait to be looked for.
const WAITING: usize = 4;

/// A row of an answer: its id, and a digest of its bytes.
pub(super) type Row = (ItemId, u64);

/// What is known of the order of a list.
#[derive(Debug, Default)]
pub(super) struct ChangeOrder {
    /// The first page of the pass before.
    before: HashMap<ItemId, u64>,
    /// Signs against the order, since the last one for it.
    against: u32,
}

/// What one pass saw.
#[derive(Debug, Default)]
pub(super) struct PassSigns {
    against: bool,
    confirmed: bool,
}

impl ChangeOrder {
    /// Whether the list is believed to be in another order.
    pub(super) fn is_broken(&self) -> bool {
        self.against >= BELIEVED
    }

    /// The list is given another try: one more sign is enough to disbelieve it again.
    pub(super) fn try_again(&mut self) {
        self.against = self.against.min(BELIEVED - 1);
    }

    /// Looks at the first page of a pass, of whose items `updated` were different in the mirror.
    pub(super) fn first_page(&mut self, rows: &[Row], updated: u64, signs: &mut PassSigns) {
        let (mut changed_above, mut changed_below, mut unchanged) = (false, false, false);
        let mut strangers = 0;
        for (id, digest) in rows {
            match self.before.get(id) {
                None => strangers += 1,
                Some(known) if known == digest => unchanged = true,
                Some(_) if unchanged => changed_below = true,
                Some(_) => changed_above = true,
            }
        }
        // So many that one at least stood on the page before.
        if updated > strangers && unchanged {
            signs.against |= changed_below && !changed_above;
            signs.confirmed |= changed_above && !changed_below;
        }
        self.before = rows.iter().take(KEPT).cloned().collect();
    }

    /// Takes what a pass saw; returns whether the list is believed to be in another order only since then.
    pub(super) fn pass(&mut self, signs: &PassSigns) -> bool {
        let was_broken = self.is_broken();
        if signs.against {
            self.against = self.against.saturating_add(1);
        } else if signs.confirmed {
            self.against = 0;
        }
        self.is_broken() && !was_broken
    }
}

impl PassSigns {
    /// Looks at the times at which the items of a page changed, from the top down.
    pub(super) fn times(&mut self, times: &[Option<i64>]) {
        let known: Vec<i64> = times.iter().flatten().copied().collect();
        self.against |= known.windows(2).any(|pair| pair[0] < pair[1]);
    }

    /// Takes what came of the changes that whole passes found.
    pub(super) fn looked_for(&mut self, found: Option<bool>) {
        match found {
            Some(true) => self.confirmed = true,
            Some(false) => self.against = true,
            None => {}
        }
    }
}

/// What whole passes found: what an incremental pass must see at the top, if the list is in order.
#[derive(Debug, Default)]
pub struct FoundByWholePasses {
    /// Changes that were found so far, by passes of either kind.
    changes: u64,
    /// What that number was when the whole pass under way began, and the one before.
    at_begin: [Option<u64>; 2],
    pages: VecDeque<FoundPage>,
}

/// A page of a whole pass, of whose items at least one has changed.
#[derive(Debug)]
struct FoundPage {
    ids: IdSet,
    /// What the number of changes was when its items were read at the earliest the last time.
    since: u64,
}

impl FoundByWholePasses {
    /// A whole pass begins.
    pub fn begin_pass(&mut self) {
        self.at_begin = [Some(self.changes), self.at_begin[0]];
    }

    /// A page of a whole pass has brought so many changes.
    pub fn page(&mut self, ids: impl FnOnce() -> IdSet, changes: u64) {
        self.changes += changes;
        if changes > 0
            && self.pages.len() < WAITING
            && let Some(since) = self.at_begin[1]
        {
            self.pages.push_back(FoundPage { ids: ids(), since });
        }
    }

    /// An incremental pass has brought so many changes.
    pub(super) fn incremental(&mut self, changes: u64) {
        self.changes += changes;
    }

    /// What is to be looked for by a pass that begins now.
    pub(super) fn take(&mut self) -> LookedFor {
        LookedFor(self.pages.drain(..).collect())
    }

    /// Whether an incremental pass that read these ids from the top has seen what it must; `None` where
    /// that cannot be said.
    pub(super) fn seen(&self, looked_for: &LookedFor, read: &HashSet<ItemId>) -> Option<bool> {
        let LookedFor(pages) = looked_for;
        let shows = |page: &FoundPage| read.iter().any(|id| page.ids.contains(id));
        // What stands above the change has changed since, too.
        let must = |page: &FoundPage| read.len() as u64 > self.changes - page.since;
        if pages.iter().any(|page| !shows(page) && must(page)) {
            return Some(false);
        }
        pages.iter().any(|page| shows(page) && must(page)).then_some(true)
    }
}

/// What a pass looks for.
#[derive(Debug)]
pub(super) struct LookedFor(Vec<FoundPage>);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(rows: &[(i128, u64)]) -> Vec<Row> {
        rows.iter().map(|(id, digest)| (ItemId::Integer(*id), *digest)).collect()
    }

    fn pass(order: &mut ChangeOrder, page: &[(i128, u64)], updated: u64) -> bool {
        let mut signs = PassSigns::default();
        order.first_page(&rows(page), updated, &mut signs);
        order.pass(&signs)
    }

    #[test]
    fn items_that_change_where_they_stand_are_a_sign_and_three_are_believed() {
        let mut order = ChangeOrder::default();
        pass(&mut order, &[(1, 0), (2, 0), (3, 0)], 3);
        assert!(!pass(&mut order, &[(1, 0), (2, 1), (3, 0)], 1));
        assert!(!pass(&mut order, &[(1, 0), (2, 2), (3, 0)], 1));
        assert!(pass(&mut order, &[(1, 0), (2, 2), (3, 1)], 1) && order.is_broken());
        assert!(!pass(&mut order, &[(1, 0), (2, 3), (3, 1)], 1), "told twice");
        order.try_again();
        assert!(!order.is_broken());
        assert!(pass(&mut order, &[(1, 0), (2, 4), (3, 1)], 1));
    }

    #[test]
    fn an_item_that_rose_to_the_top_makes_up_for_what_came_before() {
        let mut order = ChangeOrder::default();
        pass(&mut order, &[(1, 0), (2, 0), (3, 0)], 3);
        pass(&mut order, &[(1, 0), (2, 1), (3, 0)], 1);
        pass(&mut order, &[(3, 1), (1, 0), (2, 1)], 1);
        assert_eq!(order.against, 0);
    }

    #[test]
    fn a_member_that_is_different_at_each_reading_is_no_sign() {
        let mut order = ChangeOrder::default();
        pass(&mut order, &[(1, 0), (2, 0), (3, 0)], 3);
        // Two is different though nothing of it changed; what did change is new on the page.
        assert!(!pass(&mut order, &[(9, 0), (1, 0), (2, 1)], 1));
        assert_eq!(order.against, 0);
    }

    #[test]
    fn times_that_rise_from_one_row_to_the_next_are_a_sign() {
        let mut signs = PassSigns::default();
        signs.times(&[Some(5), None, Some(5), Some(3)]);
        assert!(!signs.against);
        signs.times(&[Some(3), Some(4)]);
        assert!(signs.against);
    }

    #[test]
    fn a_change_that_the_top_must_show_and_does_not_is_a_sign() {
        let mut found = FoundByWholePasses::default();
        let page = || [ItemId::Integer(70)].iter().collect();
        found.begin_pass();
        found.page(page, 100);
        assert!(found.take().0.is_empty(), "nobody knows when it was read before");
        found.begin_pass();
        found.begin_pass();
        found.page(page, 1);
        let read = |ids: std::ops::Range<i128>| ids.map(ItemId::Integer).collect::<HashSet<_>>();
        let looked_for = found.take();
        assert_eq!(found.seen(&looked_for, &read(0..1)), None, "the change may stand below");
        assert_eq!(found.seen(&looked_for, &read(0..2)), Some(false));
        assert_eq!(found.seen(&looked_for, &read(69..71)), Some(true));
    }

    /// What happens to a list that is in order.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Update(usize),
        Insert,
        Delete(usize),
        WholePass,
        IncrementalPass,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => any::<usize>().prop_map(Step::Update),
            1 => Just(Step::Insert),
            1 => any::<usize>().prop_map(Step::Delete),
            1 => Just(Step::WholePass),
            3 => Just(Step::IncrementalPass),
        ]
    }

    /// A list with the last change first, and a mirror of it.
    #[derive(Default)]
    struct World {
        list: Vec<(i128, u64)>,
        mirror: HashMap<i128, u64>,
        made: u64,
    }

    impl World {
        /// Returns how many were created and updated, and which.
        fn write(&mut self, rows: &[(i128, u64)]) -> (u64, u64, HashSet<i128>) {
            let (mut created, mut updated, mut ids) = (0, 0, HashSet::new());
            for (id, digest) in rows {
                match self.mirror.insert(*id, *digest) {
                    None => created += 1,
                    Some(before) if before != *digest => updated += 1,
                    Some(_) => continue,
                }
                ids.insert(*id);
            }
            (created, updated, ids)
        }
    }

    proptest! {
        /// Items that go are looked for in vain at most as often as they go just after they changed; the
        /// list here loses none of those.
        #[test]
        fn a_list_in_order_is_never_disbelieved(
            steps in proptest::collection::vec(step(), 0..120), page_size in 2_usize..12,
        ) {
            let (mut world, mut order) = (World::default(), ChangeOrder::default());
            let mut found = FoundByWholePasses::default();
            let mut changed_since_pass = HashSet::new();
            for step in std::iter::repeat_n(Step::Insert, 20).chain(steps) {
                match step {
                    Step::Update(which) if !world.list.is_empty() => {
                        let (id, _) = world.list.remove(which % world.list.len());
                        world.made += 1;
                        world.list.insert(0, (id, world.made));
                        changed_since_pass.insert(id);
                    }
                    Step::Insert => {
                        world.made += 1;
                        world.list.insert(0, (i128::from(world.made) + 1000, world.made));
                        changed_since_pass.insert(i128::from(world.made) + 1000);
                    }
                    Step::Delete(which) if !world.list.is_empty() => {
                        let place = which % world.list.len();
                        if !changed_since_pass.contains(&world.list[place].0) {
                            world.list.remove(place);
                        }
                    }
                    Step::WholePass => {
                        found.begin_pass();
                        for page in world.list.clone().chunks(page_size) {
                            let (created, updated, changed) = world.write(page);
                            changed_since_pass.extend(changed);
                            let ids: Vec<ItemId> =
                                page.iter().map(|row| ItemId::Integer(row.0)).collect();
                            found.page(|| ids.iter().collect(), created + updated);
                        }
                    }
                    Step::IncrementalPass => {
                        let looked_for = found.take();
                        let (mut signs, mut read) = (PassSigns::default(), HashSet::new());
                        let mut quiet = 0;
                        for (number, page) in world.list.clone().chunks(page_size).enumerate() {
                            let (created, updated, _) = world.write(page);
                            found.incremental(created + updated);
                            if number == 0 {
                                order.first_page(&rows(page), updated, &mut signs);
                            }
                            read.extend(page.iter().map(|row| ItemId::Integer(row.0)));
                            quiet = if created + updated == 0 { quiet + 1 } else { 0 };
                            if quiet == 2 {
                                break;
                            }
                        }
                        signs.looked_for(found.seen(&looked_for, &read));
                        prop_assert!(!signs.against, "a list in order");
                        order.pass(&signs);
                        changed_since_pass.clear();
                    }
                    Step::Update(_) | Step::Delete(_) => {}
                }
            }
        }
    }
}
