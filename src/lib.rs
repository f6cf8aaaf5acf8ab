//! ewmirror.

pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod ids;
pub mod item;
pub mod mirror;
pub mod outage;
pub mod pager;
pub mod progress;
pub mod refresher;
pub mod session;
pub mod signals;
pub mod simulator;
pub mod stop;
pub mod supervisor;
pub mod telemetry;
