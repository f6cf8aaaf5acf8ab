//! Servers that announce another number of items than they have: all is read, and nothing certified.

use std::collections::HashSet;

use proptest::prelude::*;

use super::moving_list::MovingList;
use super::*;
use crate::pager::proof::window::Window;

/// What a server announces in place of the number of items.
#[derive(Clone, Copy, Debug)]
enum Lie {
    None,
    /// No more than so many.
    Capped(u64),
    /// The items of this page alone.
    OfPage,
    /// The items up to the end of this page.
    SoFar,
}

impl Lie {
    fn total(self, window: Window, rows: u64, total: u64) -> u64 {
        match self {
            Self::None => total,
            Self::Capped(most) => total.min(most),
            Self::OfPage => rows,
            Self::SoFar => total.min(window.start() + rows),
        }
    }
}

fn any_lie() -> impl Strategy<Value = Lie> {
    prop_oneof![
        Just(Lie::None),
        (1_u64..300).prop_map(Lie::Capped),
        // Where pages end, which is where a total alone would be believed.
        (1_u64..20).prop_map(|tens| Lie::Capped(tens * 10)),
        Just(Lie::OfPage),
        Just(Lie::SoFar),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_total_is_announced_all_that_is_there_is_read_and_a_wrong_one_certifies_nothing(
        items in 0_usize..400, page_size in 12_u32..80, cap in 12_u32..160, lie in any_lie(),
        overlap in any::<bool>(), in_flight in 1_usize..9,
    ) {
        let world = MovingList::new(items);
        let mut pass = Pass::new(PassSettings { page_size, overlap });
        let (mut read, mut asked, mut lied) = (HashSet::new(), 0, false);
        while pass.verdict().is_none() {
            let requests: Vec<WindowRequest> = std::iter::from_fn(|| pass.plan()).take(in_flight).collect();
            prop_assert!(!requests.is_empty());
            for request in requests {
                asked += 1;
                let (rows, total) = world.answer(request.window, cap);
                let told = lie.total(request.window, rows.len() as u64, total);
                lied = told < total;
                prop_assert!(asked < 400, "it does not end");
                read.extend(rows.iter().map(|row| row.id.clone()));
                pass.take(request.ticket, rows, told);
            }
        }
        // Plain pages of another size than asked for stand elsewhere than where they were asked for.
        if overlap || cap >= page_size {
            prop_assert_eq!(read.len(), items, "{:?}", pass.verdict());
        }
        prop_assert!(!lied || pass.verdict() != Some(PassVerdict::Certified), "certified a lie");
    }
}

/// A pass over a list at rest, whose server announces at most so many items and sends at most so
/// many at once.
fn capped(items: usize, page_size: u32, total: u64, page: u32) -> (Pass, usize) {
    let world = MovingList::new(items);
    let mut pass = Pass::new(PassSettings { page_size, overlap: true });
    let mut asked = 0;
    while let Some(request) = pass.plan() {
        asked += 1;
        let (rows, all) = world.answer(request.window, page);
        pass.take(request.ticket, rows, all.min(total));
    }
    (pass, asked)
}

#[test]
fn a_total_that_is_capped_is_named_with_both_numbers_and_costs_few_requests() {
    for (page_size, plain) in [(100, 25), (1000, 3)] {
        let (pass, asked) = capped(2500, page_size, 1000, u32::MAX);
        let reason = UncertifiedReason::TotalTooLow { position: 2500, announced: 1000 };
        assert_eq!(pass.verdict(), Some(PassVerdict::NotCertified(reason)));
        assert_eq!(pass.counts().distinct, 2500);
        assert!(asked <= plain * 5 / 4 + 2, "{asked} requests at {page_size}");
        assert!(reason.to_string().contains("1000") && reason.to_string().contains("2500"));
    }
}

#[test]
fn a_list_of_one_page_takes_a_second_request_unless_nobody_could_have_cut_it() {
    for (items, requests) in [(0, 1), (1, 1), (2, 1), (3, 2), (19, 2), (20, 2)] {
        let (pass, asked) = capped(items, 20, u64::MAX, u32::MAX);
        assert_eq!((asked, pass.verdict()), (requests, Some(PassVerdict::Certified)), "{items}");
    }
}

#[test]
fn a_server_that_sends_and_announces_no_more_than_one_page_is_read_to_the_end_all_the_same() {
    for page in [10, 49, 50] {
        let (pass, _) = capped(237, 100, page.into(), page);
        let reason = UncertifiedReason::TotalTooLow { position: 237, announced: page.into() };
        assert_eq!(pass.verdict(), Some(PassVerdict::NotCertified(reason)));
        assert_eq!(pass.counts().distinct, 237);
    }
}
