//! The calls for the model of a repository (seen, vendor; all member names are open): attributes, the
//! values of one, links. Each way to answer them is a reading of the API page.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::answer::{NOT_FOUND_PAGE, SWAGGER_PAGE, SimulatedAnswer, message};
use super::call::{SimulatedCall, parameter};
use super::catalog;
use super::options::SimulatedModel;
use super::state::SimulatorShared;

/// The id of the one link.
const LINK: u64 = 77;
/// Attributes on a page.
const PAGE: usize = 10;

/// The countries, each with the one above it.
const COUNTRIES: [(&str, &str, Option<&str>); 6] = [
    ("EU", "Europe", None),
    ("AS", "Asia", None),
    ("DE", "Germany", Some("EU")),
    ("GR", "Greece", Some("EU")),
    ("JP", "Japan", Some("AS")),
    ("IL", "Israel", Some("AS")),
];

/// What is known of an attribute.
struct SimulatedAttribute {
    id: String,
    name: &'static str,
    restricted_name: String,
    language: Option<&'static str>,
    code_set: Option<&'static str>,
}

impl SimulatedAttribute {
    fn all() -> Vec<Self> {
        let of = |(id, name): (String, &'static str)| {
            let plain = |it: char| if it.is_ascii_alphanumeric() { it } else { '_' };
            // One restricted name for all languages of a text.
            let (restricted, language) = match name.split_once(" (") {
                Some((restricted, rest)) => (restricted, Some(rest.trim_end_matches(')'))),
                None => (name, None),
            };
            let code_set = (name == "Country").then_some("Countries");
            let restricted_name = restricted.chars().map(plain).collect();
            Self { id, name, restricted_name, language, code_set }
        };
        catalog::attributes().map(of).collect()
    }

    fn number(&self) -> u64 {
        self.id.trim_start_matches("F_").parse().unwrap_or_default()
    }
}

/// One of the calls for the model.
pub(super) fn model(shared: &SimulatorShared, call: &SimulatedCall) -> SimulatedAnswer {
    let style = shared.options.model;
    match style {
        SimulatedModel::None => {
            return SimulatedAnswer::html(StatusCode::NOT_FOUND, NOT_FOUND_PAGE);
        }
        SimulatedModel::Forbidden => return message(StatusCode::FORBIDDEN, "no permission"),
        SimulatedModel::Html => return SimulatedAnswer::html(StatusCode::OK, SWAGGER_PAGE),
        _ => {}
    }
    let path = call.path.strip_prefix("/webcm/rest/api/").unwrap_or_default();
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        ["repositories", name, "attributes"] if is_there(shared, name) => attributes(style, call),
        ["repositories", name, "attributes", attribute, "values"] if is_there(shared, name) => {
            let attribute = decoded(attribute);
            values(style, |it| match style {
                SimulatedModel::Paged => it.id == attribute,
                _ => it.name == attribute || it.id == attribute,
            })
        }
        ["items", "attrValueOptions"] => {
            let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
            values(style, |it| body["attributeId"] == it.id.as_str())
        }
        ["links", id] if *id == LINK.to_string() => link(style),
        _ => message(StatusCode::NOT_FOUND, "not found"),
    }
}

fn is_there(shared: &SimulatorShared, name: &str) -> bool {
    let name = decoded(name);
    shared.lock().repositories.iter().any(|repository| repository.name == name)
}

/// A segment of a path. A plus sign is a plus sign there, but nothing here has one in its name.
fn decoded(segment: &str) -> String {
    parameter(format!("it={segment}").as_bytes(), "it").unwrap_or_default()
}

fn attributes(style: SimulatedModel, call: &SimulatedCall) -> SimulatedAnswer {
    let all = SimulatedAttribute::all();
    let camel = |it: &SimulatedAttribute| {
        let mut value = json!({
            "fieldId": it.id, "name": it.name, "restrictedName": it.restricted_name,
            "dataType": "Text", "relational": true,
        });
        if let Some(language) = it.language {
            value["language"] = language.into();
        }
        if let Some(code_set) = it.code_set {
            value["codeSetName"] = code_set.into();
        }
        value
    };
    SimulatedAnswer::json(&match style {
        SimulatedModel::Nested => {
            let pascal = |it: &SimulatedAttribute| {
                json!({
                    "Id": it.number(), "Name": {"en": it.name}, "RestrictedName": it.restricted_name,
                    "Type": {"Id": 1, "Name": "Text"}, "Language": it.language,
                    "CodeSet": it.code_set.map(|name| json!({"Id": 5, "Name": name})),
                })
            };
            let (first, rest) = all.split_at(all.len() / 2);
            let group = |name: &str, list: &[SimulatedAttribute]| json!({"Id": 1, "Name": name, "Attributes": list.iter().map(pascal).collect::<Vec<_>>()});
            json!({"success": true, "data": {"Groups": [group("General", first), group("More", rest)],
                "LinkRelationships": [{"Id": LINK, "Name": "Images"}]}})
        }
        SimulatedModel::Map => {
            let snake = |it: &SimulatedAttribute| {
                let value = json!({
                    "display_name": it.name, "restricted_name": it.restricted_name,
                    "data_type": "Text", "language": it.language, "code_set": it.code_set,
                });
                (it.id.clone(), value)
            };
            json!({"attributes": all.iter().map(snake).collect::<serde_json::Map<_, _>>()})
        }
        SimulatedModel::Paged => {
            let page = call.parameter("page").and_then(|page| page.parse().ok()).unwrap_or(0_usize);
            let pages = all.len().div_ceil(PAGE);
            let content: Vec<_> =
                all.iter().skip(page.saturating_mul(PAGE)).take(PAGE).map(camel).collect();
            json!({"content": content, "totalPages": pages, "number": page, "size": PAGE,
                "totalElements": all.len()})
        }
        _ => json!({"status": 0, "data": all.iter().map(camel).collect::<Vec<_>>(),
            "links": [{"linkId": LINK}]}),
    })
}

fn values(
    style: SimulatedModel,
    is_asked: impl Fn(&SimulatedAttribute) -> bool,
) -> SimulatedAnswer {
    let all = SimulatedAttribute::all();
    let Some(attribute) = all.iter().find(|it| is_asked(it)) else {
        return message(StatusCode::NOT_FOUND, "attribute not found");
    };
    if attribute.code_set.is_none() {
        return SimulatedAnswer::json(&json!({"status": 0, "data": []}));
    }
    SimulatedAnswer::json(&match style {
        SimulatedModel::Nested => {
            let below =
                |above: Option<&'static str>| COUNTRIES.iter().filter(move |it| it.2 == above);
            let leaf = |it: &(&str, &str, _)| json!({"Code": it.0, "Description": it.1});
            let tree = below(None).map(|it| {
                let children: Vec<_> = below(Some(it.0)).map(leaf).collect();
                json!({"Code": it.0, "Description": it.1, "Children": children})
            });
            json!({"data": {"CodeSet": {"Name": "Countries", "Codes": tree.collect::<Vec<_>>()}}})
        }
        SimulatedModel::Map => {
            let map = COUNTRIES.iter().map(|it| (it.0.to_owned(), it.1.into()));
            json!({"values": map.collect::<serde_json::Map<_, _>>()})
        }
        SimulatedModel::Paged => json!(COUNTRIES.map(|it| [it.0, it.1])),
        _ => {
            let object = |it: (&str, &str, Option<&str>)| json!({"code": it.0, "description": it.1, "parentCode": it.2});
            json!({"status": 0, "data": COUNTRIES.map(object)})
        }
    })
}

fn link(style: SimulatedModel) -> SimulatedAnswer {
    let first = SimulatedAttribute::all().into_iter().next().map(|it| it.id).unwrap_or_default();
    SimulatedAnswer::json(&match style {
        SimulatedModel::Nested => json!({"data": {"Name": "Images", "ParentRepository": "Products",
            "ChildRepository": {"Name": "DamMaster"},
            "Pairs": [{"ParentAttribute": first, "ChildAttribute": "F_1"}]}}),
        _ => json!({"status": 0, "data": {"linkId": LINK, "linkName": "Images",
            "parentRepositoryId": 10_149, "childRepositoryName": "DamMaster",
            "attributePairs": [[first, "F_1"]]}}),
    })
}
