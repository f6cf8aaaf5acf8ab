//! Answers as servers may give them.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{AttributesAnswer, NameRows, Naming, code_sets, links};

fn read(answer: &Value) -> AttributesAnswer {
    AttributesAnswer::read(answer)
}

/// The attributes of an answer: id, name, restricted name, type, group.
fn told(answer: &Value) -> Vec<String> {
    let attributes = read(answer).model.attributes;
    let or_nothing = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let line = |it: &super::Attribute| {
        let texts = [&it.name, &it.restricted_name, &it.data_type, &it.group].map(or_nothing);
        format!("{} {}", it.id, texts.join(" "))
    };
    attributes.iter().map(line).collect()
}

#[test]
fn lists_and_maps_flat_and_nested_say_the_same() {
    let (one, two) = ("F_1 Brand Brand_Name Text General", "F_2 Size - - -");
    let camel = json!([
        {"fieldId": "F_1", "name": "Brand", "restrictedName": "Brand_Name", "dataType": "Text",
         "groupName": "General"},
        {"fieldId": "F_2", "name": "Size"},
    ]);
    let pascal = json!([
        {"Id": 1, "Name": "Brand", "RestrictedName": "Brand_Name", "Type": {"id": 3, "name": "Text"},
         "Group": {"Name": "General"}},
        {"Id": "2", "Name": [{"language": "de", "value": "Größe"}, {"language": "en", "value": "Size"}]},
    ]);
    let snake = json!([
        {"attribute_id": 1, "display_name": "Brand", "restricted_name": "Brand_Name",
         "data_type": "Text", "attribute_group": "General"},
        {"attribute_id": 2, "display_name": {"de": "Größe", "en": "Size"}},
    ]);
    let grouped = json!({"status": 0, "data": {"groups": [
        {"id": 9, "name": "General", "attributes": [
            {"id": "F_1", "name": "Brand", "restrictedName": "Brand_Name", "type": "Text"}]},
        {"attributes": [{"id": "F_2", "name": "Size"}]},
    ]}});
    let wholes = [
        json!({"data": camel}),
        json!({"success": true, "attributes": camel, "repository": {"id": 7, "name": "Products"}}),
        json!({"status": 0, "data": {"attributeList": pascal}}),
        json!({"_embedded": {"attributes": snake}, "_links": {"self": {"href": "x"}}}),
        json!({"content": snake, "totalPages": 1, "number": 0}),
        grouped,
        json!({"F_1": {"name": "Brand", "restrictedName": "Brand_Name", "type": "Text",
               "group": "General"}, "F_2": "Size"}),
        json!({"data": {"1": {"name": "Brand", "restrictedName": "Brand_Name", "type": "Text",
               "group": "General"}, "2": {"name": "Size"}}}),
        json!({"attributes": {"Brand": {"fieldId": "F_1", "restrictedName": "Brand_Name",
               "type": "Text", "group": "General"}, "Size": {"fieldId": "F_2"}}}),
        json!([{"name": "F_1", "label": "Brand", "columnName": "Brand_Name", "type": "Text",
               "group": "General"}, {"name": "F_2", "label": "Size"}]),
    ];
    for whole in wholes.iter().chain([&camel, &pascal, &snake]) {
        assert_eq!(told(whole), [one, two], "{whole}");
    }
    assert_eq!(told(&json!(["F_1", "F_2"])), ["F_1 - - - -", "F_2 - - - -"]);
}

#[test]
fn an_answer_without_attributes_says_nothing() {
    for answer in [
        json!(null),
        json!("x"),
        json!(7),
        json!([]),
        json!({}),
        json!({"data": []}),
        json!({"status": 0, "data": {"id": 7}}),
        json!([[], {}, null]),
    ] {
        assert_eq!(told(&answer), Vec::<String>::new(), "{answer}");
    }
}

#[test]
fn what_belongs_to_an_attribute_is_no_attribute() {
    let answer = json!([{"id": "F_1", "name": "Colour", "codeSet": {"id": 5, "name": "Colours"},
        "precision": 9, "scale": "2", "maxLength": 40, "isRelational": "Y", "language": "de",
        "assocGroup": "Sizes"}]);
    let model = read(&answer).model;
    let [attribute] = model.attributes.as_slice() else { panic!("{model:?}") };
    let texts = [&attribute.precision, &attribute.scale, &attribute.size, &attribute.code_set];
    assert_eq!(texts.map(|it| it.as_deref()), ["9", "2", "40", "Colours"].map(Some));
    assert_eq!(
        (attribute.relational, attribute.association_group.as_deref()),
        (Some(true), Some("Sizes"))
    );
    assert_eq!(model.languages, ["de"]);
}

#[test]
fn codes_may_stand_in_the_attribute() {
    let answer = json!([{"id": "F_1", "name": "Colour", "codeSet": {"name": "Colours", "codes": [
        {"code": "R", "description": "red"}, {"code": "B", "description": "blue"}]}},
        {"id": "F_2", "name": "Yes", "validValues": ["Y", "N"]}]);
    let model = read(&answer).model;
    assert_eq!(model.code_set("Colours").map(|it| it.codes.len()), Some(2));
    assert_eq!(model.code_set("F_2").map(|it| it.codes.len()), Some(2));
    let naming = Naming::of(&model, &[]).with_codes(&model);
    assert_eq!(naming.description("F_1", "B"), Some("blue"));
}

#[test]
fn codes_come_as_lists_maps_pairs_and_trees() {
    let told = |answer: Value| -> Vec<String> {
        let or_nothing = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let codes = code_sets::codes(&answer).into_iter();
        codes
            .map(|it| {
                format!("{} {} {}", it.code, or_nothing(it.description), or_nothing(it.parent))
            })
            .collect()
    };
    let (red, blue) = ("R red -", "B blue -");
    for flat in [
        json!([{"code": "R", "description": "red"}, {"code": "B", "description": "blue"}]),
        json!({"status": 0, "data": [{"Code": "R", "Desc": "red"}, {"Code": "B", "Desc": "blue"}]}),
        json!({"data": {"R": "red", "B": "blue"}}),
        json!({"codeSet": {"id": 7, "name": "Colours", "values": [["R", "red"], ["B", "blue"]]}}),
        json!({"content": [{"value": "R", "label": "red"}, {"value": "B", "label": "blue"}]}),
    ] {
        assert_eq!(told(flat.clone()), [red, blue], "{flat}");
    }
    assert_eq!(told(json!({"values": ["R", 7]})), ["R - -", "7 - -"]);
    let tree = json!([{"code": "A", "description": "all", "children": [
        {"code": "R", "description": "red", "children": [{"code": "D", "description": "dark"}]}]}]);
    assert_eq!(told(tree), ["A all -", "R red A", "D dark R"]);
    let parents =
        json!([{"code": "A", "name": "all"}, {"code": "R", "name": "red", "parentCode": "A"}]);
    assert_eq!(told(parents), ["A all -", "R red A"]);
}

#[test]
fn links_are_found_and_read() {
    let answer = json!({"data": [{"id": "F_1", "name": "Brand", "linkId": 12}],
        "links": [{"id": 13, "name": "Images"}, 14], "_links": {"self": {"href": "/x"}}});
    assert_eq!(read(&answer).links.into_iter().collect::<Vec<_>>(), ["12", "13", "14"]);
    let link = json!({"data": {"linkName": "Images", "parentRepositoryId": 7, "childRepository":
        {"name": "DamMaster"}, "pairs": [{"parentAttribute": "F_1", "childAttribute": "F_9"}, ["a", "b"]]}});
    let link = links::link(&link, "13").unwrap();
    assert_eq!((link.parent.as_deref(), link.child.as_deref()), (Some("7"), Some("DamMaster")));
    assert_eq!(
        link.pairs,
        [("F_1".to_owned(), "F_9".to_owned()), ("a".to_owned(), "b".to_owned())]
    );
    assert_eq!(links::link(&json!({"success": true}), "13"), None);
}

#[test]
fn a_page_says_where_the_next_is() {
    let next = |answer: Value| read(&answer).next_page;
    assert_eq!(
        next(json!({"content": [], "totalPages": 3, "number": 1, "size": 50})).as_deref(),
        Some("page=2&size=50")
    );
    assert_eq!(next(json!({"content": [], "totalPages": 2, "number": 1})), None);
    let hal = json!({"_embedded": {}, "_links": {"next": {"href": "https://x/y?page=2&size=5"}}});
    assert_eq!(next(hal).as_deref(), Some("page=2&size=5"));
    // No path of another's making, and nothing that could be one.
    let odd = json!({"_links": {"next": {"href": "https://x/y?page=2#/../z"}}});
    assert_eq!(next(odd), None);
    assert_eq!(next(json!([])), None);
}

#[test]
fn thousands_of_attributes_are_held_and_there_is_an_end() {
    let list = |count: u32| -> Value {
        (1..=count).map(|id| json!({"id": id, "name": format!("A{id}")})).collect()
    };
    assert_eq!(read(&list(5_500)).model.attributes.len(), 5_500);
    assert_eq!(
        read(&list(30_000)).model.attributes.len(),
        super::repository_model::MOST_ATTRIBUTES
    );
    let long = json!([{"id": "F_1", "name": "x".repeat(100_000)}]);
    assert!(read(&long).model.attributes[0].name.as_ref().unwrap().len() < 1000);
}

fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("id"),
        Just("name"),
        Just("fieldId"),
        Just("attributes"),
        Just("data"),
        Just("codes"),
        Just("code"),
        Just("F_1"),
        Just("links"),
        Just("linkId"),
        Just("children"),
        Just("_embedded"),
        Just("codeSet"),
        Just("description"),
        Just("languages"),
        Just("totalPages"),
        Just("number"),
        Just("parent"),
        Just("type"),
        Just("7"),
        Just(""),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(8, 128, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..8).prop_map(|members| {
                members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            }),
        ]
    })
}

proptest! {
    #[test]
    fn no_answer_is_too_strange(answer in any_json()) {
        let reading = read(&answer);
        let ids: Vec<_> = reading.model.attributes.iter().map(|it| it.id.clone()).collect();
        prop_assert!(ids.is_sorted_by(|a, b| a < b) && !ids.iter().any(String::is_empty));
        let naming = Naming::of(&reading.model, &["itemId"]);
        for id in &ids {
            let name = naming.name(id);
            let found = naming.member(name);
            prop_assert_eq!(found.as_deref(), Ok(id.as_str()));
        }
        drop((code_sets::codes(&answer), links::link(&answer, "1")));
        drop(NameRows::read(answer.to_string().as_bytes()));
        let kept = serde_json::to_string(&reading.model).unwrap();
        let again: super::RepositoryModel = serde_json::from_str(&kept).unwrap();
        prop_assert_eq!(again, reading.model);
    }
}
