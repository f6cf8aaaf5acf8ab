//! What the tasks last did: written by them, read by the parts that show or judge it.
//!
//! Counters only grow. Nothing here decides anything, and nothing here waits; what changes can be
//! subscribed to.

mod instance;
mod millis;
pub mod problems;
mod process;
mod repository;

pub use self::instance::{InstanceRole, InstanceState};
pub use self::millis::whole_millis;
pub use self::process::{Progress, SignIn};
pub use self::repository::{Activity, LastCertified, RepositoryCounts, RepositoryProgress};
pub use crate::metrics::Histogram;
