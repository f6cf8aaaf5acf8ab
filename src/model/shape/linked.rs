//! What a link joins: two repositories, and attributes of both that are equal.

use std::collections::{BTreeMap, BTreeSet};

use super::view_names::clean_name;
use crate::domain::RepositoryId;
use crate::model::answer::field_id;
use crate::model::naming::Naming;
use crate::model::repository_model::{LinkRelationship, RepositoryModel};
use crate::model::unique_names::folded;

/// A link of which both sides are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShapedLink {
    /// Its id.
    pub id: String,
    /// The repository whose its view is.
    pub told_by: RepositoryId,
    /// The repository of the parent.
    pub parent: RepositoryId,
    /// The repository of the child.
    pub child: RepositoryId,
    /// Field ids of parent and child whose values are equal; at least one pair.
    pub pairs: Vec<(String, String)>,
    /// What its view is wanted to be called.
    pub(super) called: String,
}

/// The links of these models, each once; `known` says whose view a link's is, where it has one.
pub(super) fn linked(
    models: &BTreeMap<RepositoryId, RepositoryModel>,
    known: impl Fn(&str) -> Option<RepositoryId>,
) -> Vec<ShapedLink> {
    let mut seen = BTreeSet::new();
    let mut links = Vec::new();
    let mut known_names = BTreeMap::new();
    for (told_by, model) in models {
        for link in &model.links {
            if let Some(mut found) = read(models, &mut known_names, *told_by, link)
                && seen.insert(link.id.as_str())
            {
                found.told_by = known(&link.id).unwrap_or(*told_by);
                links.push(found);
            }
        }
    }
    links
}

fn read(
    models: &BTreeMap<RepositoryId, RepositoryModel>,
    known_names: &mut BTreeMap<RepositoryId, Naming>,
    told_by: RepositoryId,
    link: &LinkRelationship,
) -> Option<ShapedLink> {
    // A side that is not told is the repository that tells.
    let side = |told: &Option<String>| match told {
        Some(told) => repository(models, told),
        None => Some(told_by),
    };
    let (parent, child) = (side(&link.parent)?, side(&link.child)?);
    for id in [parent, child] {
        let model = models.get(&id)?;
        known_names.entry(id).or_insert_with(|| Naming::of(model, &[]));
    }
    let attribute = |id: &RepositoryId, told: &str| {
        let names = known_names.get(id)?;
        [told.to_owned(), field_id(told)].iter().find_map(|it| names.attribute(it))
    };
    let pairs: Option<Vec<_>> = link
        .pairs
        .iter()
        .map(|(of_parent, of_child)| {
            Some((attribute(&parent, of_parent)?, attribute(&child, of_child)?))
        })
        .collect();
    let pairs = pairs.filter(|pairs| !pairs.is_empty())?;
    let called = link.name.as_deref().and_then(clean_name);
    let called = called.unwrap_or_else(|| format!("link_{}", link.id));
    Some(ShapedLink { id: link.id.clone(), told_by, parent, child, pairs, called })
}

/// The repository that a link names, by number or by name.
fn repository(
    models: &BTreeMap<RepositoryId, RepositoryModel>,
    told: &str,
) -> Option<RepositoryId> {
    let by_number = told.parse().ok().map(RepositoryId).filter(|id| models.contains_key(id));
    let called = folded(told);
    let is_it =
        |model: &RepositoryModel| model.name.as_deref().is_some_and(|name| folded(name) == called);
    let by_name = || models.iter().find(|(_, model)| is_it(model)).map(|(id, _)| *id);
    by_number.or_else(by_name)
}
