//! Entries as journald would get them, and what a journal that is away or slow costs.

use std::fs;

use tempfile::TempDir;
use tracing_subscriber::layer::SubscriberExt;

use super::*;
use crate::telemetry::event;

/// A journal's socket, in a directory of its own.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("socket")
    }

    /// Listens there; the listener before it has gone.
    fn listen(&self) -> UnixDatagram {
        drop(fs::remove_file(self.path()));
        let socket = UnixDatagram::bind(self.path()).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket
    }
}

/// All entries that have come and are not empty.
fn received(socket: &UnixDatagram) -> Vec<String> {
    let mut buffer = vec![0; 1 << 20];
    std::iter::from_fn(|| socket.recv(&mut buffer).ok().map(|length| buffer[..length].to_vec()))
        .filter(|entry| !entry.is_empty())
        .map(|entry| String::from_utf8(entry).unwrap())
        .collect()
}

fn fields(message: &str, reason: &str) -> Fields {
    let others =
        vec![("repository", "10149".to_owned(), false), ("reason", reason.to_owned(), true)];
    Fields { message: message.to_owned(), others }
}

#[test]
fn an_entry_reads_well_and_can_be_searched_by_field() {
    let fields = fields("page read", "two words");
    let expected = "MESSAGE=page read repository=10149 reason=\"two words\"\n\
        PRIORITY=6\n\
        SYSLOG_IDENTIFIER=ewmirror\n\
        MESSAGE_ID=df5806d34b284e6e75f1b3a47cc74265\n\
        EWMIRROR_MESSAGE=page read\n\
        EWMIRROR_REPOSITORY=10149\n\
        EWMIRROR_REASON=two words\n";
    assert_eq!(String::from_utf8(entry(Level::INFO, &fields, 0)).unwrap(), expected);
}

#[test]
fn a_value_of_several_lines_cannot_make_a_field_of_its_own() {
    let mut entry = Vec::new();
    push(&mut entry, "EWMIRROR_ERROR", "one\nPRIORITY=0");
    assert_eq!(entry, b"EWMIRROR_ERROR\n\x0e\0\0\0\0\0\0\0one\nPRIORITY=0\n");
}

#[test]
fn an_event_arrives_with_its_priority_and_its_id_and_an_unknown_message_has_none() {
    let place = Place::new();
    let socket = place.listen();
    let journal = Journal::at(&place.path()).unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(journal), || {
        event::task_late("pager 7");
        tracing::error!(target: event::TARGET, "nobody knows this");
    });
    let entries = received(&socket);
    assert_eq!(entries.len(), 2);
    assert!(entries[0].contains("\nPRIORITY=4\n"), "{}", entries[0]);
    assert!(entries[0].contains("\nMESSAGE_ID=8d3f857ef61358fa017bec75f62bc286\n"));
    assert!(entries[0].contains("\nEWMIRROR_TASK=pager 7\n"));
    assert!(entries[1].contains("\nPRIORITY=3\n") && !entries[1].contains("MESSAGE_ID"));
}

#[test]
fn where_no_journal_listens_there_is_none() {
    let place = Place::new();
    assert_eq!(Journal::at(&place.path()).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn an_entry_too_large_arrives_with_its_values_cut() {
    let place = Place::new();
    let socket = place.listen();
    let journal = Journal::at(&place.path()).unwrap();
    // More than any socket takes; two bytes each, so that the cut could hit a character.
    journal.send(Level::WARN, &fields("request failed", &format!("x{}", "ö".repeat(4 << 20))));
    journal.send(Level::INFO, &fields("page read", "small"));
    let entries = received(&socket);
    assert_eq!(entries.len(), 2);
    assert!(entries[0].contains("ö...\n") && entries[0].len() < 4 * CUT_TO, "{}", entries[0].len());
    assert!(entries[0].contains("\nEWMIRROR_REPOSITORY=10149\n"));
    assert!(!entries[1].contains("LOST"), "{}", entries[1]);
}

#[test]
fn a_journal_that_comes_back_gets_the_next_entry_which_tells_of_the_lost() {
    let place = Place::new();
    let journal = { place.listen() };
    let sender = Journal::at(&place.path()).unwrap();
    // First its socket is there but nobody listens, then not even that.
    drop(journal);
    sender.send(Level::INFO, &fields("page read", "refused"));
    fs::remove_file(place.path()).unwrap();
    sender.send(Level::INFO, &fields("page read", "missing"));
    let socket = place.listen();
    sender.send(Level::INFO, &fields("page read", "here"));
    sender.send(Level::INFO, &fields("page read", "again"));
    let entries = received(&socket);
    assert_eq!(entries.len(), 2);
    assert!(entries[0].starts_with(
        "MESSAGE=page read repository=10149 reason=\"here\" (entries lost before this one: 2)\n"
    ));
    assert!(entries[0].ends_with("\nEWMIRROR_LOST=2\n"), "{}", entries[0]);
    assert!(!entries[1].contains("lost"), "{}", entries[1]);
}

#[test]
fn a_journal_that_reads_nothing_holds_nobody_up_for_long() {
    let place = Place::new();
    let socket = place.listen();
    let journal = Journal::at(&place.path()).unwrap();
    let begun = Instant::now();
    let sent = 2000;
    for _ in 0..sent {
        journal.send(Level::INFO, &fields("page read", "x"));
    }
    // Each on its own would have waited: 100 seconds.
    assert!(begun.elapsed() < 100 * PATIENCE, "{:?}", begun.elapsed());
    let arrived = u64::try_from(received(&socket).len()).unwrap();
    assert!(arrived > 0 && arrived < sent);

    let (begun, respite) = (Instant::now(), RESPITE + PATIENCE);
    // A parked thread may be woken too early.
    while let Some(left) = respite.checked_sub(begun.elapsed()).filter(|it| !it.is_zero()) {
        std::thread::park_timeout(left);
    }
    journal.send(Level::INFO, &fields("page read", "x"));
    let entries = received(&socket);
    assert_eq!(entries.len(), 1);
    assert!(entries[0].contains(&format!("\nEWMIRROR_LOST={}\n", sent - arrived)), "{entries:?}");
}

#[test]
fn a_slow_journal_is_spared_for_a_second_and_one_that_is_away_is_not() {
    let (mut losses, start) = (Losses::default(), Instant::now());
    assert_eq!(losses.at(start), Some(0));
    losses.lost(ErrorKind::ConnectionRefused, start);
    assert_eq!(losses.at(start), Some(1));
    losses.lost(ErrorKind::WouldBlock, start);
    assert_eq!(losses.at(start + RESPITE / 2), None);
    assert_eq!(losses.at(start + RESPITE), Some(3));
    // While that entry was on its way, another was lost.
    losses.lost(ErrorKind::NotFound, start);
    losses.told(3);
    assert_eq!(losses.at(start), Some(1));
}
