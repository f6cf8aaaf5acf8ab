//! What derives from a table of keys, be it this one or another.

use super::*;
use crate::config::{numbers, words};
use crate::settings::codec::InvalidValue;
use crate::settings::document::Document;
use crate::settings::merge::merge;
use crate::settings::parser::{ParseResult, Parser};
use crate::settings::section::{ConfigSection, differ, section, shown_field};

fn hint_in(name: &str, wrong: &str) -> String {
    SCHEMA.hint_for_key(SCHEMA.section(name).unwrap(), wrong)
}

#[test]
fn a_misspelt_key_finds_the_one_that_was_meant() {
    assert_eq!(hint_in("paging", "Page_Size"), "did you mean page_size?");
    assert_eq!(hint_in("paging", "pagesize"), "did you mean page_size?");
    assert_eq!(hint_in("log", "page_size"), "page_size belongs in [paging]");
    assert_eq!(hint_in("log", "search"), "search belongs in [[repository]]");
    assert_eq!(hint_in("log", "colour"), "[log] knows format, level");
    assert_eq!(SCHEMA.hint_for_section("pageing"), "did you mean [paging]?");
    assert_eq!(SCHEMA.hint_for_section("repositories"), "did you mean [[repository]]?");
    assert_eq!(SCHEMA.hint_for_section("page_size"), "page_size belongs in [paging]");
    assert!(SCHEMA.hint_for_section("kafka").starts_with("the sections are [server], [login], "));
    let InvalidValue { hint, .. } = SCHEMA.unknown_variable("SERVER_URL");
    assert_eq!(hint, "did you mean EWMIRROR_SERVER__URL?");
}

#[test]
fn no_two_keys_share_a_variable() {
    let mut variables: Vec<_> = SCHEMA.keys().map(ConfigKey::variable).collect();
    let count = variables.len();
    variables.sort();
    variables.dedup();
    assert_eq!(variables.len(), count);
}

section! {
    /// What a shop takes by itself.
    section "defaults" => Defaults;
    fields {
        /// So many at once.
        batch: u64 = numbers::DELETES, Default(50), Live;
    }
}

section! {
    /// Where oranges come from.
    list "orchard" => Orchard;
    fields {
        /// What it is called.
        name: String = words::TEXT, Required("north", "write its name"), Live;
        /// Whether it is watered.
        watered: bool = words::FLAG, Default(true), Live;
    }
}

section! {
    /// Where oranges go to.
    list "shop" => Shop;
    fields {
        /// What it is called.
        name: String = words::TEXT, Required("corner", "write its name"), Restart;
        /// Where it is, if anybody knows.
        town: Option<String> = words::TEXT, Optional("Faro"), Live;
    }
    overrides {
        /// `[defaults]` with this shop's own values laid over it.
        defaults: Defaults;
    }
}

const OTHER: Schema = Schema(&[Defaults::SCHEMA, Orchard::SCHEMA, Shop::SCHEMA]);

fn parser(toml: &str, variables: &[(&str, &str)]) -> Parser {
    let environment = Environment::from_pairs(variables.iter().copied());
    merge(OTHER, Document::parse(toml, "test.toml").unwrap(), &environment)
}

fn all<S: ConfigSection>(parser: &mut Parser) -> Vec<ParseResult<S>> {
    let paths = parser.elements(S::SCHEMA.name);
    paths.iter().map(|path| S::parse(parser, path)).collect()
}

#[test]
fn a_table_has_any_number_of_lists_of_sections() {
    let toml = "\
[[orchard]]
name = 'north'
[[shop]]
name = 'corner'
town = 'Faro'
[[orchard]]
name = 'south'
watered = false
[[shop]]
name = 'station'
batch = 7
";
    let mut parser = parser(toml, &[("EWMIRROR_DEFAULTS__BATCH", "20")]);
    let orchards = all::<Orchard>(&mut parser);
    let shops: Vec<Shop> = all(&mut parser).into_iter().map(Result::unwrap).collect();
    let told: Vec<_> = orchards.into_iter().map(|it| it.map(|it| (it.name, it.watered))).collect();
    assert_eq!(told, [Ok(("north".to_owned(), true)), Ok(("south".to_owned(), false))]);
    let told: Vec<_> = shops.iter().map(|it| (it.town.as_deref(), it.defaults.batch)).collect();
    assert_eq!(told, [(Some("Faro"), 20), (None, 7)]);
    assert!(parser.finish(Ok(())).is_ok());

    let shown: Vec<_> =
        shops[0].shown().into_iter().map(|(key, value)| (key.path, value)).collect();
    let shown: Vec<_> = shown.iter().map(|(path, value)| format!("{path} {value}")).collect();
    assert_eq!(shown, ["shop.name \"corner\"", "shop.town \"Faro\"", "defaults.batch 20"]);
    let changed: Vec<_> = shops[0].changed(&shops[1]).iter().map(|key| key.path).collect();
    assert_eq!(changed, ["shop.name", "shop.town", "defaults.batch"]);
}

#[test]
fn every_list_is_checked_with_its_own_places_and_names() {
    let toml = "\
[[orchard]]
watered = 1
[[shop]]
name = 'corner'
watered = true
[[shop]]
batch = -1
[shops]
";
    let mut parser = parser(toml, &[("EWMIRROR_SHOP__NAME", "x")]);
    let failed = all::<Orchard>(&mut parser).iter().all(Result::is_err);
    assert!(failed && all::<Shop>(&mut parser)[1].is_err());
    let told = parser.finish(Ok(())).unwrap_err().to_string();
    assert_eq!(
        told,
        "\
test.toml:1:1: orchard[1].name: is not set
    write its name
test.toml:2:1: orchard[1].watered = 1: is a whole number, not true or false
    write true or false, unquoted
test.toml:5:1: shop[1].watered: is not known
    watered belongs in [[orchard]]
test.toml:6:1: shop[2].name: is not set
    write its name
test.toml:7:1: shop[2].batch = -1: is too small
    write a whole number from 0 to 1000000000, unquoted
test.toml:8:2: shops: is not known
    did you mean [[shop]]?
EWMIRROR_SHOP__NAME: shop.name: [[shop]] cannot be set by a variable
    unset it, and write a [[shop]] in the file"
    );
}
