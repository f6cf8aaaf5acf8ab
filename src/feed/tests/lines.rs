//! What belongs to a feed, and how it is written.

use super::super::line::LineStyle;
use super::super::selection::FeedSelection;
use super::change;
use crate::domain::{Op, RepositoryId, envelope};
use crate::model::{NameRows, Naming, RepositoryModel};
use crate::presentation::Presentation;

fn naming() -> Naming {
    let rows = NameRows::read(
        br#"[{"id":"F_1","name":"Brand"},{"id":"F_2","name":"Size"},{"id":"F_3","name":"size"}]"#,
    );
    let mut model = RepositoryModel::default();
    rows.unwrap().apply(&mut model);
    Naming::of(&model, &["itemId"])
}

const BEFORE: &str = r#"{"itemId":7,"F_1":"A","F_2":1,"x":[1]}"#;

fn update(after: &str) -> crate::domain::Change {
    change(3, 7, Op::Update, (Some(BEFORE), Some(after)))
}

fn style() -> LineStyle {
    LineStyle { server: "pim.example.com".into(), ..LineStyle::default() }
}

#[test]
fn only_updates_that_change_a_wanted_attribute_belong_to_a_feed() {
    let other_brand = update(r#"{"itemId":7,"F_1":"B","F_2":1.0,"x":[1]}"#);
    let other_size = update(r#"{"itemId":7,"F_1":"A","F_2":2,"x":[1]}"#);
    let other_member = update(r#"{"itemId":7,"F_1":"A","F_2":1,"x":[2]}"#);
    for (attributes, expected) in [
        (None, [true, true, true]),
        (Some(["brand"]), [true, false, false]),
        (Some(["F_1"]), [true, false, false]),
        // Two attributes are called so, and either may be meant.
        (Some(["SIZE"]), [false, true, false]),
        (Some(["x"]), [false, false, true]),
        (Some(["Weight"]), [false, false, false]),
    ] {
        let attributes: Option<Vec<String>> =
            attributes.map(|it| it.iter().map(|&text| text.to_owned()).collect());
        let selection = FeedSelection { attributes, ..FeedSelection::default() };
        let watched = selection.watched(&naming());
        let told =
            [&other_brand, &other_size, &other_member].map(|it| selection.takes(it, &watched));
        assert_eq!(told, expected, "{selection:?}");
        for op in [Op::Read, Op::Create] {
            assert!(selection.takes(&change(1, 7, op, (None, Some("{}"))), &watched));
        }
        assert!(selection.takes(&change(1, 7, Op::Delete, (Some("{}"), None)), &watched));
    }
}

#[test]
fn repositories_and_operations_that_are_not_wanted_do_not_belong_to_it() {
    let created = change(1, 7, Op::Create, (None, Some("{}")));
    let takes =
        |selection: &FeedSelection| selection.takes(&created, &selection.watched(&naming()));
    let of = |repositories: &[u64]| FeedSelection {
        repositories: Some(repositories.iter().copied().map(RepositoryId).collect()),
        ..FeedSelection::default()
    };
    assert!(takes(&of(&[1, 2])) && !takes(&of(&[2])) && !takes(&of(&[])));
    assert_eq!(
        [&[1][..], &[1, 2]].map(|it| of(it).only_repository()),
        [Some(RepositoryId(1)), None]
    );
    let of = |operations: &[Op]| FeedSelection {
        operations: Some(operations.to_vec()),
        ..FeedSelection::default()
    };
    assert!(takes(&of(&[Op::Create])) && !takes(&of(&[Op::Update, Op::Delete])));
}

#[test]
fn a_line_is_the_envelope_as_the_log_has_it_unless_more_or_less_is_asked_for() {
    let change = update(r#"{"itemId":7,"F_1":"B","F_2":1,"y":2}"#);
    let line = |style: &LineStyle, presentation: &Presentation| {
        let line = style.line(change.clone(), presentation);
        assert_eq!(
            (line.sequence, &line.item, line.op),
            (change.sequence, &change.item, change.op)
        );
        String::from_utf8(line.envelope.to_vec()).unwrap()
    };
    let plain = Presentation::default();
    let mut told = Vec::new();
    envelope::write_line(&change, "pim.example.com", &mut told);
    assert_eq!(line(&style(), &plain) + "\n", String::from_utf8(told).unwrap());

    let thin = line(&LineStyle { is_thin: true, ..style() }, &plain);
    assert!(thin.starts_with("{\"before\":null,\"after\":null,\"source\":{"), "{thin}");
    assert!(thin.ends_with("\"op\":\"u\",\"ts_ms\":5}"), "{thin}");

    let by_name = Presentation { naming: naming(), by_name: true, ..Presentation::default() };
    let changed = LineStyle { names_changed: true, ..style() };
    let named = line(&changed, &by_name);
    assert!(named.contains("\"Brand\":\"B\"") && !named.contains("F_1"), "{named}");
    assert!(named.ends_with("\"ts_ms\":5,\"changed\":[\"Brand\",\"y\",\"x\"]}"), "{named}");
    let unnamed = line(&LineStyle { is_thin: true, ..changed }, &plain);
    assert!(unnamed.ends_with("\"changed\":[\"F_1\",\"y\",\"x\"]}"), "{unnamed}");
}
