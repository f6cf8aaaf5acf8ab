//! How many requests a repository has in flight, how soon one follows the other, and which of all goes first.

pub mod adaptive;
mod limiter;
pub(super) mod pace;
pub(super) mod page_size;
mod schedule;
mod scheduler;
mod urgency;

pub use limiter::{ExpectedPage, Limiter, Permit};
pub use scheduler::{PageBytes, Scheduler};
pub use urgency::Urgency;
