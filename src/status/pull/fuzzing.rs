//! Doors to what is private here, for the fuzz targets in `fuzz/`; compiled for nobody else
//! (`--cfg fuzzing`).

use std::time::Duration;

use hyper::Request;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use super::access;
use super::call::{self, CallError, PullCall, RepositoryCall, RepositoryPart};
use crate::config::Secret;
use crate::status::ledger::PassKind;

/// What a request was taken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FuzzedPull {
    /// Changes.
    Changes {
        /// `after`.
        after: Option<u64>,
        /// `repository`.
        repository: Option<u64>,
        /// `limit`.
        limit: usize,
        /// `wait`.
        wait: Duration,
        /// `names`.
        names: bool,
        /// As server-sent events.
        events: bool,
    },
    /// Something of a repository.
    Repository {
        /// Which.
        repository: u64,
        /// What follows its number in the path, but for the item; with its query where that is part of it.
        part: &'static str,
        /// The item.
        item: Option<String>,
        /// `names`.
        names: bool,
    },
}

/// What a request was taken for; else the words of its refusal, none for a path that there is not.
pub fn pull_call(
    path: &str,
    query: Option<&str>,
    headers: &[(&'static str, &[u8])],
) -> Result<FuzzedPull, Option<String>> {
    let mut sent = HeaderMap::new();
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            sent.append(*name, value);
        }
    }
    match call::parse(path, query, &sent) {
        Ok(PullCall::Changes(call)) => Ok(FuzzedPull::Changes {
            after: call.after.map(|after| after.0),
            repository: call.repository.map(|repository| repository.0),
            limit: call.limit,
            wait: call.wait,
            names: call.names,
            events: call.events,
        }),
        Ok(PullCall::Repository(RepositoryCall { repository, part, names })) => {
            let (part, item) = match part {
                RepositoryPart::Items => ("items", None),
                RepositoryPart::Item(item) => ("items/ITEM", Some(item)),
                RepositoryPart::History(item) => ("items/ITEM/history", Some(item)),
                RepositoryPart::HeldDeletions => ("held-deletions", None),
                RepositoryPart::Passes(PassKind::Whole) => ("passes?kind=whole", None),
                RepositoryPart::Passes(PassKind::Incremental) => ("passes?kind=incremental", None),
            };
            Ok(FuzzedPull::Repository { repository: repository.0, part, item, names })
        }
        Err(CallError::NoPath) => Err(None),
        Err(CallError::Bad(words)) => Err(Some(words)),
    }
}

/// Whether a path needs the token over TCP.
pub fn needs_token(path: &str) -> bool {
    call::is_pull(path)
}

/// Whether these headers let a request over TCP in where this is the token.
pub fn lets_in(authorization: &[&[u8]], token: &str) -> bool {
    let mut request = Request::new(());
    for value in authorization {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            request.headers_mut().append(AUTHORIZATION, value);
        }
    }
    let met = Some([127, 0, 0, 1].into());
    access::check(&request, met, Some(&Secret::new(token))).is_ok()
}
