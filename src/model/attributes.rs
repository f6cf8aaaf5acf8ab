//! What an answer says of a repository's attributes. Pure.
//!
//! It takes lists and maps, flat and nested, whole answers and pages of one; an entry is an attribute
//! where it has a field id. Of an attribute that stands there twice, what the first did not say is
//! taken from the second.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::answer::{
    DEEPEST_LOOK, clean, field_id, is_beside, is_container, is_field_id, plain, text_in, truth,
    value_in,
};
use super::code_sets;
use super::repository_model::{Attribute, CodeSet, MOST_ATTRIBUTES, RepositoryModel};

/// What the field id may be called, the likeliest first.
const IDS: [&str; 7] =
    ["fieldid", "attributefieldid", "attributeid", "attrid", "field", "id", "key"];
/// What the name may be called, the likeliest first.
const NAMES: [&str; 8] =
    ["name", "attributename", "attrname", "displayname", "label", "title", "caption", "fieldname"];
/// What the other texts may be called, in the order of [`Attribute::texts_mut`] behind the name.
const TEXTS: [&[&str]; 9] = [
    &["restrictedname", "restricted", "columnname", "dbname", "sqlname", "snapshotname"],
    &["datatype", "type", "attributetype", "fieldtype", "valuetype"],
    &["precision"],
    &["scale", "decimals", "decimalplaces"],
    &["size", "length", "maxlength", "maxsize"],
    &["language", "lang", "locale", "languagecode"],
    &["group", "groupname", "attributegroup", "attributegroupname"],
    &["associationgroup", "assocgroup", "associationgroupname", "assocgroupname"],
    &["codeset", "codesetname", "codesetid"],
];
/// Members that hold attributes.
const LISTS: [&str; 11] = [
    "attributes",
    "attributelist",
    "attrs",
    "attributedefinitions",
    "fields",
    "fieldlist",
    "groups",
    "attributegroups",
    "grouplist",
    "sections",
    "profile",
];
/// Members that hold the codes of an attribute.
const CODES: [&str; 5] = ["codeset", "codes", "validvalues", "values", "options"];

/// What one answer to the call for attributes says.
#[derive(Debug, Default)]
pub struct AttributesAnswer {
    /// What it says of the model.
    pub model: RepositoryModel,
    /// Ids of links that it names.
    pub links: BTreeSet<String>,
    /// The query of the next page, where this one says that there is another.
    pub next_page: Option<String>,
}

impl AttributesAnswer {
    /// Reads an answer. What cannot be understood is left out.
    pub fn read(answer: &Value) -> Self {
        let mut reading = Self::default();
        reading.collect(answer, None, 0);
        super::links::ids(answer, &mut reading.links, 0);
        if let Some(languages) = answer.as_object().and_then(|it| languages(it, 0)) {
            for language in &languages {
                reading.model.add_language(language);
            }
        }
        reading.next_page = next_page(answer);
        reading
    }

    fn collect(&mut self, value: &Value, group: Option<&str>, depth: usize) {
        if depth > DEEPEST_LOOK || self.model.attributes.len() >= MOST_ATTRIBUTES {
            return;
        }
        match value {
            Value::Array(list) => list.iter().for_each(|entry| match entry {
                Value::String(id) if is_field_id(id) => {
                    self.model.add_attribute(Attribute::of(field_id(id)));
                }
                other => self.collect(other, group, depth + 1),
            }),
            Value::Object(object) => self.collect_object(object, group, depth),
            _ => {}
        }
    }

    fn collect_object(&mut self, object: &Map<String, Value>, group: Option<&str>, depth: usize) {
        let before = self.model.attributes.len();
        let is_nested = |value: &Value| value.is_array() || value.is_object();
        let own = text_in(object, &NAMES);
        let inside = if depth > 1 { own.as_deref().or(group) } else { group };
        for (name, value) in object.iter().filter(|(_, value)| is_nested(value)) {
            let name = plain(name);
            if LISTS.contains(&name.as_str()) || is_container(&name) {
                self.collect(value, inside, depth + 1);
            }
        }
        if self.model.attributes.len() > before {
            return;
        }
        if let Some(attribute) = self.attribute(object, None, group) {
            return self.model.add_attribute(attribute);
        }
        for (name, value) in object {
            let attribute = match value {
                Value::Object(entry) if is_field_id(name) => {
                    self.attribute(entry, Some(name), group)
                }
                Value::Object(entry) => self.attribute(entry, None, group).map(|mut found| {
                    found.name = found.name.or_else(|| clean(name));
                    found
                }),
                Value::String(text) if is_field_id(name) => {
                    Some(Attribute { name: clean(text), ..Attribute::of(field_id(name)) })
                }
                _ => None,
            };
            match attribute {
                Some(attribute) if !is_beside(&plain(name)) => self.model.add_attribute(attribute),
                _ if is_nested(value) && !is_beside(&plain(name)) => {
                    self.collect(value, group, depth + 1);
                }
                _ => {}
            }
        }
    }

    /// The attribute that an object is of; `key` is what it is listed under.
    fn attribute(
        &mut self,
        object: &Map<String, Value>,
        key: Option<&str>,
        group: Option<&str>,
    ) -> Option<Attribute> {
        let written = |names: &[&str]| {
            value_in(object, names, |value| value.as_str().filter(|text| text.starts_with("F_")))
        };
        let named_so = written(&IDS).or_else(|| written(&NAMES)).filter(|it| is_field_id(it));
        let told = || {
            value_in(object, &IDS, |value| match value {
                Value::String(text) => clean(text),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            })
        };
        let id = key.or(named_so).map(str::to_owned).or_else(told)?;
        let mut attribute = Attribute::of(field_id(&id));
        // A name that is the field id says nothing.
        let other =
            |names: &[&str]| text_in(object, names).filter(|it| field_id(it) != attribute.id);
        let name = other(&NAMES).or_else(|| NAMES.iter().find_map(|name| other(&[*name])));
        let texts: Vec<_> = TEXTS.iter().map(|names| text_in(object, names)).collect();
        let says_nothing = name.is_none() && texts.iter().all(Option::is_none);
        // An object that has an id and nothing else that attributes have is of something else.
        if says_nothing && key.is_none() && named_so.is_none() {
            return None;
        }
        for (own, text) in attribute.texts_mut().into_iter().skip(1).zip(texts) {
            *own = text;
        }
        attribute.name = name;
        attribute.group = attribute.group.or_else(|| group.map(str::to_owned));
        attribute.relational = value_in(object, &["relational", "isrelational"], truth);
        self.inline_codes(object, &mut attribute);
        Some(attribute)
    }

    /// Codes that stand in the attribute itself.
    fn inline_codes(&mut self, object: &Map<String, Value>, attribute: &mut Attribute) {
        let nested = |value: &Value| {
            let codes = if value.is_array() || value.is_object() {
                code_sets::codes(value)
            } else {
                Vec::new()
            };
            (codes.len() > usize::from(value.is_object())).then_some(codes)
        };
        if let Some(codes) = value_in(object, &CODES, nested) {
            let name = attribute.code_set.get_or_insert_with(|| attribute.id.clone()).clone();
            self.model.add_code_set(CodeSet { name, codes });
        }
    }
}

/// The languages that an answer lists.
fn languages(object: &Map<String, Value>, depth: usize) -> Option<Vec<String>> {
    if depth > 3 {
        return None;
    }
    let listed = value_in(object, &["languages", "languagelist", "locales"], |value| {
        let list = value.as_array()?.iter().take(500);
        Some(list.filter_map(|entry| super::answer::text(entry, 0)).collect())
    });
    let inside =
        || object.values().filter_map(Value::as_object).find_map(|it| languages(it, depth + 1));
    listed.or_else(inside)
}

/// The query of the page after this one: of pages as Spring counts them, or of a link to the next.
fn next_page(answer: &Value) -> Option<String> {
    let object = answer.as_object()?;
    let next = object.get("_links").and_then(|links| links.get("next"));
    let href = next.and_then(|next| next.get("href").unwrap_or(next).as_str());
    if let Some((_, query)) = href.and_then(|href| href.split_once('?')) {
        let is_plain = |it: char| it.is_ascii_alphanumeric() || "=&-_.,".contains(it);
        return (query.len() < 200 && query.chars().all(is_plain)).then(|| query.to_owned());
    }
    let inside = object.get("data").and_then(Value::as_object);
    [Some(object), object.get("page").and_then(Value::as_object), inside]
        .into_iter()
        .flatten()
        .find_map(|page| {
            let number = |names: &[&str]| value_in(page, names, Value::as_u64);
            let (all, this) = (number(&["totalpages"])?, number(&["number", "pagenumber"])?);
            let next = this.checked_add(1).filter(|next| *next < all)?;
            let size = number(&["size", "pagesize"]);
            let size = size.map(|size| format!("&size={size}")).unwrap_or_default();
            Some(format!("page={next}{size}"))
        })
}
