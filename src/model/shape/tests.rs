//! What holds of a shape, whatever models follow one another.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::view_names::is_ours;
use super::{MirrorShape, ShapedPart, ShapedView, codes};
use crate::domain::RepositoryId;
use crate::model::repository_model::{Attribute, Code, CodeSet, LinkRelationship, RepositoryModel};
use crate::model::unique_names::{LONGEST_NAME, folded};

type Models = BTreeMap<RepositoryId, RepositoryModel>;

fn attribute(id: &str, restricted: &str, language: Option<&str>) -> Attribute {
    Attribute {
        restricted_name: Some(restricted.to_owned()),
        language: language.map(str::to_owned),
        ..Attribute::of(id)
    }
}

fn model(name: &str, attributes: impl IntoIterator<Item = Attribute>) -> RepositoryModel {
    let mut model = RepositoryModel { name: Some(name.to_owned()), ..RepositoryModel::default() };
    attributes.into_iter().for_each(|attribute| model.add_attribute(attribute));
    model
}

fn one(model: RepositoryModel) -> Models {
    BTreeMap::from([(RepositoryId(7), model)])
}

fn columns(view: &ShapedView) -> Vec<&str> {
    view.columns.iter().map(|column| column.name.as_str()).collect()
}

fn view<'a>(shape: &'a MirrorShape, name: &str) -> &'a ShapedView {
    shape.views.iter().find(|it| it.name == name).unwrap_or_else(|| panic!("{name}: {shape:?}"))
}

#[test]
fn attributes_are_columns_as_the_vendor_has_them() {
    let mut category = attribute("F_5", "Voltage", None);
    category.relational = Some(false);
    let mut products = model(
        "Products",
        [
            attribute("F_1", "Brand", None),
            attribute("F_2", "Title", Some("de")),
            attribute("F_3", "Title", Some("fr")),
            attribute("F_4", "Text", Some("de")),
            category,
            Attribute { name: Some("Order".to_owned()), ..Attribute::of("F_6") },
            Attribute { code_set: Some("Countries".to_owned()), ..Attribute::of("F_7") },
        ],
    );
    products.take_codes_for_tests("Countries", &[("DE", "Germany")]);
    products.take_codes_for_tests("Unused", &[("x", "y")]);
    let models = one(products);
    let shape = MirrorShape::default().grown(&models);
    let names: Vec<&str> = shape.views.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["Products", "Products_fr", "Products_KV", "Countries"]);
    let main = columns(view(&shape, "Products"));
    assert_eq!(main[..3], ["Brand", "Title", "Text"]);
    assert!(main[3].starts_with("Order_") && main[4] == "F_7", "{main:?}");
    assert_eq!(columns(view(&shape, "Products_fr")), ["Title"]);
    let model = &models[&RepositoryId(7)];
    let keys = shape.key_value_attributes(RepositoryId(7), model);
    assert_eq!(keys.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["F_5"]);
    assert_eq!(shape.current(RepositoryId(7), model).len(), 4);
}

#[test]
fn the_attribute_without_a_language_is_in_the_main_view() {
    let texts = [("F_1", Some("de")), ("F_2", None), ("F_3", Some("fr"))];
    let texts = texts.map(|(id, language)| attribute(id, "Text", language));
    let shape = MirrorShape::default().grown(&one(model("P", texts)));
    assert_eq!(view(&shape, "P").columns[0].field_id, "F_2");
    assert_eq!(view(&shape, "P_de").columns[0].field_id, "F_1");
}

#[test]
fn what_came_to_the_main_view_first_stays_there() {
    let only = one(model("P", [attribute("F_1", "Text", None)]));
    let first = MirrorShape::default().grown(&only);
    let texts = [("F_1", Some("fr")), ("F_2", None)];
    let models = one(model("P", texts.map(|(id, language)| attribute(id, "Text", language))));
    let second = first.grown(&models);
    assert_eq!(second.grown(&models), second);
    assert!(second.views.iter().all(|it| it.part == ShapedPart::Main), "{second:?}");
}

#[test]
fn what_is_called_otherwise_gets_a_column_at_the_end_and_what_is_gone_keeps_its_own() {
    let first = MirrorShape::default()
        .grown(&one(model("P", [attribute("F_1", "A", None), attribute("F_2", "B", None)])));
    let renamed = one(model("P", [attribute("F_1", "C", None), attribute("F_3", "b", None)]));
    let second = first.grown(&renamed);
    let names = columns(view(&second, "P"));
    assert_eq!(names[..3], ["A", "B", "C"]);
    assert!(names[3].starts_with("b_"), "{names:?}");
    // Called as before again, it has its column already.
    let back = one(model("P", [attribute("F_1", "A", None), attribute("F_2", "B", None)]));
    assert_eq!(second.grown(&back), second);
    // A repository that is called otherwise has views of its new name, too.
    let other = second.grown(&one(model("Q", [attribute("F_1", "A", None)])));
    assert_eq!(columns(view(&other, "Q")), ["A"]);
    assert_eq!(other.views[0], second.views[0]);
}

#[test]
fn what_has_no_room_is_among_keys_and_values() {
    let many = (0..2_000).map(|n| attribute(&format!("F_{n}"), &format!("a{n}"), None));
    let models = one(model("P", many));
    let shape = MirrorShape::default().grown(&models);
    assert_eq!(view(&shape, "P").columns.len(), 1_500);
    let keys = shape.key_value_attributes(RepositoryId(7), &models[&RepositoryId(7)]);
    assert_eq!(keys.len(), 500);
    assert_eq!(view(&shape, "P_KV").part, ShapedPart::KeyValues);
}

#[test]
fn a_link_joins_what_its_sides_are_called() {
    let mut products = model("Products", [attribute("F_1", "Image", None)]);
    products.add_link(LinkRelationship {
        id: "77".to_owned(),
        name: Some("Images".to_owned()),
        parent: Some("7".to_owned()),
        child: Some("dammaster".to_owned()),
        pairs: vec![("1".to_owned(), "path".to_owned())],
    });
    let mut models = one(products);
    assert!(MirrorShape::default().grown(&models).links(&models).is_empty());
    models.insert(RepositoryId(8), model("DamMaster", [attribute("F_9", "Path", None)]));
    let shape = MirrorShape::default().grown(&models);
    let links = shape.links(&models);
    assert_eq!((links[0].parent, links[0].child), (RepositoryId(7), RepositoryId(8)));
    assert_eq!(links[0].pairs, [("F_1".to_owned(), "F_9".to_owned())]);
    assert_eq!(view(&shape, "Images").part, ShapedPart::Link("77".to_owned()));
}

#[test]
fn names_of_ours_and_of_databases_are_nobody_elses() {
    for hostile in [
        "items",
        "ITEM",
        "attribute",
        "change_17",
        "sqlite_master",
        "PG_class",
        "pragma_x",
        "json_each",
        "select",
        "published_view",
        "a\0b",
        "a\nb",
        "\"; DROP TABLE item; --",
        "'",
    ] {
        let shape = MirrorShape::default().grown(&one(model(hostile, [Attribute::of("F_1")])));
        let name = &shape.views[0].name;
        assert!(is_fine(name) && !is_ours(name), "{hostile:?}: {name:?}");
    }
}

#[test]
fn of_a_code_that_stands_twice_the_first_counts() {
    let code = |code: &str, description: &str| Code {
        code: code.to_owned(),
        description: Some(description.to_owned()),
        parent: None,
    };
    let mut model = model("P", []);
    model.add_attribute(Attribute { code_set: Some("S".to_owned()), ..Attribute::of("F_1") });
    let all = vec![code("a", "1"), code("b", "2"), code("a", "3")];
    model.add_code_set(CodeSet { name: "S".to_owned(), codes: all });
    let found: Vec<_> = codes(&model, "S").unwrap().iter().map(|it| it.code.as_str()).collect();
    assert_eq!((found, codes(&model, "T")), (vec!["a", "b"], None));
}

fn is_fine(name: &str) -> bool {
    let is_of_database =
        ["sqlite_", "pg_", "pragma_", "published_"].iter().any(|it| folded(name).starts_with(it));
    (1..=LONGEST_NAME).contains(&name.len())
        && !name.chars().any(char::is_control)
        && !is_of_database
}

fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[abAB]{0,2}",
        "[a-c]{60,66}",
        "[äÄßſKk]{1,3}",
        "[aA]_[0-9a-f]{8}",
        Just("n".repeat(300)),
        prop::sample::select(vec![
            "items",
            "Item",
            "select",
            "sqlite_master",
            "pg_class",
            "a\0b",
            "a\nb",
            "\"",
            "'",
            "fr",
            "P_KV",
            "P_fr",
            "change_1",
            "InternalRecordId",
            "ctid",
            "rowid",
            "F_1",
            "F_2",
            "attribute",
        ])
        .prop_map(str::to_owned),
    ]
}

fn any_attribute() -> impl Strategy<Value = Attribute> {
    let language = prop::option::of(prop::sample::select(vec!["fr", "FR", "de", "KV", "a\"b"]));
    let relational = prop::option::weighted(0.3, any::<bool>());
    let names = (prop::option::of(any_name()), prop::option::of(any_name()));
    let id = prop_oneof!["F_[0-9]", any_name()];
    let code_set = prop::option::of(any_name());
    (id, names, language, relational, code_set).prop_map(
        |(id, (name, restricted_name), language, relational, code_set)| Attribute {
            name,
            restricted_name,
            language: language.map(str::to_owned),
            relational,
            code_set,
            ..Attribute::of(id)
        },
    )
}

fn any_model() -> impl Strategy<Value = RepositoryModel> {
    let attributes = prop::collection::vec(any_attribute(), 0..12);
    let sets = prop::collection::vec(any_name(), 0..3);
    (prop::option::of(any_name()), attributes, sets).prop_map(|(name, attributes, sets)| {
        let mut model = RepositoryModel { name, ..model("", attributes) };
        for set in sets {
            model.add_code_set(CodeSet { name: set, codes: Vec::new() });
        }
        model
    })
}

fn any_models() -> impl Strategy<Value = Models> {
    prop::collection::btree_map((1_u64..4).prop_map(RepositoryId), any_model(), 0..3)
}

fn is_prefix(before: &MirrorShape, after: &MirrorShape) -> bool {
    before.views.len() <= after.views.len()
        && before.views.iter().zip(&after.views).all(|(before, after)| {
            let kept = after.columns.get(..before.columns.len());
            let same = ShapedView { columns: before.columns.clone(), ..after.clone() };
            same == *before && kept == Some(&before.columns)
        })
}

proptest! {
    #[test]
    fn a_shape_only_grows_and_its_names_are_never_ambiguous(
        sequence in prop::collection::vec(any_models(), 1..5),
    ) {
        let mut shape = MirrorShape::default();
        for models in sequence {
            let next = shape.grown(&models);
            prop_assert!(is_prefix(&shape, &next));
            prop_assert_eq!(&next.grown(&models), &next);
            let names: BTreeSet<String> = next.views.iter().map(|it| folded(&it.name)).collect();
            prop_assert_eq!(names.len(), next.views.len());
            for view in &next.views {
                prop_assert!(is_fine(&view.name) && !is_ours(&view.name), "{:?}", view.name);
                let mut names: BTreeSet<String> = columns(view).into_iter().map(folded).collect();
                names.insert(folded(super::INTERNAL_RECORD_ID));
                prop_assert_eq!(names.len(), view.columns.len() + 1);
                for name in columns(view) {
                    prop_assert!((1..=LONGEST_NAME).contains(&name.len()), "{}", name);
                    prop_assert!(!name.chars().any(char::is_control), "{:?}", name);
                }
            }
            for (id, model) in &models {
                let current = next.current(*id, model);
                let keys = next.key_value_attributes(*id, model);
                for attribute in model.attributes.iter().filter(|it| !it.id.contains('\0')) {
                    let is_column = current
                        .iter()
                        .flat_map(|view| &view.columns)
                        .any(|column| column.field_id == attribute.id);
                    prop_assert!(is_column || keys.contains(&attribute), "{:?}", attribute);
                }
                let has_keys = current.iter().any(|it| it.part == ShapedPart::KeyValues);
                let any_key = keys.iter().any(|it| !it.id.contains('\0'));
                prop_assert!(!any_key || has_keys);
            }
            shape = next;
        }
    }
}
