//! The task that alone signs in.
//!
//! It makes the first session, renews it ahead of its end, asks on its own timer whether it still
//! stands, and makes a new one when it has ended: one login, however many requests were refused. It
//! asks before it believes that a refusal is the session's end: a repository that this user may not
//! read costs no login. While the server is away it waits with growing delays; after a wrong password
//! it waits much longer, because accounts get locked, but another one is tried at once; and where
//! sessions end soon after they began it waits, too, because somebody else signs in with the same
//! user.
//!
//! It sends no page requests and never logs out: the old session may still carry requests that are
//! under way, and ends by itself.

pub mod denials;
pub mod lifetimes;
mod refusal_watch;
mod reporting;
pub mod schedule;
mod session_check;
mod settings;
mod shared_denials;
mod sign_in;
mod task;

pub use settings::RefresherSettings;
pub use shared_denials::SharedDenials;
pub use task::Refresher;

#[cfg(test)]
mod tests;
