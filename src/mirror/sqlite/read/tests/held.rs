//! Deletions that are held back: shown and approved.

use super::*;

fn text(text: &str) -> ItemId {
    ItemId::Text(text.into())
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().copied().map(str::to_owned).collect()
}

#[test]
fn an_approval_says_how_many_it_approved_and_how_many_wait_on() {
    let made = Made::new();
    made.hold(ONE, 3, &[integer(1), integer(2), text("2"), text("x,y")], &[]);
    let Made { writer, path, _directory } = made;
    drop(writer);
    let approve =
        |of, named: Option<&[&str]>| approve(&path, of, named.map(names).as_deref()).unwrap();
    let summary = || {
        let summary = SqliteReader::open(&path).unwrap().summary().unwrap();
        let held = summary.repositories[0].held.clone().unwrap();
        (held.count, held.approved, held.first)
    };
    assert_eq!(approve(TWO, None), ApprovalOutcome::NothingHeld);
    assert_eq!(approve(RepositoryId(3), Some(&["1"])), ApprovalOutcome::NothingHeld);
    let unknown = ApprovalOutcome::Unknown(names(&["3", "01"]));
    assert_eq!(approve(ONE, Some(&["1", "3", "01"])), unknown);
    assert_eq!(summary(), (4, 0, vec![integer(1), integer(2), text("2")]));
    assert_eq!(
        approve(ONE, Some(&["2", "x,y"])),
        ApprovalOutcome::Done { approved: 2, waiting: 2 }
    );
    assert_eq!(approve(ONE, Some(&["2"])), ApprovalOutcome::Done { approved: 1, waiting: 2 });
    assert_eq!(summary(), (4, 2, vec![integer(1), text("2")]));
    let waiting = SqliteReader::open(&path).unwrap().pending_deletions(ONE).unwrap().unwrap();
    assert_eq!(
        (waiting.items, waiting.since_ms),
        ([integer(1), text("2")].iter().collect(), Some(600))
    );
    assert_eq!(approve(ONE, None), ApprovalOutcome::Done { approved: 4, waiting: 0 });
    assert_eq!(summary(), (4, 4, Vec::new()));
    assert_eq!(SqliteReader::open(&path).unwrap().pending_deletions(ONE).unwrap(), None);
}

#[test]
fn the_items_of_a_set_come_in_the_order_of_an_export_however_they_are_paged() {
    let made = Made::new();
    let body = format!("{{\"a\":\"{}\"}}", "x".repeat(3 << 20));
    let wide = ItemId::Integer(i128::from(i64::MAX) + 1);
    let ids = [integer(-5), integer(1), integer(2), wide.clone(), text(""), text("1"), text("b")];
    for id in &ids {
        made.put(ONE, id, Some(&body));
    }
    made.put(ONE, &integer(2), None);
    made.put(TWO, &integer(3), Some("{}"));
    let mut set: IdSet = ids.iter().collect();
    set.insert(&integer(3));
    set.subtract(&[text("1")].iter().collect());
    let (mut reader, mut after, mut told, mut pages) = (made.reader(), None, Vec::new(), 0);
    loop {
        let page = reader.items_in(ONE, &set, after.as_ref()).unwrap();
        assert!(page.items.iter().all(|(_, it)| it == body.as_bytes()));
        told.extend(page.items.into_iter().map(|(id, _)| id));
        pages += 1;
        after = page.scanned_through;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(told, [integer(-5), integer(1), wide, text(""), text("b")]);
    assert!(pages >= 3, "{pages} pages: no more than a few megabytes at a time");
}
