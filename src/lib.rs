//! ewmirror keeps an exact copy of EnterWorks repositories: it reads them over and over, proves that
//! it missed nothing, keeps what it read and every change, and stays signed in. This page is for
//! the people who carry the code on; the README and `docs/` are for operators.
//!
//! # The tree
//!
//! Imports run downward only, never sideways; `tests/tidy.rs` holds the table as data.
//!
//! | layer | modules | what is there |
//! | --- | --- | --- |
//! | 12 | [`cli`] | the commands; the only place that prints, and that exits |
//! | 11 | [`supervisor`] | starts, watches, reloads and ends the tasks |
//! | 10 | [`model_refresher`] | the tasks that follow attributes, code sets and links, and the list of repositories |
//! | 9 | [`feed`], [`learn`], [`pager`], [`refresher`], [`status`] | the kinds of task: one pager a repository, one refresher, one status endpoint; what feeds deliver; finding out how a server behaves |
//! | 8 | [`client`], [`mirror`] | the vendor's calls and what their answers mean; what is kept, as contracts and as stores |
//! | 7 | [`signals`], [`systemd`], [`telemetry`] | signals as events; what the service manager is told; every event that is logged |
//! | 6 | [`progress`], [`session`] | what tasks share: how far they are, and what is wrong; the tokens |
//! | 5 | [`http`], [`presentation`] | connections, TLS, proxies, cookies, redirects and capped bodies, for any server; items by the names of attributes |
//! | 4 | [`config`], [`metrics`], [`task`], [`text`] | the table of keys; counters; how a task waits, stops and tries again; text that people may see |
//! | 3 | [`mirror_url`] | where a mirror is kept, as `mirror.url` names it |
//! | 2 | [`model`], [`settings`] | what is known of attributes, code sets and links, and how they are called; tables of keys, whichever they are: reading, merging, parsing, errors; secrets; the process environment |
//! | 1 | [`domain`], [`json`] | ids, items, changes and their envelope; JSON as received |
//! | side | [`simulator`] | the look-alike server; shares no type with [`client`], so that both cannot be wrong in the same way |
//!
//! Decisions are pure, and waiting is thin: `pager::proof`, `pager::rate::adaptive`, `pager::rate::page_size`, `json::canonical`, `json::plain`,
//! `mirror::diff`, `feed::cut`, `feed::kafka::message`, `feed::kafka::verdict`, `feed::place`, `feed::selection`, `mirror::retention`, `mirror::deletions`, `mirror::lease_policy`, `refresher::schedule`,
//! `progress::recent_delays`, `supervisor::freshness`, `supervisor::restart`, `supervisor::reload`, `supervisor::watchdog`, `supervisor::status_line`,
//! `status::compose`, `status::page`, `task::retry` and `client::verdict` take what they need as
//! arguments and are tested without a runtime.
//!
//! # The way of one page
//!
//! 1. [`pager::proof::pass::Pass::plan`] names the next window: a page number and a page size.
//! 2. The pager waits for its interval and starts a request; up to `in_flight` are under way.
//! 3. `pager::request::fetch` takes [`session::Credentials`], waiting for the refresher where there
//!    are none that hold, passes the limiter ([`pager::Limiter`]: how many at once, how many a
//!    second, how many bytes of pages in hand; in the order of the deadlines, among all repositories), and calls
//!    [`client::Api::search`].
//! 4. The client sends it, reads the answer up to a cap, and judges it: an answer, a refusal, or a
//!    failure. Items are slices of the answer's bytes; where these are what the same window showed
//!    the last time, they are known by its [`client::Fingerprints`] and not read again.
//! 5. A refusal is reported with the generation it was made with and waits for a newer one; a
//!    failure waits with growing delays. Either way the request is made again, signed afresh, unless
//!    the server turns out to answer the top of the list and not this window
//!    (`pager::request::blame`): then the pass is told so, and asks further up or ends.
//! 6. Answers that came before their turn wait for it. Then the ids and digests of the page go to
//!    [`pager::proof::pass::Pass::take_with_gaps`], which says whether the pass goes on, reads a range again, or
//!    has ended, and then whether it is certified.
//! 7. The page goes to the [`mirror::Mirror`] together with the state that the pass has now, the ids
//!    that it saw for the first time, and its line of the ledger; the next pages are fetched
//!    meanwhile. It looks up each item's digest, compares the forms of those that differ, and writes
//!    what changed in one transaction: items, changes, checkpoint, ledger. SQLite has a thread of its own
//!    for that; PostgreSQL gets one statement where nothing is new, and one more where something is. Of a
//!    page that the writer knows to be there as it is, the statement says nothing of the items.
//! 8. A line goes to the log. At the end of the pass `pager::reconcile` asks for the items that a
//!    certified pass did not see, deletes those that are gone or holds them back, and the ledger is
//!    closed.
//!
//! # The database
//!
//! `src/mirror/migrations/sqlite`, one file after the other, is its description. A body is stored once, in the
//! change that brought it; an item points to its latest change, a change to the item's one before.
//! Dropping old changes moves a mark and deletes the bodies that nothing points to any more.
//!
//! Incremental passes have a ledger of their own, and a mark of how far they have come, which is written in the
//! transaction of the page that brings it: nothing of the whole pass under way is touched by them.
//!
//! What a feed has delivered is a row with a revision, which each write counts up, by the task that delivers or by a
//! command, so that neither undoes what the other did; changes that a receiver refused are rows beside it
//! ([`mirror::contracts`], `Feeds` and `FeedWriter`). What a feed has not delivered is dropped only once it
//! is older than both the log and the feed keep it (`mirror::retention`), or there is no room for it any more
//! (`pager::finish`).
//!
//! In PostgreSQL (`src/mirror/migrations/postgres`) an item has its body itself and a change has the bodies
//! before and after it, so that a part of the log can be dropped as a table. Each call of a writer is one
//! statement, which changes the row of its lease: `mirror::postgres::fence` says what that proves.
//!
//! # Invariants, and where they are tested
//!
//! | what holds | where |
//! | --- | --- |
//! | a certified pass missed nothing that stayed | `pager::proof::pass::tests`, as a property over lists that move between any two requests |
//! | neighbouring windows overlap wherever any size allows it, and the planner gets on | `pager::proof::window::tests` |
//! | a window that is not answered holds up nobody, and a server that is away costs no place | `pager::request::blame`, `pager::proof::pass::unanswered`, `pager::tests::windows`, `tests/it/unreadable.rs` |
//! | any answers at all end a pass | `pager::proof::pass::tests` |
//! | a pass killed and taken up again proves as much as any | `pager::proof::pass::adversary`, `pager::tests::resume`, `tests/it/resume.rs` |
//! | of two answers that show an item the one that was asked for later counts, and nothing deleted is brought back | `pager::readings` as a property, `pager::tests::incremental`, `tests/it/exactness.rs` |
//! | an incremental pass asks for all that came after the one before began, whatever times items claim; no list in order is disbelieved | `pager::incremental` and `config::since` as properties |
//! | what incremental passes miss the next whole pass finds, and neither waits for the other | `tests/it/incremental.rs`, `pager::tests::incremental`, `pager::tests::no_loss` as a property |
//! | a report of `learn` holds no text of the server's | `learn::report` by its types, `learn::shape` as a property, `tests/it/learn.rs` |
//! | the fold of the log is the copy, at every instant, and sequences neither repeat nor skip | `mirror::contract` beside a model, `tests/it/kill.rs` with `kill -9`, `tests/it/exactness.rs` |
//! | no deletion is false, whatever is searched for; too many are held back; an approval is for what was announced, or for what is named of it | `pager::proof::deletes`, `pager::tests::deletes`, `tests/it/deletes.rs` |
//! | an incremental pass creates and updates, in one transaction with how far it has come; it deletes nothing, and the pass under way is as if it had not been | `mirror::contract` beside a model, `mirror::postgres::tests::known_pages` |
//! | items are compared as JSON, exactly | `json::canonical::tests` |
//! | a strange, newer or locked database is left byte for byte as it was | `mirror::sqlite::tests` |
//! | the WAL is bounded, however long somebody reads | `mirror::sqlite::tests`, `tests/it/asking` |
//! | what a mirror was at any instant is told as it was then, under a clock that jumps, in every store | `mirror::contract::instants`, `tests/it/past.rs`, `tests/it/asking/diff.rs` |
//! | an export is one instant, ordered, in constant memory, and holds nobody up | `mirror::sqlite::read::tests`, `cli::spill_file`, `tests/it/asking` |
//! | many refusals at one moment are one login; a stale REST token, or one that another overtook, is ignored | `session::tests`, `refresher::tests` |
//! | a token that ends costs no page: 72 hours on a paused clock | `pager::tests`, `supervisor::tests` |
//! | each shape of a refusal and each kind of fault, in the middle of a pass, over TCP | `tests/it/refusals.rs`, `tests/it/faults.rs` |
//! | everything that a server can do, at each call, at each stage of a pass, has its stated outcome | `tests/it/matrix` |
//! | what the machine does costs nothing that was kept, and is told with what to do | `tests/it/machine` |
//! | what befalls a PostgreSQL costs nothing that was kept, is told, and is outlived | `tests/it/postgres/faults.rs` |
//! | what PostgreSQL holds as `jsonb` is exactly what came | `json::jsonb`, `mirror::postgres::tests::jsonb` |
//! | each `sslmode` takes the servers that it should, and the errors say why not | `tests/it/postgres/tls.rs` |
//! | a role may do what it is documented for, and nothing else | `mirror::postgres::tests::roles` |
//! | an answer of PostgreSQL that was lost is found out, and a database that went back is read anew | `mirror::postgres::tests` |
//! | what a writer knows of the database, and hands on to the next one, is so, whatever befalls it | `mirror::postgres::known_pages`, `mirror::postgres::restored_pages`, `mirror::postgres::tests::known_pages` |
//! | a page that is sent in pieces is written whole or not at all | `mirror::postgres::tests::fence`, `mirror::postgres::tests::contract` |
//! | what feeds have delivered is kept in every store as in a model, by one daemon at a time, and what they have not is held | `mirror::contract`, `mirror::retention` |
//! | a lease has one owner at a time, shares are even, and a daemon that lost its lease ends in order | `mirror::contract`, `mirror::lease_policy`, `supervisor::tests` |
//! | a move takes all along, however often it is killed, and the daemon goes on there | `mirror::transfer`, `tests/it/moving.rs` |
//! | a snapshot is one instant with every value and every key sound, whole or not there | `mirror::snapshot_file`, `tests/it/snapshot` |
//! | a feed loses nothing and keeps the order of each item, whatever its receiver answers and whenever it is killed; a batch is the same at every try | `feed::tests` as properties |
//! | a webhook's batch has its id at every try, whatever is done to the daemon at which step; what one is sent to is an address that it may | `tests/it/webhooks/`, `http::address_policy` |
//! | a batch to Kafka is committed as a whole before the cursor moves, whatever brokers do, and nothing of a daemon that was killed comes after what the next one sends | `feed::kafka::tests`, `tests/it/kafka` |
//! | a file of a feed is the log, without half a line or a double, after `kill -9` too; the log waits for it, as long as it says and there is room | `tests/it/feeds.rs`, `tests/it/holding.rs` |
//! | a view by name only ever gains columns, its names are never ambiguous, and both stores say the same in it | `model::shape`, `mirror::contract`, `mirror::postgres::tests` |
//! | the four views say what the log says, in both stores | `mirror::contract`, `tests/it/views.rs` |
//! | of several daemons one writes at a time, whatever is done to them | `tests/it/postgres/kill.rs`, `tests/it/postgres/rounds.rs` |
//! | a kill, a failed call and a power cut at each write of a page's transaction lose nothing of it | `tests/it/crash` |
//! | months of faults lose nothing, invent nothing and grow nothing | `supervisor::tests::soak`, `cargo bench --bench soak` |
//! | an announced total ends no pass, and one that is too low costs no item but the certificate | `pager::proof::pass::totals`, `tests/it/paging.rs` |
//! | `auto` uses a server up to its capacity and yields to others; the rate limit is never exceeded | `pager::rate::adaptive::tests`, `pager::tests::adaptive`, `tests/it/paging.rs` |
//! | requests go by their deadlines, no bound is exceeded, whole passes that need no more than their share end in time, and no page waits for ever for memory | `pager::rate::schedule::tests` as properties |
//! | what comes from outside is read as independent readers read it | `fuzz/` |
//! | a damaged state of a pass is never taken up | `pager::proof::checkpoint`, `fuzz/` |
//! | the bill of materials names exactly what is linked | `tests/sbom.rs` |
//! | no secret of the login leaves the process, however a server spells it | `tests/it/secrets.rs`, `client::tests::secrets` |
//! | what a feed's receiver throws back of its URL or password is masked as it is written, meant or sent | `settings::masked_url`, `feed::kafka::settings`, `tests/it/webhooks/answers.rs` |
//! | an answer of the wrong shape is never an empty page | `client::tests` |
//! | a record that cannot be read costs itself and the certificate, and nothing is guessed | `client::tests::unreadable`, `pager::proof::overlap` |
//! | nothing hidden from the eye reaches a terminal, the log or the page | `text::visible`, `telemetry::visible` |
//! | an answer read with fingerprints is the answer read from scratch | `client::fingerprint::tests` |
//! | what is known of answers outlives the process, and makes no wrong one of them, whatever happens to it or beside it | `client::fingerprint::stored`, `pager::request::fingerprints`, `mirror::contract`, `pager::tests::page_size`, `tests/it/knowing.rs` |
//! | a page size that is found by itself is below each limit, and costs no pass its certificate | `pager::rate::page_size`, `pager::proof::pass::tests`, `pager::tests::page_size`, `tests/it/sizes.rs` |
//! | tokens never follow a redirect to another host; no error shows a secret | `client::tests`, `http::redirect` |
//! | cookies go where RFC 6265 has them go, belong to one session, and are bounded and never shown | `http::cookies::tests`, `client::tests::cookies`, `tests/it/balanced.rs` |
//! | a connection that was closed while idle is no failure, and one that never answered is | `client::tests::reuse`, `tests/it/balanced.rs` |
//! | a certificate in `ca_file` is the server's own, byte for byte, with its name and dates | `client::tests::tls` |
//! | every fault of a configuration is told at once, none with a secret | `config::tests`, `tests/it/check.rs` |
//! | a stop ends within five seconds, with a logout | `supervisor::tests`, `tests/it/shutdown.rs` |
//! | the watchdog is fed while every task gets on, and only then | `supervisor::watchdog`, `supervisor::tests::watchdog`, `tests/it/notify.rs` |
//! | every event has an id that never changes, and an explanation | `telemetry::catalog::tests` |
//! | a database of the version before is taken over with its sequence | `mirror::sqlite::tests`, `tests/it/migration.rs` |
//! | a journal that is away or slow holds nobody up | `telemetry::journal::tests` |
//! | the metrics are what is documented, and promtool accepts them | `status::metrics`, `tests/it/promtool.rs` |
//! | what is wrong is told alike everywhere, at the second failure or after 5 s, and goes with the first success | `progress::problems`, `status::problem_list`, `tests/it/health.rs` |
//! | of many repositories a screen tells what differs, the rest to those who ask, and the log loses no line of it | `status::brief`, `status::page`, `progress::shared_cadence`, `tests/it/many.rs` |
//! | a delay that is told is the exact quantile within its error, and a goal that is missed does not flap | `progress::recent_delays` as a property, `supervisor::freshness`, `tests/it/freshness.rs` |
//! | the status endpoint holds nobody up and shows no secret | `status::http`, `tests/it/status.rs` |
//! | items are pulled exactly as they are, by who has the token alone, and a reader that is slow holds nobody up | `status::pull`, `tests/it/pull` |
//! | the page shows items to who has the token, exactly, keeps the token in its tab, and obeys a strict policy | `tests/it/pull/page.rs` |
//! | each path that is described needs the token or tells of no item, and answers as described | `tests/it/pull` (with Schemathesis), `fuzz/` |
//! | a command believes only its own daemon, and finds it whatever else listens | `status::control`, `status::socket`, `tests/it/control.rs` |
//! | the package installs, upgrades and purges, and systemd finds the daemon well-behaved | `tests/systemd`, which boots a Debian |
//! | the log's messages and fields, the metrics and the keys are the documentation's | `tests/documentation.rs`, `tests/it/logs.rs` |
//!
//! # By hand, and why
//!
//! | by hand | why no crate |
//! | --- | --- |
//! | [`systemd`]: `sd_notify(3)` | `sd-notify` waits where the manager's socket is full, reads the environment of the process at each message, and does not say whether readiness was taken, which must be said again |
//! | `supervisor::tasks`: a map of tasks | `tokio_util`'s `JoinMap` aborts a running task whose name is started again, has no place for its heartbeat, and its feature brings a second `hashbrown` |
//! | `text::visible`: what is not shown | the escapes of the standard library leave out marks that turn text around and characters that nobody sees; one table serves terminal, log, status line and page |
//! | `client::redact`, `client::escapes`: the beginning of an answer without secrets | base64 and percent-encoding are crates; which JSON and HTML escapes may hide a secret is what no crate in the tree knows. Length and title alone would tell less: the words of a refusal are what operators act on |
//! | `http::cookies`: bounds around `cookie_store` | the crate decides where a cookie goes; how many and how large it does not bound |
//! | `json::plain`, `cli::export::table`, `cli::export::row`: members of very many items, and their cells | `serde_json` makes a list of all members and looks at each text twice, and `csv` looks at each byte of a cell by itself; both are still what reads whatever is not written plainly, and what the tests compare with |
//! | `json::canonical`: equality of JSON | `serde_json` keeps numbers as it reads them and cannot say that 1 and 1.0 are one value without losing digits |
//! | `settings::parser`, `settings::merge` | `config` merges; it tells one error of several, at random, and quotes values, secrets too |
//!
//! Beside these go incremental passes ([`pager`], in `pager::incremental`): one request after the other, each page
//! written before the next is asked for, in turns with the pages of the whole pass.
//!
//! Absent on purpose: retries inside the client (its callers decide), a lock held across an await
//! (clippy forbids it; the turn of who calls the mirror's writer is one on purpose), tasks without an owner (clippy forbids `tokio::spawn`), a login anywhere but
//! in the refresher (`check --online`, `doctor` and `repositories` aside, which have no tasks), a
//! second writer of items, and any write to the server.

mod cli;
mod client;
mod config;
mod domain;
mod feed;
mod http;
mod json;
mod learn;
mod metrics;
mod mirror;
mod mirror_url;
mod model;
mod model_refresher;
mod pager;
mod presentation;
mod progress;
mod refresher;
mod session;
mod settings;
mod signals;
pub mod simulator;
mod status;
mod supervisor;
mod systemd;
mod task;
mod telemetry;
#[cfg(test)]
mod testing;
mod text;

pub use cli::run;

/// What the tests and benches that stand outside of the crate look at.
#[doc(hidden)]
pub mod inspection {
    pub use crate::config::{ConfigKey, OnReload, Requirement, SCHEMA};
    pub use crate::domain::{IdSet, ItemId};
    pub use crate::task::clock::now;
}

/// What the fuzz targets feed; compiled for nobody else.
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing {
    pub use crate::cli::fuzzing::{differences, table};
    pub use crate::client::fuzzing::*;
    pub use crate::client::{ItemRequest, Presence, SessionStatus};
    pub use crate::config::{Config, ConfigErrors, Environment, Loaded, SettingSource, load_text};
    pub use crate::domain::{
        Change, IdSet, ItemId, Iteration, LONGEST_ID, Op, RepositoryId, Sequence, envelope,
    };
    pub use crate::http::rate_limit::parse_retry_after;
    pub use crate::json::JsonPointer;
    pub use crate::json::canonical::same;
    pub use crate::mirror::{Interrupted, PassStatistics};
    pub use crate::pager::proof::checkpoint::{self, ListId};
    pub use crate::pager::proof::overlap::ItemDigest;
    pub use crate::pager::proof::pass::{Pass, PassSettings};
    pub use crate::session::Tokens;
    pub use crate::status::fuzzing::*;
    pub use crate::task::retry::RETRY_AFTER_CAP;
}
