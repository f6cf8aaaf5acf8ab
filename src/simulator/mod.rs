//! A look-alike of the vendor's server on loopback, for integrators and for our own tests.
//!
//! It shares no type with the client, so that both cannot be wrong about the vendor's API in the
//! same way. What it knows of that API comes from the vendor's documentation and example client
//! ("vendor") and from other public clients ("seen"); where nothing is stated ("open"), an option
//! or a fault gives each reading. It binds 127.0.0.1 only.
//!
//! The vendor's calls:
//!
//! - `POST /enable-api/login`, `GET /enable-api/reauth`, `POST /enable-api/logout`
//! - `POST /webcm/rest/oauth/token`
//! - `POST /webcm/rest/api/items/search`, `POST /webcm/rest/api/items/count`
//! - `GET /webcm/rest/api/items/{id}`: `{"status": 0, "data": {item}}`, 404 when gone
//! - `GET /webcm/rest/api/repositories`, `?NAME=`, `/webcm/rest/api/repositories/{name}/attributes`
//! - `GET /webcm/rest/v2/api-docs`, the server's description of these calls
//! - `GET /webcm/rest/swagger-ui.html`, `GET /webcm/login` (the sign-in page of refusals)
//!
//! The calls of the control API, which no real server has, need no session and suffer no fault:
//!
//! - `POST /simulator/faults` queues `[{"endpoint": "search", "kind": "hang", "times": 1, "after":
//!   0}]` per endpoint (`login`, `reauth`, `logout`, `token`, `search`, `count`, `item`,
//!   `repositories`); `DELETE` forgets what is queued; the kind `canned` takes any `"answer":
//!   {"status": 204, "headers": {}, "body": ""}`
//! - `POST /simulator/hold` with `{"endpoint": "search", "after": 2}` holds the third search from now
//!   on, before its fault is drawn; `POST /simulator/release` with `{"endpoint": "search"}` lets the
//!   one go that has waited longest
//! - `POST /simulator/odds` replaces the probabilities: `{"hang": 0.01}`
//! - `POST /simulator/end-sessions` ends all sessions; `POST /simulator/renew-rest-tokens` has the
//!   next search of each session announce a new REST token
//! - `POST /simulator/churn` sets `{"repository": 1, "insert_rate": 1.0, "delete_rate": 0.0,
//!   "update_rate": 0.0}`; what is missing stays, without `repository` it is meant for all;
//!   `POST /simulator/freeze` sets all rates to zero
//! - `POST /simulator/edit` does `{"repository": 1, "clear": 5, "insert": 3, "at": 0, "delete":
//!   [ids], "update": [ids], "move": [{"id": 5, "to": 0}]}` in this order at one moment and answers
//!   `{"inserted": [ids]}`; `clear` takes away so many of the first items, or with a fraction
//!   (`0.75`) that part; places (`at`, `move`) only in a shuffled repository; an error leaves what
//!   was done
//! - `POST /simulator/hide` keeps `{"repository": 1, "ids": [ids]}` from searches and counts, while
//!   the items are still there; `POST /simulator/show` shows them again, without `ids` all
//! - `POST /simulator/empty` with `{"repository": 1, "on": true}` makes searches and counts say that
//!   the repository is empty, while all items are still there
//! - `POST /simulator/items-call` sets how `GET items/{id}` answers: `{"mode": "honest"}`,
//!   `not-found` (404 for every item, as a server without the call), `html`, `status` (a `status`
//!   other than 0) or `error` (500)
//! - `POST /simulator/reorder` with `{"on": true}` has each answer write the members of an item in
//!   another order
//! - `POST /simulator/stamp` gives every item these members besides its own: `{"Last_Updated": "now"}`
//! - `POST /simulator/offer` says whether a repository is listed, and whether the login may read it:
//!   `{"repository": 1, "listed": true, "readable": false}`; what is missing stays
//! - `GET /simulator/counts`; `GET /simulator/items?repository=1`: all items in list order, one a
//!   line, each exactly as a search would send it, `hide`, `empty` and `reorder` aside

mod answer;
mod balancer;
mod behaviour;
mod call;
mod calls;
mod catalog;
mod churn;
mod conditions;
mod control;
mod counts;
mod dataset;
mod fault;
mod faults;
mod holds;
mod item;
mod lists;
mod model;
mod options;
mod routes;
mod server;
mod sessions;
mod sign_in;
mod state;
#[cfg(test)]
mod tests;

pub use self::balancer::SelfRedirect;
pub use self::conditions::{ConditionTreatment, LEFT_OUT, SimulatedCondition, SimulatedConditions};
pub use self::counts::SimulatorCounts;
pub use self::fault::{SimulatedEndpoint, SimulatedFault, SimulatedRefusal, UnknownFault};
pub use self::options::{
    Capacity, HIGHEST_RATE, LoginAnswer, MOST_ITEMS, OauthReads, Options, Order, RepositoryOptions,
    SimulatedModel, SimulatedTotal, StaleRestToken, UnfitOption,
};
pub use self::server::{Simulator, StartError, start};
