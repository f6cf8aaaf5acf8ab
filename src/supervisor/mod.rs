//! The one task that starts, watches and ends the others.
//!
//! Start: 1. the token refresher, which signs in, and a pager for each repository, which waits for the session
//! by itself; or, where daemons share the mirror, what renews the leases: these two come with a lease; 2. the
//! status endpoint, where there is one; 3. what asks for the list of repositories, where all are taken; 4. what
//! follows the model; 5. the feeds; 6. the service manager is told that the daemon is ready, whether or not its
//! server is there.
//!
//! Stop, within five seconds whatever the server does: 1. no more pages are asked for, and every
//! wait ends; 2. pages under way come home and are written, as long as [`shutdown::PAGERS_WITHIN`]
//! allows; 3. a task that is late is named and ended; 4. the session is logged out.
//!
//! A task that panics is started again, ever later, and counted. A pager begins a new pass then:
//! what a defect left of the old one is not to be trusted. One that hangs is told of, and from then
//! on the service manager is no longer told that the daemon is alive.

mod apply_reload;
mod event_loop;
mod feeds;
mod freshness;
mod health_check;
mod host_check;
mod leadership;
mod lease_book;
mod lease_task;
mod leasing;
mod lifecycle;
pub mod offer;
mod offered;
mod reload;
pub mod restart;
mod running_feed;
mod shutdown;
mod state;
pub mod status_line;
mod supervision;
mod task_settings;
pub mod tasks;
pub mod watchdog;

pub use lease_task::LeaseTerms;
pub use shutdown::ExitReason;
#[cfg(test)]
pub use shutdown::GiveUpReason;
#[cfg(test)]
pub use shutdown::STOP_WITHIN;
pub use state::Supervisor;
pub use supervision::{ReloadConfig, Supervision};

#[cfg(test)]
mod tests;
