//! Every event has its id, and every id its explanation.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use xxhash_rust::xxh3::xxh3_128;

use super::*;
use crate::domain::{FeedName, Iteration, RepositoryId, Sequence};
use crate::progress::LineSum;
use crate::session::Generation;
use crate::telemetry::event;
use crate::text::CommandLine;

const CATALOG: &str = include_str!("../../../systemd/ewmirror.catalog");

/// The names of the fields that each event has whatever happens, by message.
#[derive(Clone, Debug, Default)]
struct Heard(Arc<Mutex<BTreeMap<String, Vec<String>>>>);

impl<S: Subscriber> Layer<S> for Heard {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut names = Names::default();
        event.record(&mut names);
        self.0.lock().unwrap().insert(names.message, names.fields);
    }
}

#[derive(Default)]
struct Names {
    message: String,
    fields: Vec<String>,
}

impl Visit for Names {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.fields.push(format!("EWMIRROR_{}", field.name().to_uppercase()));
        }
    }
}

/// Tells of every event, with no more than it must have.
fn every_event() -> BTreeMap<String, Vec<String>> {
    let (repository, iteration) = (RepositoryId(1), Iteration(1));
    let (soon, error) = (Duration::from_secs(1), io::Error::other("this"));
    let page =
        event::PageRead { repository, iteration, page: 1, items: 1, total: 1, elapsed: soon };
    let pass = event::PassComplete {
        repository,
        iteration,
        pages: 1,
        requests: 1,
        items: 1,
        created: 0,
        updated: 0,
        deleted: 0,
        unchanged: 1,
        suspects: 0,
        held: 0,
        elapsed: soon,
    };
    let failure = event::RequestFailed {
        repository: None,
        endpoint: "login",
        attempt: 1,
        retry_in: soon,
        error: &error,
        answer: None,
        remedy: None,
    };
    let heard = Heard::default();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(heard.clone()), || {
        event::page_read(&page, soon);
        event::page_read_in_haste(&page, soon);
        event::pages_read(&event::PagesRead { sum: page, pages: 1 }, soon);
        event::pages_read_of_many(&LineSum::default(), soon);
        event::pass_complete(&pass, None);
        event::quiet_pass_complete(&pass);
        event::passes_complete(&LineSum::default(), soon);
        event::pass_resumed(repository, iteration, 1, 1);
        event::pass_started_over(repository, iteration, &error);
        event::deletions_held(repository, iteration, 1, 1, &CommandLine::DEFAULT);
        event::approved_deletions_made(repository, iteration, 1);
        event::deletions_no_longer_held(repository, iteration);
        event::mirror_opened(Path::new("mirror.db"));
        event::mirror_opened_at("postgresql://a@b/c", "ewmirror");
        event::mirror_migrated("ewmirror", 0, 1);
        event::undelivered_changes_dropped("shop", 1, Sequence(1));
        let shop = FeedName::of("shop");
        event::feed_delivered(shop, 1, Sequence(1), soon);
        event::kafka_client_said(shop, "Info", "CONNECT", "this");
        event::feed_failed(shop, "this", 1, soon);
        event::feed_delivers_again(shop, soon, 1);
        event::feed_paused(shop, "this");
        let parked =
            event::ChangeParked { feed: shop, sequence: Sequence(1), repository, reason: "this" };
        event::change_parked(parked);
        event::feed_fell_behind(shop, 1, Sequence(1));
        event::stepped_back(repository, iteration, 1, "this");
        let unreadable = event::ItemUnreadable {
            repository,
            iteration,
            position: 1,
            item: None,
            error: "this",
            answer: None,
        };
        event::item_unreadable(&unreadable);
        event::item_unreadable_again(&unreadable);
        event::window_unreadable(&event::WindowUnreadable {
            repository,
            iteration,
            from: 1,
            to: 1,
            error: &error,
            answer: None,
        });
        event::model_changed(&event::ModelChanged {
            repository,
            added: 1,
            changed: 0,
            removed: 0,
            what: "this",
        });
        event::model_call_unanswered(repository, "attributes", "this");
        event::most_items_changed(&event::MostItemsChanged {
            repository,
            iteration,
            updated: 1,
            appeared: "",
            disappeared: "",
            altered: "",
        });
        event::member_ignored(repository, "this");
        let pass = event::IncrementalPassComplete {
            repository,
            iteration,
            pages: 1,
            items: 1,
            created: 1,
            updated: 0,
            unchanged: 0,
            elapsed: soon,
        };
        event::incremental_pass_complete(&pass);
        let sum = event::IncrementalPassesComplete::default();
        event::incremental_passes_complete(repository, &sum);
        let failed = event::IncrementalPassFailed {
            repository,
            attempt: 1,
            retry_in: soon,
            error: &error,
            answer: None,
        };
        event::incremental_pass_failed(&failed, true);
        event::incremental_condition_ignored(repository, "this", 1, soon);
        event::incremental_mark_held_back(repository, "this", "that");
        event::change_times_unreadable(repository, 1, "/this");
        event::list_out_of_order(repository, soon);
        event::repository_taken(repository, None);
        event::repository_no_longer_offered(repository);
        event::repository_not_readable(repository, None, "this");
        event::repositories_not_taken("this", "that");
        event::view_not_published(repository, "Products", "this");
        event::signed_in(Generation::NONE, soon);
        event::session_renewed(Generation::NONE, "refused", soon);
        event::rest_token_renewed(repository, Generation::NONE);
        event::request_refused(repository, Generation::NONE, &error);
        event::request_failed(&failure);
        event::request_failed_again(&failure);
        event::request_failed_for_good(&failure);
        event::reconnected(None, "login", soon, 1);
        event::sign_in_delayed(Generation::NONE, soon);
        event::sessions_cut_short(Generation::NONE, (3, soon, soon, "do this"));
        event::signed_out(Generation::NONE);
        event::sign_out_failed(&error);
        event::starting("0", 1);
        event::stopping("SIGTERM");
        event::task_late("pager");
        event::stopped(soon);
        event::status_unavailable(&error, "do this");
        event::status_available("here", soon, 1);
        event::control_unavailable(&error, "do this");
        event::control_available("here", soon, 1);
        event::configuration_warning("login", "this");
        event::configuration_reloaded("log.level");
        event::configuration_rejected(&error);
        event::restart_needed("mirror.url");
        event::task_failed("pager", 1, soon);
        event::task_hangs("pager", soon);
        event::panicked("main", "here", "this");
        event::pass_requested();
        event::lease_taken(repository, 1, None);
        event::lease_lost(repository, 1, "this");
        event::lease_given_up(repository, 1, "this");
        event::standing_by(None);
        event::repository_unread(repository, "a", "do this");
    });
    let heard = heard.0.lock().unwrap();
    heard.clone()
}

/// One entry of the catalog.
#[derive(Debug)]
struct Entry<'a> {
    id: &'a str,
    headers: Vec<(&'a str, &'a str)>,
    text: &'a str,
}

/// The catalog as journald reads it: `-- ID`, headers, an empty line, text up to the next `--`.
fn entries() -> Vec<Entry<'static>> {
    let (comment, entries) = CATALOG.split_once("\n-- ").unwrap();
    assert!(comment.lines().all(|line| line.is_empty() || line.starts_with('#')), "{comment}");
    entries
        .split("\n-- ")
        .map(|entry| {
            let (id, rest) = entry.split_once('\n').unwrap();
            let (headers, text) = rest.split_once("\n\n").unwrap();
            let headers = headers.lines().map(|line| line.split_once(": ").unwrap()).collect();
            Entry { id, headers, text }
        })
        .collect()
}

/// The names between the `@` of a text.
fn substituted(text: &str) -> Vec<&str> {
    text.split('@').skip(1).step_by(2).collect()
}

#[test]
fn every_event_has_an_id_of_its_own_that_never_changes() {
    let calls = include_str!("tests.rs");
    let events = [
        include_str!("../event/mod.rs"),
        include_str!("../event/feed.rs"),
        include_str!("../event/incremental.rs"),
        include_str!("../event/lease.rs"),
        include_str!("../event/read.rs"),
    ];
    for function in events.iter().flat_map(|events| events.split("\npub fn ").skip(1)) {
        let (name, _) = function.split_once(['(', '<']).unwrap();
        assert!(calls.contains(&format!("event::{name}(")), "{name} is not told of here");
    }
    let mut messages: Vec<&str> = IDS.iter().map(|(message, _)| *message).collect();
    messages.sort_unstable();
    let heard = every_event();
    assert_eq!(heard.keys().map(String::as_str).collect::<Vec<_>>(), messages);
    for (message, id) in IDS {
        assert_eq!(id, format!("{:032x}", xxh3_128(message.as_bytes())), "{message}");
        assert_eq!(message_id(message), Some(id));
        assert_eq!(IDS.iter().filter(|(_, other)| *other == id).count(), 1, "{message}");
    }
    assert_eq!(message_id("page"), None);
}

#[test]
fn the_catalog_explains_each_event_once_by_fields_that_it_always_has() {
    let heard = every_event();
    let entries = entries();
    for (message, id) in IDS {
        let found: Vec<&Entry<'_>> = entries.iter().filter(|entry| entry.id == id).collect();
        let [entry] = found[..] else { panic!("{message}: {} entries", found.len()) };
        let names: Vec<&str> = entry.headers.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["Subject", "Defined-By", "Documentation"], "{message}");
        assert_eq!(entry.headers[1].1, "ewmirror", "{message}");
        assert!(entry.text.len() > 40, "{message}");
        for text in entry.headers.iter().map(|(_, text)| *text).chain([entry.text]) {
            assert_eq!(text.matches('@').count() % 2, 0, "{message}: {text}");
            for field in substituted(text) {
                assert!(heard[message].iter().any(|known| known == field), "{message}: {field}");
            }
        }
    }
    assert_eq!(entries.len(), IDS.len(), "entries of events that there are not");
    for line in CATALOG.lines() {
        // A value is taken for eight characters.
        let shown: usize = line.split('@').step_by(2).map(|text| text.chars().count()).sum();
        assert!(shown + 8 * substituted(line).len() <= 80, "wider than a terminal: {line}");
    }
}
