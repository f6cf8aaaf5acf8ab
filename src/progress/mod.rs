//! What the tasks last did: written by them, read by the parts that show or judge it.
//!
//! Counters only grow. Nothing here decides anything, and nothing here waits; what changes can be
//! subscribed to.

mod change_delays;
mod feeds;
mod instance;
mod known_models;
mod last_minute;
mod millis;
pub mod problems;
mod process;
mod read_access;
mod recent_delays;
mod repository;
mod shared_cadence;

pub use self::change_delays::HourOfDelays;
pub use self::feeds::{DeliveryCounts, FeedActivity, FeedFacts};
pub use self::instance::{InstanceRole, InstanceState};
pub use self::known_models::ModelFacts;
pub use self::millis::whole_millis;
pub use self::process::{Progress, SignIn};
pub use self::read_access::{ACCESS_REMEDY, AccessDenied, ReadAccess};
pub use self::repository::{
    Activity, FreshnessCause, FreshnessProgress, IncrementalObstacle, IncrementalProgress,
    LastCertified, LastIncremental, RepositoryCounts, RepositoryProgress,
};
pub use self::shared_cadence::{FEW_REPOSITORIES, LineSum, SharedLine};
pub use crate::metrics::Histogram;
