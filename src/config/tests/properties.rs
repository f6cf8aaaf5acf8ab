//! Whatever stands in a file, it is read or refused with the names of keys, and never panics.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

/// A value as TOML writes it.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u128>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| format!("{number:?}").replace("NaN", "nan")),
        any::<bool>().prop_map(|truth| truth.to_string()),
        "[ -~]{0,12}".prop_map(|text| serde_json::to_string(&text).unwrap()),
        Just("1979-05-27T07:32:00Z".to_owned()),
        prop_oneof![
            "[0-9]{1,20}(ns|ms|s|m|h|d|M|y|KiB|GiB|%)?",
            "(https?|postgres|sqlite|socks5|unix)://?/?[a-z@:/?#0-9.]{0,12}",
            "(/[a-z~0-2]{0,3}){0,3}",
        ]
        .prop_map(|text| format!("'{text}'")),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3)
                .prop_map(|list| format!("[{}]", list.join(", "))),
            prop::collection::vec(inner, 0..3).prop_map(|list| {
                let members = list.iter().enumerate().map(|(at, value)| format!("m{at} = {value}"));
                format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
            }),
        ]
    })
}

/// Any subset of the keys of a section, each with any value.
fn section(header: &'static str, name: &'static str) -> impl Strategy<Value = String> {
    let section = SCHEMA.section(name).unwrap();
    let names: Vec<_> = section.all_keys().map(ConfigKey::name).collect();
    let count = names.len();
    prop::collection::vec(prop::option::of(value()), count).prop_map(move |values| {
        let mut text = format!("{header}\n");
        for (name, value) in names.iter().zip(values) {
            if let Some(value) = value {
                writeln!(text, "{name} = {value}").unwrap();
            }
        }
        text
    })
}

/// Any file of known keys.
fn file() -> impl Strategy<Value = String> {
    let sections = (
        section("[server]", "server"),
        section("[login]", "login"),
        section("[session]", "session"),
        section("[paging]", "paging"),
        prop::collection::vec(section("[[repository]]", "repository"), 0..3),
        section("[mirror]", "mirror"),
        section("[changes]", "changes"),
        section("[deletes]", "deletes"),
        section("[status]", "status"),
        section("[log]", "log"),
    );
    sections.prop_map(
        |(server, login, session, paging, repositories, mirror, changes, deletes, status, log)| {
            let repositories = repositories.concat();
            format!(
                "{server}{login}{session}{paging}{repositories}{mirror}{changes}{deletes}{status}{log}"
            )
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_values_are_read_or_refused_under_their_keys(text in file()) {
        if let Err(errors) = load_text(&text, "test.toml", &environment(&[])) {
            for error in &errors {
                prop_assert!(!error.key.is_empty(), "{}\n{}", error, text);
                prop_assert!(!error.error.is_empty() && !error.hint.is_empty());
            }
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "(\\[|\\]|=|\"|'|\n|\\.|[a-z]|#|,|\\{|\\}|[0-9]|ä|\u{0}){0,60}") {
        prop_assert!(load_text(&text, "test.toml", &Environment::empty()).is_err());
    }

    #[test]
    fn any_variable_is_read_or_refused(
        key in prop::sample::select(SCHEMA.keys().collect::<Vec<_>>()),
        text in prop_oneof![".{0,20}", "[0-9.]{1,20}(s|MiB)?"],
    ) {
        prop_assume!(!text.contains('\0'));
        let name = key.variable();
        let variables = environment(&[(&name, &text)]);
        if let Err(errors) = load_text(LEAST, "test.toml", &variables) {
            for error in &errors {
                let told = error.to_string();
                prop_assert!(told.contains("login.") || told.starts_with(&name), "{}", told);
            }
        }
    }

    #[test]
    fn what_holds_is_the_same_when_its_effective_form_is_loaded(
        page_size in 1_u32..=100_000,
        milliseconds in 0_u64..=2_592_000_000,
        size in (64_u64 << 10)..=(16 << 30),
        part in 0.0..=1.0,
        rate in 0.001..=1000.0,
        auto in prop::sample::select(vec!["1", "'auto'"]),
        own_page_size in prop::sample::select(vec!["7", "'auto'"]),
        keep in prop::option::of(1..=u64::from(u32::MAX) * 1000),
        ignore in prop::collection::vec("(/([^~\u{0}-\u{1f}\u{7f}]|~0|~1){0,4}){1,3}", 0..4),
        name in "\\PC{1,20}",
    ) {
        let name = serde_json::to_string(&name).unwrap();
        let ignore = serde_json::to_string(&ignore).unwrap();
        let keep = keep.map(|keep| format!("keep = '{keep}ms'\n")).unwrap_or_default();
        let toml = format!(
            "{LEAST}name = {name}\nsearch = {{ part = {part:?} }}\nignore = {ignore}\n\
             in_flight = {auto}\npage_size = {own_page_size}\nmax_requests_per_second = {rate:?}\nmin_count = {page_size}\n\
             [changes]\n{keep}\
             [paging]\npage_size = {page_size}\npass_interval = '{milliseconds}ms'\n\
             max_requests_per_second = {rate:?}\n\
             [deletes]\nmax_fraction = {part:?}\n"
        );
        let variables = environment(&[("EWMIRROR_SERVER__MAX_RESPONSE_SIZE", &format!("{size}B"))]);
        let first = loaded(&toml, &variables).config;
        let again = loaded(&first.effective(), &environment(&[])).config;
        prop_assert_eq!(first, again);
    }
}
