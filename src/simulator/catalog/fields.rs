//! The attributes of an item: label, and where its values come from.
//!
//! Values given as JSON are written exactly as they stand here, odd spellings and escapes
//! included, because a copy must be exact to the byte.

use fastrand::Rng;

use super::phrases;

/// The number in the first field id. The vendor's ids look alike: `F_1004613` (seen).
pub(super) const FIRST_FIELD_ID: u64 = 1_004_600;

/// One attribute.
#[derive(Debug)]
pub(crate) struct CatalogField {
    /// What people call it.
    pub(crate) label: &'static str,
    /// Where its values come from.
    pub(super) values: Values,
}

/// Where an attribute's values come from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Values {
    /// JSON, as it stands.
    Json(&'static [&'static str]),
    /// Two of these sentences at a time.
    Sentences(&'static [&'static str]),
    /// Made up; the function returns JSON.
    Made(fn(&mut Rng) -> String),
}

use Values::{Json, Made, Sentences};

const fn field(label: &'static str, values: Values) -> CatalogField {
    CatalogField { label, values }
}

/// The attributes beside the two that are written per item.
pub(crate) const FIELDS: [CatalogField; 38] = [
    field("Description (de)", Sentences(phrases::GERMAN)),
    field("Description (en)", Sentences(phrases::ENGLISH)),
    field("Description (fr)", Sentences(phrases::FRENCH)),
    field("Description (el)", Sentences(phrases::GREEK)),
    field("Description (ru)", Sentences(phrases::RUSSIAN)),
    field("Description (he)", Sentences(phrases::HEBREW)),
    field("Description (ar)", Sentences(phrases::ARABIC)),
    field("Description (zh)", Sentences(phrases::CHINESE)),
    field("Description (ja)", Sentences(phrases::JAPANESE)),
    field("Description (hi)", Sentences(phrases::HINDI)),
    field("Slogan", Json(phrases::EMOJI)),
    field("Designer", Json(phrases::COMBINING)),
    field("Note", Json(phrases::ESCAPED)),
    field("Pack size", Json(&[r#""35""#, r#""36""#, r#""1""#, r#""100""#, r#""""#])),
    field("GTIN", Made(|rng| format!("\"{:013}\"", rng.u64(..10_000_000_000_000)))),
    field("Net price", Made(|rng| format!("{}.{:02}", rng.u32(..5000), rng.u32(..100)))),
    field("Weight", Made(|rng| format!("{}.{}", rng.u32(..40), rng.u32(1..1000)))),
    field("Stock", Made(|rng| rng.i64(-5..100_000).to_string())),
    field(
        "Counter",
        Json(&["9223372036854775807", "-9223372036854775808", "0", "-1", "18446744073709551615"]),
    ),
    field(
        "Serial number",
        Json(&["9007199254740991", "9007199254740992", "9007199254740993", "-9007199254740993"]),
    ),
    field("Range", Json(&["1e308", "-1e308", "1.7976931348623157e308", "1E+2", "1e2", "100"])),
    field("Tolerance", Json(&["5e-324", "2.2250738585072014e-308", "1e-7", "0.0000001"])),
    field("Share", Json(&["0.1", "0.2", "0.30000000000000004", "1.10", "1.1"])),
    field("Deviation", Json(&["-0.0", "0.0", "0", "-273.15"])),
    field("Mass of the sun", Json(&["1988400000000000000000000000000", "1.9884e30", "null"])),
    field("Available", Json(&["true", "false", "null"])),
    field("Hazardous", Json(&["false", "true"])),
    field("Discontinued", Json(&["null", "false", "\"\"", "\"false\""])),
    field("Colours", Json(&[r#"["rot","blå","жёлтый"]"#, "[]", r#"["黒"]"#, "[null]"])),
    field(
        "Dimensions",
        Json(&[
            r#"{"length":120,"width":8.5,"unit":"mm"}"#,
            r#"{"unit":"mm","length":120,"width":8.50}"#,
            "{}",
            r#"{"length":null}"#,
        ]),
    ),
    field(
        "Variants",
        Json(&[
            r#"[{"sku":"A-1","price":1.5},{"sku":"A-2","price":[1,[2,[3,[4]]]]}]"#,
            r#"[{"sku":"A-1","price":1.5}]"#,
            "[[],{},[[]],null]",
            r#"{"a":{"b":{"c":{"d":{"e":"deep"}}}}}"#,
        ]),
    ),
    field(
        "Category",
        Json(&[
            r#""Werkzeug > Bohren > Akku""#,
            r#""Tools\/Drills\/Cordless""#,
            r#""Инструменты \u2192 Дрели""#,
        ]),
    ),
    field(
        "Web page",
        Json(&[
            r#""https:\/\/example.com\/p?id=1&lang=de#top""#,
            r#""https://example.com/größe/%C3%9F""#,
            "null",
        ]),
    ),
    field("Brand", Json(&[r#""Müller & Söhne""#, r#""O'Neill""#, r#""Łódź <AG>""#, r#""阿尔法""#])),
    field("Country", Json(&[r#""DE""#, r#""GR""#, r#""JP""#, r#""IL""#, "null"])),
    field("Valid from", Json(&[r#""2024-02-29""#, r#""1969-12-31T23:59:59.999-01:00""#, r#""""#])),
    field("Tax rate", Json(&["19", "7", "19.0", "\"19\"", "0"])),
    field("Length as text", Json(&[r#""007""#, r#""1e5""#, r#""NaN""#, r#"" 35 ""#, r#""-""#])),
];
