//! The words of the house: which ones are retired for the field's standard term, which ones are kept
//! for one meaning, and that a type name stands for one thing.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::Source;

/// Words that are retired, each with the term that stands in its place. A word counts in any case, as
/// a whole word, and as part of a name (`courtesy_level`, `CourtesyLevel`).
const RETIRED: &[(&str, &str)] = &[
    ("courtesy", "adaptive concurrency"),
    ("desk", "handler"),
    ("doubt", "reason"),
    ("guest", "connection"),
    ("headline", "status line"),
    ("holder", "lock owner"),
    ("lid", "rate limit"),
    ("likeness", "digest normalisation, similarity"),
    ("manners", "behaviour"),
    ("nudge", "wake"),
    ("outline", "fingerprint"),
    ("outrun", "superseded"),
    ("recall", "load, cancel"),
    ("settle", "reconcile"),
    ("sheet", "encoder"),
    ("spool", "spill file"),
    ("strand", "lane"),
    ("stretch", "range"),
    ("tally", "counts"),
    ("whoever", "a noun: the caller, the operator, the task"),
    ("witness", "probe"),
];

/// Words that have one meaning, and where they may stand for it.
const KEPT_FOR: &[(&str, &str, &[&str])] = &[
    (
        "journal",
        "systemd's journal; SQLite's is the WAL",
        &[
            "README.md",
            "CHANGELOG.md",
            "CONTRIBUTING.md",
            "SECURITY.md",
            "docs/",
            "config/",
            "systemd/",
            "src/cli/",
            "src/config/",
            "src/lib.rs",
            "src/session/",
            "src/supervisor/",
            "src/systemd.rs",
            "src/telemetry/",
            "src/testing/",
            "src/text/",
            "benches/",
        ],
    ),
    (
        "gate",
        "the run of all checks before a change lands",
        &["README.md", "CONTRIBUTING.md", "docs/", ".github/"],
    ),
];

/// What SQLite calls its files and settings.
const NAMES_OF_OTHERS: [&str; 3] = ["-journal", "journal_mode", "journal_size_limit"];

/// Retired words in what people read: sources, documentation, units and configuration.
pub(crate) fn retired(texts: &[Source]) -> String {
    let mut faults = String::new();
    for source in texts {
        for (number, line) in source.text.lines().enumerate() {
            let words = words(
                &NAMES_OF_OTHERS.iter().fold(line.to_owned(), |line, name| line.replace(name, "")),
            );
            for (word, instead) in RETIRED {
                if words.iter().any(|it| is_form_of(it, word)) {
                    tell(&mut faults, source, number, word, instead);
                }
            }
            for (word, meaning, places) in KEPT_FOR {
                let allowed = places.iter().any(|place| source.name.starts_with(place));
                if !allowed && words.iter().any(|it| is_form_of(it, word)) {
                    tell(&mut faults, source, number, word, meaning);
                }
            }
        }
    }
    faults
}

fn tell(faults: &mut String, source: &Source, number: usize, word: &str, instead: &str) {
    let told = writeln!(faults, "{}:{}: {word} ({instead})", source.name, number + 1);
    told.expect("a string takes any text");
}

/// Names of types, declared at the top of a file that is shipped, that stand for two things.
pub(crate) fn types_that_stand_twice(sources: &[Source]) -> String {
    let mut places: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for source in sources {
        for line in source.shipped().lines() {
            let Some(name) = declared(line) else { continue };
            places.entry(name).or_default().push(&source.name);
        }
    }
    let twice = places.iter().filter(|(_, places)| places.len() > 1);
    twice
        .map(|(name, places)| format!("{name}: {}", places.join(", ")))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The type that a line at the top level declares.
fn declared(line: &str) -> Option<&str> {
    let mut parts = line.split([' ', '<', '(', '{', ';', '=', ':']);
    let mut part = parts.next()?;
    if part == "pub" {
        part =
            parts.find(|part| ["struct", "enum", "trait", "type", "fn", "mod"].contains(part))?;
    }
    ["struct", "enum", "trait", "type"].contains(&part).then(|| parts.next()).flatten()
}

/// The words of a line, in lower case; those of a compound name apart.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for character in line.chars() {
        if !character.is_alphabetic() || (character.is_uppercase() && before.is_lowercase()) {
            words.push(String::new());
        }
        if character.is_alphabetic() {
            words.last_mut().expect("there is one").extend(character.to_lowercase());
        }
        before = character;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether it is this word, its plural, or a form of this verb.
fn is_form_of(word: &str, stem: &str) -> bool {
    let Some(end) = word.strip_prefix(stem.trim_end_matches(['e', 'y'])) else { return false };
    ["", "s", "e", "es", "y", "ies", "ed", "ing", "d"].contains(&end)
}
