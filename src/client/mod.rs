//! The client: one method per vendor call.
//!
//! It signs each request with the credentials it is handed, follows none of the redirects that
//! could carry them astray, reads no more than it may, and turns whatever came back into an answer,
//! a refusal, a denial or a typed error. It tries nothing again, knows no generation and logs
//! nothing: that is for its callers. What is not the vendor's (connections, TLS, redirects, bodies) is
//! [`crate::http`]'s.
//!
//! | file | does |
//! | --- | --- |
//! | `api`, `search_call`, `item_call`, `repository_call` | the calls as the tasks know them, what they ask and what they answer |
//! | `http_client`, `auth`, `items`, `repositories`, `metadata` | the calls over HTTP: signing in and out; items; what there is; the model |
//! | `probe` | any call, to see how it is answered |
//! | `exchange`, `settings` | one call and its answer; what a call needs to know as of the last reload |
//! | `instrumented` | the same calls, counted and timed |
//! | `verdict`, `page`, `sign_in`, `presence`, `repository_list` | what an answer means (pure) |
//! | `wire`, `walk`, `lenient`, `fingerprint`, `unreadable` | the vendor's JSON; what of it need not be read twice; answers that single records have spoilt (pure) |
//! | `error` | what went wrong, as types |
//! | `redact`, `escapes` | what may be shown of an answer (pure) |

mod api;
mod auth;
mod error;
mod error_kind;
mod escapes;
mod exchange;
mod fingerprint;
#[cfg(fuzzing)]
pub mod fuzzing;
mod http_client;
mod instrumented;
mod item_call;
mod items;
mod lenient;
mod metadata;
mod page;
mod presence;
mod probe;
mod redact;
mod repositories;
mod repository_call;
mod repository_list;
mod search_call;
mod settings;
mod sign_in;
#[cfg(test)]
mod tests;
mod unreadable;
mod verdict;
mod walk;
mod wire;

pub use self::api::{Api, CLOCKS_APART_S, SessionStatus};
#[cfg(test)]
pub use self::error::ApiEndpoint;
#[cfg(test)]
pub use self::error::Denial;
pub use self::error::{Failure, Refusal, RefusalShape, RequestError, RequestErrorKind};
pub use self::fingerprint::Fingerprints;
pub use self::http_client::Client;
pub use self::instrumented::Instrumented;
pub use self::item_call::{ItemRequest, ItemsRequest, Presence};
pub use self::probe::{ProbeAnswer, ProbeRequest};
pub use self::repository_call::{ListedRepository, RepositoryList};
pub use self::search_call::{SearchAnswer, SearchRequest, UnreadableItem};
pub use self::settings::ClientSettings;
