//! From a field id to its name and back, and from a code to its description. Pure.

use std::collections::{BTreeMap, HashMap};

use super::repository_model::RepositoryModel;
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
    /// Of field ids whose values are codes: what each code means.
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
    /// The names of a model. No attribute is given one of `taken`, which are members that are no
    /// attributes.
    pub fn of(model: &RepositoryModel, taken: &[&str]) -> Self {
        let called = model.attributes.iter().map(|attribute| {
            let name = attribute.name.as_ref().or(attribute.restricted_name.as_ref());
            (attribute.id.as_str(), name.map_or(attribute.id.as_str(), String::as_str))
        });
        let names = unique_names(called, &BTreeMap::new(), taken);
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
        let codes = model.attributes.iter().filter_map(|attribute| {
            let code_set = model.code_set(attribute.code_set.as_deref()?)?;
            let described = code_set
                .codes
                .iter()
                .filter_map(|code| Some((code.code.clone(), code.description.clone()?)));
            Some((attribute.id.clone(), described.collect()))
        });
        let others = taken.iter().map(|member| (*member).to_owned()).collect();
        Self { codes: codes.collect(), names, by_name, others }
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

    /// What a code means as the value of a member.
    pub fn description(&self, member: &str, code: &str) -> Option<&str> {
        self.codes.get(member)?.get(code).map(String::as_str)
    }
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
        assert_eq!(naming.member(naming.name("F_2")).as_deref(), Ok("F_2"));
        let ids = vec!["F_2".to_owned(), "F_3".to_owned()];
        assert_eq!(naming.member("SIZE"), Err(AmbiguousName { ids }));
    }

    #[test]
    fn a_code_means_something_where_its_attribute_has_a_code_set() {
        let naming = Naming::of(&model(), &[]);
        assert_eq!(naming.description("F_1", "B"), Some("Bolt & Co"));
        assert_eq!(naming.description("F_1", "X"), None);
        assert_eq!(naming.description("F_2", "B"), None);
    }
}
