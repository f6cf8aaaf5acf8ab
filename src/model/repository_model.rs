//! The model of one repository, as it is kept and told.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The most attributes that are held of a repository. Category attributes come in thousands.
pub(super) const MOST_ATTRIBUTES: usize = 20_000;
/// The most code sets that are held of a repository.
pub(super) const MOST_CODE_SETS: usize = 2_000;
/// The most codes that are held of a code set.
pub(super) const MOST_CODES: usize = 50_000;

/// What the vendor calls the time of an item's last change, for whatever reason: validations change it,
/// too.
pub const LAST_UPDATED: &str = "Last_Updated";

/// What is known of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RepositoryModel {
    /// What the server calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// By field id.
    pub attributes: Vec<Attribute>,
    /// By name.
    pub code_sets: Vec<CodeSet>,
    /// By id.
    pub links: Vec<LinkRelationship>,
    /// In alphabetical order.
    pub languages: Vec<String>,
    /// By field id: the names that were given out, which stay whatever else the model comes to hold.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub given_names: BTreeMap<String, String>,
}

/// One attribute. What nobody says is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attribute {
    /// Its field id: the name of its member in an item, such as `F_1004613`.
    pub id: String,
    /// What people call it.
    pub name: Option<String>,
    /// What it is called in the vendor's snapshot tables.
    pub restricted_name: Option<String>,
    /// Its data type, as it was told.
    #[serde(rename = "type")]
    pub data_type: Option<String>,
    /// Of a number, as it was told.
    pub precision: Option<String>,
    /// Of a number, as it was told.
    pub scale: Option<String>,
    /// Of a text, as it was told.
    pub size: Option<String>,
    /// Its language.
    pub language: Option<String>,
    /// Its group.
    pub group: Option<String>,
    /// The group of repeated attributes that it belongs to.
    pub association_group: Option<String>,
    /// The name of its code set.
    pub code_set: Option<String>,
    /// Whether it is a column of the vendor's snapshot table.
    pub relational: Option<bool>,
}

impl Attribute {
    /// One of which nothing is known but its field id.
    pub fn of(id: impl Into<String>) -> Self {
        Self { id: id.into(), ..Self::default() }
    }

    /// Takes from another what this one does not say.
    pub(super) fn fill(&mut self, other: Self) {
        let Self { id: _, relational, .. } = &other;
        self.relational = self.relational.or(*relational);
        for (own, other) in self.texts_mut().into_iter().zip(other.into_texts()) {
            if own.is_none() {
                *own = other;
            }
        }
    }

    pub(super) fn texts_mut(&mut self) -> [&mut Option<String>; 10] {
        [
            &mut self.name,
            &mut self.restricted_name,
            &mut self.data_type,
            &mut self.precision,
            &mut self.scale,
            &mut self.size,
            &mut self.language,
            &mut self.group,
            &mut self.association_group,
            &mut self.code_set,
        ]
    }

    fn into_texts(self) -> [Option<String>; 10] {
        [
            self.name,
            self.restricted_name,
            self.data_type,
            self.precision,
            self.scale,
            self.size,
            self.language,
            self.group,
            self.association_group,
            self.code_set,
        ]
    }
}

/// Codes and what they mean.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CodeSet {
    /// Its name; where the server gives none, the field id of the attribute that it was told for.
    pub name: String,
    /// In the server's order.
    pub codes: Vec<Code>,
}

/// One code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_field_names, reason = "the vendor's pair is of code and description")]
pub struct Code {
    /// What items hold.
    pub code: String,
    /// What it means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The code above it, in a hierarchical code set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
}

/// A link: the items of two repositories belong together where pairs of attributes are equal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LinkRelationship {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// The repository of the parent, by id or name as it was told.
    pub parent: Option<String>,
    /// The repository of the child, by id or name as it was told.
    pub child: Option<String>,
    /// Attributes of parent and child that are equal.
    pub pairs: Vec<(String, String)>,
}

impl RepositoryModel {
    /// The attribute of this field id.
    #[cfg(test)]
    pub fn attribute(&self, id: &str) -> Option<&Attribute> {
        let place = self.attributes.binary_search_by(|known| known.id.as_str().cmp(id)).ok()?;
        self.attributes.get(place)
    }

    /// Takes in an attribute; of one that is there already what it did not say.
    pub fn add_attribute(&mut self, attribute: Attribute) {
        match self.attributes.binary_search_by(|known| known.id.cmp(&attribute.id)) {
            Ok(place) => {
                if let Some(known) = self.attributes.get_mut(place) {
                    known.fill(attribute);
                }
            }
            Err(place) if self.attributes.len() < MOST_ATTRIBUTES => {
                if let Some(language) = &attribute.language {
                    self.add_language(language);
                }
                self.attributes.insert(place, attribute);
            }
            Err(_) => {}
        }
    }

    /// Takes in a language.
    pub fn add_language(&mut self, language: &str) {
        const MOST: usize = 500;
        if let Err(place) = self.languages.binary_search_by(|known| known.as_str().cmp(language))
            && self.languages.len() < MOST
        {
            self.languages.insert(place, language.to_owned());
        }
    }

    /// Takes in a code set, in the place of one of its name that has no codes.
    pub fn add_code_set(&mut self, code_set: CodeSet) {
        match self.code_sets.binary_search_by(|known| known.name.cmp(&code_set.name)) {
            Ok(place) => {
                if let Some(known) = self.code_sets.get_mut(place)
                    && known.codes.is_empty()
                {
                    *known = code_set;
                }
            }
            Err(place) if self.code_sets.len() < MOST_CODE_SETS => {
                self.code_sets.insert(place, code_set);
            }
            Err(_) => {}
        }
    }

    /// Takes in a code set of these codes and descriptions.
    #[cfg(test)]
    pub fn take_codes_for_tests(&mut self, name: &str, codes: &[(&str, &str)]) {
        let code = |(code, description): &(&str, &str)| Code {
            code: (*code).to_owned(),
            description: Some((*description).to_owned()),
            parent: None,
        };
        let codes = codes.iter().map(code).collect();
        self.add_code_set(CodeSet { name: name.to_owned(), codes });
    }

    /// Takes in a link.
    pub fn add_link(&mut self, link: LinkRelationship) {
        if let Err(place) = self.links.binary_search_by(|known| known.id.cmp(&link.id)) {
            self.links.insert(place, link);
        }
    }

    /// The field ids under which items carry the time of their last change.
    pub fn last_updated(&self) -> Vec<String> {
        let is_called = |name: &Option<String>| {
            name.as_ref().is_some_and(|name| {
                name.trim().replace(' ', "_").eq_ignore_ascii_case(LAST_UPDATED)
            })
        };
        let known = self.attributes.iter();
        let called = known.filter(|it| is_called(&it.name) || is_called(&it.restricted_name));
        called.map(|it| it.id.clone()).collect()
    }

    /// The code set of this name.
    pub fn code_set(&self, name: &str) -> Option<&CodeSet> {
        let place = self.code_sets.binary_search_by(|known| known.name.as_str().cmp(name)).ok()?;
        self.code_sets.get(place)
    }
}
