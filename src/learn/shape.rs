//! The shape of JSON: of which types its values are and under which names, never what they say. Pure.
//!
//! A [`Shape`] is made while the text is parsed, so that no value is ever held. What it keeps is
//! numbers, and names out of a fixed list of generic words; every other name counts as
//! [`OTHER`], and a field id as [`FIELD_ID`]. So nothing of a customer's can be in it, whatever the
//! text was.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// What stands for a field id such as `F_1004613` (seen).
pub const FIELD_ID: &str = "F_#";
/// What stands for any name that is not a generic one.
pub const OTHER: &str = "*";

/// Values below this depth are counted, not looked into.
const DEEPEST: usize = 10;

/// Names that say nothing of whose server it is: the vendor's own and those of common frameworks.
const GENERIC: &[&str] = &[
    "_embedded",
    "_links",
    "associationGroup",
    "attributeId",
    "attributeList",
    "attributeName",
    "attributes",
    "canEdit",
    "canRead",
    "code",
    "codeSet",
    "codeSetId",
    "codeSetName",
    "codeSets",
    "codes",
    "content",
    "count",
    "Created",
    "data",
    "dataType",
    "Data_Last_Updated",
    "definitions",
    "description",
    "displayName",
    "epimresttoken",
    "error",
    "fieldId",
    "fields",
    "first",
    "group",
    "href",
    "id",
    "info",
    "InternalRecordId",
    "itemId",
    "itemList",
    "items",
    "label",
    "language",
    "languages",
    "last",
    "lastModified",
    "Last_Updated",
    "linkId",
    "links",
    "message",
    "modifiedOn",
    "name",
    "next",
    "number",
    "page",
    "pageSize",
    "parent",
    "parentId",
    "path",
    "paths",
    "permissions",
    "precision",
    "profile",
    "profileId",
    "relational",
    "repositories",
    "repositoryId",
    "repositoryName",
    "restrictedName",
    "result",
    "results",
    "returnTotal",
    "scale",
    "searchTotal",
    "self",
    "size",
    "Snapshot_Last_Updated",
    "status",
    "success",
    "swagger",
    "timestamp",
    "title",
    "token",
    "total",
    "totalElements",
    "totalPages",
    "type",
    "value",
    "values",
    "version",
];

/// How many values there were of each type, and the shapes of what they hold, elements and members of
/// the same name taken together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Shape {
    /// How many were `null`.
    #[serde(skip_serializing_if = "is_zero")]
    pub null: u64,
    /// How many were `true` or `false`.
    #[serde(skip_serializing_if = "is_zero")]
    pub boolean: u64,
    /// How many were whole numbers.
    #[serde(skip_serializing_if = "is_zero")]
    pub whole: u64,
    /// How many were other numbers.
    #[serde(skip_serializing_if = "is_zero")]
    pub fraction: u64,
    /// How many were strings.
    #[serde(skip_serializing_if = "is_zero")]
    pub text: u64,
    /// How many were lists.
    #[serde(skip_serializing_if = "is_zero")]
    pub list: u64,
    /// How many elements the longest of these lists has.
    #[serde(skip_serializing_if = "is_zero")]
    pub longest: u64,
    /// How many were objects.
    #[serde(skip_serializing_if = "is_zero")]
    pub object: u64,
    /// How many lay too deep to be looked into.
    #[serde(skip_serializing_if = "is_zero")]
    pub deeper: u64,
    /// The elements of the lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elements: Option<Box<Shape>>,
    /// The members of the objects.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub members: BTreeMap<MemberName, Shape>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A name out of the list, [`FIELD_ID`] or [`OTHER`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct MemberName(&'static str);

impl MemberName {
    /// What stands for a name.
    pub fn of(name: &str) -> Self {
        if let Some(known) = GENERIC.iter().find(|known| **known == name) {
            return Self(known);
        }
        let digits = name.strip_prefix("F_").unwrap_or_default();
        let is_field_id = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        Self(if is_field_id { FIELD_ID } else { OTHER })
    }
}

impl MemberName {
    /// The name itself.
    pub fn name(&self) -> &'static str {
        self.0
    }
}

impl<'de> Deserialize<'de> for MemberName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Ok(if name == FIELD_ID { Self(FIELD_ID) } else { Self::of(&name) })
    }
}

impl Shape {
    /// The shape of a text; `None` where it is not JSON.
    pub fn of(text: &[u8]) -> Option<Self> {
        let mut shape = Self::default();
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        ShapeSeed { shape: &mut shape, depth: 0 }.deserialize(&mut deserializer).ok()?;
        deserializer.end().ok()?;
        Some(shape)
    }
}

/// Adds one value to a shape.
struct ShapeSeed<'a> {
    shape: &'a mut Shape,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for ShapeSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.depth > DEEPEST {
            self.shape.deeper += 1;
            return deserializer.deserialize_ignored_any(IgnoredAny).map(drop);
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ShapeSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.shape.null += 1;
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.shape.boolean += 1;
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.shape.whole += 1;
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        self.shape.whole += 1;
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.shape.fraction += 1;
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        self.shape.text += 1;
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { shape, depth } = self;
        shape.list += 1;
        let mut elements = shape.elements.take().unwrap_or_default();
        let mut length = 0;
        while list
            .next_element_seed(ShapeSeed { shape: &mut elements, depth: depth + 1 })?
            .is_some()
        {
            length += 1;
        }
        shape.longest = shape.longest.max(length);
        shape.elements = (shape.longest > 0).then_some(elements);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Self { shape, depth } = self;
        shape.object += 1;
        while let Some(name) = members.next_key_seed(NameSeed)? {
            let shape = shape.members.entry(name).or_default();
            members.next_value_seed(ShapeSeed { shape, depth: depth + 1 })?;
        }
        Ok(())
    }
}

/// Reads a name without holding it.
struct NameSeed;

impl<'de> DeserializeSeed<'de> for NameSeed {
    type Value = MemberName;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<MemberName, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed {
    type Value = MemberName;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<MemberName, E> {
        Ok(MemberName::of(name))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_shape_counts_types_and_keeps_generic_names_alone() {
        let text = r#"{"status":0,"data":{"itemList":[{"itemId":1,"F_7":"a","F_8":null,"Price":1.5},
            {"itemId":2,"F_7":["x",true]}],"searchTotal":2}}"#;
        let shape = Shape::of(text.as_bytes()).unwrap();
        let told = serde_json::to_value(&shape).unwrap();
        let expected = serde_json::json!({"object": 1, "members": {
            "status": {"whole": 1},
            "data": {"object": 1, "members": {
                "searchTotal": {"whole": 1},
                "itemList": {"list": 1, "longest": 2, "elements": {"object": 2, "members": {
                    "*": {"fraction": 1},
                    "F_#": {"null": 1, "text": 1, "list": 1, "longest": 2,
                        "elements": {"boolean": 1, "text": 1}},
                    "itemId": {"whole": 2},
                }}},
            }},
        }});
        assert_eq!(told, expected);
        assert_eq!(serde_json::from_value::<Shape>(told).unwrap(), shape);
    }

    #[test]
    fn what_is_no_json_has_no_shape() {
        for text in ["", "{", "<html>", "{} {}", "nul"] {
            assert_eq!(Shape::of(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
        let shape = serde_json::to_string(&Shape::of(deep.as_bytes()).unwrap()).unwrap();
        assert!(shape.contains("deeper"), "{shape}");
        assert!(shape.len() < 1000, "{shape}");
    }

    /// JSON whose names and values all hold a mark.
    fn marked() -> impl Strategy<Value = Value> {
        let name = "[a-zA-Z_]{0,5}MARK[a-zA-Z0-9_]{0,5}";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            name.prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 60, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((name, inner), 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn nothing_of_a_text_is_in_its_shape(value in marked()) {
            let shape = Shape::of(value.to_string().as_bytes()).unwrap();
            prop_assert!(!serde_json::to_string(&shape).unwrap().contains("MARK"));
        }
    }
}
