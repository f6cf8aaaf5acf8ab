//! From a field id to its name and back, and from a code to its description. Pure.

use std::collections::{BTreeMap, HashMap};

use super::repository_model::{MOST_ATTRIBUTES, RepositoryModel};
use super::unique_names::{folded, unique_names};

/// How the members of a repository's items are called.
#[derive(Clone, Debug, Default)]
pub struct Naming {
    /// By field id.
    names: BTreeMap<String, String>,
    /// Field ids by what people may call them, without regard to case.
    by_name: HashMap<String, Vec<String>>,
    /// Members that are no attributes.
    others: Vec<String>,
    /// Of field ids whose values are codes: what each code means, where that is wanted.
    codes: HashMap<String, HashMap<String, String>>,
}

/// A name that several attributes have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is the name of several attributes; take a field id, one of {}", .ids.join(", "))]
pub struct AmbiguousName {
    /// Their field ids.
    pub ids: Vec<String>,
}

impl Naming {
    /// The names of a model: those that were given out, and new ones for what has none. No attribute is given one of `taken`, which are members that are no
    /// attributes.
    pub fn of(model: &RepositoryModel, taken: &[&str]) -> Self {
        let names = unique_names(called(model), &model.given_names, taken);
        let mut by_name: HashMap<String, Vec<String>> = HashMap::new();
        for attribute in &model.attributes {
            let own = names.get(&attribute.id);
            let texts = [own, attribute.name.as_ref(), attribute.restricted_name.as_ref()];
            for text in texts.into_iter().flatten() {
                let ids = by_name.entry(folded(text)).or_default();
                if !ids.contains(&attribute.id) {
                    ids.push(attribute.id.clone());
                }
            }
        }
        let others = taken.iter().map(|member| (*member).to_owned()).collect();
        Self { names, by_name, others, codes: HashMap::new() }
    }

    /// The same with what the codes of a model mean, of which there may be many.
    #[must_use]
    pub fn with_codes(mut self, model: &RepositoryModel) -> Self {
        let codes = model.attributes.iter().filter_map(|attribute| {
            let code_set = model.code_set(attribute.code_set.as_deref()?)?;
            let described = code_set
                .codes
                .iter()
                .filter_map(|code| Some((code.code.clone(), code.description.clone()?)));
            Some((attribute.id.clone(), described.collect()))
        });
        self.codes = codes.collect();
        self
    }

    /// What a member is called: its own name where it is no attribute that is known.
    pub fn name<'a>(&'a self, member: &'a str) -> &'a str {
        self.names.get(member).map_or(member, String::as_str)
    }

    /// The member that a text means: a field id or the name of a member as it stands, the name that
    /// `--names` shows, a name or a restricted name without regard to case. What nothing is known of
    /// stands for itself.
    ///
    /// # Errors
    ///
    /// Several attributes have this name.
    pub fn member(&self, text: &str) -> Result<String, AmbiguousName> {
        if self.names.contains_key(text) || self.others.iter().any(|other| other == text) {
            return Ok(text.to_owned());
        }
        let Some(ids) = self.by_name.get(&folded(text)) else { return Ok(text.to_owned()) };
        let given = ids.iter().find(|id| self.names.get(*id).is_some_and(|name| name == text));
        match (given, ids.as_slice()) {
            (Some(id), _) | (None, [id]) => Ok(id.clone()),
            (None, _) => Err(AmbiguousName { ids: ids.clone() }),
        }
    }

    /// Whether a text means any member that something is known of.
    pub fn knows(&self, text: &str) -> bool {
        self.names.contains_key(text)
            || self.others.iter().any(|other| other == text)
            || self.by_name.contains_key(&folded(text))
    }

    /// The attribute that a text means, as [`Naming::member`] has it; `None`: none, or several.
    pub(super) fn attribute(&self, text: &str) -> Option<String> {
        self.member(text).ok().filter(|id| self.names.contains_key(id))
    }

    /// What a code means as the value of a member, by [`Naming::with_codes`].
    pub fn description(&self, member: &str, code: &str) -> Option<&str> {
        self.codes.get(member)?.get(code).map(String::as_str)
    }
}

impl RepositoryModel {
    /// Gives each attribute its name. One that it had `before` it keeps as long as it is called the same,
    /// whatever attributes come to be called so, too; it is remembered for one that is gone, which may come
    /// back.
    pub fn give_names(&mut self, before: BTreeMap<String, String>) {
        let names = unique_names(called(self), &before, &[]);
        self.given_names =
            if before.len() < 2 * MOST_ATTRIBUTES { before } else { BTreeMap::new() };
        self.given_names.extend(names);
    }
}

/// What each attribute is called, by field id: its name, else its restricted name, else its field id.
fn called(model: &RepositoryModel) -> impl Iterator<Item = (&str, &str)> {
    model.attributes.iter().map(|attribute| {
        let name = attribute.name.as_ref().or(attribute.restricted_name.as_ref());
        (attribute.id.as_str(), name.map_or(attribute.id.as_str(), String::as_str))
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Attribute, Code, CodeSet};
    use super::*;

    fn model() -> RepositoryModel {
        let mut model = RepositoryModel::default();
        for (id, name, restricted) in [
            ("F_1", Some("Brand"), Some("Brand_Name")),
            ("F_2", Some("Size"), None),
            ("F_3", Some("size"), Some("Size_In")),
            ("F_4", None, Some("Weight")),
            ("F_5", None, None),
        ] {
            let [name, restricted_name] = [name, restricted].map(|it| it.map(str::to_owned));
            let code_set = (id == "F_1").then(|| "Brands".to_owned());
            model.add_attribute(Attribute { name, restricted_name, code_set, ..Attribute::of(id) });
        }
        let codes = vec![
            Code { code: "B".into(), description: Some("Bolt & Co".into()), parent: None },
            Code { code: "X".into(), ..Code::default() },
        ];
        model.add_code_set(CodeSet { name: "Brands".into(), codes });
        model
    }

    #[test]
    fn a_member_has_a_name_or_keeps_its_own() {
        let naming = Naming::of(&model(), &[]);
        assert_eq!(naming.name("F_1"), "Brand");
        assert_eq!(naming.name("F_4"), "Weight");
        assert_eq!(naming.name("F_5"), "F_5");
        assert_eq!(naming.name("itemId"), "itemId");
        let sizes = [naming.name("F_2"), naming.name("F_3")];
        assert!(sizes[0].starts_with("Size_") && sizes[1].starts_with("size_"), "{sizes:?}");
    }

    #[test]
    fn a_member_is_found_by_each_of_its_names() {
        let naming = Naming::of(&model(), &[]);
        for text in ["F_1", "Brand", "brand", "BRAND_NAME"] {
            assert_eq!(naming.member(text).as_deref(), Ok("F_1"), "{text}");
        }
        assert_eq!(naming.member("itemId").as_deref(), Ok("itemId"));
        assert_eq!(naming.member("size_in").as_deref(), Ok("F_3"));
        for (text, is_known) in [("F_5", true), ("SIZE", true), ("itemId", false), ("F_6", false)] {
            assert_eq!(naming.knows(text), is_known, "{text}");
        }
        assert_eq!(naming.member(naming.name("F_2")).as_deref(), Ok("F_2"));
        let ids = vec!["F_2".to_owned(), "F_3".to_owned()];
        assert_eq!(naming.member("SIZE"), Err(AmbiguousName { ids }));
    }

    #[test]
    fn a_name_that_was_given_out_stays_when_another_attribute_is_called_so() {
        let one =
            |id: &str, name: &str| Attribute { name: Some(name.to_owned()), ..Attribute::of(id) };
        let mut first = RepositoryModel::default();
        first.add_attribute(one("F_2", "Size"));
        first.give_names(BTreeMap::new());
        let mut grown = first.clone();
        grown.add_attribute(one("F_1", "size"));
        grown.give_names(first.given_names.clone());
        let naming = Naming::of(&grown, &["itemId"]);
        assert_eq!(naming.name("F_2"), "Size");
        assert!(naming.name("F_1").starts_with("size_"), "{}", naming.name("F_1"));
        // It is called so although it was gone for a while.
        let mut less = RepositoryModel::default();
        less.add_attribute(one("F_1", "size"));
        less.give_names(grown.given_names.clone());
        grown.give_names(less.given_names.clone());
        assert_eq!(Naming::of(&grown, &[]).name("F_2"), "Size");
        // As it is kept.
        let kept = serde_json::to_string(&grown).unwrap();
        assert_eq!(serde_json::from_str::<RepositoryModel>(&kept).unwrap(), grown);
    }

    #[test]
    fn a_code_means_something_where_its_attribute_has_a_code_set() {
        let naming = Naming::of(&model(), &[]).with_codes(&model());
        assert_eq!(naming.description("F_1", "B"), Some("Bolt & Co"));
        assert_eq!(naming.description("F_1", "X"), None);
        assert_eq!(naming.description("F_2", "B"), None);
    }
}
