//! What has changed from one model to the next. Pure.

use std::fmt::Write as _;

use super::repository_model::{Attribute, RepositoryModel};

/// How many are named of each kind: enough to recognise what happened.
const NAMED: usize = 5;
/// The most characters of a name.
const LONGEST: usize = 63;

/// What came, went and became another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelDifference {
    /// Attributes that came, by what they are called.
    pub added: Vec<String>,
    /// Attributes that became others.
    pub changed: Vec<String>,
    /// Attributes that went.
    pub removed: Vec<String>,
    /// Code sets that came, went or became others.
    code_sets: Vec<String>,
    /// Links that came, went or became others.
    links: Vec<String>,
    /// Whether the repository is called otherwise, or there are other languages.
    other: bool,
}

impl ModelDifference {
    /// The difference between two models.
    pub fn between(before: &RepositoryModel, after: &RepositoryModel) -> Self {
        let called = |it: &Attribute| {
            let name = it.name.as_ref().or(it.restricted_name.as_ref()).unwrap_or(&it.id);
            name.chars().take(LONGEST).collect::<String>()
        };
        let attributes = sorted_out(&before.attributes, &after.attributes, |it| &it.id);
        let sets = sorted_out(&before.code_sets, &after.code_sets, |it| &it.name);
        let links = sorted_out(&before.links, &after.links, |it| &it.id);
        // A name that is learnt is no change of the model.
        let is_renamed = before.name.is_some() && before.name != after.name;
        let [added, changed, removed] =
            attributes.map(|them| them.into_iter().map(called).collect());
        Self {
            added,
            changed,
            removed,
            code_sets: sets.into_iter().flatten().map(|it| it.name.clone()).collect(),
            links: links.into_iter().flatten().map(|it| it.id.clone()).collect(),
            other: is_renamed || before.languages != after.languages,
        }
    }

    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The difference in words, with an end: how many of each kind, and what the first are called.
    pub fn words(&self) -> String {
        let mut words = String::new();
        for (what, them) in [
            ("attributes added", &self.added),
            ("attributes changed", &self.changed),
            ("attributes removed", &self.removed),
            ("code sets changed", &self.code_sets),
            ("links changed", &self.links),
        ] {
            if them.is_empty() {
                continue;
            }
            let short = |name: &String| name.chars().take(LONGEST).collect::<String>();
            let first: Vec<_> = them.iter().take(NAMED).map(short).collect();
            let more = if them.len() > NAMED { ", .." } else { "" };
            let before = if words.is_empty() { "" } else { "; " };
            write!(words, "{before}{} {what} ({}{more})", them.len(), first.join(", "))
                .expect("a string takes any text");
        }
        if words.is_empty() && self.other {
            words.push_str("name or languages changed");
        }
        words
    }
}

/// Of two lists in the order of their keys: what came, what became another, what went.
fn sorted_out<'a, T: PartialEq>(
    before: &'a [T],
    after: &'a [T],
    key: impl Fn(&T) -> &String,
) -> [Vec<&'a T>; 3] {
    let find = |list: &'a [T], one: &T| {
        let place = list.binary_search_by(|it| key(it).cmp(key(one))).ok()?;
        list.get(place)
    };
    let added = after.iter().filter(|it| find(before, it).is_none());
    let changed = after.iter().filter(|it| find(before, it).is_some_and(|old| old != *it));
    let removed = before.iter().filter(|it| find(after, it).is_none());
    [added.collect(), changed.collect(), removed.collect()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(attributes: &[(&str, &str)]) -> RepositoryModel {
        let mut model = RepositoryModel::default();
        for (id, name) in attributes {
            let name = Some((*name).to_owned());
            model.add_attribute(Attribute { name, ..Attribute::of(*id) });
        }
        model
    }

    #[test]
    fn what_came_went_and_changed_is_told_with_its_names() {
        let before = model(&[("F_1", "Brand"), ("F_2", "Size"), ("F_3", "Weight")]);
        let mut after = model(&[("F_1", "Brand"), ("F_2", "Width"), ("F_4", "Height")]);
        after.take_codes_for_tests("Colours", &[("R", "red")]);
        let told = ModelDifference::between(&before, &after);
        let words = "1 attributes added (Height); 1 attributes changed (Width); \
                     1 attributes removed (Weight); 1 code sets changed (Colours)";
        assert_eq!(told.words(), words);
        assert!(ModelDifference::between(&after, &after).is_none());
    }

    #[test]
    fn words_have_an_end() {
        let many: Vec<(String, String)> =
            (0..5000).map(|id| (format!("F_{id}"), "n".repeat(400))).collect();
        let many: Vec<_> = many.iter().map(|(id, name)| (id.as_str(), name.as_str())).collect();
        let told = ModelDifference::between(&RepositoryModel::default(), &model(&many));
        assert!(told.words().starts_with("5000 attributes added (nnn") && told.words().len() < 400);
    }
}
