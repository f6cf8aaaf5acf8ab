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

/// Reads a description; `None` where it is none.
pub(super) fn read(body: &[u8]) -> Option<DescriptionFacts> {
    let paths = members::of(member(body, "paths")?.get().as_bytes()).ok()?;
    let known = |path: &str| KNOWN.iter().filter(|known| path.ends_with(**known)).count().min(1);
    let search = paths.iter().find(|path| path.name.ends_with("/items/search"));
    let names = search.map(|search| body_members(body, search.value)).unwrap_or_default();
    let speaks = |words: &[&str]| {
        names.iter().any(|name| words.iter().any(|word| name.to_lowercase().contains(word)))
    };
    Some(DescriptionFacts {
        paths: count(paths.len()),
        known: count(paths.iter().map(|path| known(&path.name)).sum()),
        search_members: count(names.len()),
        search_topics: TOPICS
            .iter()
            .filter(|(_, words)| speaks(words))
            .map(|(topic, _)| *topic)
            .collect(),
    })
}

/// The names of the members of a search's body: those of the first schema that its description refers to.
fn body_members(document: &[u8], search: &RawValue) -> Vec<String> {
    let names = || {
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
        Some(properties.into_iter().map(|member| member.name.into_owned()).collect())
    };
    names().unwrap_or_default()
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
        let schema =
            r#"{"type":"object","properties":{"page":{},"sortOrders":{},"modifiedAfter":{}}}"#;
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
        let expected = DescriptionFacts {
            paths: 2,
            known: 1,
            search_members: 3,
            search_topics: vec![SearchTopic::Sort, SearchTopic::ModifiedSince],
        };
        assert_eq!(read(v2.as_bytes()), Some(expected.clone()));
        assert_eq!(read(v3.as_bytes()), Some(expected));
    }

    #[test]
    fn what_is_no_description_says_nothing() {
        for text in ["", "[]", "{}", r#"{"paths":[]}"#, "<html>"] {
            assert_eq!(read(text.as_bytes()), None, "{text}");
        }
        let loose = br##"{"paths":{"/items/search":{"$ref":"#/nowhere/at/all"}}}"##;
        assert_eq!(read(loose).unwrap().search_members, 0);
    }
}
