//! Which attribute belongs where: in the main view, in the view of a language, or among keys and values.

use std::collections::{BTreeMap, HashMap};

use super::shaped_view::{ShapedPart, ShapedView};
use super::view_names::clean_name;
use crate::model::repository_model::{Attribute, RepositoryModel};
use crate::model::unique_names::folded;

/// Where one attribute belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placement {
    pub(super) field_id: String,
    /// Its restricted name, else its name, else its field id.
    pub(super) called: String,
    pub(super) part: ShapedPart,
}

impl Placement {
    /// What its column is known by.
    pub(super) fn key(&self) -> (&str, &str) {
        (&self.field_id, &self.called)
    }
}

/// The place of each attribute, in the model's order; `main` is the main view as it is.
///
/// Relational attributes of one restricted name in several languages are one column of several views. In
/// the main view stands the one that came there first, else the one without a language, else the one in the
/// language that most of such attributes have.
pub(super) fn placements(model: &RepositoryModel, main: Option<&ShapedView>) -> Vec<Placement> {
    let columns = main.map(ShapedView::attributes).unwrap_or_default();
    let groups = translated(model);
    let usual = usual_language(&groups, &columns);
    let mut languages: HashMap<&str, String> = HashMap::new();
    for group in &groups {
        let rank = |it: &Attribute| {
            let place = columns.get(&(it.id.as_str(), called(it).as_str())).copied();
            let is_usual = it.language.as_deref() == usual;
            (place.unwrap_or(usize::MAX), it.language.is_some(), !is_usual)
        };
        let default = group.iter().min_by_key(|it| rank(it)).map(|it| it.id.as_str());
        for attribute in group {
            if let Some(language) = &attribute.language
                && default != Some(attribute.id.as_str())
            {
                languages.insert(&attribute.id, clean_name(language).unwrap_or_default());
            }
        }
    }
    let place = |attribute: &Attribute| {
        let language = languages.get(attribute.id.as_str());
        let part = match (attribute.relational, language) {
            (Some(false), _) => ShapedPart::KeyValues,
            (_, Some(language)) => ShapedPart::Language(language.clone()),
            _ => ShapedPart::Main,
        };
        Placement { field_id: attribute.id.clone(), called: called(attribute), part }
    };
    // No database has a member of such a name, nor a name with it.
    model.attributes.iter().filter(|it| !it.id.contains('\0')).map(place).collect()
}

/// The relational attributes that come in several languages, by what they are called.
fn translated(model: &RepositoryModel) -> Vec<Vec<&Attribute>> {
    let mut groups: BTreeMap<String, Vec<&Attribute>> = BTreeMap::new();
    for attribute in model.attributes.iter().filter(|it| it.relational != Some(false)) {
        if let Some(restricted) = attribute.restricted_name.as_deref().and_then(clean_name) {
            groups.entry(folded(&restricted)).or_default().push(attribute);
        }
    }
    let has_several = |group: &Vec<&Attribute>| {
        let first = group.first().map(|it| &it.language);
        group.iter().any(|it| Some(&it.language) != first)
    };
    groups.into_values().filter(has_several).collect()
}

/// The language that most of these have: of those that stand in the main view, where any do.
fn usual_language<'a>(
    groups: &[Vec<&'a Attribute>],
    columns: &HashMap<(&str, &str), usize>,
) -> Option<&'a str> {
    let most = |only_there: bool| {
        let mut count: BTreeMap<&str, usize> = BTreeMap::new();
        for attribute in groups.iter().flatten() {
            let is_there =
                columns.contains_key(&(attribute.id.as_str(), called(attribute).as_str()));
            if let Some(language) =
                attribute.language.as_deref().filter(|_| is_there || !only_there)
            {
                *count.entry(language).or_default() += 1;
            }
        }
        // Of those that are as many English, or else the first in the alphabet.
        let rank = |(language, count): &(&str, usize)| (*count, folded(language).starts_with("en"));
        count.into_iter().rev().max_by_key(rank).map(|(language, _)| language)
    };
    most(true).or_else(|| most(false))
}

/// What an attribute's column is wanted to be called.
fn called(attribute: &Attribute) -> String {
    let names = [attribute.restricted_name.as_ref(), attribute.name.as_ref(), Some(&attribute.id)];
    let clean = names.into_iter().flatten().find_map(|name| clean_name(name));
    clean.unwrap_or_else(|| "attribute".to_owned())
}
