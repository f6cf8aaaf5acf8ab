//! A repository that goes into the file, and where each value of its items goes. Pure.

use std::collections::{BTreeMap, HashMap};

use crate::domain::RepositoryId;
use crate::model::RepositoryModel;
use crate::model::shape::{MirrorShape, ShapedPart, ShapedView};

/// A repository that goes into the file.
#[derive(Clone, Debug)]
pub struct SnapshotRepository {
    /// Which.
    pub id: RepositoryId,
    /// What is known of it.
    pub model: RepositoryModel,
    /// When that was last made out, in milliseconds since 1970 (UTC).
    pub model_ms: Option<i64>,
    /// The member that is an item's id; `None` where that lies deeper.
    pub id_member: Option<String>,
}

/// The tables of one repository.
#[derive(Debug, Default)]
pub(super) struct RepositoryPlan {
    /// The main table, and those of languages behind it.
    pub(super) tables: Vec<WideTable>,
    /// Of a repository of which no attribute is known the items stand there as they came.
    pub(super) holds_bodies: bool,
    /// The table of keys and values.
    pub(super) key_values: String,
    /// Name and restricted name of what is there, by field id.
    pub(super) keys: HashMap<String, (Option<String>, Option<String>)>,
    /// The columns of each attribute that has one, by field id: several where it has been called otherwise.
    places: HashMap<String, Vec<ColumnPlace>>,
    /// The member that is the item's id, and nothing more.
    id_member: Option<String>,
}

/// A table with a column an attribute.
#[derive(Debug)]
pub(super) struct WideTable {
    pub(super) name: String,
    /// Behind the first.
    pub(super) columns: Vec<WideColumn>,
}

/// One of its columns.
#[derive(Debug)]
pub(super) struct WideColumn {
    pub(super) name: String,
    pub(super) field_id: String,
    /// Which of the plan's code tables has its codes.
    pub(super) codes: Option<usize>,
}

/// Which column of which table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ColumnPlace {
    pub(super) table: usize,
    pub(super) column: usize,
}

/// Where a member goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MemberPlaces<'a> {
    /// Into these columns.
    pub(super) columns: &'a [ColumnPlace],
    /// Among keys and values. The id goes nowhere else: each row has it.
    pub(super) is_key_value: bool,
}

impl RepositoryPlan {
    /// The plan of a repository in this shape; `code_tables` are the numbers of the tables that have
    /// codes, by repository and code set.
    pub(super) fn of(
        repository: &SnapshotRepository,
        shape: &MirrorShape,
        code_tables: &BTreeMap<(RepositoryId, String), usize>,
    ) -> Self {
        let SnapshotRepository { id, model, id_member, .. } = repository;
        let told = model.attributes.iter();
        let code_sets: HashMap<&str, &String> =
            told.filter_map(|it| Some((it.id.as_str(), it.code_set.as_ref()?))).collect();
        let codes = |field_id: &str| {
            let name = (*code_sets.get(field_id)?).clone();
            code_tables.get(&(*id, name)).copied()
        };
        let wide = |view: &ShapedView| {
            let columns = view.columns.iter().map(|column| WideColumn {
                name: column.name.clone(),
                field_id: column.field_id.clone(),
                codes: codes(&column.field_id),
            });
            WideTable { name: view.name.clone(), columns: columns.collect() }
        };
        let mut plan = Self { id_member: id_member.clone(), ..Self::default() };
        for view in shape.current(*id, model) {
            match &view.part {
                ShapedPart::Main => plan.tables.insert(0, wide(view)),
                ShapedPart::Language(_) => plan.tables.push(wide(view)),
                ShapedPart::KeyValues => plan.key_values.clone_from(&view.name),
                ShapedPart::CodeSet(_) | ShapedPart::Link(_) => {}
            }
        }
        for (table, wide) in plan.tables.iter().enumerate() {
            for (column, attribute) in wide.columns.iter().enumerate() {
                let places = plan.places.entry(attribute.field_id.clone()).or_default();
                places.push(ColumnPlace { table, column });
            }
        }
        plan.holds_bodies = model.attributes.is_empty() && plan.places.is_empty();
        for attribute in shape.key_value_attributes(*id, model) {
            let names = (attribute.name.clone(), attribute.restricted_name.clone());
            plan.keys.insert(attribute.id.clone(), names);
        }
        plan
    }

    /// The table of the items.
    pub(super) fn main(&self) -> &str {
        self.tables.first().map_or("", |main| main.name.as_str())
    }

    /// The columns of an attribute, each with its table.
    pub(super) fn columns(
        &self,
        field_id: &str,
    ) -> impl Iterator<Item = (&WideTable, &WideColumn)> {
        let places = self.places.get(field_id).into_iter().flatten();
        places.filter_map(|place| {
            let table = self.tables.get(place.table)?;
            Some((table, table.columns.get(place.column)?))
        })
    }

    /// Where a member of an item goes.
    pub(super) fn places(&self, member: &str) -> MemberPlaces<'_> {
        let columns = self.places.get(member).map_or(&[][..], Vec::as_slice);
        let is_id = self.id_member.as_deref() == Some(member);
        let is_key_value = self.keys.contains_key(member) || columns.is_empty() && !is_id;
        MemberPlaces { columns, is_key_value }
    }

    /// Table, column and field id of each column, and of each attribute among keys and values, which has
    /// none.
    pub(super) fn described(&self) -> Vec<(&str, Option<&str>, &str)> {
        let mut described = Vec::new();
        for table in &self.tables {
            let columns = table.columns.iter();
            described.extend(
                columns
                    .map(|it| (table.name.as_str(), Some(it.name.as_str()), it.field_id.as_str())),
            );
        }
        let mut keys: Vec<&str> = self.keys.keys().map(String::as_str).collect();
        keys.sort_unstable();
        described.extend(keys.into_iter().map(|key| (self.key_values.as_str(), None, key)));
        described
    }
}
