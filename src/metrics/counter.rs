//! Numbers that only grow, and how long things took: counted by many tasks, read by any.
//!
//! Nothing here waits or fails. Each number is right by itself; two that are read one after the
//! other may be of two moments.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn increment(&self) {
        self.add(1);
    }

    /// That many more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// The number.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How often something took how long.
#[derive(Debug)]
pub struct Histogram {
    /// The longest duration of each bucket but the last, which has no bound; growing.
    bounds: &'static [Duration],
    buckets: Box<[Counter]>,
    sum_micros: Counter,
}

impl Histogram {
    /// Nothing yet, in buckets up to these bounds, growing, and one beyond.
    pub fn new(bounds: &'static [Duration]) -> Self {
        let buckets = (0..=bounds.len()).map(|_| Counter::default()).collect();
        Self { bounds, buckets, sum_micros: Counter::default() }
    }

    /// It took so long once more.
    pub fn observe(&self, took: Duration) {
        let place = self.bounds.partition_point(|bound| *bound < took);
        self.buckets[place].increment();
        self.sum_micros.add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// How long all of it took, in seconds.
    pub fn sum_seconds(&self) -> f64 {
        Duration::from_micros(self.sum_micros.get()).as_secs_f64()
    }

    /// For each bucket its bound in seconds, infinite for the last, and how often it was that one.
    pub fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = self.bounds.iter().map(Duration::as_secs_f64);
        let counts = self.buckets.iter().map(Counter::get);
        bounds.chain([f64::INFINITY]).zip(counts).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_in_the_first_bucket_that_holds_it() {
        const BOUNDS: &[Duration] = &[Duration::from_millis(10), Duration::from_secs(1)];
        let histogram = Histogram::new(BOUNDS);
        for millis in [0, 10, 11, 1000, 1001] {
            histogram.observe(Duration::from_millis(millis));
        }
        assert_eq!(histogram.buckets(), [(0.01, 2), (1.0, 2), (f64::INFINITY, 1)]);
        assert!((histogram.sum_seconds() - 2.022).abs() < 1e-9);
    }
}
