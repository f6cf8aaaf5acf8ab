//! Requests of the pull API: who is let in, and what a path, a query and headers are taken for.
#![no_main]

use std::collections::HashSet;
use std::time::Duration;

use ewmirror::fuzzing::{self, FuzzedPull};
use ewmirror_fuzz::parts;
use libfuzzer_sys::fuzz_target;
use url::Url;

const TOKEN: &str = "a-token-of-the-tests-32-characters-long";

const PARAMETERS: [&str; 6] = ["after", "repository", "limit", "wait", "names", "kind"];

fuzz_target!(|data: &[u8]| {
    let [target, accept, last, authorization] = parts(data);
    let is_let_in = fuzzing::lets_in(&[authorization], TOKEN);
    assert_eq!(is_let_in, is_bearer(authorization), "{authorization:?}");
    assert!(!fuzzing::lets_in(&[authorization, authorization], TOKEN));

    let Ok(target) = str::from_utf8(target) else { return };
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    // As it comes to the program, which has it from the library for HTTP.
    let is_target = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    if !path.starts_with('/') || !target.bytes().all(is_target) {
        return;
    }
    let headers = [("accept", accept), ("last-event-id", last)];
    match fuzzing::pull_call(path, query, &headers) {
        Ok(call) => {
            assert!(fuzzing::needs_token(path), "it is told without a token: {path}");
            let (again, headers) = spelt(&call);
            let headers: Vec<_> = headers.iter().map(|it| (it.0, it.1.as_bytes())).collect();
            let (path, query) = again.split_once('?').expect("it is spelt with a query");
            assert_eq!(fuzzing::pull_call(path, Some(query), &headers), Ok(call.clone()));
            expect_once(query, &call);
            taken_as_sent(target, &call);
        }
        Err(Some(words)) => {
            assert!(words.len() < 500 && !words.chars().any(char::is_control), "{words:?}");
        }
        Err(None) => {}
    }
});

/// Whether it is the token and nothing else.
fn is_bearer(sent: &[u8]) -> bool {
    let Ok(sent) = str::from_utf8(sent) else { return false };
    sent.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer "))
        && sent.get(7..) == Some(TOKEN)
}

/// A call as a client would spell it.
fn spelt(call: &FuzzedPull) -> (String, Vec<(&'static str, String)>) {
    match call {
        FuzzedPull::Changes { after, repository, limit, wait, names, events } => {
            let mut text =
                format!("/changes?limit={limit}&wait={}ns&names={names}", wait.as_nanos());
            let mut headers = Vec::new();
            if let Some(repository) = repository {
                text.push_str(&format!("&repository={repository}"));
            }
            match after {
                Some(after) if *events => headers.push(("last-event-id", after.to_string())),
                Some(after) => text.push_str(&format!("&after={after}")),
                None => {}
            }
            if *events {
                headers.push(("accept", "text/event-stream".to_owned()));
            }
            (text, headers)
        }
        FuzzedPull::Repository { repository, part, item, names } => {
            let item: String =
                item.iter().flat_map(|it| it.bytes()).map(|it| format!("%{it:02X}")).collect();
            let part = part.replace("ITEM", &item);
            // Passes have no attributes that could be named.
            let query =
                if part.starts_with("passes?") { String::new() } else { format!("?names={names}") };
            (format!("/repositories/{repository}/{part}{query}"), Vec::new())
        }
    }
}

/// What is taken is within the bounds that are documented.
fn expect_once(query: &str, call: &FuzzedPull) {
    let names: Vec<&str> = query.split('&').filter_map(|it| Some(it.split_once('=')?.0)).collect();
    assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
    match call {
        FuzzedPull::Changes { after, repository, limit, wait, .. } => {
            assert!((1..=100_000).contains(limit) && *wait <= Duration::from_secs(300));
            for number in [after, repository].into_iter().flatten() {
                assert!(i64::try_from(*number).is_ok());
            }
            assert_ne!(*repository, Some(0));
        }
        FuzzedPull::Repository { repository, item, .. } => {
            assert!(*repository > 0 && i64::try_from(*repository).is_ok());
            assert_ne!(item.as_deref(), Some(""));
        }
    }
}

/// What is taken is what an independent reader of addresses finds in it, and nothing that is sent is passed
/// over.
fn taken_as_sent(target: &str, call: &FuzzedPull) {
    let Ok(url) = format!("http://127.0.0.1{target}").parse::<Url>() else { return };
    let pairs: Vec<(String, String)> =
        url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    let value = |name: &str| pairs.iter().find(|it| it.0 == name).map(|it| it.1.as_str());
    assert!(pairs.iter().all(|it| PARAMETERS.contains(&it.0.as_str())), "{pairs:?}");
    let number = |name: &str| value(name).and_then(|value| value.parse::<u64>().ok());
    match call {
        FuzzedPull::Changes { after, repository, limit, names, events, .. } => {
            if !events {
                assert_eq!(*after, number("after"));
            }
            assert_eq!(*repository, number("repository"));
            assert_eq!(*limit as u64, number("limit").unwrap_or(1000));
            assert_eq!(*names, value("names") == Some("true"));
        }
        FuzzedPull::Repository { names, .. } => {
            assert_eq!(*names, value("names") == Some("true"));
            assert!(pairs.len() <= 1, "{pairs:?}");
        }
    }
}
