//! How things stand: the document that says so, the endpoint that serves it, and the asking.
//!
//! One document, whether the daemon answers or the database alone. Everything here only reads:
//! no request changes anything, waits for a task, or holds one up. No secret is in a document,
//! because none is handed to the code that makes it.

mod bind_error;
mod brief;
mod compose;
pub mod control;
pub mod control_client;
pub mod document;
mod endpoint;
mod feeds;
mod freshness;
mod health;
mod held;
pub mod http;
mod incremental;
mod input;
mod instance;
mod ledger;
mod listener;
mod live;
mod metrics;
pub mod page;
mod problem_list;
mod process;
mod pull;
mod readiness;
mod response;
mod served;
mod socket;
mod summary;
mod totals;
mod web;

#[cfg(fuzzing)]
pub use pull::fuzzing;

pub use compose::compose;
pub use endpoint::ListenAddress;
pub use input::{ConfiguredRepository, DocumentInput};
pub use live::{LiveState, ShownSettings, WatchedRepository};
pub use pull::PullApi;
pub use served::StatusEndpoint;
pub use summary::SummaryReader;
