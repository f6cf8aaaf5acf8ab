//! Tests of [`same`], against a model that knows nothing of texts.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

/// A JSON value by its meaning.
#[derive(Clone, Debug, PartialEq)]
enum Json {
    Null,
    Bool(bool),
    /// A number that is no multiple of ten, or zero, and the power of ten that it counts.
    Number(i64, i32),
    Text(String),
    List(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

impl Json {
    fn number(mut mantissa: i64, mut power: i32) -> Self {
        while mantissa != 0 && mantissa % 10 == 0 {
            (mantissa, power) = (mantissa / 10, power + 1);
        }
        Self::Number(mantissa, if mantissa == 0 { 0 } else { power })
    }

    /// The value without what the paths name.
    fn without(&self, paths: &[Vec<String>]) -> Self {
        let inside = |name: &str, value: &Self| {
            let below: Vec<Vec<String>> = paths
                .iter()
                .filter(|path| path.first().is_some_and(|first| first == name))
                .map(|path| path.iter().skip(1).cloned().collect())
                .collect();
            let named = below.iter().any(Vec::is_empty);
            (!named).then(|| value.without(&below))
        };
        match self {
            Self::List(list) => Self::List(
                list.iter()
                    .enumerate()
                    .filter_map(|(place, value)| inside(&place.to_string(), value))
                    .collect(),
            ),
            Self::Object(object) => Self::Object(
                object
                    .iter()
                    .filter_map(|(name, value)| Some((name.clone(), inside(name, value)?)))
                    .collect(),
            ),
            other => other.clone(),
        }
    }
}

/// Writes a value in one of its many spellings.
fn spell(json: &Json, chance: &mut fastrand::Rng, text: &mut String) {
    space(chance, text);
    match json {
        Json::Null => text.push_str("null"),
        Json::Bool(value) => text.push_str(&value.to_string()),
        Json::Number(mantissa, power) => spell_number(*mantissa, *power, chance, text),
        Json::Text(value) => spell_text(value, chance, text),
        Json::List(list) => {
            text.push('[');
            for (index, value) in list.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { "," });
                spell(value, chance, text);
            }
            text.push(']');
        }
        Json::Object(object) => {
            let mut members: Vec<(&String, &Json)> = object.iter().collect();
            chance.shuffle(&mut members);
            // An earlier member of the same name means nothing.
            let idle = members.last().filter(|_| chance.u8(..4) == 0).map(|member| member.0);
            members.splice(0..0, idle.map(|name| (name, &Json::Null)));
            text.push('{');
            for (index, (name, value)) in members.into_iter().enumerate() {
                text.push_str(if index == 0 { "" } else { "," });
                space(chance, text);
                spell_text(name, chance, text);
                space(chance, text);
                text.push(':');
                spell(value, chance, text);
            }
            text.push('}');
        }
    }
    space(chance, text);
}

fn space(chance: &mut fastrand::Rng, text: &mut String) {
    text.push_str(["", "", "", " ", "\n\t"][chance.usize(..5)]);
}

fn spell_number(mantissa: i64, power: i32, chance: &mut fastrand::Rng, text: &mut String) {
    text.push_str(if mantissa < 0 || (mantissa == 0 && chance.bool()) { "-" } else { "" });
    let zeros = chance.usize(..4);
    let digits = format!("{}{}", mantissa.unsigned_abs(), "0".repeat(zeros));
    let power = i64::from(power) - i64::try_from(zeros).unwrap();
    let point = if mantissa == 0 { 1 } else { chance.usize(1..=digits.len()) };
    let (whole, fraction) = digits.split_at(point);
    let exponent = power + i64::try_from(fraction.len()).unwrap();
    text.push_str(whole);
    if !fraction.is_empty() || chance.bool() {
        write!(text, ".{fraction}0").unwrap();
    }
    if exponent != 0 || chance.bool() {
        let plus = if exponent >= 0 && chance.bool() { "+" } else { "" };
        write!(text, "{}{plus}{exponent}", if chance.bool() { 'e' } else { 'E' }).unwrap();
    }
}

fn spell_text(value: &str, chance: &mut fastrand::Rng, text: &mut String) {
    text.push('"');
    for character in value.chars() {
        if chance.bool() || matches!(character, '"' | '\\' | '\0'..='\x1f') {
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(text, "\\u{unit:04x}").unwrap();
            }
        } else {
            text.push(character);
        }
    }
    text.push('"');
}

fn spelled(json: &Json, seed: u64) -> Vec<u8> {
    let mut text = String::new();
    spell(json, &mut fastrand::Rng::with_seed(seed), &mut text);
    text.into_bytes()
}

fn any_name() -> impl Strategy<Value = String> {
    prop_oneof!["[ab]", "[01]", Just("é\"/~".to_owned())]
}

/// Values of a small world, so that two of them are equal now and then.
fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        (-2_i64..12, -2..3).prop_map(|(mantissa, power)| Json::number(mantissa, power)),
        (any::<i64>(), any::<i32>())
            .prop_map(|(mantissa, power)| Json::number(mantissa, power / 2)),
        "[a\"\\\\\u{1}é😀]{0,2}".prop_map(Json::Text),
    ];
    leaf.prop_recursive(3, 20, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Json::List),
            prop::collection::btree_map(any_name(), inner, 0..4).prop_map(Json::Object),
        ]
    })
}

fn any_paths() -> impl Strategy<Value = Vec<Vec<String>>> {
    prop::collection::vec(prop::collection::vec(any_name(), 1..3), 0..3)
}

fn pointers(paths: &[Vec<String>]) -> Vec<JsonPointer> {
    let escaped = |name: &String| name.replace('~', "~0").replace('/', "~1");
    let pointer = |path: &Vec<String>| {
        let names: Vec<String> = path.iter().map(escaped).collect();
        format!("/{}", names.join("/")).parse().unwrap()
    };
    paths.iter().map(pointer).collect()
}

#[test]
fn a_form_is_sorted_without_space_and_exact() {
    let cases = [
        (r#" { "b" : [ 1.50, -0.0, 100 ] , "a" : null , "b" : [ ] } "#, r#"{"a":null,"b":[]}"#),
        (
            "[150.0, -0.5, 0.001E3, -0, 1e400, 12345678901234567890123]",
            "[15e1,-5e-1,1,0,1e400,12345678901234567890123]",
        ),
        (
            r#""\u0041\u00e9\/\u001F\u007f\t\u0008\ud83d\ude00\udead""#,
            "\"Aé/\\u001f\u{7f}\\t\\b😀\\udead\"",
        ),
        (r#"{"\ue000":1,"😀":2,"\ud800":3}"#, "{\"\\ud800\":3,\"\u{e000}\":1,\"😀\":2}"),
        (
            "[1e170141183460469231731687303715884105728]",
            "[1e170141183460469231731687303715884105728]",
        ),
        ("{", "{"),
    ];
    for (text, expected) in cases {
        assert_eq!(String::from_utf8_lossy(&form(text.as_bytes())), expected, "{text}");
    }
    let deep = "[".repeat(DEEPEST) + " " + &"]".repeat(DEEPEST);
    assert_eq!(form(deep.as_bytes()), deep.replace(' ', "").as_bytes());
    let deeper = format!("[{deep}]");
    assert_eq!(form(deeper.as_bytes()), deeper.as_bytes(), "it is its own form");
}

proptest! {
    #[test]
    fn texts_are_the_same_exactly_if_their_values_are_equal(
        a in any_json(), b in any_json(), seeds: [u64; 2],
    ) {
        let (left, right) = (spelled(&a, seeds[0]), spelled(&b, seeds[1]));
        prop_assert_eq!(same(&left, &right, &[]), a == b);
    }

    #[test]
    fn forms_are_equal_exactly_if_the_values_are_and_are_forms_themselves(
        a in any_json(), b in any_json(), seeds: [u64; 3],
    ) {
        let (left, right) = (spelled(&a, seeds[0]), spelled(&b, seeds[1]));
        prop_assert_eq!(form(&left) == form(&right), a == b);
        let again = spelled(&a, seeds[2]);
        prop_assert_eq!(form(&left), form(&again));
        let once = form(&left);
        prop_assert_eq!(&form(&once), &once);
        prop_assert!(same(&form(&left), &left, &[]));
    }

    #[test]
    fn no_spelling_matters(json in any_json(), seeds: [u64; 2]) {
        let (left, right) = (spelled(&json, seeds[0]), spelled(&json, seeds[1]));
        prop_assert!(
            same(&left, &right, &[]),
            "{}\n{}", String::from_utf8_lossy(&left), String::from_utf8_lossy(&right)
        );
    }

    #[test]
    fn what_is_ignored_is_left_out_at_any_depth_and_nothing_else_is(
        a in any_json(), b in any_json(), paths in any_paths(), seeds: [u64; 2],
    ) {
        let (left, right) = (spelled(&a, seeds[0]), spelled(&b, seeds[1]));
        let equal = a.without(&paths) == b.without(&paths);
        // Where the bytes are the same, so is everything.
        prop_assert_eq!(same(&left, &right, &pointers(&paths)), equal);
    }

    #[test]
    fn one_member_that_is_changed_counts_unless_it_is_ignored(
        rest in prop::collection::btree_map("[c-f]", any_json(), 0..4),
        values in (any_json(), any_json()),
        ignored: bool,
        seeds: [u64; 2],
    ) {
        let with = |value: &Json| {
            let inner = Json::Object(BTreeMap::from([("b".to_owned(), value.clone())]));
            let mut object = rest.clone();
            object.insert("a".to_owned(), inner);
            Json::Object(object)
        };
        let (left, right) = (with(&values.0), with(&values.1));
        let ignore = if ignored { pointers(&[vec!["a".into(), "b".into()]]) } else { Vec::new() };
        prop_assert_eq!(
            same(&spelled(&left, seeds[0]), &spelled(&right, seeds[1]), &ignore),
            ignored || values.0 == values.1
        );
    }

    #[test]
    fn no_bytes_make_it_panic(
        a in prop::collection::vec(any::<u8>(), 0..50),
        b in r#"[\[\]{}",:0-9eE.+\\u-]{0,30}"#,
    ) {
        same(&a, b.as_bytes(), &[]);
        same(b.as_bytes(), format!("{b} ").as_bytes(), &pointers(&[vec!["0".into()]]));
    }
}

fn equal(a: &str, b: &str) -> bool {
    assert_eq!(same(a.as_bytes(), b.as_bytes(), &[]), same(b.as_bytes(), a.as_bytes(), &[]));
    same(a.as_bytes(), b.as_bytes(), &[])
}

#[test]
fn numbers_are_compared_exactly() {
    assert!(equal("[1]", "[1.0]"));
    assert!(equal("[1]", "[10e-1]"));
    assert!(equal("[0]", "[-0.00e7]"));
    assert!(equal("[0.0120]", "[12e-3]"));
    assert!(equal("[0]", "[0e99999999999999999999999999999999999999999999]"));
    assert!(equal("[1e1000000000000]", "[10E+999999999999]"));
    assert!(!equal("[9007199254740993]", "[9007199254740992]"));
    assert!(!equal("[0.1]", "[0.10000000000000001]"));
    assert!(!equal("[1]", "[-1]"));
    assert!(!equal("[1]", "[\"1\"]"));
    assert!(!equal("[1e99999999999999999999999999999999999999999999]", "[1e9]"));
}

#[test]
fn half_a_surrogate_pair_is_a_character_like_any() {
    assert!(equal(r#"{"a":"\ud800","b":1}"#, r#"{"b":1,"a":"\uD800"}"#));
    assert!(!equal(r#"{"a":"\ud800"}"#, r#"{"a":"\ud801"}"#));
}

#[test]
fn of_members_with_one_name_the_last_counts() {
    assert!(equal(r#"{"a":1,"a":2}"#, r#"{"a":2}"#));
    assert!(!equal(r#"{"a":1,"a":2}"#, r#"{"a":1}"#));
    assert!(equal(r#"{"a":1,"b":0,"\u0061":2}"#, r#"{"b":0,"a":2}"#));
}

#[test]
fn a_comparison_has_an_end_whatever_it_compares() {
    // 127 levels around a megabyte: 127 readings of it would tell that these are the same.
    let wrapped = |inside: &str| format!("{}{inside}{}", "[ ".repeat(127), "]".repeat(127));
    let text = "x".repeat(1 << 20);
    assert!(!equal(&wrapped(&format!("\"{text}y\"")), &wrapped(&format!("\"{text}\\u0079\""))));
    // So would half a million members.
    let members =
        |space: &str| format!("{{{}\"b\":1}}", format!("\"a\":{space}1,").repeat(300_000));
    assert!(!equal(&members(""), &members(" ")));
    // What an item may be is compared whole.
    let members =
        |space: &str| format!("{{{}\"b\":1}}", format!("\"a\":{space}1,").repeat(100_000));
    assert!(equal(&members(""), &members(" ")));
    let small = "x".repeat(200);
    assert!(equal(&wrapped(&format!("\"{small}y\"")), &wrapped(&format!("\"{small}\\u0079\""))));
}

#[test]
fn whole_numbers_are_whole_however_they_are_written() {
    for (number, whole) in [
        ("50", Some(50)),
        ("50.0", Some(50)),
        ("5E1", Some(50)),
        ("-5e+1", Some(-50)),
        ("500e-1", Some(50)),
        ("-0.0e9", Some(0)),
        ("0e99999999999999999999999999999999999999999", Some(0)),
        ("0.5", None),
        ("5e-1", None),
        ("1e39", None),
        ("170141183460469231731687303715884105727.0", Some(i128::MAX)),
        ("170141183460469231731687303715884105728", None),
    ] {
        assert_eq!(integer(number), whole, "{number}");
    }
}

#[test]
fn what_is_broken_or_too_deep_is_the_same_as_its_own_bytes_only() {
    assert!(equal(r#"{"a":"#, r#"{"a":"#));
    assert!(!equal(r#"{"a":"#, r#"{"a": "#));
    assert!(!equal("1", "1 1"));
    let nested = |levels: usize, inside: &str| {
        format!("{}{inside}{}", "[".repeat(levels), "]".repeat(levels))
    };
    assert!(equal(&nested(100, "1"), &nested(100, "1.0")));
    let deep = nested(1_000_000, "1");
    assert!(equal(&deep, &deep));
    assert!(equal(&deep, &format!("{deep} ")));
    assert!(!equal(&deep, &nested(1_000_000, "1.0")));
}
