//! The configuration that fits what was found. Pure.
//!
//! It holds names of the server's, so that it is for the operator and no part of the report.

use std::fmt::Write as _;

use super::members::ListOrder;
use super::report::{LearnReport, RepositoryFacts};
use super::repository::{LearnTarget, LocalFindings};

/// A page that takes longer than this is not proposed.
const SLOW_MS: u64 = 2_000;
/// Beyond this, several requests under way at once are worth it.
const WAITING_MS: u64 = 300;

/// Sections for `ewmirror.toml`, each line with its reason where that is not plain.
pub fn proposal(targets: &[LearnTarget], report: &LearnReport, local: &[LocalFindings]) -> String {
    let mut toml = String::new();
    for ((target, facts), local) in targets.iter().zip(&report.repositories).zip(local) {
        repository(&mut toml, target, facts, local);
    }
    toml
}

fn repository(
    toml: &mut String,
    target: &LearnTarget,
    facts: &RepositoryFacts,
    local: &LocalFindings,
) {
    let mut line = |text: &str| writeln!(toml, "{text}").expect("a string takes any text");
    line("[[repository]]");
    line(&format!("id = {}", target.repository));
    if !facts.configured_id_found
        && let Some(id) = local.ids.first()
    {
        line("# Every item has this member, and no two of those that were read have the same.");
        line(&format!("item_id = {}", pointer(id)));
    }
    if let Some((size, elapsed_ms)) = page_size(facts) {
        line(&format!("# A page of {size} took {elapsed_ms} ms."));
        line(&format!("page_size = {size}"));
        if elapsed_ms > WAITING_MS {
            line("# Several pages under way at once, as many as the server stands.");
            line("in_flight = \"auto\"");
        }
    }
    let ignored: Vec<String> = ignored(facts, local).iter().map(|name| pointer(name)).collect();
    if !ignored.is_empty() {
        line("# These change though nothing else of the item does.");
        line(&format!("ignore = [{}]", ignored.join(", ")));
    }
    if let Some(name) = local.change_times.first() {
        line(&format!("# The time of the last change seems to stand at {}.", pointer(name)));
    }
    if let (Some(name), None) = (&local.since, local.change_times.first()) {
        line(&format!("# A search takes the time since when in its member {}.", quoted(name)));
    }
    if let Some((incremental, reason)) = incremental(facts, local) {
        line(&format!("# {reason}"));
        line(&format!("incremental = {{ interval = \"10s\", {incremental} }}"));
    }
    line("");
}

/// How it can be asked for what changed lately, as members of a table of TOML, and what shows it.
fn incremental(facts: &RepositoryFacts, local: &LocalFindings) -> Option<(String, &'static str)> {
    if let (Some(name), Some(cursor)) = (&local.since, local.change_times.first()) {
        let search = format!("search = {{ {} = \"{{since}}\" }}", quoted(name));
        let cursor = pointer(cursor);
        let form =
            if local.since_is_number { ", since_format = \"epoch_milliseconds\"" } else { "" };
        let table =
            format!("mode = \"since\", {search}, cursor = {cursor}, lookback = \"2m\"{form}");
        return Some((
            table,
            "A search takes the time since when (see since_format and since_zone).",
        ));
    }
    let newest_first = facts.order == Some(ListOrder::Modified);
    let table = "mode = \"newest_first\"".to_owned();
    newest_first.then_some((table, "The list seems to come last change first."))
}

/// The largest page that came whole and not slowly, and how long it took.
fn page_size(facts: &RepositoryFacts) -> Option<(u64, u64)> {
    let whole = facts
        .page_sizes
        .iter()
        .filter(|page| page.came == Some(u64::from(page.asked).min(facts.total)));
    let quick = whole.filter(|page| page.elapsed_ms <= SLOW_MS);
    let largest = quick.map(|page| (u64::from(page.asked), page.elapsed_ms)).max();
    let capped = facts.cap().and_then(|cap| {
        let page = facts.page_sizes.iter().find(|page| page.came == Some(cap))?;
        Some((cap, page.elapsed_ms))
    });
    largest.max(capped)
}

/// What should not count as a change.
fn ignored<'a>(facts: &RepositoryFacts, local: &'a LocalFindings) -> Vec<&'a str> {
    let mut ignored: Vec<&str> = local.unsteady.iter().map(String::as_str).collect();
    // It changes at mere validations; the other only when an attribute did (vendor).
    let has = |name: &str| local.change_times.iter().any(|known| known == name);
    let plain = local.change_times.iter().find(|name| *name == "Last_Updated");
    if let Some(name) = plain.filter(|_| has("Data_Last_Updated") && facts.items.is_some())
        && !ignored.contains(&name.as_str())
    {
        ignored.push(name);
    }
    ignored
}

/// A JSON pointer to a member of the item, as a string of TOML.
fn pointer(name: &str) -> String {
    let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
    quoted(&pointer)
}

/// A text as a string of TOML, on one line: one of JSON is that, but for a character that JSON lets stand.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::report::{PageSizeFacts, SessionFacts};
    use super::*;
    use crate::domain::RepositoryId;
    use crate::json::JsonPointer;

    fn propose(facts: RepositoryFacts, local: LocalFindings) -> String {
        let target = LearnTarget {
            repository: RepositoryId(7),
            item_id: "/itemId".parse::<JsonPointer>().unwrap(),
            conditions: Arc::default(),
        };
        let report = LearnReport {
            format: 1,
            ewmirror: [0; 3],
            seconds: 1,
            requests: 1,
            session: SessionFacts::default(),
            refusal: None,
            calls: Vec::new(),
            description: None,
            conditions: Vec::new(),
            repositories: vec![facts],
            repositories_left: 0,
        };
        proposal(&[target], &report, &[local])
    }

    fn page(asked: u32, came: u64, elapsed_ms: u64) -> PageSizeFacts {
        PageSizeFacts { asked, came: Some(came), elapsed_ms, bytes: 1 }
    }

    #[test]
    fn the_largest_page_that_comes_whole_and_quickly_is_proposed() {
        let facts = RepositoryFacts {
            total: 9000,
            configured_id_found: true,
            page_sizes: vec![page(200, 200, 90), page(500, 500, 400), page(1000, 1000, 2500)],
            ..RepositoryFacts::default()
        };
        let toml = propose(facts, LocalFindings::default());
        assert!(
            toml.contains("page_size = 500\n") && toml.contains("in_flight = \"auto\"\n"),
            "{toml}"
        );
        assert!(!toml.contains("item_id"), "{toml}");
    }

    #[test]
    fn a_cap_is_the_page_size() {
        let facts = RepositoryFacts {
            total: 9000,
            page_sizes: vec![page(50, 50, 9), page(200, 120, 20)],
            ..RepositoryFacts::default()
        };
        let toml = propose(facts, LocalFindings::default());
        assert!(toml.contains("page_size = 120\n"), "{toml}");
    }

    #[test]
    fn names_are_quoted_for_toml_and_for_pointers() {
        let local = LocalFindings {
            ids: vec!["a/b~\"c\\\u{7f}\n".to_owned()],
            change_times: vec!["Data_Last_Updated".to_owned(), "Last_Updated".to_owned()],
            unsteady: vec!["hits".to_owned()],
            since: Some("modified\"Since".to_owned()),
            since_is_number: false,
            item: None,
        };
        let facts = RepositoryFacts {
            items: Some(super::super::shape::Shape::default()),
            ..RepositoryFacts::default()
        };
        let toml = propose(facts, local);
        assert!(toml.contains("item_id = \"/a~1b~0\\\"c\\\\\\u007f\\n\"\n"), "{toml}");
        assert!(toml.contains("ignore = [\"/hits\", \"/Last_Updated\"]\n"), "{toml}");
        let since = "mode = \"since\", search = { \"modified\\\"Since\" = \"{since}\" }, \
                     cursor = \"/Data_Last_Updated\", lookback = \"2m\" }\n";
        assert!(
            toml.contains(&format!("\nincremental = {{ interval = \"10s\", {since}")),
            "{toml}"
        );
    }

    #[test]
    fn a_list_with_the_last_change_first_is_read_from_the_top() {
        let facts =
            RepositoryFacts { order: Some(ListOrder::Modified), ..RepositoryFacts::default() };
        let toml = propose(facts, LocalFindings::default());
        let line = "\nincremental = { interval = \"10s\", mode = \"newest_first\" }\n";
        assert!(toml.contains(line), "{toml}");
        assert!(
            !propose(RepositoryFacts::default(), LocalFindings::default()).contains("incremental")
        );
    }
}
