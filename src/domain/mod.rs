//! The things that the program is about: ids, items, changes, and a change as others read it.
//!
//! Plain values and pure functions; nothing here waits, reads a file or knows a server.

pub mod change;
pub mod envelope;
mod feed_name;
pub mod id_set;
pub mod ids;
pub mod item;
pub mod stored_form;

pub use change::{Change, Op};
pub use feed_name::FeedName;
pub use id_set::IdSet;
pub use ids::{ItemId, Iteration, LONGEST_ID, RepositoryId, Sequence};
pub use item::Item;
