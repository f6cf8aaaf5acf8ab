//! ewmirror.

pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod ids;
pub mod item;
pub mod pager;
pub mod session;
pub mod simulator;
