//! ewmirror reads EnterWorks repositories over and over, proves that it missed nothing, and stays
//! signed in. This page is for whoever carries the code on; the README is for operators.
//!
//! # The tree
//!
//! Imports run downward only, never sideways; `tests/tidy.rs` holds the table as data.
//!
//! | layer | modules | what is there |
//! | --- | --- | --- |
//! | 6 | [`cli`] | the commands; the only place that prints, and that exits |
//! | 5 | [`supervisor`] | starts, watches, reloads and ends the tasks |
//! | 4 | [`pager`], [`refresher`] | the two kinds of task: one pager a repository, one refresher |
//! | 3 | [`client`], [`mirror`] | the vendor's calls; where pages go |
//! | 2 | [`telemetry`], [`signals`] | every event that is logged; signals as events |
//! | 1 | [`session`], [`progress`] | what tasks share |
//! | 0 | [`config`], [`item`], [`ids`], [`clock`], [`stop`], [`outage`] | plain values |
//! | side | [`simulator`] | the look-alike server; shares no type with [`client`], so that both cannot be wrong in the same way |
//!
//! Decisions are pure, and waiting is thin: [`pager::pass`], [`pager::window`], [`pager::link`],
//! [`refresher::schedule`], [`supervisor::restart`], [`supervisor::reload`], [`client::retry`] and
//! the client's verdict take what they need as arguments and are tested without a runtime.
//!
//! # The way of one page
//!
//! 1. [`pager::pass::Pass::plan`] names the next window: a page number and a page size.
//! 2. The pager waits for its interval and starts a request; up to `in_flight` are under way.
//! 3. [`pager::fetch::Fetcher::fetch`] takes [`session::Credentials`], waiting for the refresher
//!    where there are none that hold, and calls [`client::Api::search`].
//! 4. The client sends it, reads the answer up to a cap, and judges it: an answer, a refusal, or a
//!    failure. Items are slices of the answer's bytes.
//! 5. A refusal is reported with the generation it was made with and waits for a newer one; a
//!    failure waits with growing delays. Either way the request is made again, signed afresh.
//! 6. Answers that came before their turn wait for it. Then the page goes to the
//!    [`mirror::Mirror`], its ids and digests to [`pager::pass::Pass::take`], and a line to the log.
//! 7. The pass says whether it goes on, reads a stretch again, or has ended, and then whether it is
//!    certified.
//!
//! # Invariants, and where they are tested
//!
//! | what holds | where |
//! | --- | --- |
//! | a certified pass missed nothing that stayed | `pager::pass::tests`, as a property over lists that move between any two requests |
//! | neighbouring windows overlap wherever any size allows it, and the planner gets on | `pager::window::tests` |
//! | any answers at all end a pass | `pager::pass::tests` |
//! | many refusals at one moment are one login; a stale REST token is ignored | `session::tests`, `refresher::tests` |
//! | a token that ends costs no page: 72 hours on a paused clock | `pager::tests`, `supervisor::tests` |
//! | each shape of a refusal and each kind of fault, in the middle of a pass, over TCP | `tests/it/refusals.rs`, `tests/it/faults.rs` |
//! | an answer of the wrong shape is never an empty page | `client::tests` |
//! | tokens never follow a redirect to another host; no error shows a secret | `client::tests` |
//! | every fault of a configuration is told at once, none with a secret | `config::tests`, `tests/it/check.rs` |
//! | a stop ends within five seconds, with a logout | `supervisor::tests`, `tests/it/shutdown.rs` |
//! | the log's messages and fields are the README's | `tests/tidy.rs`, `tests/it/logs.rs` |
//!
//! Absent on purpose: retries inside the client (its callers decide), a lock held across an await
//! (clippy forbids it), tasks without an owner (clippy forbids `tokio::spawn`), a login anywhere but
//! in the refresher (`check --online` aside, which has no tasks), and any write to the server.

pub mod canonical;
pub mod change;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod envelope;
pub mod ids;
pub mod idset;
pub mod item;
pub mod members;
pub mod mirror;
pub mod outage;
pub mod pager;
pub mod progress;
pub mod refresher;
pub mod session;
pub mod signals;
pub mod simulator;
pub mod status;
pub mod stop;
pub mod supervisor;
pub mod telemetry;
#[cfg(test)]
mod testing;
