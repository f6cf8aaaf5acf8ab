//! What the schedule promises, as properties.

use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Terms that hold nobody up.
const FREE: Terms =
    Terms { least: None, page_interval: Duration::ZERO, most: 1000, is_default: false };

fn ms(ms: u64) -> Duration {
    MS * u32::try_from(ms).unwrap()
}

fn bound(least: Duration) -> Bound {
    Bound { least: Some(least), is_for_all: true }
}

fn wish(line: LineId, urgency: Urgency, bytes: u64) -> Wish {
    Wish { line, urgency, is_paced: true, bytes }
}

fn urgency(class: u8, now: Instant, within: u64, ticket: u64) -> Urgency {
    match class {
        0 => Urgency::whole(now, ms(within), ticket),
        1 => Urgency::incremental(now + ms(within)),
        _ => Urgency { deadline: now + ms(within), ..Urgency::question(now) },
    }
}

/// What happens, and how many milliseconds after what happened before.
#[derive(Clone, Copy, Debug)]
enum Step {
    Enter { line: usize, class: u8, within: u64, bytes: u64 },
    End(usize),
    GiveBack(usize),
    Most(usize, u32),
    Await(usize, u64),
}

fn step() -> impl Strategy<Value = (u64, Step)> {
    let step = prop_oneof![
        4 => (0_usize..4, 0_u8..3, 0_u64..5000, 0_u64..60)
            .prop_map(|(line, class, within, bytes)| Step::Enter { line, class, within, bytes }),
        2 => any::<usize>().prop_map(Step::End),
        2 => any::<usize>().prop_map(Step::GiveBack),
        1 => (0_usize..4, 1_u32..4).prop_map(|(line, most)| Step::Most(line, most)),
        1 => (0_usize..4, 0_u64..100).prop_map(|(line, ticket)| Step::Await(line, ticket)),
    ];
    (0_u64..400, step)
}

/// What went, by the test's own books.
#[derive(Default)]
struct Sent {
    own: Option<Instant>,
    page: Option<Instant>,
    under_way: u32,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_bound_is_ever_exceeded(steps in prop::collection::vec(step(), 1..150)) {
        const MOST: u64 = 100;
        let (least, own, page) = (ms(200), ms(300), ms(700));
        let mut now = Instant::now();
        let mut schedule = Schedule::new(bound(least), MOST);
        let mut terms = [Terms { least: Some(own), page_interval: page, most: 2, is_default: false }; 4];
        let lines = terms.map(|terms| schedule.add_line(terms));
        let (mut waiting, mut sent) = (HashMap::new(), <[Sent; 4]>::default());
        let (mut all, mut under_way, mut held) = (None, Vec::new(), Vec::new());
        let mut awaited = [None; 4];
        for (after, step) in steps {
            let until = now + ms(after);
            while now < until {
                now = schedule.due(now).filter(|due| *due < until).unwrap_or(until);
                while let Some(granted) = schedule.grant(now) {
                    let (line, wish): (usize, Wish) = waiting.remove(&granted.id).unwrap();
                    let (terms, sent) = (terms[line], &mut sent[line]);
                    prop_assert!(all.is_none_or(|at| now >= at + least));
                    prop_assert!(sent.own.is_none_or(|at| now >= at + own));
                    prop_assert!(!wish.is_page() || sent.page.is_none_or(|at| now >= at + page));
                    prop_assert!(sent.under_way < terms.most);
                    let others: u64 = held.iter().map(|(_, bytes, _)| *bytes).sum();
                    let is_beyond = others > 0 && others + wish.bytes > MOST && wish.bytes > 0;
                    let is_awaited = match wish.urgency.class {
                        RequestClass::Whole { ticket, .. } => awaited[line] == Some(ticket),
                        _ => true,
                    };
                    prop_assert!(!is_beyond || is_awaited && held.iter().all(|(_, _, beyond)| !beyond));
                    (all, sent.own) = (Some(now), Some(now));
                    if wish.is_page() {
                        sent.page = Some(now);
                    }
                    sent.under_way += 1;
                    under_way.push(line);
                    held.push((granted.held, wish.bytes, is_beyond));
                }
            }
            match step {
                Step::Enter { line, class, within, bytes } => {
                    let urgency = urgency(class, now, within, within % 100);
                    let wish = wish(lines[line], urgency, if class == 2 { 0 } else { bytes });
                    waiting.insert(schedule.enter(now, wish), (line, wish));
                }
                Step::End(which) if !under_way.is_empty() => {
                    let line = under_way.swap_remove(which % under_way.len());
                    sent[line].under_way -= 1;
                    schedule.ended(lines[line]);
                }
                Step::GiveBack(which) if !held.is_empty() => {
                    schedule.give_back(held.swap_remove(which % held.len()).0);
                }
                Step::Most(line, most) => {
                    terms[line].most = most;
                    schedule.set_terms(lines[line], terms[line]);
                }
                Step::Await(line, ticket) => {
                    awaited[line] = Some(ticket);
                    schedule.set_awaited(lines[line], awaited[line]);
                }
                Step::End(_) | Step::GiveBack(_) => {}
            }
            prop_assert_eq!(schedule.bytes_in_hand(), held.iter().map(|it| it.1).sum::<u64>());
        }
    }

    #[test]
    fn the_earliest_deadline_goes_first_and_what_leaves_is_gone(
        deadlines in prop::collection::vec((0_usize..3, 0_u64..10_000, any::<bool>()), 1..60),
    ) {
        let now = Instant::now();
        let mut schedule = Schedule::new(bound(ms(100)), 0);
        let lines = [FREE; 3].map(|terms| schedule.add_line(terms));
        let mut stay = Vec::new();
        for (line, within, stays) in deadlines {
            let deadline = now + ms(within);
            let id = schedule.enter(now, wish(lines[line], Urgency::incremental(deadline), 0));
            if stays {
                stay.push((deadline, id));
            } else {
                prop_assert!(schedule.leave(id) && !schedule.leave(id));
            }
        }
        stay.sort();
        let mut at = now;
        for (_, id) in stay {
            prop_assert_eq!(schedule.grant(at).map(|granted| granted.id), Some(id));
            prop_assert_eq!(schedule.grant(at), None);
            at += ms(100);
        }
        prop_assert_eq!(schedule.grant(at), None);
    }

    #[test]
    fn whole_passes_that_need_no_more_than_their_share_end_in_time_whatever_else_is_asked(
        passes in prop::collection::vec((1_u32..40, 1_u64..10), 1..8),
        flood in prop::collection::vec((0_usize..3, 0_u64..3000), 3..6),
        latency in 0_u64..300,
    ) {
        let least = ms(100);
        let begun = Instant::now();
        let mut schedule = Schedule::new(bound(least), 0);
        // Together they need nine tenths of the share: by their weights.
        let weights: u64 = passes.iter().map(|(_, weight)| weight).sum();
        let passes: Vec<(u32, Duration)> = passes.iter().map(|(pages, weight)| {
            let each = least * SHARE * u32::try_from(weights).unwrap() / u32::try_from(*weight).unwrap();
            (*pages, each * *pages * 10 / 9)
        }).collect();
        let lines: Vec<_> = passes.iter().map(|_| schedule.add_line(FREE)).collect();
        let others = [FREE; 3].map(|terms| schedule.add_line(terms));
        let mut left: Vec<u32> = passes.iter().map(|(pages, _)| *pages).collect();
        let mut ends = vec![begun; passes.len()];
        let (mut now, mut of, mut coming) = (begun, HashMap::new(), Vec::new());
        for pass in 0..passes.len() {
            coming.push((begun, Some(pass), 0));
        }
        for (which, (_, within)) in flood.iter().enumerate() {
            coming.push((begun, None, which as u64 + within * 10));
        }
        while left.iter().any(|left| *left > 0) {
            coming.retain(|(at, pass, seed)| {
                if *at > now {
                    return true;
                }
                let (line, urgency) = match *pass {
                    Some(pass) => {
                        let by = (begun + passes[pass].1).saturating_duration_since(now);
                        (lines[pass], Urgency::whole(now, by / left[pass], 1))
                    }
                    // Always more urgent than any page of a whole pass.
                    None => (others[(*seed % 3) as usize], Urgency::incremental(now - SECOND)),
                };
                let id = schedule.enter(now, wish(line, urgency, 0));
                of.insert(id, (line, *pass, *seed));
                false
            });
            while let Some(granted) = schedule.grant(now) {
                let (line, pass, seed) = of.remove(&granted.id).unwrap();
                schedule.ended(line);
                let Some(pass) = pass else {
                    coming.push((now, None, seed));
                    continue;
                };
                left[pass] -= 1;
                ends[pass] = now;
                if left[pass] > 0 {
                    coming.push((now + ms(latency.min(50)), Some(pass), 0));
                }
            }
            let next = coming.iter().map(|it| it.0).chain(schedule.due(now)).filter(|at| *at > now);
            now = next.min().unwrap_or(now + MS);
        }
        for (pass, (end, (pages, within))) in ends.iter().zip(&passes).enumerate() {
            // None is cut short that goes just then: one turn for each pass.
            let slack = least * SHARE * (u32::try_from(passes.len()).unwrap() + 1);
            prop_assert!(*end <= begun + *within + slack,
                "{pass} of {pages}: {:?} of {within:?}", *end - begun);
        }
    }

    #[test]
    fn passes_that_read_ahead_never_wait_for_one_another_for_ever(
        passes in prop::collection::vec((1_usize..12, 1_usize..5), 1..6),
        sizes in prop::collection::vec(0_u64..250, 16),
        picks in prop::collection::vec(any::<usize>(), 64),
    ) {
        const MOST: u64 = 100;
        let now = Instant::now();
        let mut schedule = Schedule::new(Bound::default(), MOST);
        let mut picks = picks.iter().copied().cycle();
        let mut passes: Vec<_> = passes.into_iter().map(|(pages, ahead)| {
            ReadAhead { line: schedule.add_line(FREE), pages, ahead, sent: 0, written: 0, arrived: HashMap::new() }
        }).collect();
        let (mut of, mut under_way) = (HashMap::new(), Vec::new());
        while passes.iter().any(|pass| pass.written < pass.pages) {
            for (which, pass) in passes.iter_mut().enumerate() {
                schedule.set_awaited(pass.line, Some(pass.written as u64));
                while pass.sent < pass.pages && pass.sent < pass.written + pass.ahead {
                    let urgency = Urgency::whole(now, SECOND, pass.sent as u64);
                    let expected = sizes[(pass.sent + which) % sizes.len()];
                    of.insert(schedule.enter(now, wish(pass.line, urgency, expected)), (which, pass.sent));
                    pass.sent += 1;
                }
            }
            while let Some(granted) = schedule.grant(now) {
                under_way.push((of.remove(&granted.id).unwrap(), granted.held));
            }
            // One answer comes, whichever; its size is another one than was expected.
            prop_assert!(!under_way.is_empty(), "nobody gets on: {} bytes in hand", schedule.bytes_in_hand());
            let ((which, page), mut held) = under_way.swap_remove(picks.next().unwrap() % under_way.len());
            let pass = &mut passes[which];
            schedule.ended(pass.line);
            schedule.resize(&mut held, sizes[picks.next().unwrap() % sizes.len()]);
            pass.arrived.insert(page, held);
            while let Some(held) = pass.arrived.remove(&pass.written) {
                schedule.give_back(held);
                pass.written += 1;
            }
        }
        prop_assert_eq!(schedule.bytes_in_hand(), 0);
    }
}

/// A pass that reads ahead of the page that is to be written next.
struct ReadAhead {
    line: LineId,
    pages: usize,
    ahead: usize,
    sent: usize,
    written: usize,
    arrived: HashMap<usize, Held>,
}

#[test]
fn within_a_repository_incremental_pages_go_first_and_leave_whole_ones_their_share() {
    let mut now = Instant::now();
    let mut schedule = Schedule::new(Bound::default(), 0);
    let line = schedule.add_line(Terms { page_interval: SECOND, most: 1, ..FREE });
    let mut order = String::new();
    let whole = schedule.enter(now, wish(line, Urgency::whole(now, SECOND * 3600, 1), 0));
    for _ in 0..2 * SHARE {
        schedule.enter(now, wish(line, Urgency::incremental(now + SECOND), 0));
    }
    while let Some(granted) = schedule.grant(now) {
        order.push(if granted.id == whole { 'w' } else { 'i' });
        assert_eq!(schedule.grant(now), None, "one at a time");
        schedule.ended(line);
        assert_eq!(schedule.due(now).unwrap_or(now + SECOND), now + SECOND);
        now += SECOND;
    }
    assert_eq!(order, "iiiwiiiii");
}

#[test]
fn a_default_bound_holds_for_those_without_a_page_interval_of_their_own() {
    let now = Instant::now();
    let least = Bound { least: Some(SECOND), is_for_all: false };
    let mut schedule = Schedule::new(least, 0);
    let own = schedule.add_line(FREE);
    let default = schedule.add_line(Terms { is_default: true, ..FREE });
    for line in [own, default, own, default, own] {
        schedule.enter(now, wish(line, Urgency::incremental(now), 0));
    }
    let granted = std::iter::from_fn(|| schedule.grant(now)).count();
    assert_eq!((granted, schedule.due(now)), (4, Some(now + SECOND)));
    schedule.set_bound(Bound { least: Some(SECOND / 2), is_for_all: true });
    assert_eq!(schedule.due(now), Some(now + SECOND / 2));
}

#[test]
fn a_large_page_that_does_not_fit_holds_up_those_behind_it() {
    let now = Instant::now();
    let mut schedule = Schedule::new(Bound::default(), 100);
    let line = schedule.add_line(FREE);
    let page = |within: u64| Urgency::whole(now, ms(within), within);
    schedule.enter(now, wish(line, page(1), 60));
    let large = schedule.enter(now, wish(line, page(2), 90));
    let small = schedule.enter(now, wish(line, page(3), 10));
    let first = schedule.grant(now).unwrap();
    assert_eq!(schedule.grant(now), None);
    schedule.give_back(first.held);
    assert_eq!(schedule.grant(now).unwrap().id, large);
    assert_eq!(schedule.grant(now).unwrap().id, small);
}

#[test]
fn all_repositories_together_have_no_more_requests_under_way_than_are_allowed() {
    let now = Instant::now();
    let mut schedule = Schedule::new(Bound::default(), 0);
    let lines: Vec<_> = (0..2 * MOST_TOGETHER).map(|_| schedule.add_line(FREE)).collect();
    for line in &lines {
        schedule.enter(now, wish(*line, Urgency::incremental(now), 0));
    }
    for more in [MOST_TOGETHER, 1, 1] {
        let granted = std::iter::from_fn(|| schedule.grant(now)).count();
        assert_eq!((granted, schedule.due(now)), (more as usize, None));
        schedule.ended(lines[0]);
    }
}
