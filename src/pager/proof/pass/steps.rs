//! Single answers, and what exactly a pass makes of each: what it asks for next, what it counts.

use std::ops::Range;

use super::state::STEP_BACKS;
use super::*;
use crate::domain::{IdSet, ItemId};
use crate::pager::proof::overlap::{ItemDigest, Overlap};
use crate::pager::proof::window::{self, Window};

fn overlapping(page_size: u32) -> PassSettings {
    PassSettings { page_size, overlap: true }
}

fn plain(page_size: u32) -> PassSettings {
    PassSettings { page_size, overlap: false }
}

/// Rows of a list in which each id is its position.
fn rows(ids: Range<u64>) -> Vec<ItemDigest> {
    ids.map(|id| ItemDigest { id: ItemId::Integer(id.into()), digest: 0 }).collect()
}

/// Asks for the next window and answers it with these rows.
fn step(pass: &mut Pass, ids: Range<u64>, total: u64) -> (Window, AnswerOutcome) {
    let request = pass.plan().expect("the pass goes on");
    (request.window, pass.take(request.ticket, rows(ids), total))
}

/// Asks for the next window and answers it as a list at rest of so many items would.
fn at_rest(pass: &mut Pass, total: u64) -> (Window, AnswerOutcome) {
    let request = pass.plan().expect("the pass goes on");
    let ids = request.window.start().min(total)..request.window.end().min(total);
    (request.window, pass.take(request.ticket, rows(ids), total))
}

#[test]
fn all_is_counted_once_for_each_answer() {
    let mut pass = Pass::new(overlapping(20));
    assert_eq!(pass.covered(), 0);
    at_rest(&mut pass, 100);
    let (first, second) = (20, pass.plan().unwrap());
    let (start, end) = (second.window.start(), second.window.end());
    pass.take(second.ticket, rows(start..end), 101);
    assert_eq!(pass.covered(), end);
    assert_eq!(pass.newly_seen().iter().filter(|first| !**first).count() as u64, first - start);
    let expected = PassCounts {
        pages: 2,
        rows: 20 + end - start,
        distinct: end,
        repeats: first - start,
        step_backs: 0,
        first_total: 100,
        last_total: 101,
    };
    assert_eq!(pass.counts(), expected);
    let mut repeats = expected.repeats;
    while pass.verdict().is_none() {
        let covered = pass.covered();
        let (window, _) = at_rest(&mut pass, 101);
        repeats += covered - window.start();
    }
    assert_eq!((pass.counts().repeats, pass.counts().distinct), (repeats, 101));
}

#[test]
fn what_is_asked_for_ahead_reaches_past_the_announced_total_and_no_further() {
    let end = window::next_overlapping(20, 20, 1).window.end();
    for (total, more) in [(end - 1, false), (end, true), (end + 1, true)] {
        let mut pass = Pass::new(overlapping(20));
        at_rest(&mut pass, total);
        assert_eq!(pass.plan().map(|request| request.window.end()), Some(end));
        assert_eq!(pass.plan().is_some(), more, "{total}");
    }
}

#[test]
fn what_is_void_is_not_wanted_and_its_answer_changes_nothing() {
    let mut pass = Pass::new(overlapping(20));
    at_rest(&mut pass, 200);
    assert!(pass.latest_is_previous());
    let requests = [pass.plan().unwrap(), pass.plan().unwrap()];
    assert!(requests.iter().all(|request| pass.wants(request.ticket)));
    let strangers = rows(1000..1000 + u64::from(requests[0].window.size));
    let taken = pass.take(requests[0].ticket, strangers, 200);
    assert_eq!(taken, AnswerOutcome::Replanned(RereadReason::OverlapLost));
    assert!(!pass.latest_is_previous(), "an answer that proves nothing");
    assert!(!pass.wants(requests[1].ticket));
    assert_eq!(pass.take(requests[1].ticket, rows(0..1), 200), AnswerOutcome::Void);
    assert_eq!(pass.counts().pages, 2);
}

#[test]
fn new_settings_make_void_what_was_asked_for_and_the_same_settings_do_not() {
    let again = |settings| {
        let mut pass = Pass::new(overlapping(20));
        let (window, taken) = step(&mut pass, 0..5, 100);
        assert_eq!((window.size, taken), (20, AnswerOutcome::Replanned(RereadReason::ShortPage)));
        pass.resume(IdSet::new(), settings).plan().unwrap().window
    };
    assert_eq!(again(overlapping(20)), Window { page: 1, size: 20 });
    assert_eq!(again(overlapping(10)), Window { page: 1, size: 10 });

    let mut pass = Pass::new(overlapping(20));
    at_rest(&mut pass, 100);
    let before = pass.plan().unwrap();
    pass.change_settings(overlapping(10));
    assert!(!pass.wants(before.ticket));
    assert!(pass.plan().unwrap().window.size <= 10);
}

#[test]
fn a_short_page_is_asked_for_again_before_it_is_believed() {
    let mut pass = Pass::new(overlapping(20));
    let (first, taken) = step(&mut pass, 0..10, 100);
    assert_eq!(taken, AnswerOutcome::Replanned(RereadReason::ShortPage));
    let (second, taken) = at_rest(&mut pass, 100);
    assert_eq!((second, taken), (first, AnswerOutcome::Accepted));
    assert!(pass.plan().unwrap().window.size > 10, "one short answer was taken for the page size");
}

#[test]
fn a_first_page_that_stays_short_is_kept_and_sets_the_page_size() {
    let mut pass = Pass::new(overlapping(20));
    for covered in [0, 10] {
        let (window, taken) = step(&mut pass, 0..10, 100);
        assert_eq!((window.start(), taken), (0, AnswerOutcome::Replanned(RereadReason::ShortPage)));
        assert_eq!(pass.covered(), covered);
    }
    let (next, taken) = at_rest(&mut pass, 100);
    assert!(next.start() > 0 && next.size <= 10, "{next:?}");
    assert_eq!(taken, AnswerOutcome::Accepted);
}

#[test]
fn a_page_within_the_total_that_stays_short_is_no_end_of_the_list() {
    let end = window::next_overlapping(20, 20, 1).window.end();
    let mut pass = Pass::new(overlapping(20));
    at_rest(&mut pass, end);
    for step_backs in [1, 2] {
        let request = pass.plan().unwrap();
        assert_eq!(request.window.end(), end);
        let taken = pass.take(request.ticket, rows(request.window.start()..end - 2), end);
        assert_eq!(taken, AnswerOutcome::Replanned(RereadReason::ShortPage));
        assert_eq!((pass.covered(), pass.counts().step_backs), (20, step_backs));
    }
}

#[test]
fn a_page_that_comes_twice_is_asked_for_again_before_it_is_believed() {
    let mut pass = Pass::new(overlapping(20));
    at_rest(&mut pass, 100);
    let request = pass.plan().unwrap();
    let taken = pass.take(request.ticket, rows(0..u64::from(request.window.size)), 100);
    assert_eq!(taken, AnswerOutcome::Replanned(RereadReason::PageRepeated));
    assert_eq!(at_rest(&mut pass, 100), (request.window, AnswerOutcome::Accepted));
}

#[test]
fn a_list_that_is_emptied_meanwhile_is_read_again_from_its_top() {
    let mut pass = Pass::new(overlapping(20));
    at_rest(&mut pass, 40);
    assert_eq!(at_rest(&mut pass, 0).1, AnswerOutcome::Replanned(RereadReason::OverlapLost));
    let (window, taken) = at_rest(&mut pass, 0);
    assert_eq!((window.start(), taken), (0, AnswerOutcome::Ended));
    assert_eq!(pass.verdict(), Some(PassVerdict::Certified));
}

#[test]
fn a_plain_page_that_is_asked_for_again_need_not_share_an_item() {
    let mut pass = Pass::new(plain(20));
    at_rest(&mut pass, 100);
    pass.change_settings(plain(15));
    assert_eq!(step(&mut pass, 50..55, 100).1, AnswerOutcome::Replanned(RereadReason::ShortPage));
    let (window, taken) = step(&mut pass, 50..65, 100);
    assert_eq!((window.start(), taken), (15, AnswerOutcome::Accepted));
}

#[test]
fn a_page_without_an_overlap_to_be_had_need_not_share_an_item_the_second_time_either() {
    let mut pass = Pass::new(overlapping(2));
    at_rest(&mut pass, 10);
    assert_eq!(step(&mut pass, 5..6, 10).1, AnswerOutcome::Replanned(RereadReason::ShortPage));
    let (window, taken) = step(&mut pass, 5..7, 10);
    assert_eq!((window.start(), taken), (2, AnswerOutcome::Accepted));
}

/// A pass whose second page, from position 99, came cut to 60 rows.
fn cut_once() -> Pass {
    let mut pass = Pass::new(overlapping(100));
    at_rest(&mut pass, 159);
    let (window, taken) = step(&mut pass, 60..120, 159);
    assert_eq!((window.start(), taken), (99, AnswerOutcome::Replanned(RereadReason::ShortPage)));
    pass
}

#[test]
fn a_page_that_came_cut_counts_for_what_it_is() {
    let pass = cut_once();
    assert_eq!((pass.covered(), pass.counts().step_backs), (120, 1));
    assert!(pass.latest_is_previous());
}

#[test]
fn pages_that_come_cut_again_and_again_end_the_pass() {
    let mut pass = cut_once();
    for _ in 1..STEP_BACKS {
        assert_eq!(
            step(&mut pass, 60..120, 160).1,
            AnswerOutcome::Replanned(RereadReason::ShortPage)
        );
    }
    assert_eq!(step(&mut pass, 60..120, 160).1, AnswerOutcome::Ended);
    let reason = UncertifiedReason::PagesCut { position: 120 };
    assert_eq!(pass.verdict(), Some(PassVerdict::NotCertified(reason)));
}

#[test]
fn a_page_is_taken_for_cut_only_where_that_needs_less_movement() {
    // Cut, it would begin 39 positions further up than asked for.
    for (up, taken) in
        [(19, AnswerOutcome::Ended), (20, AnswerOutcome::Replanned(RereadReason::ShortPage))]
    {
        let mut pass = Pass::new(overlapping(100));
        at_rest(&mut pass, 159);
        assert_eq!(step(&mut pass, 99 - up..159 - up, 159).1, taken, "{up}");
    }
}

#[test]
fn where_the_server_cuts_pages_to_changing_sizes_only_a_full_one_ends_the_pass() {
    for total in 23..40 {
        let mut pass = Pass::new(overlapping(20));
        step(&mut pass, 0..10, total);
        step(&mut pass, 0..10, total);
        for _ in 0..2 {
            let (_, taken) = step(&mut pass, 9..14, total);
            assert_eq!(taken, AnswerOutcome::Replanned(RereadReason::ShortPage));
        }
        let mut last = Vec::new();
        while pass.verdict().is_none() {
            last.push(at_rest(&mut pass, total).0);
        }
        // Nothing but single positions is certainly not cut: the last one, and the one past it.
        let singles = [total, total + 1].map(|page| Window { page, size: 1 });
        let shown = last.windows(2).any(|pair| pair == singles);
        let full = last.last().is_some_and(|last| last.size > 1 && last.end() <= total + 1);
        assert!(shown || full, "{last:?} of {total}");
        assert_eq!(pass.verdict(), Some(PassVerdict::Certified));
    }
}

#[test]
fn an_overlap_that_a_loss_has_widened_is_halved_with_each_link_in_calm() {
    let mut pass = Pass::new(overlapping(100));
    let calm = Overlap { displacement: 0, unmatched: 0 };
    pass.note(Overlap { displacement: -20, ..calm });
    let mut overlaps = vec![pass.overlap];
    for _ in 0..6 {
        pass.note(calm);
        overlaps.push(pass.overlap);
    }
    assert_eq!(overlaps, [40, 20, 10, 5, 2, 1, 1]);
}
