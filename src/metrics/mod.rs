//! Counters and histograms that tasks share and the status endpoint shows.

pub mod calls;
mod counter;

pub use counter::{Counter, Histogram};
