//! Names that are never ambiguous. Pure.
//!
//! A name stays as it is where it can. One that several attributes have, perhaps in another case, that
//! is longer than a database takes, that is a word of SQL or the name of another member ends in an
//! underscore and a hash of its field id. Guarantees: no two names are equal without regard to case,
//! whatever the attributes are called; and a name that was given out before is given out again as long
//! as its attribute is called the same, whatever attributes have come or gone.

use std::collections::{BTreeMap, HashMap, HashSet};

use xxhash_rust::xxh3::xxh3_64;

/// The longest name in bytes (PostgreSQL).
pub(super) const LONGEST_NAME: usize = 63;
/// So many digits of the hash are enough to tell a dozen attributes of one name apart.
const SHORT: usize = 8;

/// Gives each attribute a name: `wanted` are the field id of each and what it is called, `before` the
/// names that were given out the last time, `taken` what no name may be.
pub fn unique_names<'a>(
    wanted: impl IntoIterator<Item = (&'a str, &'a str)>,
    before: &BTreeMap<String, String>,
    taken: &[&str],
) -> BTreeMap<String, String> {
    let wanted: BTreeMap<&str, &str> = wanted.into_iter().collect();
    let mut used: HashSet<String> = taken.iter().map(|name| folded(name)).collect();
    // A field id is the name of whatever has no other, and of no other attribute.
    let ids: HashMap<String, &str> = wanted.keys().map(|id| (folded(id), *id)).collect();
    let mut names = BTreeMap::new();
    for (id, called) in &wanted {
        let forms = [plain(called), Some(hashed(called, id, SHORT))];
        if let Some(name) = before.get(*id)
            && forms.iter().flatten().any(|form| form == name)
            && !is_other(&ids, name, id)
            && used.insert(folded(name))
        {
            names.insert((*id).to_owned(), name.clone());
        }
    }
    let mut count: HashMap<String, usize> = HashMap::new();
    for (_, called) in wanted.iter().filter(|(id, _)| !names.contains_key(**id)) {
        *count.entry(folded(called)).or_default() += 1;
    }
    for (id, called) in wanted {
        if names.contains_key(id) {
            continue;
        }
        let is_alone = count.get(&folded(called)) == Some(&1);
        let name = plain(called)
            .filter(|name| is_alone && !is_other(&ids, name, id) && used.insert(folded(name)))
            .unwrap_or_else(|| with_hash(called, id, &ids, &mut used));
        names.insert(id.to_owned(), name);
    }
    names
}

/// The name with as much of a hash behind it as makes it another than all that are used.
fn with_hash(
    called: &str,
    id: &str,
    ids: &HashMap<String, &str>,
    used: &mut HashSet<String>,
) -> String {
    let mut salt = id.to_owned();
    loop {
        for digits in [SHORT, 2 * SHORT] {
            let name = hashed(called, &salt, digits);
            if !is_other(ids, &name, id) && used.insert(folded(&name)) {
                return name;
            }
        }
        // Names that somebody has made up to look so.
        salt.push('+');
    }
}

/// Whether a name is the field id of another attribute.
fn is_other(ids: &HashMap<String, &str>, name: &str, id: &str) -> bool {
    ids.get(&folded(name)).is_some_and(|other| *other != id)
}

/// The name as it is, where that can be a name.
fn plain(called: &str) -> Option<String> {
    let fits = !called.is_empty() && called.len() <= LONGEST_NAME;
    (fits && !is_word_of_sql(called)).then(|| called.to_owned())
}

fn hashed(called: &str, id: &str, digits: usize) -> String {
    let hash = format!("{:016x}", xxh3_64(id.as_bytes()));
    let hash = hash.get(..digits).unwrap_or(&hash);
    let room = LONGEST_NAME - 1 - hash.len();
    let end = (0..=room.min(called.len())).rev().find(|end| called.is_char_boundary(*end));
    let called = called.get(..end.unwrap_or_default()).unwrap_or_default();
    format!("{called}_{hash}")
}

/// A name without regard to case, as widely as any database has it.
pub(super) fn folded(name: &str) -> String {
    // With a thousand repositories that is asked a million times.
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    name.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

fn is_word_of_sql(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    WORDS_OF_SQL.binary_search(&lower.as_str()).is_ok()
}

/// What cannot be a name in PostgreSQL or SQLite without quotes, in the order of the alphabet.
const WORDS_OF_SQL: [&str; 139] = [
    "add",
    "all",
    "alter",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "autoincrement",
    "begin",
    "between",
    "binary",
    "both",
    "by",
    "case",
    "cast",
    "check",
    "collate",
    "collation",
    "column",
    "commit",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "deferrable",
    "delete",
    "desc",
    "distinct",
    "do",
    "drop",
    "else",
    "end",
    "escape",
    "except",
    "exists",
    "explain",
    "false",
    "fetch",
    "filter",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "glob",
    "grant",
    "group",
    "having",
    "if",
    "ilike",
    "in",
    "index",
    "indexed",
    "initially",
    "inner",
    "insert",
    "intersect",
    "into",
    "is",
    "isnull",
    "join",
    "lateral",
    "leading",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "match",
    "natural",
    "not",
    "nothing",
    "notnull",
    "null",
    "of",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "outer",
    "over",
    "overlaps",
    "placing",
    "pragma",
    "primary",
    "raise",
    "references",
    "regexp",
    "reindex",
    "rename",
    "replace",
    "returning",
    "right",
    "rollback",
    "row",
    "savepoint",
    "select",
    "session_user",
    "set",
    "similar",
    "some",
    "symmetric",
    "system_user",
    "table",
    "tablesample",
    "then",
    "to",
    "trailing",
    "transaction",
    "trigger",
    "true",
    "union",
    "unique",
    "update",
    "user",
    "using",
    "vacuum",
    "values",
    "variadic",
    "verbose",
    "view",
    "when",
    "where",
    "with",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn named(wanted: &[(&str, &str)]) -> Vec<String> {
        unique_names(wanted.iter().copied(), &BTreeMap::new(), &["itemId"]).into_values().collect()
    }

    #[test]
    fn a_name_that_is_one_attributes_alone_stays_as_it_is() {
        let names = named(&[("F_1", "Brand"), ("F_2", "Größe (mm)"), ("F_3", "F_3")]);
        assert_eq!(names, ["Brand", "Größe (mm)", "F_3"]);
    }

    #[test]
    fn what_could_be_taken_for_another_ends_in_a_hash() {
        let long = "ä".repeat(40);
        let wanted = [
            ("F_1", "Brand"),
            ("F_2", "Brand"),
            ("F_3", "BRAND"),
            ("F_4", "Order"),
            ("F_5", long.as_str()),
            ("F_6", "F_7"),
            ("F_7", "x"),
            ("F_8", "ItemID"),
            ("F_9", ""),
        ];
        let names = named(&wanted);
        assert_eq!(names[6], "x");
        for (index, name) in names.iter().enumerate().filter(|(index, _)| *index != 6) {
            let (start, hash) = name.rsplit_once('_').unwrap();
            assert!(wanted[index].1.starts_with(start), "{name}");
            assert_eq!(hash.len(), SHORT, "{name}");
            assert!(name.len() <= LONGEST_NAME, "{name}");
        }
    }

    #[test]
    fn a_name_is_folded_as_widely_whatever_it_is_written_with() {
        for (name, to) in [("BRAND_9", "brand_9"), ("ſIZE", "size"), ("Straße", "strasse")] {
            assert_eq!(folded(name), to);
        }
        for byte in 0..128_u8 {
            let name = char::from(byte).to_string();
            let other = format!("{name}ß");
            assert_eq!(format!("{}ss", folded(&name)), folded(&other));
        }
    }

    #[test]
    fn the_words_of_sql_can_be_looked_up() {
        assert!(WORDS_OF_SQL.is_sorted());
        assert!(is_word_of_sql("SELECT") && !is_word_of_sql("name"));
    }

    fn attributes() -> impl Strategy<Value = BTreeMap<String, String>> {
        let name = prop_oneof![
            "[aAbB]{0,2}",
            "[a-c]{60,66}",
            Just("Order".to_owned()),
            "F_[0-9]",
            "[aA]_[0-9a-f]{8}",
            "[äÄßſKk]{1,3}"
        ];
        prop::collection::btree_map("F_[0-9]{1,2}", name, 0..40)
    }

    fn pairs(map: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
        map.iter().map(|(id, name)| (id.as_str(), name.as_str()))
    }

    proptest! {
        #[test]
        fn no_two_names_are_the_same_and_none_changes_when_the_model_grows(
            first in attributes(), more in attributes(),
        ) {
            let before = unique_names(pairs(&first), &BTreeMap::new(), &["itemId"]);
            let mut grown = more.clone();
            grown.extend(first.clone());
            let after = unique_names(pairs(&grown), &before, &["itemId"]);
            for (wanted, names) in [(&first, &before), (&grown, &after)] {
                prop_assert_eq!(wanted.len(), names.len());
                let distinct: HashSet<String> = names.values().map(|name| folded(name)).collect();
                prop_assert_eq!(distinct.len(), names.len());
                for (id, name) in names {
                    prop_assert!(!name.is_empty() && name.len() <= LONGEST_NAME);
                    prop_assert!(!is_word_of_sql(name));
                    let other = wanted.keys().any(|it| it != id && it.eq_ignore_ascii_case(name));
                    prop_assert!(!other, "{} is called {}", id, name);
                }
            }
            // Where a field id is new that a name was, it takes the name back.
            for (id, name) in &before {
                let is_id_now = grown.keys().any(|it| it != id && folded(it) == folded(name));
                if !is_id_now {
                    prop_assert_eq!(after.get(id), Some(name));
                }
            }
        }
    }
}
