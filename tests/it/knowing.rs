//! What was learnt of the server's answers outlives the process, and never what is true: whatever happens
//! between two lives of the daemon, to the items or to what it kept, the mirror is the server's list.

use std::time::Duration;

use ewmirror::simulator::{Options, Order};
use fastrand::Rng;
use rusqlite::Connection;

use crate::support::editor::Editor;
use crate::support::oracle::{self, Fold};
use crate::support::{Daemon, Kept, Sim, for_each, repositories};

const ITEMS: usize = 300;

/// More than a row of the table takes beside its items.
const BESIDE_ITEMS: usize = 64;

/// The most that an item takes.
const ITEM_BYTES: usize = 13;

/// Page size, page number and bytes.
type Row = (i64, i64, Vec<u8>);

fn opened(kept: &Kept) -> Connection {
    Connection::open(kept.database()).expect("the database can be opened")
}

fn known(kept: &Kept) -> Vec<Row> {
    let connection = opened(kept);
    let select = "SELECT size, page, bytes FROM known_answer WHERE repository = 1 ORDER BY 1, 2";
    let mut statement = connection.prepare(select).expect("the table is there");
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .expect("the table can be read");
    rows.collect::<Result<_, _>>().expect("its rows can be read")
}

fn once(kept: &Kept) {
    let ended = Daemon::start(&["once"], &kept.setup()).finish();
    assert!(ended.status.success(), "{:?}", ended.events.last());
}

#[test]
fn an_unchanged_pass_of_a_new_process_keeps_what_was_known_and_writes_none_of_it() {
    let sim = Sim::start(repositories(&[(1, ITEMS)]));
    let kept = Kept::new(&sim);
    once(&kept);
    let first = known(&kept);
    let bytes: usize = first.iter().map(|(.., bytes)| bytes.len()).sum();
    assert!(!first.is_empty());
    let items: i64 = first.iter().map(|(size, ..)| *size).sum();
    let most = usize::try_from(items).unwrap() * ITEM_BYTES + first.len() * BESIDE_ITEMS;
    assert!(bytes <= most, "{bytes} bytes of {items} items");
    // What is written again would come in again.
    let connection = opened(&kept);
    connection
        .execute_batch(
            "CREATE TRIGGER written_again BEFORE INSERT ON known_answer
             BEGIN SELECT RAISE(FAIL, 'it is written again'); END;
             CREATE TRIGGER forgotten BEFORE DELETE ON known_answer
             BEGIN SELECT RAISE(FAIL, 'it is forgotten'); END",
        )
        .unwrap();
    once(&kept);
    assert_eq!(known(&kept), first);
    oracle::equals_server(&kept, &sim, 1);
}

/// What is done to what was kept between two lives.
#[derive(Clone, Copy, Debug)]
enum Harm {
    /// As the daemon left it.
    None,
    /// It is of an earlier state: the database is as it was, but what is known is what it was two lives ago.
    Older,
    /// What was known of one window is said of another.
    Swapped,
    /// Bits are turned.
    Damaged,
    /// Most of it is gone.
    Thinned,
}

#[test]
fn whatever_happens_between_two_lives_the_mirror_is_the_list() {
    let harms = [Harm::None, Harm::Older, Harm::Swapped, Harm::Damaged, Harm::Thinned];
    for_each(&harms, |harm| live_and_live_again(*harm));
}

fn live_and_live_again(harm: Harm) {
    let mut rng = Rng::with_seed(harm as u64);
    let sim = Sim::start(Options { order: Order::Shuffled, ..repositories(&[(1, ITEMS)]) });
    let kept = Kept::new(&sim);
    let mut setup = kept.setup();
    "page_size = 37\npage_interval = '0s'\npass_interval = '0s'".clone_into(&mut setup.paging);
    setup.mirror += "\n[deletes]\nmax_fraction = 1.0";
    let mut editor = Editor::new(&sim, 1, true);
    let (mut fold, mut before) = (Fold::default(), Vec::new());
    for life in 0..8 {
        let daemon = Daemon::run(&setup);
        oracle::wait_for_certified_pass(&daemon, 1);
        for _ in 0..rng.usize(..4) {
            editor.edit(&sim, &mut rng);
        }
        // In the middle of a pass, or between two.
        crate::support::pause(Duration::from_millis(rng.u64(..60)));
        drop(daemon.kill());
        fold.check(&kept, &[1]);
        let left = known(&kept);
        assert!(!left.is_empty(), "life {life}");
        spoil(&kept, harm, &left, &before, &mut rng);
        before = left;
        for _ in 0..rng.usize(..4) {
            editor.edit(&sim, &mut rng);
        }
    }
    let daemon = Daemon::run(&setup);
    // What is gone is deleted by the second that misses it at the latest.
    for _ in 0..3 {
        oracle::wait_for_certified_pass(&daemon, 1);
    }
    drop(daemon.stop());
    fold.check(&kept, &[1]);
    editor.vouch_for(&fold.deleted());
    oracle::equals_server(&kept, &sim, 1);
    kept.assert_sound();
}

fn spoil(kept: &Kept, harm: Harm, left: &[Row], before: &[Row], rng: &mut Rng) {
    let connection = opened(kept);
    let written = "the database can be written";
    let put = |(size, page, bytes): &Row| {
        connection
            .execute(
                "INSERT OR REPLACE INTO known_answer VALUES (1, ?1, ?2, ?3)",
                (size, page, bytes),
            )
            .expect(written);
    };
    match harm {
        Harm::None => {}
        Harm::Older => {
            for row in before {
                put(row);
            }
        }
        Harm::Swapped => {
            let others = left.iter().rev();
            for ((size, page, _), (.., bytes)) in left.iter().zip(others) {
                put(&(*size, *page, bytes.clone()));
            }
        }
        Harm::Damaged => {
            for (size, page, bytes) in left {
                let mut bytes = bytes.clone();
                let at = rng.usize(..bytes.len());
                bytes[at] ^= 1 << rng.u8(..8);
                put(&(*size, *page, bytes));
            }
        }
        Harm::Thinned => {
            connection.execute("DELETE FROM known_answer WHERE page % 3 > 0", []).expect(written);
        }
    }
}
