//! The request for one window, until it is answered; and what need not be read twice of its answer.

mod blame;
pub mod fetch;
pub(super) mod fingerprints;
pub mod outcome;
pub(super) mod unreadable;
