//! The request for one window, until it is answered; and what need not be read twice of its answer.

mod blame;
mod endpoint;
mod failure;
pub(super) mod fetch;
pub mod fetcher;
mod fingerprints;
pub(super) mod in_flight;
pub mod outcome;
pub(super) mod unreadable;
