//! The views of the models, which say the same in every store.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::views::ViewRow;
use crate::domain::{Item, ItemId, Iteration, RepositoryId};
use crate::mirror::{
    Checkpoint, KeptModel, Lease, Mirror, ModelUpdate, PageOfItems, PassStatistics, RefusedView,
};
use crate::model::{Attribute, Code, CodeSet, LinkRelationship, RepositoryModel};

/// Views by name: their columns, and their rows in any order.
pub(in crate::mirror) type NamedViews = BTreeMap<String, (Vec<String>, Vec<ViewRow>)>;

/// An attribute by field id and restricted name.
pub(in crate::mirror) fn attribute(id: &str, restricted: &str) -> Attribute {
    Attribute { restricted_name: Some(restricted.to_owned()), ..Attribute::of(id) }
}

/// A model of this name.
pub(in crate::mirror) fn model(
    name: &str,
    attributes: impl IntoIterator<Item = Attribute>,
) -> RepositoryModel {
    let mut model = RepositoryModel { name: Some(name.to_owned()), ..RepositoryModel::default() };
    attributes.into_iter().for_each(|attribute| model.add_attribute(attribute));
    model
}

/// Saves a model; the views that were refused.
pub(in crate::mirror) async fn publish(
    mirror: &impl Mirror,
    lease: &Lease,
    repository: u64,
    model: RepositoryModel,
) -> Vec<RefusedView> {
    let kept = KeptModel { model, read_ms: 1, ..KeptModel::default() };
    let update = Arc::new(ModelUpdate { kept, answers: None, change: Some("all".to_owned()) });
    mirror.save_model(RepositoryId(repository), lease, update).await.unwrap()
}

/// Has the mirror hold these items of a repository.
pub(in crate::mirror) async fn fill(
    mirror: &impl Mirror,
    lease: &Lease,
    repository: u64,
    bodies: &[String],
) {
    let item = |(id, body): (i128, &String)| {
        Item::new(ItemId::Integer(id), bytes::Bytes::copy_from_slice(body.as_bytes()))
    };
    let writer = mirror.writer(RepositoryId(repository), lease);
    writer.load().await.unwrap();
    writer.begin_pass(Iteration(1), 1).await.unwrap();
    let page = PageOfItems {
        iteration: Iteration(1),
        ts_ms: 1,
        items: (1..).zip(bodies).map(item).collect(),
        newly_seen: vec![true; bodies.len()],
        ignore: Arc::new([]),
        member_changes: Arc::default(),
        statistics: PassStatistics::default(),
        checkpoint: Checkpoint::default(),
    };
    writer.write_page(Arc::new(page)).await.unwrap();
}

/// A world of two linked repositories with all that a view can show.
pub(in crate::mirror) async fn publish_a_world(mirror: &impl Mirror, lease: &Lease) {
    let language = |id: &str, language: &str| Attribute {
        language: Some(language.to_owned()),
        ..attribute(id, "Title")
    };
    let mut products = model(
        "Products",
        [
            attribute("F_1", "Brand"),
            language("F_2", "en"),
            language("F_3", "fr"),
            Attribute { name: Some("Voltage (V)".to_owned()), ..category("F_4", "Voltage") },
            category("F_5", "Current"),
            Attribute { code_set: Some("Countries".to_owned()), ..attribute("F_6", "Country") },
            // Ids are data.
            attribute("a.b[0]'$%*?", "Dotted"),
            attribute("q\"uo\\te", "Quoted"),
            attribute(&"long".repeat(30), "Long"),
            attribute("größe", "Größe"),
        ],
    );
    let code = |code: &str, parent: Option<&str>| Code {
        code: code.to_owned(),
        description: Some(format!("of {code}")),
        parent: parent.map(str::to_owned),
    };
    let codes = vec![code("EU", None), code("DE", Some("EU")), code("DE", None)];
    products.add_code_set(CodeSet { name: "Countries".to_owned(), codes });
    products.add_link(LinkRelationship {
        id: "77".to_owned(),
        name: Some("Images".to_owned()),
        parent: Some("1".to_owned()),
        child: Some("Assets".to_owned()),
        pairs: vec![("Brand".to_owned(), "F_1".to_owned())],
    });
    assert_eq!(publish(mirror, lease, 1, products).await, []);
    let assets = model("Assets", [attribute("F_1", "Owner")]);
    assert_eq!(publish(mirror, lease, 2, assets).await, []);
    // Whatever an item holds: text, as it was written.
    let long = "long".repeat(30);
    let bodies = [
        r#"{"F_1":"Müller \"& Söhne\"","F_2":"Hammer","F_3":"Marteau","F_4":1.10,"F_5":"2","F_6":"DE"}"#.to_owned(),
        r#"{"F_1":1e5,"F_2":123456789012345678901234567890,"F_3":-0,"F_4":null,"F_5":true}"#.to_owned(),
        r#"{"F_1":null,"F_2":["a",1.10,{"x":1E+2}],"F_3":{},"F_4":-0.0,"F_5":12}"#.to_owned(),
        // The last of several counts.
        r#"{"F_1":"no","F_2":"x","F_1":{"F_1":1},"F_1":1.50,"F_4":1,"F_4":2.50,"F_5":{"F_5":3}}"#.to_owned(),
        format!(r#"{{"a.b[0]'$%*?":2.50,"q\"uo\\te":"in quotes","{long}":7,"größe":1.0}}"#),
        r#"{"F_1":"","F_2":"007","F_3":"","F_6":"XX"}"#.to_owned(),
    ];
    fill(mirror, lease, 1, &bodies).await;
    let owners = [r#"{"F_1":100000}"#, r#"{"F_1":"1e5"}"#, r#"{"F_1":""}"#, r#"{"F_1":1.50}"#];
    fill(mirror, lease, 2, &owners.map(str::to_owned)).await;
}

/// One that is no column of the vendor's.
pub(in crate::mirror) fn category(id: &str, restricted: &str) -> Attribute {
    Attribute { relational: Some(false), ..attribute(id, restricted) }
}

fn rows(of: &[&[&str]]) -> Vec<ViewRow> {
    let cell = |cell: &&str| (*cell != "-").then(|| (*cell).to_owned());
    let mut rows: Vec<ViewRow> = of.iter().map(|row| row.iter().map(cell).collect()).collect();
    rows.sort();
    rows
}

/// Compares what the views of the world say with what they should.
pub(in crate::mirror) fn expect_the_world(mut found: NamedViews) {
    let mut take = |name: &str| {
        let (columns, mut rows) = found.remove(name).unwrap_or_else(|| panic!("no view {name}"));
        rows.sort();
        (columns.join(" "), rows)
    };
    let (columns, main) = take("Products");
    assert_eq!(columns, "InternalRecordId Brand Title Country Dotted Größe Long Quoted");
    let expected = rows(&[
        &["1", "Müller \"& Söhne\"", "Hammer", "DE", "-", "-", "-", "-"],
        &["2", "1e5", "123456789012345678901234567890", "-", "-", "-", "-", "-"],
        &["3", "-", r#"["a",1.10,{"x":1E+2}]"#, "-", "-", "-", "-", "-"],
        &["4", "1.50", "x", "-", "-", "-", "-", "-"],
        &["5", "-", "-", "-", "2.50", "1.0", "7", "in quotes"],
        &["6", "", "007", "XX", "-", "-", "-", "-"],
    ]);
    assert_eq!(main, expected);
    let french = [["1", "Marteau"], ["2", "-0"], ["3", "{}"], ["4", "-"], ["5", "-"], ["6", ""]];
    let french: Vec<&[&str]> = french.iter().map(|row| &row[..]).collect();
    assert_eq!(take("Products_fr"), ("InternalRecordId Title".to_owned(), rows(&french)));
    let (columns, keys) = take("Products_KV");
    assert_eq!(columns, "InternalRecordId KeyName KeyRestrictedName KeyValue KeyFieldId");
    let expected = rows(&[
        &["1", "Voltage (V)", "Voltage", "1.10", "F_4"],
        &["1", "-", "Current", "2", "F_5"],
        &["2", "-", "Current", "true", "F_5"],
        &["3", "Voltage (V)", "Voltage", "-0.0", "F_4"],
        &["3", "-", "Current", "12", "F_5"],
        &["4", "Voltage (V)", "Voltage", "2.50", "F_4"],
        &["4", "-", "Current", r#"{"F_5":3}"#, "F_5"],
    ]);
    assert_eq!(keys, expected);
    let codes = rows(&[&["EU", "of EU", "-"], &["DE", "of DE", "EU"]]);
    assert_eq!(take("Countries"), ("code description parent".to_owned(), codes));
    let linked = rows(&[&["2", "2"], &["4", "4"]]);
    let columns = "ParentInternalRecordId ChildInternalRecordId".to_owned();
    assert_eq!(take("Images"), (columns, linked));
    assert_eq!(take("Assets").0, "InternalRecordId Owner");
    let (columns, attributes) = take("attribute");
    assert!(columns.starts_with("repository view column field_id name restricted_name type "));
    assert_eq!(attributes.len(), 11);
    let row = |field: &str| {
        let is_it =
            |row: &&ViewRow| row[0].as_deref() == Some("1") && row[3].as_deref() == Some(field);
        attributes.iter().find(is_it).unwrap()
    };
    let texts = |row: &ViewRow| -> Vec<String> {
        row.iter().map(|cell| cell.clone().unwrap_or_else(|| "-".to_owned())).collect()
    };
    let country = "1 Products Country F_6 - Country - - Countries Countries - - - - - -";
    assert_eq!(texts(row("F_6")).join(" "), country);
    let voltage = texts(row("F_4"));
    assert_eq!(voltage[1..5].join(" "), "Products_KV KeyValue F_4 Voltage (V)");
    assert_eq!(voltage.last().map(String::as_str), Some("0"));
    assert!(found.is_empty(), "{found:?}");
}

/// Two repositories whose names nobody would give: of views, of columns, of members.
pub(in crate::mirror) async fn publish_hostile_names(mirror: &impl Mirror, lease: &Lease) {
    let names = [
        "items",
        "select",
        "Order",
        "a\nb",
        "a\0b",
        "\"",
        "'; DROP TABLE item; --",
        "%I$1{}\\",
        "InternalRecordId",
        "same",
        "SAME",
        "sqlite_master",
        "pg_class",
        "ctid",
        "größe",
    ];
    let long = "n".repeat(300);
    let names: Vec<&str> = names.into_iter().chain([long.as_str()]).collect();
    let attributes = names.iter().enumerate().map(|(place, name)| {
        let id = if place % 2 == 0 { format!("F_{place}") } else { (*name).to_owned() };
        let language = (place % 3 == 0).then(|| (*name).to_owned());
        let relational = (place % 5 == 0).then_some(false);
        Attribute {
            code_set: Some((*name).to_owned()),
            language,
            relational,
            ..attribute(&id, name)
        }
    });
    for (repository, name) in [(1, "pg_class"), (2, "attribute")] {
        let mut model = model(name, attributes.clone());
        model.add_attribute(Attribute { language: Some("x'\"".into()), ..attribute("x", "Order") });
        for name in &names {
            model.take_codes_for_tests(name, &[(name, "\0it's \"")]);
        }
        assert_eq!(publish(mirror, lease, repository, model).await, []);
    }
    let mut item = serde_json::Map::new();
    for (place, name) in names.iter().enumerate() {
        item.insert(format!("F_{place}"), serde_json::json!(place));
        if !name.contains('\0') {
            item.insert((*name).to_owned(), serde_json::json!(name));
        }
    }
    let body = serde_json::Value::Object(item).to_string();
    fill(mirror, lease, 1, &[body.clone(), "{}".to_owned()]).await;
    fill(mirror, lease, 2, &[body]).await;
}

/// 1,000 attributes with columns, and 5,000 without.
pub(in crate::mirror) async fn publish_many(mirror: &impl Mirror, lease: &Lease) {
    let relational = (0..1_000).map(|n| attribute(&format!("F_{n}"), &format!("Attribute_{n}")));
    let keys = (1_000..6_000).map(|n| category(&format!("F_{n}"), &format!("Attribute_{n}")));
    assert_eq!(publish(mirror, lease, 1, model("Wide", relational.chain(keys))).await, []);
    let members = (0..6_000).map(|n| match n % 3 {
        0 => format!("\"F_{n}\":{n}.50"),
        1 => format!("\"F_{n}\":\"text {n}\""),
        _ => format!("\"F_{n}\":{n}"),
    });
    let body = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
    fill(mirror, lease, 1, &[body]).await;
}

/// Looks at these.
pub(in crate::mirror) fn expect_many(found: &NamedViews) {
    let value = |n: usize| match n % 3 {
        0 => format!("{n}.50"),
        1 => format!("text {n}"),
        _ => n.to_string(),
    };
    let (columns, rows) = &found["Wide"];
    assert_eq!((columns.len(), rows.len()), (1_001, 1));
    for (column, cell) in columns.iter().zip(&rows[0]).skip(1) {
        let n = column.trim_start_matches("Attribute_").parse().unwrap();
        assert_eq!(cell.as_deref(), Some(value(n).as_str()));
    }
    let (_, rows) = &found["Wide_KV"];
    assert_eq!(rows.len(), 5_000);
    for row in rows {
        let name = row[2].as_deref().unwrap();
        let n = name.trim_start_matches("Attribute_").parse().unwrap();
        assert_eq!(row[3].as_deref(), Some(value(n).as_str()));
    }
}

/// Repositories that are called like what a store has of its own, numbered from 1: none is refused, and no
/// view has such a name.
pub(in crate::mirror) async fn publish_own_names(
    mirror: &impl Mirror,
    lease: &Lease,
    names: &[String],
) {
    assert!(names.len() > 20, "{names:?}");
    for (repository, name) in (1..).zip(names) {
        let refused =
            publish(mirror, lease, repository, model(name, [attribute("F_1", "A")])).await;
        assert_eq!(refused, [], "{name}");
    }
}

/// Looks at these.
pub(in crate::mirror) fn expect_other_names(mut found: NamedViews, names: &[String]) {
    // It is of the store, and is looked at with the others.
    found.remove("attribute");
    assert_eq!(found.len(), names.len());
    for name in found.keys() {
        let equals = names.iter().find(|own| own.to_lowercase() == name.to_lowercase());
        assert_eq!(equals, None, "{name}");
    }
}
