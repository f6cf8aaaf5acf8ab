//! What a request asks for. Pure.

use std::time::Duration;

use hyper::header::{ACCEPT, HeaderMap};
use url::form_urlencoded;

use crate::domain::{RepositoryId, Sequence};
use crate::status::ledger::PassKind;
use crate::text;

/// Where the log of changes is.
const CHANGES_PATH: &str = "/changes";

/// What all paths of repositories begin with.
const REPOSITORIES_PATH: &str = "/repositories";

/// Changes of one answer where nothing is said, and the most.
const LIMIT: usize = 1000;
const MOST: usize = 20_000;

/// The longest that an answer waits for news.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// So much of a name that nobody knows is said again, in characters.
const LONGEST_NAME: usize = 60;

/// The name of the header in which a reader of events says how far it has come.
const LAST_EVENT_ID: &str = "last-event-id";

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PullCall {
    Changes(ChangesCall),
    Repository(RepositoryCall),
}

/// What of a repository is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RepositoryCall {
    pub(super) repository: RepositoryId,
    pub(super) part: RepositoryPart,
    /// With the names of attributes.
    pub(super) names: bool,
}

/// What of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RepositoryPart {
    Items,
    Item(String),
    History(String),
    HeldDeletions,
    Passes(PassKind),
}

/// Which changes are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ChangesCall {
    /// `None`: from the first that there is.
    pub(super) after: Option<Sequence>,
    pub(super) repository: Option<RepositoryId>,
    pub(super) limit: usize,
    pub(super) wait: Duration,
    /// With the names of attributes.
    pub(super) names: bool,
    /// As server-sent events, without end.
    pub(super) events: bool,
}

/// Why a request is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CallError {
    /// There is no such path.
    NoPath,
    /// Something in it is not what it should be; in words for who asks.
    Bad(String),
}

/// Whether a path leads to items, so that it needs the token, whether or not there is anything.
pub(in crate::status) fn is_pull(path: &str) -> bool {
    let below = |start: &str| {
        path.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    below(CHANGES_PATH) || below(REPOSITORIES_PATH)
}

/// What is asked for by this path, this query and these headers.
pub(super) fn parse(
    path: &str,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Result<PullCall, CallError> {
    let segments: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
    let query = query.unwrap_or_default();
    let (id, part) = match segments.as_slice() {
        ["changes"] => return changes(query, headers).map(PullCall::Changes),
        ["repositories", id, "items"] => (id, RepositoryPart::Items),
        ["repositories", id, "items", item] => (id, RepositoryPart::Item(decoded(item)?)),
        ["repositories", id, "items", item, "history"] => {
            (id, RepositoryPart::History(decoded(item)?))
        }
        ["repositories", id, "held-deletions"] => (id, RepositoryPart::HeldDeletions),
        ["repositories", id, "passes"] => (id, RepositoryPart::Passes(PassKind::Whole)),
        _ => return Err(CallError::NoPath),
    };
    let repository = repository(id)?;
    let (mut names, mut part) = (false, part);
    each_parameter(query, |name, value| {
        match (name, &mut part) {
            ("kind", RepositoryPart::Passes(kind)) => {
                *kind = match value {
                    "whole" => PassKind::Whole,
                    "incremental" => PassKind::Incremental,
                    _ => return Err(bad(name, "whole or incremental")),
                };
            }
            ("names", part) if !matches!(part, RepositoryPart::Passes(_)) => {
                names = flag(name, value)?;
            }
            _ => return Err(unknown(name)),
        }
        Ok(())
    })?;
    Ok(PullCall::Repository(RepositoryCall { repository, part, names }))
}

/// Hands over each name of a query with its value, which are there once.
fn each_parameter(
    query: &str,
    mut take: impl FnMut(&str, &str) -> Result<(), CallError>,
) -> Result<(), CallError> {
    let mut seen: Vec<String> = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        take(&name, &value)?;
        // Those that are taken are few, and so is what is compared.
        if seen.iter().any(|seen| **seen == *name) {
            return Err(CallError::Bad(format!("{name} is given twice")));
        }
        seen.push(name.into_owned());
    }
    Ok(())
}

fn bad(name: &str, what: &str) -> CallError {
    CallError::Bad(format!("{name} must be {what}"))
}

/// Says that nothing is called so; not more of it than anybody has to see.
fn unknown(name: &str) -> CallError {
    CallError::Bad(format!("there is no parameter {} here", text::name(name, LONGEST_NAME)))
}

fn flag(name: &str, value: &str) -> Result<bool, CallError> {
    value.parse().map_err(|_| bad(name, "true or false"))
}

fn changes(query: &str, headers: &HeaderMap) -> Result<ChangesCall, CallError> {
    let events = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|accepted| accepted.to_str().ok())
        .flat_map(|accepted| accepted.split(','))
        .any(|kind| kind.split(';').next().unwrap_or_default().trim() == "text/event-stream");
    let mut call = ChangesCall {
        after: None,
        repository: None,
        limit: LIMIT,
        wait: Duration::ZERO,
        names: false,
        events,
    };
    each_parameter(query, |name, value| {
        match name {
            "after" => {
                let after = number(value).ok_or_else(|| bad(name, "the sequence of a change"))?;
                call.after = Some(Sequence(after));
            }
            "repository" => call.repository = Some(repository(value)?),
            "limit" => {
                let limit = number(value).and_then(|limit| usize::try_from(limit).ok());
                call.limit = limit
                    .filter(|limit| (1..=MOST).contains(limit))
                    .ok_or_else(|| bad(name, "a number from 1 to 20000"))?;
            }
            "wait" => {
                let wait = humantime::parse_duration(value).ok();
                call.wait = wait
                    .filter(|wait| *wait <= LONGEST_WAIT)
                    .ok_or_else(|| bad(name, "a duration up to 5m, such as 30s"))?;
            }
            "names" => call.names = flag(name, value)?,
            _ => return Err(unknown(name)),
        }
        Ok(())
    })?;
    // Who comes back says so in a header, with the address that it began with. Of lines it means nothing, but what
    // is wrong is told all the same.
    if let Some(last) = headers.get(LAST_EVENT_ID) {
        let last = last.to_str().ok().and_then(number);
        let last = last.ok_or_else(|| {
            CallError::Bad("Last-Event-ID must be the sequence of a change".to_owned())
        })?;
        if events {
            call.after = Some(Sequence(last));
        }
    }
    Ok(call)
}

/// A number of decimal digits alone.
fn number(text: &str) -> Option<u64> {
    let is_one = text.bytes().all(|byte| byte.is_ascii_digit());
    // Those of ours have 63 bits.
    text.parse().ok().filter(|number| is_one && i64::try_from(*number).is_ok())
}

fn repository(text: &str) -> Result<RepositoryId, CallError> {
    let id = number(text).filter(|id| *id > 0);
    let bad = || CallError::Bad("a repository is asked for by its number".to_owned());
    id.map(RepositoryId).ok_or_else(bad)
}

/// A segment of a path as a text. A plus is a plus there.
fn decoded(segment: &str) -> Result<String, CallError> {
    let bad = || CallError::Bad("the item's id is not encoded as UTF-8".to_owned());
    let text = percent_encoding::percent_decode_str(segment).decode_utf8().map_err(|_| bad())?;
    if text.is_empty() { Err(CallError::NoPath) } else { Ok(text.into_owned()) }
}
