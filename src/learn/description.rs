//! What a server's description of itself (Swagger 2 or `OpenAPI` 3) says of the search. Pure.
//!
//! The description is the vendor's, but a site may have added to it, so that only numbers and truth values
//! are taken out of it.

use serde_json::value::RawValue;

use super::page::member;
use super::report::{DescriptionFacts, SearchTopic};
use crate::json::members;

/// The vendor's paths that this program knows, as they end.
const KNOWN: [&str; 9] = [
    "/items/search",
    "/items/count",
    "/items/{itemId}",
    "/items/attrValueOptions",
    "/repositories",
    "/attributes",
    "/values",
    "/profiles",
    "/links/{linkId}",
];

/// The words that tell in a name what a member is for.
const TOPICS: [(SearchTopic, &[&str]); 4] = [
    (SearchTopic::Sort, &["sort", "orderby", "order_by"]),
    (SearchTopic::IdFilter, &["itemids", "idlist", "ids"]),
    (SearchTopic::ModifiedSince, &["modif", "since", "updated", "changed"]),
    (SearchTopic::Projection, &["fields", "attributes", "projection", "columns"]),
];

/// What a member of a search takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueForm {
    /// A text.
    Text,
    /// A whole number.
    Number,
    /// A list of texts.
    Texts,
    /// A list of whole numbers.
    Numbers,
}

/// A member of a search that may be a condition. It holds a name of the server's, which is in no report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ConditionMember {
    pub(super) topic: SearchTopic,
    pub(super) name: String,
    /// `None`: something else, or not said.
    pub(super) form: Option<ValueForm>,
}

/// A description that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Description {
    pub(super) facts: DescriptionFacts,
    pub(super) conditions: Vec<ConditionMember>,
}

/// Reads a description; `None` where it is none.
pub(super) fn read(body: &[u8]) -> Option<Description> {
    let paths = members::of(member(body, "paths")?.get().as_bytes()).ok()?;
    let known = |path: &str| KNOWN.iter().filter(|known| path.ends_with(**known)).count().min(1);
    let search = paths.iter().find(|path| path.name.ends_with("/items/search"));
    let described = search.map(|search| body_members(body, search.value)).unwrap_or_default();
    let conditions: Vec<ConditionMember> = described.iter().filter_map(condition).collect();
    let has = |topic: SearchTopic| conditions.iter().any(|member| member.topic == topic);
    let facts = DescriptionFacts {
        paths: count(paths.len()),
        known: count(paths.iter().map(|path| known(&path.name)).sum()),
        search_members: count(described.len()),
        search_topics: TOPICS.into_iter().map(|(topic, _)| topic).filter(|it| has(*it)).collect(),
    };
    Some(Description { facts, conditions })
}

/// What a member seems to be for; `None` where its name does not tell.
fn condition((name, schema): &(String, &RawValue)) -> Option<ConditionMember> {
    let lower = name.to_lowercase();
    let speaks = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let (topic, _) = TOPICS.into_iter().find(|(_, words)| speaks(words))?;
    Some(ConditionMember { topic, name: name.clone(), form: form(schema) })
}

/// What a schema says of a value.
fn form(schema: &RawValue) -> Option<ValueForm> {
    let kind = |schema: &RawValue| {
        member(schema.get().as_bytes(), "type").map(|kind| members::text(kind).into_owned())
    };
    match kind(schema)?.as_str() {
        "string" => Some(ValueForm::Text),
        "integer" | "number" => Some(ValueForm::Number),
        "array" => match kind(member(schema.get().as_bytes(), "items")?)?.as_str() {
            "string" => Some(ValueForm::Texts),
            "integer" | "number" => Some(ValueForm::Numbers),
            _ => None,
        },
        _ => None,
    }
}

/// The members of a search's body with their schemas: those of the first schema that its description refers to.
fn body_members<'a>(document: &'a [u8], search: &RawValue) -> Vec<(String, &'a RawValue)> {
    let found = || {
        let reference = first_reference(search.get())?;
        let mut schema = None;
        let mut within = document;
        for segment in reference.split('/') {
            let found = member(within, segment)?;
            within = found.get().as_bytes();
            schema = Some(found);
        }
        let properties = member(schema?.get().as_bytes(), "properties")?;
        let properties = members::of(properties.get().as_bytes()).ok()?;
        let own = |member: members::Member<'a>| (member.name.into_owned(), member.value);
        Some(properties.into_iter().map(own).collect())
    };
    found().unwrap_or_default()
}

/// Where the first reference within a description leads to, below the document.
fn first_reference(text: &str) -> Option<String> {
    let after = text.split_once("\"$ref\"")?.1.split_once('"')?.1;
    // JSON may write a slash in two ways.
    let reference = after.split_once('"')?.0.replace("\\/", "/");
    reference.strip_prefix("#/").map(str::to_owned)
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_members_of_a_search_are_found_in_both_versions() {
        let schema = r#"{"type":"object","properties":{"page":{},"sortOrders":{},"modifiedAfter":{"type":"string"},
            "itemIds":{"type":"array","items":{"type":"integer"}}}}"#;
        let v2 = format!(
            r##"{{"swagger":"2.0","paths":{{"/api/items/search":{{"post":{{"parameters":[{{"in":"body",
            "schema":{{"$ref":"#/definitions/Search"}}}}]}}}},"/api/secretProject":{{}}}},
            "definitions":{{"Search":{schema}}}}}"##
        );
        let v3 = format!(
            r##"{{"openapi":"3.0.1","paths":{{"/items/search":{{"post":{{"requestBody":{{"content":
            {{"application/json":{{"schema":{{"$ref" : "#\/components\/schemas\/Search"}}}}}}}}}}}},
            "/x":{{}}}},"components":{{"schemas":{{"Search":{schema}}}}}}}"##
        );
        let facts = DescriptionFacts {
            paths: 2,
            known: 1,
            search_members: 4,
            search_topics: vec![
                SearchTopic::Sort,
                SearchTopic::IdFilter,
                SearchTopic::ModifiedSince,
            ],
        };
        let condition =
            |topic, name: &str, form| ConditionMember { topic, name: name.to_owned(), form };
        let conditions = vec![
            condition(SearchTopic::Sort, "sortOrders", None),
            condition(SearchTopic::ModifiedSince, "modifiedAfter", Some(ValueForm::Text)),
            condition(SearchTopic::IdFilter, "itemIds", Some(ValueForm::Numbers)),
        ];
        let expected = Description { facts, conditions };
        assert_eq!(read(v2.as_bytes()), Some(expected.clone()));
        assert_eq!(read(v3.as_bytes()), Some(expected));
    }

    #[test]
    fn what_is_no_description_says_nothing() {
        for text in ["", "[]", "{}", r#"{"paths":[]}"#, "<html>"] {
            assert_eq!(read(text.as_bytes()), None, "{text}");
        }
        let loose = br##"{"paths":{"/items/search":{"$ref":"#/nowhere/at/all"}}}"##;
        assert_eq!(read(loose).unwrap().facts.search_members, 0);
    }
}
