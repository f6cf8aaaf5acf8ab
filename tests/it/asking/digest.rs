//! `digest`: the same for the same items, and what the program in the documentation computes.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use fastrand::Rng;

use super::{Mirror, stderr};
use crate::documents::block;
use crate::support::skipped;

/// Items of a mirror that has any.
const ITEMS: i64 = 300;

fn digest(mirror: &Mirror, more: &[&str]) -> String {
    mirror.answer(&[&["digest", "--repository", "1"], more].concat())
}

/// A value in one of its spellings.
fn value(rng: &mut Rng, levels: usize) -> String {
    let numbers = [
        "0",
        "-0.0",
        "0e7",
        "1",
        "150.00",
        "-0.5",
        "1E+2",
        "12345678901234567890123456789",
        "1e-400",
        "10e170141183460469231731687303715884105727",
        "2e170141183460469231731687303715884105728",
    ];
    let texts = [
        "\"\"",
        "\"a\"",
        "\"\\u0061\"",
        "\"é\\/\\u00E9\"",
        "\"\\ud83d\\ude00 😀\"",
        "\"\\udEAD\"",
        "\"\\t\\u0001\\u001f\\u007f\u{7f}\\\"\\\\\"",
        "\"\\ud83d\\ud83d\\ude00\"",
        "\"\\u2028\"",
    ];
    match rng.usize(..if levels == 0 { 3 } else { 5 }) {
        0 => numbers[rng.usize(..numbers.len())].to_owned(),
        1 => texts[rng.usize(..texts.len())].to_owned(),
        2 => ["true", "false", "null"][rng.usize(..3)].to_owned(),
        3 => {
            let values: Vec<String> = (0..rng.usize(..4)).map(|_| value(rng, levels - 1)).collect();
            format!("[{}]", values.join(" , "))
        }
        _ => object(rng, "", levels - 1),
    }
}

fn object(rng: &mut Rng, first: &str, levels: usize) -> String {
    let mut text = first.to_owned();
    for _ in 0..rng.usize(..5) {
        let name =
            ["a", "\\u0061", "B", "é", "\\ud83d\\ude00", "\\ue000", "\\ud800"][rng.usize(..7)];
        let comma = if text.is_empty() { "" } else { "," };
        write!(text, "{comma} \"{name}\":{}", value(rng, levels)).unwrap();
    }
    format!("{{{text}}}")
}

/// A mirror with all kinds of items.
fn mirror(seed: u64) -> Mirror {
    let (mirror, mut rng) = (Mirror::new(), Rng::with_seed(seed));
    for id in 0..ITEMS {
        let body = object(&mut rng, &format!("\"itemId\":{id}"), 4);
        mirror.put(id, Some(&body));
        let body = object(&mut rng, &format!("\"itemId\":\"{id}\\u00e9\\n\""), 2);
        mirror.put(format!("{id}é\n"), Some(&body));
    }
    let wide = (1_u128 << 127 | 1 << 100).to_be_bytes().to_vec();
    mirror.put(wide, Some("{\"itemId\":1267650600228229401496703205376.0}"));
    mirror
}

#[test]
fn the_documented_program_computes_the_same() {
    let program = block("docs/mirror.md", "<!-- digest -->").join("\n");
    let python = || Command::new("python3");
    if python().arg("--version").stdout(Stdio::null()).status().is_err() {
        return skipped("the documented program", "python3 is not installed");
    }
    for seed in 0..5 {
        let mirror = mirror(seed);
        let told = digest(&mirror, &[]);
        let mut command = python();
        command.args(["-c", &program, "itemId"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut running = command.stderr(Stdio::piped()).spawn().unwrap();
        let items = mirror.answer(&["export", "--repository", "1"]);
        running.stdin.take().unwrap().write_all(items.as_bytes()).unwrap();
        let ended = running.wait_with_output().unwrap();
        assert!(ended.status.success(), "{}", stderr(&ended));
        let computed = String::from_utf8(ended.stdout).unwrap();
        let count = 2 * ITEMS + 1;
        assert!(computed.starts_with(&format!("{count} ")), "{computed}");
        assert_eq!(told, format!("{count} {computed}"), "as many changes as items");
    }
}

#[test]
fn it_is_of_the_instant_that_is_asked_for() {
    let mirror = Mirror::new();
    let mut told = vec![digest(&mirror, &[])];
    assert_eq!(told[0], format!("0 0 {}\n", "0".repeat(64)));
    let steps = [(1, Some("{\"a\":1}")), (2, Some("{}")), (1, Some("{\"a\":2}")), (2, None)];
    for (id, body) in steps {
        mirror.put(id, body);
        told.push(digest(&mirror, &[]));
    }
    mirror.writer.execute("UPDATE change SET ts_ms = 1764000000000 + sequence * 1000", []).unwrap();
    for (sequence, expected) in told.iter().enumerate() {
        assert_eq!(digest(&mirror, &["--as-of", &sequence.to_string()]), *expected);
        for ms in [0, 999] {
            let time = format!("2025-11-24T16:00:0{sequence}.{ms:03}Z");
            assert_eq!(digest(&mirror, &["--as-of", &time]), *expected, "{time}");
        }
    }
    assert_eq!(digest(&mirror, &["--as-of", "0s"]), told[4]);
    let refused =
        |when: &str, exit| mirror.refusal(&["digest", "--repository", "1", "--as-of", when], exit);
    assert!(refused("5", 1).contains("there is no change 5 yet: the last one is 4"));
    refused("yesterday", 2);
    let ahead = refused("2100-01-01T00:00:00Z", 1);
    assert!(ahead.contains("2100-01-01T00:00:00.000Z is still to come: it is 2"), "{ahead}");
    mirror.drop_through(2);
    assert_eq!(digest(&mirror, &["--as-of", "2"]), told[2]);
    assert_eq!(digest(&mirror, &["--as-of", "2025-11-24T16:00:02.999Z"]), told[2]);
    assert_eq!(digest(&mirror, &["--as-of", "2025-11-24T17:00:03+01:00"]), told[3]);
    let told = refused("1", 1);
    let earliest = "changes up to 2 have been dropped (changes.keep); the earliest that can be told is \
                    2, 2025-11-24T16:00:02.000Z";
    assert!(told.contains(earliest), "{told}");
    assert!(refused("2025-11-24T16:00:01.999Z", 1).contains(earliest));
}
