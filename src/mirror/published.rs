//! What is published of the models, in the rows that both stores keep of it. Pure.
//!
//! What was published before and the models of now make the shape from now on
//! ([`MirrorShape::grown`]). Views and columns are only ever added; what follows from the models is
//! made anew for each repository whose model has changed.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::RepositoryId;
use crate::mirror::transfer::PublishedView;
use crate::model::shape::{MirrorShape, ShapedPart, codes};
use crate::model::{Attribute, RepositoryModel};

/// The repositories whose views are to be published, with their models.
pub(crate) type KnownModels = BTreeMap<RepositoryId, RepositoryModel>;

/// The models that a publication needs, as a condition of SQL: those that have changed; and where any model
/// tells of links, which join two repositories, all of them. A document is compact JSON, and is looked at
/// without being parsed: at the first start each repository is published by itself.
pub(crate) const NEEDED_MODELS: &str = "NOT published OR EXISTS (SELECT 1 FROM model AS other \
     WHERE other.document LIKE '%\"links\":[{%')";

/// What is to be published from now on.
#[derive(Debug)]
pub(crate) struct Publication {
    /// All views, in their order; each one's number is its place, from 1 on.
    pub(crate) shape: MirrorShape,
    /// The views that are new or have new columns.
    pub(crate) views: Vec<PublishedView>,
    /// Which attributes there are, in the repositories whose models have changed.
    pub(crate) attributes: Vec<PublishedAttribute>,
    /// The codes of the code sets of these.
    pub(crate) codes: Vec<PublishedCode>,
    /// What is equal in the items of each link, of all repositories.
    pub(crate) pairs: Vec<PublishedPair>,
}

/// An attribute of a repository.
#[derive(Debug)]
pub(crate) struct PublishedAttribute {
    /// The repository.
    pub(crate) repository: i64,
    /// Its field id.
    pub(crate) field_id: String,
    /// Name, restricted name, type, language, code set, precision, scale, size, group, association group.
    pub(crate) texts: [Option<String>; 10],
    /// Whether it is a column of the vendor's.
    pub(crate) relational: Option<bool>,
    /// The number of the view of keys and values where its values are.
    pub(crate) key_values: Option<i64>,
}

/// A code.
#[derive(Debug)]
pub(crate) struct PublishedCode {
    /// The number of the view.
    pub(crate) view: i64,
    /// Its place, from 1 on.
    pub(crate) number: i64,
    /// The code, what it means, and the one above it.
    pub(crate) texts: (String, Option<String>, Option<String>),
}

/// Attributes that a link joins by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublishedPair {
    /// The number of the view.
    pub(crate) view: i64,
    /// Its place, from 1 on.
    pub(crate) number: i64,
    /// The repository of the parent, and the field id there.
    pub(crate) parent: (i64, String),
    /// The repository of the child, and the field id there.
    pub(crate) child: (i64, String),
}

impl Publication {
    /// What is to be published where `before` was, `models` are known, and those of `changed` are others
    /// than before.
    pub(crate) fn of(
        before: &MirrorShape,
        models: &KnownModels,
        changed: &BTreeSet<RepositoryId>,
    ) -> Self {
        let shape = before.grown(models);
        let views = (1_i64..).zip(&shape.views).enumerate();
        let grown = views.filter(|(place, (_, view))| before.views.get(*place) != Some(view));
        let views = grown.map(|(_, (number, view))| PublishedView::of(number, view)).collect();
        let (mut attributes, mut all_codes) = (Vec::new(), Vec::new());
        for (id, model) in models.iter().filter(|(id, _)| changed.contains(id)) {
            attributes.extend(attributes_of(&shape, *id, model));
            for (number, view) in (1_i64..).zip(&shape.views) {
                if let ShapedPart::CodeSet(name) = &view.part
                    && view.repository == *id
                {
                    all_codes.extend(codes_of(model, name, number));
                }
            }
        }
        let pairs = pairs(&shape, models);
        Self { shape, views, attributes, codes: all_codes, pairs }
    }
}

fn attributes_of(
    shape: &MirrorShape,
    id: RepositoryId,
    model: &RepositoryModel,
) -> Vec<PublishedAttribute> {
    let current = shape.current(id, model);
    let is_keys = |part: &ShapedPart| *part == ShapedPart::KeyValues;
    let keys = current.into_iter().find(|view| is_keys(&view.part));
    let number = keys.and_then(|keys| (1_i64..).zip(&shape.views).find(|(_, it)| *it == keys));
    let number = number.map(|(number, _)| number);
    let without_column = shape.key_value_attributes(id, model);
    let without_column: BTreeSet<&str> =
        without_column.into_iter().map(|it| it.id.as_str()).collect();
    let published = |it: &Attribute| PublishedAttribute {
        repository: id.0.cast_signed(),
        field_id: it.id.clone(),
        texts: [
            &it.name,
            &it.restricted_name,
            &it.data_type,
            &it.language,
            &it.code_set,
            &it.precision,
            &it.scale,
            &it.size,
            &it.group,
            &it.association_group,
        ]
        .map(|text| text.as_deref().map(without_nul)),
        relational: it.relational,
        key_values: number.filter(|_| without_column.contains(it.id.as_str())),
    };
    // No item can be asked for such a member.
    model.attributes.iter().filter(|it| !it.id.contains('\0')).map(published).collect()
}

fn codes_of(model: &RepositoryModel, name: &str, view: i64) -> impl Iterator<Item = PublishedCode> {
    let codes = codes(model, name).unwrap_or_default();
    (1..).zip(codes).map(move |(number, code)| {
        let [description, parent] =
            [&code.description, &code.parent].map(|text| text.as_deref().map(without_nul));
        PublishedCode { view, number, texts: (without_nul(&code.code), description, parent) }
    })
}

fn pairs(shape: &MirrorShape, models: &KnownModels) -> Vec<PublishedPair> {
    let links = shape.links(models);
    let mut pairs = Vec::new();
    for (view, it) in (1_i64..).zip(&shape.views) {
        let ShapedPart::Link(id) = &it.part else { continue };
        let Some(link) = links.iter().find(|link| link.id == *id) else { continue };
        let of =
            |repository: RepositoryId, field: &String| (repository.0.cast_signed(), field.clone());
        pairs.extend((1..).zip(&link.pairs).map(|(number, (parent, child))| PublishedPair {
            view,
            number,
            parent: of(link.parent, parent),
            child: of(link.child, child),
        }));
    }
    pairs
}

/// PostgreSQL holds no NUL.
fn without_nul(text: &str) -> String {
    text.replace('\0', "")
}
