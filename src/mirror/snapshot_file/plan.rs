//! Which tables a file has. Pure.

use std::collections::{BTreeMap, HashSet};

use super::repository_plan::{RepositoryPlan, SnapshotRepository};
use crate::domain::RepositoryId;
use crate::model::shape::{self, MirrorShape, ShapedLink, ShapedPart};
use crate::model::{Attribute, Code, RepositoryModel};

/// A member that no item has. An attribute of this name, which has no column, makes room for members of
/// which nothing is known.
const NO_MEMBER: &str = "\u{1}";

/// All tables but those that every file has.
#[derive(Debug)]
pub(super) struct SnapshotPlan {
    pub(super) repositories: Vec<(SnapshotRepository, RepositoryPlan)>,
    pub(super) code_tables: Vec<CodeTable>,
    /// Links with the names of their tables.
    pub(super) links: Vec<(String, ShapedLink)>,
}

/// A table of codes.
#[derive(Debug)]
pub(super) struct CodeTable {
    pub(super) name: String,
    pub(super) repository: RepositoryId,
    pub(super) code_set: String,
    /// Codes that are in it; of those that nobody knew only some.
    pub(super) there: HashSet<String>,
}

impl SnapshotPlan {
    /// The plan for these repositories, where `published` are the views of the mirror: what has one is
    /// called as it is.
    pub(super) fn of(repositories: Vec<SnapshotRepository>, published: &MirrorShape) -> Self {
        let mut models: BTreeMap<RepositoryId, RepositoryModel> =
            repositories.iter().map(|it| (it.id, it.model.clone())).collect();
        for model in models.values_mut() {
            let room = Attribute { relational: Some(false), ..Attribute::of(NO_MEMBER) };
            model.add_attribute(room);
        }
        let shape = published.grown(&models);
        let (mut code_tables, mut numbers) = (Vec::new(), BTreeMap::new());
        for view in models.iter().flat_map(|(id, model)| shape.current(*id, model)) {
            if let ShapedPart::CodeSet(code_set) = &view.part {
                numbers.insert((view.repository, code_set.clone()), code_tables.len());
                code_tables.push(CodeTable {
                    name: view.name.clone(),
                    repository: view.repository,
                    code_set: code_set.clone(),
                    there: HashSet::new(),
                });
            }
        }
        let links = shape.links(&models).into_iter().filter_map(|link| {
            let part = ShapedPart::Link(link.id.clone());
            Some((shape.part(link.told_by, "", &part)?.name.clone(), link))
        });
        let links = links.collect();
        let repositories = repositories.into_iter().map(|repository| {
            let plan = RepositoryPlan::of(&repository, &shape, &numbers);
            (repository, plan)
        });
        Self { repositories: repositories.collect(), code_tables, links }
    }

    /// The repository of this id with its tables.
    pub(super) fn repository(
        &self,
        id: RepositoryId,
    ) -> Option<&(SnapshotRepository, RepositoryPlan)> {
        self.repositories.iter().find(|(repository, _)| repository.id == id)
    }

    /// The table of a code set.
    pub(super) fn code_table(&self, repository: RepositoryId, code_set: &str) -> Option<&str> {
        let is_it = |it: &&CodeTable| it.repository == repository && it.code_set == code_set;
        self.code_tables.iter().find(is_it).map(|table| table.name.as_str())
    }

    /// The codes of a table as they are known, each once.
    pub(super) fn codes(&self, table: &CodeTable) -> Vec<Code> {
        let model = self.repository(table.repository).map(|(repository, _)| &repository.model);
        let codes = model.and_then(|model| shape::codes(model, &table.code_set));
        codes.unwrap_or_default().into_iter().cloned().collect()
    }
}
