//! The endless loop of one repository.
//!
//! Each pass asks [`proof::pass::Pass`] what to read next, fetches it (several pages at once, if so
//! configured), hands the pages on in order, and tells what came of it; then the pager reconciles
//! what was not seen, pauses and starts the next. Beside them go the incremental passes ([`incremental`]),
//! over what changed lately: both share what lies in [`side_by_side`]. Decisions are pure and lie in [`proof`]; [`rate`]
//! holds requests back, [`request`] makes one until it is answered, and the files here are the run
//! loop.
//!
//! Guarantees: pages reach the mirror in the order of the list and one at a time, while the next
//! ones are fetched; each with a checkpoint from which the pass goes on after a restart; a wish to
//! stop lets the pages under way come home; new settings take effect with the next request and keep
//! the place in the pass, unless they change what is searched for: then the pass starts over. Each
//! wait, here and below, says how long it may take.

mod begin;
pub mod cadence;
mod change_delay;
mod current_pass;
mod finish;
mod incremental;
mod joined;
mod pages;
mod pause;
pub mod proof;
pub mod rate;
mod readings;
mod reconcile;
mod report;
pub mod request;
mod retrying_mirror;
mod run;
mod side_by_side;
mod task;

pub use self::rate::{Limiter, Scheduler};
pub use self::run::run;
pub use self::side_by_side::SideBySide;
pub use self::task::{ChangeRetention, LostLease, Pager, PassLimit};

#[cfg(test)]
mod tests;
