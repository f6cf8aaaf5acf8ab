//! The mirror for others to pull: the log of changes, the items of a repository, one item and its history.
//!
//! | route | answers |
//! | --- | --- |
//! | `GET /changes` | changes after one of them, as lines of JSON, or as server-sent events |
//! | `GET /repositories/ID/items` | all items of a repository, as of one instant |
//! | `GET /repositories/ID/items/ITEM` | one item as it is now, with an `ETag` |
//! | `GET /repositories/ID/items/ITEM/history` | the changes of one item |
//! | `GET /repositories/ID/held-deletions` | the deletions that the guard holds back |
//! | `GET /repositories/ID/passes` | the passes in the ledger |
//! | `GET /openapi.json` | the description of all routes, which needs no token |
//!
//! Guarantees: over TCP nothing of an item is told without the token, whatever the path and the method. At most
//! [`answer::PULLS`] are answered at once, and [`answer::WAITERS`] of those who wait for news; neither take room from the
//! other, nor from those who ask how the daemon is. No reader holds a state of the mirror: each page of an answer is read in a call of its own, the later ones as of the
//! instant of the first. A reader that takes nothing for [`body::TAKEN_WITHIN`] is cut off; an answer that breaks off
//! does not look like one that has ended, which is why nobody is answered by HTTP/1.0. HEAD is GET without the body, and never waits. Only an answer that has
//! its place among these may outlast the time that others have.
//!
//! | file | does |
//! | --- | --- |
//! | `call` | what a request asks for (pure) |
//! | `access` | who may ask |
//! | `answer` | answers |
//! | `changes`, `items`, `item`, `held`, `passes` | what each answer is made of |
//! | `names` | items by the names of their attributes |
//! | `body` | an answer that is made while it is read |

mod access;
mod answer;
mod body;
mod call;
mod changes;
#[cfg(fuzzing)]
pub mod fuzzing;
mod held;
mod item;
mod items;
mod names;
mod passes;

pub use self::answer::PullApi;
pub(super) use self::answer::{PullAnswer, PullSource};
pub(super) use self::body::PullWatch;
pub(super) use self::call::is_pull;
