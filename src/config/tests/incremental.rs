//! `incremental` of a repository, and how a site writes times.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::config::since::{SinceForm, zone};
use crate::config::{IncrementalConfig, IncrementalMode};

fn read(table: &str) -> IncrementalConfig {
    let found = config(&format!("{LEAST}incremental = {{ {table} }}\n"), &[]);
    found.repositories[0].incremental.clone().unwrap()
}

fn faults(table: &str) -> Vec<String> {
    let found = errors(&format!("{LEAST}incremental = {{ {table} }}\n"), &environment(&[]));
    found.iter().map(|it| format!("{} {}", it.key, it.error)).collect()
}

fn form(format: &str, name: &str) -> SinceForm {
    SinceForm::new(format, zone(name).unwrap()).unwrap()
}

#[test]
fn what_is_left_out_is_as_documented() {
    let since = read("interval = '10s', mode = 'since', search = { s = '{since}' }, cursor = '/t'");
    assert_eq!(since.interval, seconds(10));
    assert_eq!((since.mode, since.lookback), (IncrementalMode::Since, seconds(120)));
    assert_eq!(since.form, SinceForm::rfc3339());
    assert_eq!(since.cursor, Some("/t".parse().unwrap()));
    let newest = read("interval = '1s', mode = 'newest_first'");
    assert_eq!((newest.mode, newest.cursor), (IncrementalMode::NewestFirst, None));
    assert!(newest.search.is_empty());
}

#[test]
fn it_holds_for_every_repository_too() {
    let toml = LEAST.replace("id = 10149", "id = 'all'");
    let toml = format!("{toml}incremental = {{ interval = '1s', mode = 'newest_first' }}\n");
    let every = config(&toml, &[]).every.unwrap();
    assert!(every.keys().incremental.is_some());
}

#[test]
fn each_fault_is_told_with_its_key() {
    let path = "repository[1].incremental";
    for (table, expected) in [
        ("interval = '10s'", vec![format!("{path}.mode is not set")]),
        ("mode = 'newest_first'", vec![format!("{path}.interval is not set")]),
        (
            "interval = '10s', mode = 'since'",
            vec![format!("{path}.cursor is not set"), format!("{path}.search is not set")],
        ),
        (
            "interval = '10s', mode = 'since', cursor = '/t', search = { a = 'since', b = [7] }",
            vec![format!("{path}.search has \"{{since}}\" nowhere")],
        ),
        (
            "interval = '10s', mode = 'newest_first', search = { a = ['x {since}'] }",
            vec![format!("{path}.search has \"{{since}}\", which is of mode \"since\"")],
        ),
        (
            "interval = '10s', mode = 'newest_first', lookback = '-1s', curser = '/t', cursor = 't'",
            vec![
                format!("{path}.curser is not known"),
                format!("{path}.cursor does not begin with a slash"),
                format!("{path}.lookback is not a duration"),
            ],
        ),
        (
            "interval = '0s', mode = 'newest', search = { page = 1, a = nan }",
            vec![
                format!("{path}.interval is too short"),
                format!("{path}.mode is not one of the choices"),
                format!("{path}.search.page is a member that ewmirror sets itself"),
                format!("{path}.search.a cannot be said in JSON"),
            ],
        ),
        (
            "interval = '1s', mode = 'newest_first', since_zone = 'Mars/Base', since_format = 'iso'",
            vec![
                format!("{path}.since_zone is no time zone that is known"),
                format!("{path}.since_format is neither a known form nor a pattern"),
            ],
        ),
    ] {
        assert_eq!(faults(table), expected, "{table}");
    }
    let found = errors(&format!("{LEAST}incremental = 7\n"), &environment(&[]));
    assert_eq!(keys_of(&found), [path]);
}

#[test]
fn a_goal_of_freshness_needs_times_of_change_and_passes_often_enough() {
    let goal = |incremental: &str| {
        let toml = format!("{LEAST}freshness = '30s'\n{incremental}");
        let found = errors(&toml, &environment(&[]));
        found.iter().map(|it| format!("{} {}", it.key, it.error)).collect::<Vec<_>>().join("; ")
    };
    let path = "repository[1].freshness";
    let unknown = format!("{path} cannot be measured: nothing says when an item changed");
    assert!(goal("").contains(&unknown), "{}", goal(""));
    let newest = goal("incremental = { interval = '10s', mode = 'newest_first' }");
    assert!(newest.contains(&unknown), "{newest}");
    let rare = goal("incremental = { interval = '31s', mode = 'newest_first', cursor = '/t' }");
    assert!(rare.contains(&format!("{path} is shorter than incremental.interval")), "{rare}");
    let faulty = goal("incremental = { interval = '10s' }");
    assert!(faulty.contains("incremental.mode") && !faulty.contains("freshness"), "{faulty}");
    let toml = format!(
        "{LEAST}freshness = '30s'\nincremental = {{ interval = '30s', mode = 'newest_first', cursor = '/t' }}"
    );
    let found = config(&toml, &[]).repositories[0].freshness;
    assert_eq!(found, Some(Duration::from_secs(30)));
}

#[test]
fn a_pattern_must_say_when_something_was() {
    for pattern in ["%H:%M", "%Y-%m", "%d", "%%", "%Y-%m-%d %I:%M", "%Y-%m-%d %q", "%A", "%Y %H:%M"]
    {
        assert!(SinceForm::new(pattern, zone("UTC").unwrap()).is_err(), "{pattern}");
    }
    for pattern in
        ["%Y-%m-%d", "%m/%d/%Y %I:%M:%S %p", "%d.%m.%y %H:%M", "%s", "%Y%m%dT%H%M%S%z", "%Y-%j %T"]
    {
        for zone_name in ["UTC", "Europe/Zurich", "-03:30", "America/New_York", "+0200"] {
            let read = SinceForm::new(pattern, zone(zone_name).unwrap());
            assert!(read.is_ok(), "{pattern} in {zone_name}");
        }
    }
}

#[test]
fn a_moment_is_put_wherever_it_has_its_place() {
    let search = json!({"a": "{since}", "b": {"c": ["x", "changed > '{since}' and {since}", 7]}});
    let put = |form: &SinceForm| {
        let since = form.write(1_795_996_259_999).unwrap();
        json!(since.put_into(search.as_object().unwrap()))
    };
    let text = "2026-11-29T23:50:59Z";
    assert_eq!(
        put(&SinceForm::rfc3339()),
        json!({"a": text, "b": {"c": ["x", format!("changed > '{text}' and {text}"), 7]}})
    );
    assert_eq!(
        put(&form("epoch_milliseconds", "UTC")),
        json!({"a": 1_795_996_259_000_i64,
            "b": {"c": ["x", "changed > '1795996259000' and 1795996259000", 7]}})
    );
    assert_eq!(put(&form("epoch_seconds", "UTC"))["a"], json!(1_795_996_259));
    assert_eq!(put(&form("%d.%m.%Y %H:%M", "Europe/Zurich"))["a"], "30.11.2026 00:50");
    assert_eq!(put(&form("rfc3339", "+02:00"))["a"], "2026-11-30T01:50:59+02:00");
}

#[test]
fn the_time_of_an_item_is_read_in_each_form_that_is_unmistakable() {
    let site = form("%m/%d/%Y %I:%M:%S %p", "Europe/Zurich");
    for (json, ms) in [
        ("\"2026-11-29T23:50:59Z\"", Some(1_795_996_259_000)),
        ("\"2026-11-30T00:50:59.250+01:00\"", Some(1_795_996_259_250)),
        ("\"11/30/2026 12:50:59 AM\"", Some(1_795_996_259_000)),
        ("\"2026-11-30 00:50:59\"", Some(1_795_996_259_000)),
        ("1795996259", Some(1_795_996_259_000)),
        ("1795996259000", Some(1_795_996_259_000)),
        ("\"1795996259000\"", Some(1_795_996_259_000)),
        // The first of the two.
        ("\"10/25/2026 02:30:00 AM\"", Some(1_792_888_200_000)),
        ("\"yesterday\"", None),
        ("null", None),
        ("true", None),
        ("[1795996259]", None),
        ("1e300", None),
    ] {
        assert_eq!(site.read(json), ms, "{json}");
    }
}

#[test]
fn an_hour_that_clocks_show_twice_is_asked_for_from_before_it() {
    let site = form("%Y-%m-%d %H:%M:%S", "Europe/Zurich");
    // 2026-10-25 03:00 becomes 02:00 in Zurich, at 01:00 UTC.
    let back = 1_792_890_000_000;
    for minutes in -59..60 {
        let ms = back + minutes * 60_000;
        let since = site.write(ms).unwrap();
        assert!(since.at_ms <= back - 3_600_000, "{}", since.text);
        assert!(since.at_ms > back - 2 * 3_600_000, "{}", since.text);
    }
    assert_eq!(site.write(back + 3_600_000).unwrap().text, "2026-10-25 03:00:00");
}

proptest! {
    #[test]
    fn what_goes_into_a_search_is_never_later_than_the_moment(
        ms in 200_000_000_000_i64..4_102_444_800_000, format in 0_usize..6, place in 0_usize..4,
    ) {
        let formats = ["rfc3339", "epoch_seconds", "epoch_milliseconds", "%Y-%m-%d", "%d.%m.%Y %H:%M:%S",
            "%a, %d %b %Y %T %z"];
        let zones = ["UTC", "Europe/Zurich", "America/St_Johns", "+05:45"];
        let form = form(formats[format], zones[place]);
        let since = form.write(ms).unwrap();
        prop_assert!(since.at_ms <= ms);
        prop_assert!(ms - since.at_ms < 27 * 3_600_000);
        // What is sent reads as what it is taken for, whichever of two readings a server takes.
        let read = form.read(&json!(since.text).to_string());
        prop_assert_eq!(read, Some(since.at_ms));
    }
}
