//! How fresh a mirror is under a budget: a list that changes, read by whole and incremental passes. The list and the
//! server are a model; the schedule and the windows are the real ones.
//!
//! `cargo test --lib freshness -- --ignored --nocapture` prints the figures for a million items.

use std::collections::VecDeque;

use super::*;
use crate::config::IncrementalMode;
use crate::pager::proof::window::next_overlapping;

const SECOND: Duration = Duration::from_secs(1);

/// What is simulated.
#[derive(Clone, Copy)]
struct World {
    items: u64,
    page: u32,
    changes_per_second: u64,
    requests_per_second: u32,
    interval: Duration,
    lookback: Duration,
    runs_for: Duration,
}

/// How long after its change each change was found, in milliseconds, sorted; and how many whole passes ended.
struct FoundChanges {
    delays: Vec<u64>,
    passes: u64,
    longest_pass: Duration,
}

impl FoundChanges {
    fn at(&self, hundredths: usize) -> f64 {
        let place = (self.delays.len() * hundredths / 100).min(self.delays.len() - 1);
        self.delays[place] as f64 / 1000.0
    }
}

/// A list and what is known of it.
struct List {
    /// When each item changed, where that is not known yet.
    changed: Vec<Option<Instant>>,
    /// Changes in their order, as a list by last change has them.
    latest: VecDeque<(Instant, usize)>,
    delays: Vec<u64>,
}

impl List {
    /// An item is read; returns whether that is news.
    fn read(&mut self, now: Instant, item: usize) -> bool {
        let Some(at) = self.changed[item].take() else { return false };
        self.delays.push(u64::try_from((now - at).as_millis()).unwrap());
        true
    }
}

/// By whole passes, and by incremental ones where there is a mode.
fn simulate(mode: Option<IncrementalMode>, world: World) -> FoundChanges {
    let begun = Instant::now();
    let least = SECOND / world.requests_per_second;
    let mut schedule = Schedule::new(Bound { least: Some(least), is_for_all: true }, u64::MAX);
    let terms = Terms { least: None, page_interval: Duration::ZERO, most: 4, is_default: false };
    let line = schedule.add_line(terms);
    let items = usize::try_from(world.items).unwrap();
    let mut list = List { changed: vec![None; items], latest: VecDeque::new(), delays: Vec::new() };
    let mut chance = fastrand::Rng::with_seed(13);
    let between = SECOND / u32::try_from(world.changes_per_second).unwrap();
    let (mut now, mut next_change, mut next_round) = (begun, begun, begun);
    let (mut covered, mut pass_begun, mut passes) = (0, begun, 0);
    let mut longest_pass = Duration::ZERO;
    let (mut whole, mut incremental) = (None, None);
    // Of an incremental pass under way: how far it is, how far it goes, and pages in a row without news.
    let (mut place, mut end, mut quiet) = (0_u64, 0_u64, 0);
    while now < begun + world.runs_for {
        while next_change <= now {
            let item = chance.usize(..items);
            list.changed[item].get_or_insert(next_change);
            list.latest.push_front((next_change, item));
            // What is beyond a lookback is of no interest to either mode.
            while list.latest.back().is_some_and(|(at, _)| *at + 2 * world.lookback < now) {
                list.latest.pop_back();
            }
            next_change += between;
        }
        if whole.is_none() {
            let pages = (world.items - covered) / u64::from(world.page) + 1;
            let each = Duration::from_secs(24 * 3600) / u32::try_from(pages).unwrap();
            let urgency = Urgency::whole(now, each, covered);
            whole = Some(schedule.enter(now, Wish { line, urgency, is_paced: true, bytes: 1 }));
        }
        if let Some(mode) = mode
            && incremental.is_none()
            && next_round <= now
        {
            if place == end {
                (place, quiet) = (0, 0);
                end = match mode {
                    IncrementalMode::Since => {
                        let since = next_round
                            - world.interval.min(next_round - begun)
                            - world.lookback.min(next_round - begun);
                        list.latest.partition_point(|(at, _)| *at >= since) as u64
                    }
                    IncrementalMode::NewestFirst => world.items,
                }
                .max(1);
            }
            let urgency = Urgency::incremental(next_round + world.interval);
            incremental =
                Some(schedule.enter(now, Wish { line, urgency, is_paced: true, bytes: 1 }));
        }
        while let Some(granted) = schedule.grant(now) {
            schedule.ended(line);
            schedule.give_back(granted.held);
            if whole == Some(granted.id) {
                whole = None;
                let window = next_overlapping(covered, world.page, 1).window;
                for item in window.start()..window.end().min(world.items) {
                    list.read(now, usize::try_from(item).unwrap());
                }
                covered = window.end();
                if covered >= world.items {
                    longest_pass = longest_pass.max(now - pass_begun);
                    (covered, pass_begun, passes) = (0, now, passes + 1);
                }
            } else {
                incremental = None;
                let window = next_overlapping(place, world.page, 1).window;
                let mut news = false;
                for row in window.start()..window.end() {
                    let Some((_, item)) = list.latest.get(usize::try_from(row).unwrap()) else {
                        break;
                    };
                    news |= list.read(now, *item);
                }
                place = window.end();
                quiet = if news { 0 } else { quiet + 1 };
                if place >= end || (mode == Some(IncrementalMode::NewestFirst) && quiet == 2) {
                    place = end;
                    next_round = (next_round + world.interval).max(now);
                }
            }
        }
        now = schedule
            .due(now)
            .unwrap_or(now + least)
            .min(now + between * 4)
            .max(now + SECOND / 1000);
    }
    list.delays.sort_unstable();
    FoundChanges { delays: list.delays, passes, longest_pass }
}

#[test]
fn incremental_passes_make_a_mirror_fresh_and_whole_passes_go_on() {
    let world = World {
        items: 20_000,
        page: 200,
        changes_per_second: 4,
        requests_per_second: 2,
        interval: 10 * SECOND,
        lookback: 20 * SECOND,
        runs_for: 600 * SECOND,
    };
    let none = simulate(None, world);
    for mode in [IncrementalMode::Since, IncrementalMode::NewestFirst] {
        let found = simulate(Some(mode), world);
        assert!(found.at(99) < 15.0, "{mode:?}: {}", found.at(99));
        assert!(none.at(50) > 2.0 * found.at(50), "{mode:?}: {} {}", none.at(50), found.at(50));
        assert!(found.passes > none.passes / 2, "{mode:?}: {} of {}", found.passes, none.passes);
    }
}

#[test]
#[ignore = "prints the figures for a million items"]
fn freshness_of_a_million_items() {
    let world = World {
        items: 1_000_000,
        page: 1000,
        changes_per_second: 20,
        requests_per_second: 2,
        interval: 10 * SECOND,
        lookback: 120 * SECOND,
        runs_for: 8 * 3600 * SECOND,
    };
    for page in [200, 1000] {
        for mode in [None, Some(IncrementalMode::Since), Some(IncrementalMode::NewestFirst)] {
            let found = simulate(mode, World { page, ..world });
            println!(
                "pages of {page}, {mode:?}: delay p50 {:.1} s, p99 {:.1} s of {} changes; {} whole passes, the longest {} s",
                found.at(50),
                found.at(99),
                found.delays.len(),
                found.passes,
                found.longest_pass.as_secs()
            );
        }
    }
}
