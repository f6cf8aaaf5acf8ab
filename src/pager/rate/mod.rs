//! How many requests a repository has in flight, and how soon one follows the other.

pub mod adaptive;
mod limiter;
pub(super) mod pace;
mod rate_limit;
mod urgency;

pub use limiter::{Limiter, Permit};
pub use rate_limit::RateLimit;
pub use urgency::{RequestClass, Urgency};
