//! How items are shown: with the names of their attributes, with chosen columns in their order, with
//! what codes mean. Pure.
//!
//! | file | does |
//! | --- | --- |
//! | `columns` | which members are shown, in which order and under which heads |
//! | `held` | a deletion that is held back, as a line |
//! | `naming` | what the members of a repository's items are called |
//!
//! Values are never written anew but where a code's meaning is asked for: numbers, escapes and spaces
//! are the server's.

pub mod columns;
pub mod held;
pub mod naming;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde_json::value::RawValue;

use self::columns::ChosenColumn;
use crate::json::members::{self, Member};
use crate::model::Naming;

/// How a value is shown that is a code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CodeStyle {
    /// As it is.
    #[default]
    Code,
    /// By its description.
    Description,
    /// As an object with both.
    Object,
    /// As a text with both.
    Text,
}

/// How items of one repository are shown.
#[derive(Debug, Default)]
pub struct Presentation {
    pub naming: Naming,
    /// Whether members are called by the names of their attributes.
    pub by_name: bool,
    pub codes: CodeStyle,
    /// `None`: all members in the order of the item.
    pub columns: Option<Vec<ChosenColumn>>,
}

/// A member as it is shown.
struct ShownMember<'a> {
    name: Cow<'a, str>,
    value: Cow<'a, str>,
}

impl Presentation {
    /// Whether items are shown as they came.
    pub fn is_plain(&self) -> bool {
        !self.by_name && self.codes == CodeStyle::Code && self.columns.is_none()
    }

    /// What a member is called.
    pub fn name<'a>(&'a self, member: &'a str) -> &'a str {
        if self.by_name { self.naming.name(member) } else { member }
    }

    /// An item as it is shown; as it came where it is no object. Columns that the item has are marked
    /// as seen.
    pub fn item<'a>(&self, body: &'a [u8]) -> Cow<'a, [u8]> {
        if self.is_plain() {
            return Cow::Borrowed(body);
        }
        let Ok(members) = members::of(body) else { return Cow::Borrowed(body) };
        let shown = match &self.columns {
            None => self.all(&members),
            Some(columns) => self.chosen(&members, columns),
        };
        Cow::Owned(written(&shown))
    }

    fn all<'a>(&'a self, members: &'a [Member<'a>]) -> Vec<ShownMember<'a>> {
        let names: HashSet<&str> = members.iter().map(|member| &*member.name).collect();
        let shown = members.iter().map(|member| {
            let given = self.name(&member.name);
            // A member that is no attribute may be called as an attribute is.
            let is_taken = given != &*member.name && names.contains(given);
            let name = Cow::Borrowed(if is_taken { &*member.name } else { given });
            ShownMember { name, value: self.value(&member.name, member.value) }
        });
        shown.collect()
    }

    fn chosen<'a>(
        &'a self,
        members: &'a [Member<'a>],
        columns: &'a [ChosenColumn],
    ) -> Vec<ShownMember<'a>> {
        // Of members with one name the last counts.
        let values: HashMap<&str, &RawValue> =
            members.iter().map(|member| (&*member.name, member.value)).collect();
        let shown = columns.iter().filter_map(|column| {
            let value = values.get(column.member.as_str())?;
            column.is_seen.set(true);
            let name = Cow::Borrowed(column.head.as_str());
            Some(ShownMember { name, value: self.value(&column.member, value) })
        });
        shown.collect()
    }

    fn value<'a>(&self, member: &str, value: &'a RawValue) -> Cow<'a, str> {
        if self.codes == CodeStyle::Code {
            return Cow::Borrowed(value.get());
        }
        if value.get().starts_with('[') {
            // A value for each of several.
            let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(value.get()) else {
                return Cow::Borrowed(value.get());
            };
            let each: Vec<_> = list.iter().map(|it| self.code(member, it)).collect();
            if each.iter().all(Option::is_none) {
                return Cow::Borrowed(value.get());
            }
            let texts = each.into_iter().zip(list);
            let texts: Vec<_> =
                texts.map(|(shown, it)| shown.unwrap_or_else(|| it.get().to_owned())).collect();
            return Cow::Owned(format!("[{}]", texts.join(",")));
        }
        self.code(member, value).map_or(Cow::Borrowed(value.get()), Cow::Owned)
    }

    /// A value that is a known code, as JSON.
    fn code(&self, member: &str, value: &RawValue) -> Option<String> {
        if value.get().starts_with(['{', '[']) {
            return None;
        }
        let code = members::text(value);
        let description = self.naming.description(member, &code)?;
        let text = |text: &str| serde_json::Value::from(text).to_string();
        Some(match self.codes {
            CodeStyle::Code => return None,
            CodeStyle::Description => text(description),
            CodeStyle::Object => {
                format!("{{\"code\":{},\"description\":{}}}", value.get(), text(description))
            }
            CodeStyle::Text => text(&format!("{code} ({description})")),
        })
    }
}

fn written(shown: &[ShownMember<'_>]) -> Vec<u8> {
    let mut body = vec![b'{'];
    for ShownMember { name, value } in shown {
        if body.len() > 1 {
            body.push(b',');
        }
        serde_json::to_writer(&mut body, name).expect("memory takes any text");
        body.push(b':');
        body.extend_from_slice(value.as_bytes());
    }
    body.push(b'}');
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{NameRows, RepositoryModel};

    fn presentation(columns: Option<&str>) -> Presentation {
        let rows = NameRows::read(
            br#"[{"id":"F_1","name":"Brand","code_set":"Brands"},{"id":"F_2","name":"Size"},
                 {"id":"F_3","name":"itemId"}]"#,
        );
        let mut model = RepositoryModel::default();
        rows.unwrap().apply(&mut model);
        model.take_codes_for_tests("Brands", &[("B", "Bolt \"&\" Co"), ("7", "Seven")]);
        let naming = Naming::of(&model, &["itemId"]).with_codes(&model);
        let columns = columns.map(|it| columns::parse(it, &naming, true).unwrap());
        Presentation { naming, by_name: true, codes: CodeStyle::Code, columns }
    }

    fn shown(presentation: &Presentation, item: &str) -> String {
        String::from_utf8(presentation.item(item.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn names_stand_in_the_place_of_field_ids_and_values_stay_as_they_came() {
        let item = r#"{ "itemId" : 7, "F_2":1.50 , "F_1":"\u0041\/" ,"x":[1, 2 ]}"#;
        let told = r#"{"itemId":7,"Size":1.50,"Brand":"\u0041\/","x":[1, 2 ]}"#;
        assert_eq!(shown(&presentation(None), item), told);
        // What another member is called is no name of an attribute.
        let told = shown(&presentation(None), r#"{"Size":1,"F_2":2}"#);
        assert_eq!(told, r#"{"Size":1,"F_2":2}"#);
        assert_eq!(shown(&presentation(None), "[1]"), "[1]");
    }

    #[test]
    fn columns_come_in_the_order_asked_for() {
        let presentation = presentation(Some("Size,itemId=id,x,Nothing"));
        let told = shown(&presentation, r#"{"itemId":7,"F_1":"B","x":null,"F_2":"S","x":1}"#);
        assert_eq!(told, r#"{"Size":"S","id":7,"x":1}"#);
        let seen: Vec<_> =
            presentation.columns.iter().flatten().map(|it| it.is_seen.get()).collect();
        assert_eq!(seen, [true, true, true, false]);
    }

    #[test]
    fn codes_are_shown_as_asked_and_what_is_none_as_it_came() {
        let item = r#"{"F_1":"B","F_2":"B"}"#;
        for (style, brand) in [
            (CodeStyle::Code, r#""B""#),
            (CodeStyle::Description, r#""Bolt \"&\" Co""#),
            (CodeStyle::Object, r#"{"code":"B","description":"Bolt \"&\" Co"}"#),
            (CodeStyle::Text, r#""B (Bolt \"&\" Co)""#),
        ] {
            let presentation = Presentation { codes: style, ..presentation(None) };
            let told = format!(r#"{{"Brand":{brand},"Size":"B"}}"#);
            assert_eq!(shown(&presentation, item), told);
        }
        let presentation = Presentation { codes: CodeStyle::Description, ..presentation(None) };
        let told = shown(&presentation, r#"{"F_1":["B", "?", 7, null]}"#);
        assert_eq!(told, r#"{"Brand":["Bolt \"&\" Co","?","Seven",null]}"#);
        for odd in ["null", "{\"B\":1}", "[]", "[1, 2]", "\"?\""] {
            let told = shown(&presentation, &format!("{{\"F_1\":{odd}}}"));
            assert_eq!(told, format!("{{\"Brand\":{odd}}}"));
        }
    }
}
