//! One page request, from the first try until there is an answer.
//!
//! Guarantees: each try is signed afresh; a refused request waits for a newer session and is sent
//! again, so that a token that ends costs no page; a failed one waits with growing delays; a wish
//! to stop ends every wait at once, but not a request that is under way; and each wait says how long
//! it may take.

use tokio::time::Instant;

use super::access::ask_access;
use super::blame::Blame;
use super::endpoint::{ITEM, SEARCH, source};
use super::failure::{Attempts, Next, asks_for_patience, next_after};
use super::fetcher::Fetcher;
use super::outcome::{FetchOutcome, Fetched, Unanswered};
use super::permit::let_through;
use crate::client::{Api, Failure, ItemRequest, ItemsRequest, Presence, SearchRequest};
use crate::domain::IdSet;
use crate::pager::rate::{ExpectedPage, Urgency};
use crate::task::{Context, Stopped, Until};

/// How many failures, or refusals, of the request for an item are the last.
const ASKED_AT_MOST: u32 = 5;

/// Makes the request until it is answered, or until it is known that it never will be, because
/// the server answers the top of the same list (see `blame`). However often it is sent, it is as urgent as at
/// first.
///
/// # Errors
///
/// [`Stopped`] where the task is to stop before.
pub(crate) async fn fetch<A: Api>(
    fetcher: &Fetcher<A>,
    request: &SearchRequest,
    urgency: Urgency,
    context: &Context,
) -> Result<FetchOutcome, Stopped> {
    let mut attempts = Attempts::of(request.repository, SEARCH);
    let top = SearchRequest { page: 1, page_size: 1, fingerprints: None, ..request.clone() };
    let mut blame = Blame::default();
    let reading = fetcher.shared.readings.begin();
    loop {
        let items = if blame.asks_for_top() { top.page_size } else { request.page_size };
        let page = ExpectedPage { items, is_first_try: attempts.is_first() };
        let (credentials, permit) = let_through(fetcher, urgency, Some(page), context).await?;
        attempts.begin(fetcher);
        let begun = Instant::now();
        fetcher.progress.request_sent();
        fetcher.counts.requests.increment();
        let until = Until::Within(fetcher.api.time_out());
        let asked = if blame.asks_for_top() { &top } else { request };
        match context.wait(until, fetcher.api.search(&credentials, asked)).await {
            Ok(answer) if blame.asks_for_top() => {
                // One item says nothing of how fast pages come, nor that this window does.
                drop(permit);
                fetcher.proved(&credentials);
                fetcher.adopt(request.repository, &credentials, &answer);
                fetcher.progress.problems.server_answered();
                blame.top_answered(answer.total);
            }
            Ok(answer) => {
                let bytes = permit.answered(&answer);
                fetcher.succeeded(request.repository, &credentials, &answer);
                let elapsed = begun.elapsed();
                return Ok(FetchOutcome::Answered(Fetched {
                    answer,
                    begun,
                    elapsed,
                    bytes,
                    reading,
                }));
            }
            Err(failure) => {
                match &failure {
                    Failure::Failed(_) => permit.failed(),
                    Failure::Refused(_) | Failure::Denied(_) => drop(permit),
                }
                if attempts.wants_access(&failure) {
                    // Once, and before it is told: what is told says then whose fault it is.
                    ask_access(fetcher, request.repository, context).await?;
                }
                let failed = attempts.failed();
                let next = next_after(fetcher, &failure, &credentials, &mut attempts);
                if attempts.failed() > failed && !asks_for_patience(&failure) {
                    blame.failed();
                }
                if let Some(total) = blame.verdict() {
                    // The server is there: the window is reported, and not an outage.
                    fetcher.outage().forget();
                    fetcher.progress.problems.over(source(request.repository, SEARCH));
                    return Ok(FetchOutcome::Unanswered(Unanswered { failure, total, begun }));
                }
                wait(fetcher, next, context).await?;
            }
        }
    }
}

/// Asks whether the server still has an item, until the server says so or not, but not for ever: a
/// pass must end also where a server has no clear answer to this.
///
/// # Errors
///
/// [`Stopped`] where the task is to stop before.
pub(crate) async fn ask<A: Api>(
    fetcher: &Fetcher<A>,
    request: &ItemRequest,
    context: &Context,
) -> Result<Presence, Stopped> {
    let mut attempts = Attempts::of(request.repository, ITEM);
    while attempts.in_vain() < ASKED_AT_MOST {
        let (credentials, permit) =
            let_through(fetcher, Urgency::question(Instant::now()), None, context).await?;
        attempts.begin(fetcher);
        let until = Until::Within(fetcher.api.time_out());
        let asked = context.wait(until, fetcher.api.item(&credentials, request)).await;
        // An item is no page: how long it took says nothing of pages.
        drop(permit);
        match asked {
            Ok(presence) => {
                fetcher.proved(&credentials);
                fetcher.reconnected(request.repository, ITEM);
                return Ok(presence);
            }
            Err(failure) => {
                let next = next_after(fetcher, &failure, &credentials, &mut attempts);
                wait(fetcher, next, context).await?;
            }
        }
    }
    // The item is asked for no more, and a second pass decides.
    fetcher.progress.problems.over(source(request.repository, ITEM));
    Ok(Presence::Unknown)
}

/// Asks for several items at once: those that the server surely has. `None`: the call failed, which is told; it
/// is not tried again, since each item can be asked for singly.
///
/// # Errors
///
/// [`Stopped`] where the task is to stop before.
pub(crate) async fn ask_together<A: Api>(
    fetcher: &Fetcher<A>,
    request: &ItemsRequest,
    context: &Context,
) -> Result<Option<IdSet>, Stopped> {
    let mut attempts = Attempts::of(request.repository, ITEM);
    let (credentials, permit) =
        let_through(fetcher, Urgency::question(Instant::now()), None, context).await?;
    attempts.begin(fetcher);
    let until = Until::Within(fetcher.api.time_out());
    let asked = context.wait(until, fetcher.api.items(&credentials, request)).await;
    drop(permit);
    match asked {
        Ok(there) => {
            fetcher.proved(&credentials);
            Ok(Some(there))
        }
        Err(failure) => {
            // The item that is asked for next waits by itself where that is called for.
            next_after(fetcher, &failure, &credentials, &mut attempts);
            Ok(None)
        }
    }
}

pub(super) async fn wait<A>(
    fetcher: &Fetcher<A>,
    next: Next,
    context: &Context,
) -> Result<(), Stopped> {
    match next {
        Next::AtOnce => Ok(()),
        Next::After(delay) => context.sleep(delay).await,
        Next::Cleared(suspicion) => {
            context.run(Until::Session, fetcher.session.cleared(suspicion)).await.map(drop)
        }
    }
}
