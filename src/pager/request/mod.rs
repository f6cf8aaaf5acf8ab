//! The request for one window, until it is answered; and what need not be read twice of its answer.

pub(super) mod access;
mod blame;
mod endpoint;
mod failure;
pub(super) mod fetch;
pub mod fetcher;
mod fingerprints;
pub(super) mod in_flight;
pub(super) mod incremental;
pub mod outcome;
mod permit;
pub(super) mod unreadable;
