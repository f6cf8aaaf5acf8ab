//! The shape itself: how it grows from what was published and what is known, and what can be asked of it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::linked::{ShapedLink, linked};
use super::placement::{Placement, placements};
use super::shaped_view::{ShapedColumn, ShapedPart, ShapedView};
use super::view_names::{base_name, clean_name, new_view_names};
use crate::domain::RepositoryId;
use crate::model::repository_model::{Attribute, Code, RepositoryModel};
use crate::model::unique_names::unique_names;

/// The first column of a main or language view: the item's id as text, as in the view `items`.
pub const INTERNAL_RECORD_ID: &str = "InternalRecordId";
/// The columns of a view of keys and values. `KeyName` and `KeyRestrictedName` are null where they are not
/// known.
pub const KEY_VALUE_COLUMNS: [&str; 5] =
    [INTERNAL_RECORD_ID, "KeyName", "KeyRestrictedName", "KeyValue", "KeyFieldId"];
/// The columns of a code set. `parent` is the code above, in a hierarchical one.
pub const CODE_COLUMNS: [&str; 3] = ["code", "description", "parent"];
/// The columns of a link: ids of items.
pub const LINK_COLUMNS: [&str; 2] = ["ParentInternalRecordId", "ChildInternalRecordId"];

/// The most columns of a view beside the first: PostgreSQL takes 1,600, SQLite 2,000.
pub(super) const MOST_COLUMNS: usize = 1_500;
/// Names that no column may have: the first column's, and what a database calls something of its own.
const NO_COLUMN: [&str; 9] =
    [INTERNAL_RECORD_ID, "rowid", "_rowid_", "oid", "ctid", "xmin", "xmax", "cmin", "cmax"];

/// All views of a mirror, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MirrorShape {
    /// The views.
    pub views: Vec<ShapedView>,
}

impl MirrorShape {
    /// The shape from now on: this one, and at the end of it, and of its views, what the models have that
    /// it has not. Repositories without a model keep what they have.
    #[must_use]
    pub fn grown(&self, models: &BTreeMap<RepositoryId, RepositoryModel>) -> Self {
        let mut shape = self.clone();
        shape.add_views(models.iter().map(|(id, model)| {
            (*id, base_name(*id, model), ShapedPart::Main, base_name(*id, model))
        }));
        for (id, model) in models {
            let base = base_name(*id, model);
            let Some(main) = shape.part(*id, &base, &ShapedPart::Main) else { continue };
            let (placed, main) = (placements(model, Some(main)), main.name.clone());
            let parts: BTreeSet<&ShapedPart> = placed.iter().map(|it| &it.part).collect();
            shape.add_views(parts.into_iter().filter_map(|part| {
                let ShapedPart::Language(language) = part else { return None };
                Some((*id, base.clone(), part.clone(), format!("{main}_{language}")))
            }));
            shape.add_columns(*id, &base, &placed);
            // What has no column, whether it is to have none or there was no room.
            if !shape.key_value_attributes(*id, model).is_empty() {
                let name = format!("{main}_KV");
                let named = (*id, base, ShapedPart::KeyValues, name);
                shape.add_views(std::iter::once(named));
            }
        }
        // One repository after the other: the first that has a code set of a name has its name.
        for (id, model) in models {
            shape.add_views(code_sets(model).into_iter().map(|name| {
                let wanted = clean_name(name).unwrap_or_else(|| "code_set".to_owned());
                (*id, String::new(), ShapedPart::CodeSet(name.to_owned()), wanted)
            }));
        }
        let links = shape.links(models).into_iter();
        shape.add_views(
            links.map(|link| (link.told_by, String::new(), ShapedPart::Link(link.id), link.called)),
        );
        shape
    }

    /// The views of a repository as it is called now: main, languages, keys and values, code sets and
    /// links, in the order in which they came.
    pub fn current<'a>(
        &'a self,
        repository: RepositoryId,
        model: &RepositoryModel,
    ) -> Vec<&'a ShapedView> {
        let (base, used) = (base_name(repository, model), code_sets(model));
        let is_current = |it: &&ShapedView| match &it.part {
            ShapedPart::CodeSet(name) => used.contains(name.as_str()),
            ShapedPart::Link(id) => model.links.iter().any(|link| link.id == *id),
            _ => it.base == base,
        };
        self.views.iter().filter(|it| it.repository == repository).filter(is_current).collect()
    }

    /// The attributes of a repository whose values are in its view of keys and values: category
    /// attributes, and those for which there was no column left.
    pub fn key_value_attributes<'a>(
        &self,
        repository: RepositoryId,
        model: &'a RepositoryModel,
    ) -> Vec<&'a Attribute> {
        let base = base_name(repository, model);
        let columns: HashSet<&str> = self
            .views
            .iter()
            .filter(|it| it.repository == repository && it.base == base)
            .flat_map(|it| &it.columns)
            .map(|column| column.field_id.as_str())
            .collect();
        let is_one =
            |it: &&Attribute| it.relational == Some(false) || !columns.contains(it.id.as_str());
        model.attributes.iter().filter(is_one).collect()
    }

    /// What the links of these models join, as far as both sides are among them.
    pub fn links(&self, models: &BTreeMap<RepositoryId, RepositoryModel>) -> Vec<ShapedLink> {
        let known = |id: &str| {
            let is_it = |it: &&ShapedView| it.part == ShapedPart::Link(id.to_owned());
            self.views.iter().find(is_it).map(|it| it.repository)
        };
        linked(models, known)
    }

    /// The view of this part of a repository that was called so.
    pub fn part(
        &self,
        repository: RepositoryId,
        base: &str,
        part: &ShapedPart,
    ) -> Option<&ShapedView> {
        self.views.iter().find(|it| it.is(repository, base, part))
    }

    /// Adds those of these views that are not there yet: each with what it is wanted to be called.
    fn add_views(
        &mut self,
        wanted: impl Iterator<Item = (RepositoryId, String, ShapedPart, String)>,
    ) {
        let is_new = |(repository, base, part, _): &(_, String, _, _)| {
            !self.views.iter().any(|it| it.is(*repository, base, part))
        };
        let wanted: Vec<_> = wanted.filter(is_new).collect();
        let called: Vec<&str> = wanted.iter().map(|(.., name)| name.as_str()).collect();
        let taken: Vec<&str> = self.views.iter().map(|it| it.name.as_str()).collect();
        let keys: Vec<String> = wanted
            .iter()
            .map(|(repository, base, part, _)| format!("{repository}/{part:?}/{base}"))
            .collect();
        let keyed: Vec<(&str, &str)> = keys.iter().map(String::as_str).zip(called).collect();
        let names = new_view_names(&keyed, &taken);
        for ((repository, base, part, _), name) in wanted.into_iter().zip(names) {
            self.views.push(ShapedView { name, repository, base, part, columns: Vec::new() });
        }
    }

    /// Adds the columns that are not there yet, as far as there is room.
    fn add_columns(&mut self, id: RepositoryId, base: &str, placed: &[Placement]) {
        for view in self.views.iter_mut().filter(|it| it.repository == id && it.base == base) {
            let there = view.attributes();
            let is_new = |it: &&Placement| it.part == view.part && !there.contains_key(&it.key());
            let new: Vec<&Placement> = match &view.part {
                ShapedPart::Main | ShapedPart::Language(_) => {
                    let room = MOST_COLUMNS.saturating_sub(view.columns.len());
                    placed.iter().filter(is_new).take(room).collect()
                }
                _ => continue,
            };
            let own = view.columns.iter().map(|column| column.name.as_str());
            let taken: Vec<&str> = own.chain(NO_COLUMN).collect();
            let wanted = new.iter().map(|it| (it.field_id.as_str(), it.called.as_str()));
            let mut names = unique_names(wanted, &BTreeMap::new(), &taken);
            let columns = new.into_iter().filter_map(|it| {
                let name = names.remove(&it.field_id)?;
                let (field_id, called) = (it.field_id.clone(), it.called.clone());
                Some(ShapedColumn { name, field_id, called })
            });
            let columns: Vec<ShapedColumn> = columns.collect();
            view.columns.extend(columns);
        }
    }
}

/// The codes of a code set of a model, each once: of a code that stands there twice the first counts.
/// `None`: the model has no such code set, or no attribute of it uses it.
pub fn codes<'a>(model: &'a RepositoryModel, code_set: &str) -> Option<Vec<&'a Code>> {
    let is_used = |it: &Attribute| it.code_set.as_deref() == Some(code_set);
    let code_set = model.attributes.iter().any(is_used).then(|| model.code_set(code_set))??;
    let mut seen = HashSet::new();
    Some(code_set.codes.iter().filter(|code| seen.insert(code.code.as_str())).collect())
}

/// The names of the code sets that attributes use.
fn code_sets(model: &RepositoryModel) -> BTreeSet<&str> {
    let used = model.attributes.iter().filter_map(|attribute| attribute.code_set.as_deref());
    used.filter(|name| !name.contains('\0') && model.code_set(name).is_some()).collect()
}
