//! Pages that a writer knows: nothing is sent of them, and whatever happens between two of them, the copy is
//! what it would be if nothing were known.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tokio::time::sleep;

use super::place::{self, Place, incremental_page, lease};
use super::proxy::{Cut, Proxy};
use crate::domain::{IdSet, ItemId, Iteration, RepositoryId};
use crate::mirror::postgres::{PostgresMirror, PostgresPool};
use crate::mirror::{
    EndOfPass, KnowledgeUpdate, Lease, Mirror, MirrorError, MirrorErrorKind, PageOfItems,
    PassStatistics,
};
use crate::testing::slow_property;

const REPOSITORY: RepositoryId = RepositoryId(1);

/// How many ids there are in the small world.
const IDS: i128 = 6;

/// A page of this pass.
fn page(iteration: u64, number: u64, rows: &[(i128, &str)]) -> Arc<PageOfItems> {
    let page = PageOfItems::clone(&place::page(number, rows));
    Arc::new(PageOfItems { iteration: Iteration(iteration), ..page })
}

#[tokio::test]
async fn items_of_a_known_page_are_looked_at_in_one_pass_of_sixteen() {
    let Some(place) = Place::new() else { return };
    let mirror = place.mirror();
    let writer = mirror.writer(REPOSITORY, &lease());
    writer.load().await.unwrap();
    let rows = [(1, "{}"), (2, "{}")];
    writer.write_page(page(1, 1, &rows)).await.unwrap();
    // What no daemon does shows whether one looks.
    let client = place.client().await;
    client.execute("DELETE FROM item WHERE id = '1'", &[]).await.unwrap();
    let (mut created, mut unchanged) = (0, 0);
    for iteration in 2..18 {
        let told = writer.write_page(page(iteration, 1, &rows)).await.unwrap();
        (created, unchanged) = (created + told.created, unchanged + told.unchanged);
    }
    assert_eq!((created, unchanged), (1, 31));
    // Another writer knows nothing.
    client.execute("DELETE FROM item WHERE id = '2'", &[]).await.unwrap();
    let told = mirror.writer(REPOSITORY, &lease()).write_page(page(18, 1, &rows)).await.unwrap();
    assert_eq!((told.created, told.unchanged), (1, 1));
}

/// The end of this pass.
fn end(iteration: u64) -> EndOfPass {
    EndOfPass {
        iteration: Iteration(iteration),
        ts_ms: 300,
        statistics: PassStatistics::default(),
        reason: None,
        suspects: IdSet::new(),
        held: None,
    }
}

#[tokio::test]
async fn the_next_writer_looks_at_what_has_changed_since_alone() {
    const PAGES: u64 = 10;
    let Some(place) = Place::new() else { return };
    let (mirror, client) = (place.mirror(), place.client().await);
    let writer = mirror.writer(REPOSITORY, &lease());
    writer.load().await.unwrap();
    let pages = |iteration| {
        let page = move |number: u64| {
            let even = i128::from(2 * number);
            page(iteration, number, &[(even, "{}"), (even + 1, "{}")])
        };
        (1..=PAGES).map(page)
    };
    for page in pages(1) {
        writer.write_page(page).await.unwrap();
    }
    writer.end_pass(end(1)).await.unwrap();
    // After what is kept, by an incremental pass: there and back, so that the first page is as it was.
    for (number, body) in [(1, r#"{"a":1}"#), (2, "{}")] {
        let told = writer.write_incremental(incremental_page(number, &[(2, body)])).await.unwrap();
        assert_eq!(told.updated, 1);
    }
    // What no daemon does shows whether one looks.
    let odd = "DELETE FROM item WHERE right(id, 1) IN ('1', '3', '5', '7', '9')";
    let next = mirror.writer(REPOSITORY, &lease());
    next.load().await.unwrap();
    assert_eq!(client.execute(odd, &[]).await.unwrap(), PAGES);
    let mut looked = Vec::new();
    for page in pages(2) {
        looked.push(next.write_page(page).await.unwrap().created);
    }
    assert_eq!(looked[0], 1, "an item of it has changed");
    let looked: u64 = looked.iter().sum();
    assert!(looked < 5, "{looked} of {PAGES} pages are looked at, not those that are due alone");
    // The log does not tell any more what has changed.
    client.execute("UPDATE log SET dropped_through = last", &[]).await.unwrap();
    let next = mirror.writer(REPOSITORY, &lease());
    next.load().await.unwrap();
    let mut created = 0;
    for page in pages(3) {
        created += next.write_page(page).await.unwrap().created;
    }
    assert_eq!(created, PAGES - looked);
}

#[tokio::test]
async fn what_was_on_its_way_when_a_writer_loads_is_not_written_any_more() {
    let Some(place) = Place::new() else { return };
    let mirror = place.mirror();
    let [earlier, later] = [(); 2].map(|()| mirror.writer(REPOSITORY, &lease()));
    earlier.load().await.unwrap();
    earlier.write_page(page(1, 1, &[(1, "{}")])).await.unwrap();
    earlier.end_pass(end(1)).await.unwrap();
    later.load().await.unwrap();
    // Of these the earlier one has sent the last before it ended, and they come late.
    let gone = earlier.write_incremental(incremental_page(1, &[(1, r#"{"a":1}"#)])).await;
    assert_eq!(gone.unwrap_err().kind(), MirrorErrorKind::Regressed);
    assert!(earlier.delete(Iteration(2), 100, vec![ItemId::Integer(1)]).await.is_err());
    later.begin_pass(Iteration(2), 200).await.unwrap();
    let told = later.write_page(page(2, 1, &[(1, "{}")])).await.unwrap();
    assert_eq!((told.updated, told.unchanged), (0, 1));
    assert_eq!(place.content().await.items[&(1, ItemId::Integer(1))], b"{}");
}

#[tokio::test]
async fn a_page_is_no_longer_known_when_an_incremental_pass_has_changed_an_item_of_it() {
    let Some(place) = Place::new() else { return };
    let mirror = place.mirror();
    let writer = mirror.writer(REPOSITORY, &lease());
    writer.load().await.unwrap();
    let rows = [(1, "{}"), (2, "{}")];
    for iteration in 1..4 {
        writer.write_page(page(iteration, 1, &rows)).await.unwrap();
    }
    let told = writer.write_incremental(incremental_page(1, &[(2, r#"{"a":1}"#)])).await.unwrap();
    assert_eq!((told.updated, told.unchanged), (1, 0));
    // The server has taken it back: whichever pass looks, that is a change.
    let told = writer.write_page(page(4, 1, &rows)).await.unwrap();
    assert_eq!((told.updated, told.unchanged), (1, 1));
    // What an incremental pass finds as it was makes nothing unknown.
    let (client, mut looked) = (place.client().await, 0);
    for iteration in [5, 6] {
        writer.write_incremental(incremental_page(iteration, &rows)).await.unwrap();
        client.execute("DELETE FROM item WHERE id = '1'", &[]).await.unwrap();
        looked += writer.write_page(page(iteration, 1, &rows)).await.unwrap().created;
    }
    assert!(looked < 2, "it is looked at in one pass of sixteen");
}

#[tokio::test]
async fn what_is_learnt_is_kept_by_who_has_the_lease_alone() {
    let Some(place) = Place::new() else { return };
    let mirror = place.mirror();
    let update = |habits: &str| {
        Arc::new(KnowledgeUpdate { habits: Some(habits.into()), ..KnowledgeUpdate::default() })
    };
    let writer = mirror.writer(REPOSITORY, &lease());
    writer.load().await.unwrap();
    writer.keep_knowledge(update("ours")).await.unwrap();
    let other = Lease { generation: lease().generation + 1, ..lease() };
    for stranger in [other, Lease { owner: "nobody".into(), ..lease() }, Lease::sole()] {
        mirror.writer(REPOSITORY, &stranger).keep_knowledge(update("theirs")).await.unwrap();
    }
    assert_eq!(writer.knowledge().await.unwrap().habits, Some(b"ours".to_vec()));
    // Nor does it come in the way of a page.
    writer.write_page(page(1, 1, &[(1, "{}")])).await.unwrap();
}

/// Something that befalls a writer.
#[derive(Clone, Debug)]
enum Event {
    /// It is given a page: the ids from here on, some of them, each with one of two bodies.
    Page {
        first: i128,
        count: i128,
        turned: bool,
    },
    /// The same as a page of an incremental pass.
    Incremental {
        first: i128,
        count: i128,
        turned: bool,
    },
    Delete {
        id: i128,
    },
    /// The connection breaks in the place of one of the next messages.
    Break {
        cut: Cut,
        after: i64,
    },
    EndPass,
    Load,
    /// Another one has its place for a while: it is given a page, and this one loads what there is then.
    Other {
        first: i128,
        count: i128,
        turned: bool,
    },
}

fn any_event() -> impl Strategy<Value = Event> {
    let cut = prop_oneof![Just(Cut::Request), Just(Cut::Answer)];
    prop_oneof![
        8 => (0..IDS, 1_i128..4, prop::bool::weighted(0.2))
            .prop_map(|(first, count, turned)| Event::Page { first, count, turned }),
        3 => (0..IDS, 1_i128..4, prop::bool::weighted(0.5))
            .prop_map(|(first, count, turned)| Event::Incremental { first, count, turned }),
        1 => (0..IDS).prop_map(|id| Event::Delete { id }),
        2 => (cut, 0_i64..4).prop_map(|(cut, after)| Event::Break { cut, after }),
        2 => Just(Event::EndPass),
        2 => Just(Event::Load),
        1 => (0..IDS, 1_i128..4, prop::bool::weighted(0.5))
            .prop_map(|(first, count, turned)| Event::Other { first, count, turned }),
    ]
}

async fn until_done<T, F>(call: impl Fn() -> F) -> T
where
    F: Future<Output = Result<T, MirrorError>>,
{
    loop {
        match call().await {
            Ok(done) => return done,
            Err(error) if error.kind() == MirrorErrorKind::Unavailable => {
                sleep(Duration::from_millis(1)).await;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

async fn all_is_as_in_the_model(place: &Place, events: Vec<Event>) {
    let proxy = Proxy::to(&place.address);
    let mirror = PostgresMirror::new(PostgresPool::new(proxy.address.clone()).unwrap());
    let writer = mirror.writer(REPOSITORY, &lease());
    until_done(|| writer.load()).await;
    let (mut incremental, mut mark) = (0, None);
    let mut model: BTreeMap<(u64, ItemId), Vec<u8>> = BTreeMap::new();
    let (mut iteration, mut number, mut changes) = (1, 0, 0);
    for event in &events {
        number += 1;
        match *event {
            Event::Page { first, count, turned }
            | Event::Incremental { first, count, turned }
            | Event::Other { first, count, turned } => {
                let body = if turned { r#"{"a":1}"# } else { "{}" };
                let rows: Vec<(i128, &str)> =
                    (first..first + count).map(|id| (id % IDS, body)).collect();
                if matches!(event, Event::Page { .. }) {
                    let this = page(iteration, number, &rows);
                    until_done(|| writer.write_page(Arc::clone(&this))).await;
                } else if matches!(event, Event::Other { .. }) {
                    let other = mirror.writer(REPOSITORY, &lease());
                    until_done(|| other.load()).await;
                    let this = page(iteration, number, &rows);
                    until_done(|| other.write_page(Arc::clone(&this))).await;
                    until_done(|| writer.load()).await;
                } else {
                    let this = incremental_page(number, &rows);
                    until_done(|| writer.write_incremental(Arc::clone(&this))).await;
                    (incremental, mark) = (incremental + 1, this.mark.clone());
                }
                for (id, body) in rows {
                    let old = model.insert((1, ItemId::Integer(id)), body.into());
                    changes += usize::from(old.as_deref() != Some(body.as_bytes()));
                }
            }
            Event::Delete { id } => {
                let id = ItemId::Integer(id);
                let gone = || writer.delete(Iteration(iteration), 100, vec![id.clone()]);
                until_done(gone).await;
                changes += usize::from(model.remove(&(1, id)).is_some());
            }
            Event::Break { cut, after } => proxy.cut(cut, after),
            Event::EndPass => {
                let end = end(iteration);
                until_done(|| writer.end_pass(end.clone())).await;
                iteration += 1;
            }
            Event::Load => drop(until_done(|| writer.load()).await),
        }
    }
    // Each incremental pass is in the ledger once, however often it was asked for.
    let there = "SELECT count(*), (SELECT mark FROM incremental_mark) FROM incremental_pass";
    let there = place.client().await.query_one(there, &[]).await.unwrap();
    assert_eq!((there.get::<_, i64>(0), there.get::<_, Option<Vec<u8>>>(1)), (incremental, mark));
    let content = place.content().await;
    assert_eq!(content.items, model);
    assert_eq!(content.changes.len(), changes);
}

proptest! {
    #![proptest_config(slow_property(24))]

    #[test]
    fn whatever_befalls_a_writer_the_copy_is_as_if_nothing_were_known(
        events in prop::collection::vec(any_event(), 1..60),
    ) {
        let Some(place) = Place::new() else { return Ok(()) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(all_is_as_in_the_model(&place, events));
    }
}
