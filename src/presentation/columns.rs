//! `--columns A,B,C=ALIAS`: which members are shown, in which order and under which heads. Pure.

use std::cell::Cell;
use std::collections::HashSet;

use crate::model::Naming;

/// A member that is to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChosenColumn {
    /// Its name in an item.
    pub member: String,
    /// What it is called where it is shown.
    pub head: String,
    /// As it was asked for.
    pub asked: String,
    /// Whether any item has it.
    pub is_seen: Cell<bool>,
}

/// Reads the flag: names, restricted names or field ids with commas between, in double quotes where a
/// name holds a comma; `by_name` says what a column without an alias is called.
pub fn parse(text: &str, naming: &Naming, by_name: bool) -> Result<Vec<ChosenColumn>, String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    let mut record = csv::StringRecord::new();
    let is_read =
        reader.read_record(&mut record).map_err(|_| "--columns cannot be read".to_owned())?;
    if !is_read || reader.read_record(&mut csv::StringRecord::new()).unwrap_or(true) {
        return Err("--columns takes one line of names with commas between".to_owned());
    }
    let mut heads = HashSet::new();
    let mut columns = Vec::new();
    for asked in &record {
        if asked.is_empty() {
            return Err("--columns has an empty name".to_owned());
        }
        let (name, alias) = split(asked, naming);
        let member =
            naming.member(name).map_err(|error| format!("--columns: \"{name}\" {error}"))?;
        let given = if by_name { naming.name(&member) } else { &member };
        let head = alias.unwrap_or(given).to_owned();
        if !heads.insert(head.clone()) {
            return Err(format!(
                "--columns: two columns would be called \"{head}\": give one an alias, NAME=ALIAS"
            ));
        }
        columns.push(ChosenColumn {
            member,
            head,
            asked: name.to_owned(),
            is_seen: Cell::new(false),
        });
    }
    Ok(columns)
}

/// A name and its alias. A name may have an equals sign in it.
fn split<'a>(asked: &'a str, naming: &Naming) -> (&'a str, Option<&'a str>) {
    let is_known = naming.member(asked).map_or(true, |member| member != asked);
    match asked.rsplit_once('=') {
        Some((name, alias)) if !is_known && !name.is_empty() && !alias.is_empty() => {
            (name, Some(alias))
        }
        _ => (asked, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{NameRows, RepositoryModel};

    fn parsed(text: &str, by_name: bool) -> Result<Vec<(String, String)>, String> {
        let rows = b"id,name,restricted_name\nF_1,Brand,Brand_Name\nF_2,a=b,\nF_3,Size,\n\
                     F_4,size,\nF_5,\"Length, cm\",\n";
        let mut model = RepositoryModel::default();
        NameRows::read(rows).unwrap().apply(&mut model);
        let columns = parse(text, &Naming::of(&model, &[]), by_name)?;
        Ok(columns.into_iter().map(|it| (it.member, it.head)).collect())
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    #[test]
    fn a_column_is_named_in_any_way_and_renamed() {
        let told = parsed("brand_name,F_1=Marke,itemId=id,a=b,a=b=c", true);
        let expected =
            [("F_1", "Brand"), ("F_1", "Marke"), ("itemId", "id"), ("F_2", "a=b"), ("F_2", "c")];
        assert_eq!(told, Ok(pairs(&expected)));
        let by_id = parsed("Brand,\"Length, cm\"", false);
        assert_eq!(by_id, Ok(pairs(&[("F_1", "F_1"), ("F_5", "F_5")])));
    }

    #[test]
    fn what_is_not_clear_is_refused() {
        // Their names end in hashes, since they differ in case only.
        for word in ["Size", "size", "SIZE"] {
            let told = parsed(word, true).unwrap_err();
            assert!(told.ends_with("take a field id, one of F_3, F_4"), "{told}");
        }
        for wrong in ["", "a,,b", "F_1,Brand", "x=y,z=y", "a\nb"] {
            assert!(parsed(wrong, true).is_err(), "{wrong:?}");
        }
    }
}
