//! How many items are asked for at once where `page_size` is `"auto"`. Pure.
//!
//! Each request costs something whatever it asks for: the way there and back, the search itself, the
//! interval that is kept. Twice as many items at once halve that, until the items themselves are what takes
//! the time. So sizes are doubled as long as an item then comes clearly sooner, and a size that brought
//! nothing is taken back.
//!
//! Guarantees: no size is above the largest, nor above what the server turned out to send at most, nor such that
//! pages have more than [`LARGEST_PAGE`] bytes, as far as the pages before tell; one that is not answered, or
//! takes longer than [`SLOWEST`], is halved. What proves a pass complete does not depend on sizes: a size is
//! never more than a guess at what is quick.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{LARGEST_AUTO_PAGE, SMALLEST_AUTO_PAGE};
use crate::domain::stored_form;

/// What is asked for at first, and never less because of how long it takes.
pub(crate) const SMALLEST: u32 = SMALLEST_AUTO_PAGE;

/// The most items that are asked for at once.
const LARGEST: u32 = LARGEST_AUTO_PAGE;

/// A page has no more than so many bytes, as far as can be told beforehand: a few of them are in memory.
const LARGEST_PAGE: usize = 8 << 20;

/// A page takes no longer: time-outs are not far beyond.
const SLOWEST: Duration = Duration::from_secs(5);

/// So many pages of one size are looked at together, since one alone may be an exception.
const SAMPLES: usize = 5;

/// An item has to come sooner by one part in so many for a size to be worth while.
const GAIN: u64 = 10;

/// Pages between two looks at larger sizes: at first, and at the most.
const RESTS: [u32; 2] = [200, 6400];

/// In so many passes a limit of the server's is believed; then it may have been lifted.
const BELIEVED: u32 = 64;

/// Counts up with every change of the stored form.
const FORMAT: u8 = 1;

/// What was found out of one server, as it outlives the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Habits {
    /// The server and the user of it.
    source: u64,
    size: u32,
    /// The most that the server sends or answers at once, where it is less than the largest.
    most: Option<u32>,
}

/// An answer, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageTaken {
    /// How many items were asked for.
    pub(crate) asked: u32,
    /// How many came.
    pub(crate) items: usize,
    /// Bytes of them.
    pub(crate) bytes: usize,
    pub(crate) elapsed: Duration,
    /// Between two requests at least.
    pub(crate) interval: Duration,
    /// How many requests are under way at once.
    pub(crate) in_flight: u32,
}

/// The size, and what is known of others.
#[derive(Debug)]
pub(crate) struct PageSizer {
    source: u64,
    size: u32,
    most: Option<u32>,
    /// Passes since there was a limit of the server's.
    believed: u32,
    /// What pages of this size took: nanoseconds an item, and all of it.
    samples: Vec<(u64, Duration)>,
    phase: Phase,
    rest: u32,
    /// What the mirror has.
    kept: Option<Habits>,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Looks for a better size than this one, at which an item took so many nanoseconds.
    Climbing { before: Option<(u32, u64)> },
    /// Has found one, at which an item took so long, and stays there for so many pages.
    Resting { cost: u64, pages: u32 },
}

impl PageSizer {
    /// One that goes on from what an earlier process has kept of this server, if it has.
    pub(crate) fn new(source: u64, kept: Option<&[u8]>) -> Self {
        let kept = kept.and_then(read).filter(|kept| kept.source == source);
        let mut sizer = Self {
            source,
            size: SMALLEST,
            most: None,
            believed: 0,
            samples: Vec::with_capacity(SAMPLES),
            phase: Phase::Climbing { before: None },
            rest: RESTS[0],
            kept,
        };
        if let Some(Habits { size, most, .. }) = kept {
            sizer.most = most.filter(|most| (1..LARGEST).contains(most));
            sizer.size = size.clamp(1, sizer.ceiling());
        }
        sizer
    }

    /// How many items are to be asked for.
    pub(crate) fn size(&self) -> u32 {
        self.size
    }

    /// Another server, or another user: nothing is known of what it does.
    pub(crate) fn set_source(&mut self, source: u64) {
        if source != self.source {
            *self = Self { kept: self.kept, ..Self::new(source, None) };
        }
    }

    /// Takes note of an answer.
    pub(crate) fn taken(&mut self, page: PageTaken) {
        let items = page.items as u64;
        // One that is not full says nothing, nor does one of an earlier size.
        if items != u64::from(page.asked)
            || page.asked > self.size
            || page.asked <= self.size / 2
            || items == 0
        {
            return;
        }
        let each = page.bytes.div_ceil(page.items).max(1);
        let fit = u32::try_from(LARGEST_PAGE / each).unwrap_or(u32::MAX).max(1);
        if self.size > fit {
            return self.rest_at(fit, None);
        }
        let shared = page.elapsed / page.in_flight.max(1);
        let cost = page.interval.max(shared).as_nanos() / u128::from(items);
        self.samples.push((u64::try_from(cost).unwrap_or(u64::MAX), page.elapsed));
        if self.samples.len() == SAMPLES {
            let cost = median(self.samples.iter().map(|(cost, _)| *cost));
            let elapsed = median(self.samples.iter().map(|(_, elapsed)| *elapsed));
            self.samples.clear();
            self.judge(cost, elapsed, fit);
        }
    }

    fn judge(&mut self, cost: u64, elapsed: Duration, fit: u32) {
        if elapsed > SLOWEST && self.size > SMALLEST {
            return self.rest_at((self.size / 2).max(SMALLEST), None);
        }
        match self.phase {
            Phase::Climbing { before: Some((size, before)) } if cost > before - before / GAIN => {
                self.rest_at(size, Some(before));
            }
            Phase::Climbing { .. } => {
                let next = self.size.saturating_mul(2).min(self.ceiling()).min(fit);
                let too_slow = elapsed.saturating_mul(2) > SLOWEST;
                if next <= self.size || too_slow {
                    return self.rest_at(self.size, Some(cost));
                }
                self.phase = Phase::Climbing { before: Some((self.size, cost)) };
                self.size = next;
            }
            Phase::Resting { cost: usual, pages } => {
                let pages = pages.saturating_sub(u32::try_from(SAMPLES).unwrap_or(u32::MAX));
                if cost / 2 > usual && self.size > SMALLEST {
                    // It is slow with so many now; or with any number, which the way up shows.
                    self.size = (self.size / 2).max(SMALLEST);
                    self.phase = Phase::Climbing { before: None };
                } else if pages == 0 {
                    self.phase = Phase::Climbing { before: None };
                } else {
                    self.phase = Phase::Resting { cost: usual, pages };
                }
            }
        }
    }

    /// Takes note of a page of this size that was not answered, though the server answers others. Whether
    /// smaller ones are to be asked for now.
    pub(crate) fn failed(&mut self, asked: u32) -> bool {
        if asked <= SMALLEST {
            return false;
        }
        self.limit((asked / 2).max(SMALLEST));
        true
    }

    /// Takes note of the most items that the server sends at once.
    pub(crate) fn capped(&mut self, most: u32) {
        if most < self.size && most > 0 {
            self.limit(most);
        }
    }

    /// Takes note of the end of a pass. What the mirror is to keep from now on, if that is anything else.
    pub(crate) fn end_pass(&mut self) -> Option<Vec<u8>> {
        if self.most.is_some() {
            self.believed += 1;
            if self.believed >= BELIEVED {
                (self.most, self.believed) = (None, 0);
                self.phase = Phase::Climbing { before: None };
            }
        }
        let Self { source, most, .. } = *self;
        // A size that is only tried is not yet found to be good.
        let size = if let Phase::Climbing { before: Some((size, _)) } = self.phase {
            size
        } else {
            self.size
        };
        let habits = Habits { source, size, most };
        (self.kept != Some(habits)).then(|| {
            self.kept = Some(habits);
            written(habits)
        })
    }

    fn ceiling(&self) -> u32 {
        self.most.unwrap_or(LARGEST)
    }

    fn limit(&mut self, most: u32) {
        (self.most, self.believed) = (Some(self.ceiling().min(most)), 0);
        self.rest_at(most.min(self.size), None);
    }

    /// Stays at this size, where an item takes so long; where that is not known, whatever comes is usual.
    fn rest_at(&mut self, size: u32, cost: Option<u64>) {
        self.size = size.clamp(1, self.ceiling());
        self.samples.clear();
        self.phase = Phase::Resting { cost: cost.unwrap_or(u64::MAX), pages: self.rest };
        self.rest = (self.rest * 2).min(RESTS[1]);
    }
}

fn median<T: Ord + Copy + Default>(values: impl Iterator<Item = T>) -> T {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn written(habits: Habits) -> Vec<u8> {
    let stored = postcard::to_allocvec(&habits).expect("numbers have a stored form");
    stored_form::write(FORMAT, &stored)
}

/// What was written; `None` where it is damaged or of another form.
fn read(bytes: &[u8]) -> Option<Habits> {
    postcard::from_bytes(stored_form::read(FORMAT, bytes)?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A server whose pages take so long, and that may send no more than so many at once, or not answer
    /// beyond.
    #[derive(Clone, Copy, Debug)]
    struct Served {
        request_us: u64,
        item_us: u64,
        item_bytes: usize,
        cap: u32,
        fails_above: u32,
    }

    impl Served {
        fn took_us(self, size: u32) -> u64 {
            self.request_us + self.item_us * u64::from(size)
        }

        /// One page more; `noise` is in percent.
        fn page(self, sizer: &mut PageSizer, noise: u64, interval: Duration) {
            let asked = sizer.size();
            if asked > self.fails_above && sizer.failed(asked) {
                return;
            }
            if asked > self.cap {
                return sizer.capped(self.cap);
            }
            sizer.taken(PageTaken {
                asked,
                items: asked as usize,
                bytes: asked as usize * self.item_bytes,
                elapsed: Duration::from_micros(self.took_us(asked) * noise / 100),
                interval,
                in_flight: 1,
            });
        }
    }

    const QUICK: Served = Served {
        request_us: 100_000,
        item_us: 10,
        item_bytes: 500,
        cap: u32::MAX,
        fails_above: u32::MAX,
    };

    fn after(pages: u32, served: Served, interval: Duration) -> PageSizer {
        let mut sizer = PageSizer::new(1, None);
        for _ in 0..pages {
            served.page(&mut sizer, 100, interval);
        }
        sizer
    }

    #[test]
    fn where_requests_are_dear_the_largest_is_reached_within_a_few_dozen_pages() {
        assert_eq!(after(1, QUICK, Duration::ZERO).size(), SMALLEST);
        assert_eq!(after(40, QUICK, Duration::ZERO).size(), LARGEST);
        // And where an interval is kept in any case.
        let dear = Served { request_us: 0, item_us: 50, ..QUICK };
        assert_eq!(after(40, dear, Duration::from_secs(1)).size(), LARGEST);
    }

    #[test]
    fn where_items_are_dear_pages_stay_small() {
        let dear = Served { request_us: 1000, item_us: 1000, ..QUICK };
        assert_eq!(after(400, dear, Duration::ZERO).size(), SMALLEST);
    }

    #[test]
    fn pages_are_no_larger_than_memory_allows_nor_slower_than_time_outs() {
        let large = Served { item_bytes: 10_000, ..QUICK };
        let size = after(400, large, Duration::ZERO).size();
        assert!(size as usize * 10_000 <= LARGEST_PAGE && size >= 2 * SMALLEST, "{size}");
        let slow = Served { item_us: 4000, ..QUICK };
        let size = after(400, slow, Duration::from_secs(60)).size();
        assert!(slow.took_us(size) <= 5_000_000 && size >= 2 * SMALLEST, "{size}");
    }

    #[test]
    fn what_one_process_has_found_the_next_begins_with_and_another_server_does_not() {
        let mut sizer = after(100, Served { cap: 700, ..QUICK }, Duration::ZERO);
        assert_eq!((sizer.size(), sizer.most), (700, Some(700)));
        let kept = sizer.end_pass().unwrap();
        assert_eq!(sizer.end_pass(), None, "it is kept once");
        let next = PageSizer::new(1, Some(&kept));
        assert_eq!((next.size(), next.most), (700, Some(700)));
        assert_eq!(PageSizer::new(2, Some(&kept)).size(), SMALLEST);
        let mut moved = next;
        moved.set_source(2);
        assert_eq!((moved.size(), moved.most), (SMALLEST, None));
        for at in 0..kept.len() {
            let mut damaged = kept.clone();
            damaged[at] ^= 1;
            assert_eq!(PageSizer::new(1, Some(&damaged)).size(), SMALLEST, "byte {at}");
            assert_eq!(PageSizer::new(1, Some(&kept[..at])).size(), SMALLEST);
        }
    }

    #[test]
    fn a_limit_of_the_servers_is_tried_again_after_many_passes() {
        let mut sizer = after(100, Served { cap: 700, ..QUICK }, Duration::ZERO);
        for _ in 0..BELIEVED {
            assert_eq!(sizer.most, Some(700));
            sizer.end_pass();
        }
        for _ in 0..100 {
            QUICK.page(&mut sizer, 100, Duration::ZERO);
        }
        assert!(sizer.size() > 2000, "{}", sizer.size());
    }

    #[test]
    fn a_server_that_gets_slower_with_large_pages_is_asked_for_smaller_ones() {
        let mut sizer = after(100, QUICK, Duration::ZERO);
        assert_eq!(sizer.size(), LARGEST);
        let worse = Served { request_us: 0, item_us: 900, ..QUICK };
        for _ in 0..100 {
            worse.page(&mut sizer, 100, Duration::ZERO);
        }
        assert!(sizer.size() < LARGEST, "{}", sizer.size());
    }

    proptest! {
        #[test]
        fn no_size_is_above_the_largest_or_a_limit_and_what_fails_is_halved(
            request_us in 0_u64..3_000_000, item_us in 0_u64..3000, item_bytes in 1_usize..60_000,
            cap in 1_u32..5000, fails_above in SMALLEST..5000,
            noise in prop::collection::vec(20_u64..500, 1..400),
        ) {
            let served = Served { request_us, item_us, item_bytes, cap, fails_above };
            let mut sizer = PageSizer::new(1, None);
            let mut most = LARGEST;
            for noise in noise {
                let before = sizer.size();
                served.page(&mut sizer, noise, Duration::ZERO);
                if before > fails_above {
                    prop_assert!(sizer.size() <= (before / 2).max(SMALLEST));
                    most = most.min((before / 2).max(SMALLEST));
                } else if before > cap {
                    prop_assert_eq!(sizer.size(), cap);
                    most = most.min(cap);
                }
                prop_assert!((1..=most).contains(&sizer.size()), "{} of {most}", sizer.size());
            }
        }

        #[test]
        fn under_noise_an_item_takes_no_more_than_little_over_twice_the_least(
            request_us in 1000_u64..2_000_000, item_us in 1_u64..500,
            noise in prop::collection::vec(90_u64..=110, 100),
        ) {
            let served = Served { request_us, item_us, ..QUICK };
            let mut sizer = PageSizer::new(1, None);
            for noise in noise {
                served.page(&mut sizer, noise, Duration::ZERO);
            }
            // The size that is only tried is left again.
            let size = if let Phase::Climbing { before: Some((size, _)) } = sizer.phase {
                size
            } else {
                sizer.size()
            };
            let cost = |size: u32| served.took_us(size) as f64 / f64::from(size);
            // The largest that is not near the longest time.
            let sizes = (0..5).map(|times| SMALLEST << times);
            let quick = sizes.filter(|size| served.took_us(*size) <= 2_000_000 || *size == SMALLEST);
            let best = quick.map(cost).fold(f64::INFINITY, f64::min);
            prop_assert!(cost(size) <= 2.3 * best, "{size}: {} and not {best}", cost(size));
        }
    }
}
