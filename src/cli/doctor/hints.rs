//! What might be better, though nothing is wrong: judged from one page of items and the model. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::domain::Item;
use crate::json::members;
use crate::model::RepositoryModel;

/// A page that takes longer than this is slow: five a second is what the daemon asks for at most.
const SLOW: Duration = Duration::from_secs(1);

/// The member of a search that names a preference (seen).
const PREFERENCE: &str = "userPreferenceId";

/// Something that might be better.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hint {
    pub(super) found: String,
    pub(super) remedy: &'static str,
}

/// What one page shows, and how long it took.
pub(super) struct ReadPage<'a> {
    pub(super) items: &'a [Item],
    pub(super) elapsed: Duration,
    /// What the configuration adds to the search.
    pub(super) search: &'a serde_json::Map<String, serde_json::Value>,
}

/// What might be better about a repository.
pub(super) fn hints(model: &RepositoryModel, page: &ReadPage<'_>) -> Vec<Hint> {
    let carried: BTreeSet<String> = page
        .items
        .iter()
        .filter_map(|item| members::of(&item.bytes).ok())
        .flat_map(|members| members.into_iter().map(|member| member.name.into_owned()))
        .collect();
    languages(model, &carried).into_iter().chain(preference(model, &carried, page)).collect()
}

/// Attributes come in several languages, and items carry those of some only.
fn languages(model: &RepositoryModel, carried: &BTreeSet<String>) -> Option<Hint> {
    let in_a_language = || {
        let known = model.attributes.iter();
        known.filter_map(|it| Some((it.language.as_deref().filter(|it| !it.is_empty())?, it)))
    };
    let all: BTreeSet<&str> = in_a_language().map(|(language, _)| language).collect();
    let there: BTreeSet<&str> = in_a_language()
        .filter(|(_, attribute)| carried.contains(&attribute.id))
        .map(|(language, _)| language)
        .collect();
    let lacking: Vec<&str> = all.difference(&there).copied().collect();
    // Where none is there, items carry no such attribute at all: that is another matter.
    if there.is_empty() || lacking.is_empty() {
        return None;
    }
    let there: Vec<&str> = there.into_iter().collect();
    let found = format!(
        "items carry attributes in {}, and the model has them in {} as well",
        there.join(", "),
        lacking.join(", ")
    );
    let remedy = "without a preference a server sends the session's language only: name one that \
                  selects the others, search = { userPreferenceId = ... }";
    Some(Hint { found, remedy })
}

/// Pages are slow, and items carry what is not in the snapshot table.
fn preference(
    model: &RepositoryModel,
    carried: &BTreeSet<String>,
    page: &ReadPage<'_>,
) -> Option<Hint> {
    if page.elapsed < SLOW || page.search.contains_key(PREFERENCE) {
        return None;
    }
    let outside = model.attributes.iter().filter(|it| it.relational == Some(false));
    let outside = outside.filter(|it| carried.contains(&it.id)).count();
    if outside == 0 {
        return None;
    }
    let found = format!(
        "a page took {} ms, and items carry {outside} attributes that are not in the snapshot table",
        page.elapsed.as_millis()
    );
    let remedy = "a preference that names attributes of the snapshot table only is read from that table \
                  and is much quicker: search = { userPreferenceId = ... }";
    Some(Hint { found, remedy })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ItemId;
    use crate::model::Attribute;

    fn model(attributes: &[(&str, Option<&str>, Option<bool>)]) -> RepositoryModel {
        let mut model = RepositoryModel::default();
        for (id, language, relational) in attributes {
            let language = language.map(str::to_owned);
            let relational = *relational;
            model.add_attribute(Attribute { language, relational, ..Attribute::of(*id) });
        }
        model
    }

    fn found(
        model: &RepositoryModel,
        body: &'static str,
        millis: u64,
        search: &str,
    ) -> Vec<String> {
        let items = [Item::new(ItemId::Integer(1), body.as_bytes().into())];
        let search = serde_json::from_str(search).unwrap();
        let elapsed = Duration::from_millis(millis);
        let page = ReadPage { items: &items, elapsed, search: &search };
        hints(model, &page).into_iter().map(|hint| hint.found).collect()
    }

    #[test]
    fn languages_that_items_lack_are_told_where_they_have_others() {
        let model = model(&[
            ("F_1", Some("en"), None),
            ("F_2", Some("de"), None),
            ("F_3", Some("fr"), None),
            ("F_4", None, None),
        ]);
        let said = ["items carry attributes in en, and the model has them in de, fr as well"];
        assert_eq!(found(&model, r#"{"F_1":1,"F_4":2}"#, 1, "{}"), said);
        assert_eq!(found(&model, r#"{"F_1":1,"F_2":null,"F_3":3}"#, 1, "{}"), [""; 0]);
        assert_eq!(found(&model, r#"{"F_4":2}"#, 1, "{}"), [""; 0]);
        assert_eq!(found(&RepositoryModel::default(), r#"{"F_1":1}"#, 1, "{}"), [""; 0]);
    }

    #[test]
    fn a_preference_is_proposed_where_pages_are_slow_and_carry_what_is_in_no_snapshot() {
        let model = model(&[("F_1", None, Some(false)), ("F_2", None, Some(true))]);
        let both = r#"{"F_1":1,"F_2":2}"#;
        assert_eq!(found(&model, both, 1500, "{}").len(), 1);
        assert_eq!(found(&model, both, 999, "{}"), [""; 0]);
        assert_eq!(found(&model, both, 1500, r#"{"userPreferenceId":7}"#), [""; 0]);
        assert_eq!(found(&model, r#"{"F_2":2}"#, 1500, "{}"), [""; 0]);
    }
}
