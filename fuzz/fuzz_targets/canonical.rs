//! Whether two JSON texts mean the same.
#![no_main]

use ewmirror::fuzzing::{JsonPointer, same};
use ewmirror_fuzz::spell::{self, Chances};
use ewmirror_fuzz::{json, parts};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [ignore, a, b, chances] = parts(data);
    let ignore: Vec<JsonPointer> = str::from_utf8(ignore)
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.parse().ok())
        .take(4)
        .collect();
    assert!(same(a, a, &ignore));
    let told = same(a, b, &ignore);
    assert_eq!(told, same(b, a, &ignore), "not the same the other way round");
    let (Some(left), Some(right)) = (json::read(a), json::read(b)) else { return };
    let paths: Vec<Vec<String>> = ignore.iter().map(|it| it.tokens().to_vec()).collect();
    if let (Some(a), Some(b)) = (left.meaning(&paths), right.meaning(&paths)) {
        assert_eq!(told, a == b, "{a:?}\n{b:?}");
    }
    let mut respelled = String::new();
    spell::value(&left, &mut Chances(chances), &mut respelled);
    let Some(again) = json::read(respelled.as_bytes()) else { panic!("no JSON: {respelled}") };
    // Beyond all measure a number is equal to its own spelling only.
    if let (Some(one), Some(other)) = (left.meaning(&[]), again.meaning(&[])) {
        assert_eq!(one, other, "spelled as something else: {respelled}");
        assert!(same(a, respelled.as_bytes(), &ignore), "{respelled}");
    }
});
