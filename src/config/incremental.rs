//! `incremental` of a repository: an inline table with members of its own, each of which can be wrong
//! by itself.

use std::time::Duration;

use config::{Map, Value, ValueKind};
use serde_json::Value as Json;
use toml::Value as Toml;

use super::numbers::{DURATION, PAUSE};
use super::search;
use super::since::{self, SinceForm};
use super::words::{POINTER, TEXT};
use crate::json::JsonPointer;
use crate::settings::choice::{Choice, choice, choices};
use crate::settings::codec::{Codec, Input, InvalidValue, Parsed};
use crate::settings::document::joined;
use crate::settings::similarity::nearest;

/// What an earlier moment is asked from than the latest change known.
const LOOKBACK: Duration = Duration::from_secs(2 * 60);

/// The members that there are.
const MEMBERS: [&str; 7] =
    ["interval", "mode", "search", "cursor", "lookback", "since_format", "since_zone"];

choices! {
    /// How the server is asked for what changed lately.
    IncrementalMode:
    /// By a search that has the moment since when.
    "since" => Since,
    /// By reading a list that has the last change first from its top.
    "newest_first" => NewestFirst,
}

/// How the incremental passes of a repository are made.
#[derive(Clone, Debug, PartialEq)]
pub struct IncrementalConfig {
    /// From the beginning of one to that of the next, unless it takes longer.
    pub interval: Duration,
    /// How the server is asked.
    pub mode: IncrementalMode,
    /// What their searches have beside what those of whole passes have.
    pub search: serde_json::Map<String, Json>,
    /// Where an item says when it changed last. There is one in the mode `since`.
    pub cursor: Option<JsonPointer>,
    /// How much earlier than the latest change known a search goes back.
    pub lookback: Duration,
    /// How the site writes times.
    pub form: SinceForm,
}

/// The table; what is wrong with each single member is what [`errors`] finds.
pub(super) const INCREMENTAL: Codec<IncrementalConfig> = Codec::new(
    |input| {
        let ValueKind::Table(table) = input.kind else { return input.is_not("a table", HINT) };
        let mut found = Vec::new();
        read(table, "", &mut found)
            .filter(|_| found.is_empty())
            .ok_or_else(|| InvalidValue::new("is faulty", "see there"))
    },
    shown,
);

/// What to write in place of what is no table.
const HINT: &str = "write a table, such as { interval = \"10s\", mode = \"newest_first\" }";

/// Faults, each with the path of what is faulty.
type Faults = Vec<(String, InvalidValue)>;

/// What is wrong with single members of the setting at `path`.
pub(super) fn errors(path: &str, table: &Map<String, Value>) -> Faults {
    let mut found = Vec::new();
    read(table, path, &mut found);
    found
}

fn read(table: &Map<String, Value>, path: &str, found: &mut Faults) -> Option<IncrementalConfig> {
    for name in table.keys().filter(|name| !MEMBERS.contains(&name.as_str())) {
        let known = format!("the members are {}", MEMBERS.join(", "));
        let hint = nearest(name, MEMBERS).map_or(known, |it| format!("did you mean {it}?"));
        found.push((joined(path, name), InvalidValue::new("is not known", hint)));
    }
    let mut members = IncrementalMembers { table, path, found };
    let interval = members.required("interval", &DURATION, "write how often, such as \"10s\"");
    let mode = choice::<IncrementalMode>();
    let mode = members.required("mode", &mode, "write \"since\" or \"newest_first\"");
    let cursor = members.optional("cursor", &POINTER);
    let lookback = members.optional("lookback", &PAUSE);
    let search = members.search();
    let form = members.form();
    if mode == Some(IncrementalMode::Since) {
        let hint = "write where an item says when it changed last, such as \"/modifiedOn\"";
        members.needs("cursor", hint);
        members.needs(
            "search",
            "write what asks for changes, such as { modifiedSince = \"{since}\" }",
        );
    }
    if let (Some(mode), Some(Some(search))) = (mode, &search) {
        let has_place = search.values().any(since::has_place);
        let is_since = mode == IncrementalMode::Since;
        if is_since && !has_place {
            let hint = "write \"{since}\" in it where the moment is to stand since when";
            members.tell("search", InvalidValue::new("has \"{since}\" nowhere", hint));
        } else if !is_since && has_place {
            let hint = "take it out, or write mode = \"since\"";
            let error = "has \"{since}\", which is of mode \"since\"";
            members.tell("search", InvalidValue::new(error, hint));
        }
    }
    Some(IncrementalConfig {
        interval: interval?,
        mode: mode?,
        search: search?.unwrap_or_default(),
        cursor: cursor?,
        lookback: lookback?.unwrap_or(LOOKBACK),
        form: form?,
    })
}

/// The members of the table.
struct IncrementalMembers<'a> {
    table: &'a Map<String, Value>,
    path: &'a str,
    found: &'a mut Faults,
}

impl IncrementalMembers<'_> {
    fn tell(&mut self, name: &str, found: InvalidValue) {
        self.found.push((joined(self.path, name), found));
    }

    /// A member that may be left out; `None` where it is wrong, which is told.
    #[expect(clippy::option_option, reason = "it is wrong, left out, or there")]
    fn optional<T>(&mut self, name: &str, codec: &Codec<T>) -> Option<Option<T>> {
        let Some(value) = self.table.get(name) else { return Some(None) };
        let parsed = (codec.parse)(Input { kind: &value.kind, is_variable: false });
        parsed.map_err(|found| self.tell(name, found)).ok().map(Some)
    }

    /// A member that must be there.
    fn required<T>(&mut self, name: &str, codec: &Codec<T>, hint: &str) -> Option<T> {
        self.needs(name, hint);
        self.optional(name, codec).flatten()
    }

    /// Tells of a member that is not there.
    fn needs(&mut self, name: &str, hint: &str) {
        if !self.table.contains_key(name) {
            self.tell(name, InvalidValue::new("is not set", hint));
        }
    }

    #[expect(clippy::option_option, reason = "it is wrong, left out, or there")]
    fn search(&mut self) -> Option<Option<serde_json::Map<String, Json>>> {
        let Some(value) = self.table.get("search") else { return Some(None) };
        if let ValueKind::Table(members) = &value.kind {
            self.found.extend(search::errors(&joined(self.path, "search"), members));
            return search::members_of(members).map(Some);
        }
        self.optional("search", &search::SEARCH)
    }

    /// The form of times, by two members.
    fn form(&mut self) -> Option<SinceForm> {
        let zone = self.optional("since_zone", &TEXT)?.unwrap_or_else(|| "UTC".to_owned());
        let format = self.optional("since_format", &TEXT)?.unwrap_or_else(|| "rfc3339".to_owned());
        let told = |members: &mut Self, name: &str, parsed: Parsed<_>| {
            parsed.map_err(|found| members.tell(name, found)).ok()
        };
        let zone = since::zone(&zone).map_err(|found| self.tell("since_zone", found)).ok();
        // A wrong zone hides nothing of the form.
        let checked = zone.clone().map_or_else(|| since::zone("UTC"), Ok);
        let form = told(self, "since_format", checked.and_then(|it| SinceForm::new(&format, it)));
        form.filter(|_| zone.is_some())
    }
}

fn shown(config: &IncrementalConfig) -> Toml {
    let mut table = toml::Table::new();
    let mut put = |name: &str, value: Toml| drop(table.insert(name.to_owned(), value));
    put("interval", (DURATION.show)(&config.interval));
    put("mode", config.mode.word().into());
    if !config.search.is_empty() {
        put("search", (search::SEARCH.show)(&config.search));
    }
    if let Some(cursor) = &config.cursor {
        put("cursor", cursor.to_string().into());
        put("since_format", config.form.format().into());
        put("since_zone", config.form.zone_name().into());
    }
    if config.mode == IncrementalMode::Since {
        put("lookback", (PAUSE.show)(&config.lookback));
    }
    table.into()
}
