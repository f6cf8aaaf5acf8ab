//! The proof as a property: lists that move between any two requests, and what a pass that calls
//! itself certified has read of them.

use std::collections::HashSet;

use proptest::prelude::*;

use super::moving_list::{Move, MovingList};
use super::*;
use crate::domain::ItemId;
use crate::pager::proof::overlap::ItemDigest;
use crate::pager::proof::window::{self, Window};

/// Everything that a pass read, and how it ended.
struct PassRun {
    read: HashSet<i128>,
    verdict: PassVerdict,
    requests: u64,
    counts: PassCounts,
}

/// Runs one pass with this many requests under way, answered in any order: before each answer the
/// next moves happen, and `order` picks which of the requests under way is answered.
fn run(
    world: &mut MovingList,
    settings: PassSettings,
    in_flight: usize,
    cap: u32,
    mut moves: impl FnMut(u64) -> Vec<Move>,
    mut order: impl FnMut(usize) -> usize,
) -> PassRun {
    let mut pass = Pass::new(settings);
    let mut under_way: Vec<WindowRequest> = vec![];
    let mut answered: Vec<(Ticket, Vec<ItemDigest>, u64)> = vec![];
    let (mut read, mut requests) = (HashSet::new(), 0);
    loop {
        while under_way.len() < in_flight {
            if let Some((chance, least)) = &mut world.sizes {
                pass.set_page_size(chance.u32(*least..=settings.page_size));
            }
            let Some(request) = pass.plan() else { break };
            assert!(
                request.window.size <= settings.page_size,
                "requests for more than the page size"
            );
            requests += 1;
            under_way.push(request);
        }
        assert!(requests < 20_000, "the pass does not end");
        if under_way.is_empty() {
            break;
        }
        let request = under_way.remove(order(under_way.len()));
        for change in moves(requests) {
            world.apply(change);
        }
        let (rows, total) = world.answer(request.window, cap);
        answered.push((request.ticket, rows, total));
        while let Some(next) = pass.awaited() {
            let Some(at) = answered.iter().position(|(ticket, ..)| *ticket == next) else { break };
            let (ticket, rows, total) = answered.swap_remove(at);
            read.extend(rows.iter().map(|row| match row.id {
                ItemId::Integer(id) => id,
                ItemId::Text(_) => unreachable!(),
            }));
            pass.take(ticket, rows, total);
        }
        if pass.verdict().is_some() {
            break;
        }
    }
    let verdict = pass.verdict().expect("a pass without requests under way has ended");
    PassRun { read, verdict, requests, counts: pass.counts() }
}

fn overlapping(page_size: u32) -> PassSettings {
    PassSettings { page_size, overlap: true }
}

fn any_move() -> impl Strategy<Value = Move> {
    let place = 0_u16..1000;
    prop_oneof![
        4 => place.clone().prop_map(Move::Insert),
        4 => place.clone().prop_map(Move::Delete),
        2 => place.clone().prop_map(Move::Touch),
        1 => place.prop_map(Move::Sink),
    ]
}

/// For each request what moves before it, over and over again.
fn storm(
    change: impl Strategy<Value = Move>,
    most: usize,
) -> impl Strategy<Value = Vec<Vec<Move>>> {
    prop::collection::vec(prop::collection::vec(change, 0..=most), 1..40)
}

fn assert_certificate_true(world: &MovingList, outcome: &PassRun) {
    if outcome.verdict == PassVerdict::Certified {
        let missed: Vec<_> = world.steady.difference(&outcome.read).collect();
        assert!(missed.is_empty(), "certified, but missed {missed:?} ({:?})", outcome.counts);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn a_certified_pass_missed_nothing_that_stayed(
        items in 0_usize..400, page_size in 1_u32..80, calm in 0_u64..8,
        storm in storm(any_move(), 4), in_flight in 1_usize..9, picks in any::<u64>(),
    ) {
        let mut world = MovingList::new(items);
        let mut chance = fastrand::Rng::with_seed(picks);
        let outcome = run(
            &mut world, overlapping(page_size), in_flight, u32::MAX,
            |request| if request % (calm + 1) == 0 && request < 500 {
                storm[usize::try_from(request).unwrap() % storm.len()].clone()
            } else { vec![] },
            |len| chance.usize(..len),
        );
        assert_certificate_true(&world, &outcome);
    }

    #[test]
    fn a_certified_pass_whose_page_size_changes_missed_nothing_that_stayed(
        items in 0_usize..400, page_size in 1_u32..80, calm in 0_u64..8, cap in 1_u32..120,
        storm in storm(any_move(), 4), in_flight in 1_usize..9, picks in any::<u64>(),
    ) {
        let mut world = MovingList::new(items);
        let mut chance = fastrand::Rng::with_seed(picks);
        world.sizes = Some((chance.fork(), 1));
        let outcome = run(
            &mut world, overlapping(page_size), in_flight, cap,
            |request| if request % (calm + 1) == 0 && request < 500 {
                storm[usize::try_from(request).unwrap() % storm.len()].clone()
            } else { vec![] },
            |len| chance.usize(..len),
        );
        assert_certificate_true(&world, &outcome);
    }

    #[test]
    fn a_list_at_rest_is_certified_however_the_page_size_changes(
        items in 0_usize..400, page_size in 20_u32..80, in_flight in 1_usize..9, picks in any::<u64>(),
    ) {
        let mut world = MovingList::new(items);
        let mut chance = fastrand::Rng::with_seed(picks);
        world.sizes = Some((chance.fork(), 17));
        let outcome = run(
            &mut world, overlapping(page_size), in_flight, u32::MAX, |_| vec![],
            |len| chance.usize(..len),
        );
        prop_assert_eq!(outcome.verdict, PassVerdict::Certified);
        prop_assert_eq!(outcome.counts.distinct, items as u64);
    }

    #[test]
    fn moves_to_the_front_that_change_no_byte_deceive_no_sequential_pass(
        items in 0_usize..400, page_size in 1_u32..80,
        storm in storm(prop_oneof![
            (0_u16..1000).prop_map(Move::Lift),
            (0_u16..1000).prop_map(Move::Insert),
            (0_u16..1000).prop_map(Move::Delete),
        ], 6),
    ) {
        let mut world = MovingList::new(items);
        let outcome = run(
            &mut world, overlapping(page_size), 1, u32::MAX,
            // A list that grew faster than it is read for ever would be read for ever.
            |request| if request < 500 {
                storm[usize::try_from(request).unwrap() % storm.len()].clone()
            } else { vec![] },
            |_| 0,
        );
        assert_certificate_true(&world, &outcome);
    }

    #[test]
    fn a_list_at_rest_is_certified_whatever_the_page_size_and_the_cap(
        items in 0_usize..400, page_size in 12_u32..80, cap in 12_u32..90,
        in_flight in 1_usize..9, picks in any::<u64>(),
    ) {
        let mut world = MovingList::new(items);
        let mut chance = fastrand::Rng::with_seed(picks);
        let outcome = run(
            &mut world, overlapping(page_size), in_flight, cap, |_| vec![], |len| chance.usize(..len),
        );
        prop_assert_eq!(outcome.verdict, PassVerdict::Certified);
        prop_assert_eq!(outcome.counts.distinct, items as u64);
        prop_assert_eq!(outcome.read.len(), items);
    }

    #[test]
    fn any_answers_at_all_end_the_pass(
        page_size in 1_u32..50, seed in any::<u64>(), overlap in any::<bool>(),
        in_flight in 1_usize..5,
    ) {
        // Rows, lengths and totals without any sense; only what the client lets through is given:
        // no answer is longer than asked for.
        let mut chance = fastrand::Rng::with_seed(seed);
        let mut pass = Pass::new(PassSettings { page_size, overlap });
        let mut asked = 0;
        while pass.verdict().is_none() {
            let mut requests: Vec<WindowRequest> = Vec::new();
            while requests.len() < in_flight && let Some(request) = pass.plan() {
                requests.push(request);
            }
            prop_assert!(!requests.is_empty() || pass.awaited().is_some());
            for request in requests {
                asked += 1;
                prop_assert!(asked < 100_000, "the pass does not end");
                let len = chance.u32(0..=request.window.size);
                let rows = (0..len)
                    .map(|_| ItemDigest { id: ItemId::Integer(chance.i128(0..200)), digest: chance.u64(0..3) })
                    .collect();
                pass.take(request.ticket, rows, chance.u64(0..2_000));
            }
        }
    }
}

#[test]
fn random_answers_without_any_order_are_not_certified() {
    for seed in 0..200 {
        let mut chance = fastrand::Rng::with_seed(seed);
        let mut ids: Vec<i128> = (0..300).collect();
        let mut pass = Pass::new(overlapping(100));
        while let Some(request) = pass.plan() {
            chance.shuffle(&mut ids);
            let len = 300_u64.min(request.window.end()).saturating_sub(request.window.start());
            let rows = ids.iter().take(usize::try_from(len).unwrap());
            let rows = rows.map(|id| ItemDigest { id: ItemId::Integer(*id), digest: 0 }).collect();
            pass.take(request.ticket, rows, 300);
        }
        assert!(matches!(pass.verdict(), Some(PassVerdict::NotCertified(_))), "seed {seed}");
    }
}

#[test]
fn a_server_that_ignores_the_page_number_is_found_out_at_once() {
    let mut pass = Pass::new(overlapping(10));
    let mut asked = 0;
    while let Some(request) = pass.plan() {
        asked += 1;
        let rows = (0..request.window.size)
            .map(|id| ItemDigest { id: ItemId::Integer(id.into()), digest: 0 });
        pass.take(request.ticket, rows.collect(), 1000);
    }
    assert!(asked < 10, "{asked} requests");
    assert!(matches!(pass.verdict(), Some(PassVerdict::NotCertified(_))));
}

#[test]
fn plain_pages_are_the_vendors_and_are_not_certified_beyond_one_page() {
    let mut world = MovingList::new(45);
    let settings = PassSettings { page_size: 20, overlap: false };
    let outcome = run(&mut world, settings, 1, u32::MAX, |_| vec![], |_| 0);
    assert_eq!((outcome.requests, outcome.read.len()), (3, 45));
    assert_eq!(outcome.verdict, PassVerdict::NotCertified(UncertifiedReason::PlainPages));
    let outcome = run(&mut MovingList::new(20), settings, 1, u32::MAX, |_| vec![], |_| 0);
    assert_eq!((outcome.requests, outcome.verdict), (2, PassVerdict::Certified));
    let outcome = run(&mut MovingList::new(19), settings, 1, u32::MAX, |_| vec![], |_| 0);
    assert_eq!((outcome.requests, outcome.verdict), (2, PassVerdict::Certified));
}

#[test]
fn an_empty_repository_takes_one_request() {
    let outcome = run(&mut MovingList::new(0), overlapping(20), 8, u32::MAX, |_| vec![], |_| 0);
    assert_eq!((outcome.requests, outcome.verdict), (1, PassVerdict::Certified));
}

#[test]
fn a_deletion_early_in_the_list_costs_a_step_back_and_no_item() {
    let mut world = MovingList::new(100);
    let outcome = run(
        &mut world,
        overlapping(20),
        1,
        u32::MAX,
        |request| if request == 2 { vec![Move::Delete(0)] } else { vec![] },
        |_| 0,
    );
    assert_eq!(outcome.verdict, PassVerdict::Certified);
    assert!(outcome.counts.step_backs >= 1);
    assert_eq!(outcome.read.len(), 100);
}

#[test]
fn a_server_that_caps_the_page_size_is_paged_at_its_own_size() {
    let outcome = run(&mut MovingList::new(1000), overlapping(200), 1, 50, |_| vec![], |_| 0);
    assert_eq!(outcome.verdict, PassVerdict::Certified);
    assert!(outcome.requests < 30, "{} requests", outcome.requests);
}

#[test]
fn a_deletion_of_any_length_up_to_one_and_a_half_pages_is_stepped_back_over() {
    for (page_size, items, every) in [(20, 400, 1), (100, 1500, 3), (1000, 12_000, 97)] {
        for deleted in (1..=page_size as usize * 3 / 2).step_by(every) {
            let mut world = MovingList::new(items);
            let outcome = run(
                &mut world,
                overlapping(page_size),
                1,
                u32::MAX,
                |request| if request == 8 { vec![Move::Delete(0); deleted] } else { vec![] },
                |_| 0,
            );
            assert_certificate_true(&world, &outcome);
            assert_eq!(
                outcome.verdict,
                PassVerdict::Certified,
                "{deleted} deleted, {page_size} a page"
            );
        }
    }
}

#[test]
fn a_page_cut_to_just_the_length_of_the_last_one_does_not_end_the_pass() {
    // Positions 99 to 159 are asked for as page 2 at 99; cut to 60 it is 60 to 120 that come.
    let world = MovingList::new(159);
    let mut pass = Pass::new(overlapping(100));
    let (mut read, mut asked) = (HashSet::new(), 0);
    while let Some(request) = pass.plan() {
        asked += 1;
        let (rows, total) = world.answer(request.window, if asked == 2 { 60 } else { u32::MAX });
        read.extend(rows.iter().map(|row| row.id.clone()));
        pass.take(request.ticket, rows, total);
    }
    assert_eq!((pass.verdict(), read.len()), (Some(PassVerdict::Certified), 159));
    assert!(asked <= 5, "{asked} requests");
}

#[test]
fn an_announced_total_that_is_too_high_costs_few_requests_and_the_certificate() {
    for (items, page_size) in [(5_000, 1000), (50, 100), (2_500, 1000)] {
        let world = MovingList::new(items);
        let mut pass = Pass::new(overlapping(page_size));
        let mut asked = 0;
        while let Some(request) = pass.plan() {
            asked += 1;
            let (rows, total) = world.answer(request.window, u32::MAX);
            pass.take(request.ticket, rows, total + 1);
        }
        assert!(asked < 13, "{asked} requests for {items} items");
        let ends_early =
            UncertifiedReason::EndsEarly { position: items as u64, announced: items as u64 + 1 };
        assert_eq!(pass.verdict(), Some(PassVerdict::NotCertified(ends_early)));
    }
}

#[test]
fn an_empty_answer_where_items_are_announced_is_no_end_however_much_moves() {
    let world = MovingList::new(1000);
    let mut pass = Pass::new(overlapping(100));
    let mut asked = 0;
    while let Some(request) = pass.plan() {
        asked += 1;
        let (mut rows, total) = world.answer(request.window, u32::MAX);
        if asked > 4 {
            rows.clear();
        }
        // The total goes up and down by so much that any count would do.
        pass.take(request.ticket, rows, total + asked % 2 * 1000);
    }
    assert!(matches!(
        pass.verdict(),
        Some(PassVerdict::NotCertified(UncertifiedReason::EndsEarly { .. }))
    ));
}

#[test]
fn a_server_that_ignores_the_page_number_is_found_out_though_its_list_moves() {
    let mut world = MovingList::new(500);
    let mut pass = Pass::new(overlapping(50));
    while let Some(request) = pass.plan() {
        world.apply(Move::Insert(0));
        world.apply(Move::Delete(999));
        let (rows, total) = world.answer(Window { page: 1, ..request.window }, u32::MAX);
        pass.take(request.ticket, rows, total);
    }
    assert_eq!(pass.verdict(), Some(PassVerdict::NotCertified(UncertifiedReason::PageRepeated)));
}

#[test]
fn insertions_that_make_a_page_the_one_before_over_again_are_no_repetition() {
    let mut world = MovingList::new(500);
    let advance = usize::try_from(window::next_overlapping(50, 50, 1).window.start()).unwrap();
    let outcome = run(
        &mut world,
        overlapping(50),
        1,
        u32::MAX,
        |request| if request == 2 { vec![Move::Insert(0); advance] } else { vec![] },
        |_| 0,
    );
    assert_eq!(outcome.verdict, PassVerdict::Certified);
    assert_certificate_true(&world, &outcome);
}

#[test]
fn while_a_range_is_read_again_nothing_else_is_asked_for() {
    let mut world = MovingList::new(200);
    let mut pass = Pass::new(overlapping(20));
    for round in 0..2 {
        let request = pass.plan().unwrap();
        if round == 1 {
            world.apply(Move::Delete(0));
        }
        let (rows, total) = world.answer(request.window, u32::MAX);
        let taken = pass.take(request.ticket, rows, total);
        assert_eq!(taken == AnswerOutcome::Replanned(RereadReason::OverlapLost), round == 1);
    }
    assert!(pass.plan().is_some());
    assert_eq!(pass.plan(), None);
}

#[test]
fn totals_at_the_limit_of_their_type_overflow_nothing() {
    for seed in 0..2_000 {
        let mut chance = fastrand::Rng::with_seed(seed);
        let page_size = chance.u32(1..50);
        let mut pass = Pass::new(PassSettings { page_size, overlap: chance.bool() });
        for _ in 0..200 {
            let requests: Vec<WindowRequest> =
                (0..chance.usize(1..5)).map_while(|_| pass.plan()).collect();
            for request in requests {
                let len = if chance.bool() {
                    request.window.size
                } else {
                    chance.u32(0..=request.window.size)
                };
                let ids = chance.i128(1..100);
                let rows = (0..len)
                    .map(|_| ItemDigest { id: ItemId::Integer(chance.i128(0..ids)), digest: 0 })
                    .collect();
                let totals = [0, 1, 30, u64::MAX, u64::MAX - 1, chance.u64(..)];
                pass.take(request.ticket, rows, totals[chance.usize(..totals.len())]);
            }
        }
    }
}
