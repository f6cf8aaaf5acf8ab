//! One page request of an incremental pass: tried a few times, and no more.
//!
//! Guarantees: it waits for its turn with those of the whole passes; a refusal that may be the session's
//! fault is cleared up as any; what the server says to its conditions is no outage, and never keeps whole
//! passes from going on.

use tokio::time::Instant;

use super::endpoint::{INCREMENTAL, source};
use super::failure::{Attempts, next_after};
use super::fetch::wait;
use super::fetcher::Fetcher;
use super::outcome::Fetched;
use super::permit::let_through;
use crate::client::{Api, Failure, SearchRequest};
use crate::domain::RepositoryId;
use crate::pager::rate::{ExpectedPage, Urgency};
use crate::progress::problems::Reached;
use crate::task::{Context, Stopped, Until};

/// How many tries there are.
const TRIES: u32 = 3;

/// Makes the request, a few times if need be; `deadline` is when its first page is to be let through.
///
/// # Errors
///
/// [`Stopped`] where the task is to stop before.
pub(crate) async fn fetch_incremental<A: Api>(
    fetcher: &Fetcher<A>,
    request: &SearchRequest,
    deadline: Instant,
    context: &Context,
) -> Result<Result<Fetched, Failure>, Stopped> {
    let mut attempts = Attempts::of(request.repository, INCREMENTAL);
    loop {
        let page = ExpectedPage { items: request.page_size, is_first_try: attempts.is_first() };
        let urgency = Urgency::incremental(deadline);
        let (credentials, permit) = let_through(fetcher, urgency, Some(page), context).await?;
        let reading = fetcher.shared.readings.begin();
        attempts.begin(fetcher);
        let begun = Instant::now();
        fetcher.progress.request_sent();
        fetcher.counts.incremental.requests.increment();
        let until = Until::Within(fetcher.api.time_out());
        match context.wait(until, fetcher.api.search(&credentials, request)).await {
            Ok(answer) => {
                let bytes = permit.answered(&answer);
                fetcher.page_came(request.repository, &credentials, &answer);
                fetcher.progress.problems.server_answered();
                over(fetcher, request.repository);
                let elapsed = begun.elapsed();
                fetcher.counts.incremental.answered(elapsed);
                return Ok(Ok(Fetched { answer, begun, elapsed, bytes, reading }));
            }
            Err(failure) => {
                if blames_conditions(&failure) {
                    drop(permit);
                } else {
                    permit.failed();
                }
                let next = next_after(fetcher, &failure, &credentials, &mut attempts);
                if attempts.in_vain() >= TRIES {
                    return Ok(Err(failure));
                }
                wait(fetcher, next, context).await?;
            }
        }
    }
}

/// Nothing is wrong with these requests, or they are made no more.
pub(crate) fn over<A>(fetcher: &Fetcher<A>, repository: RepositoryId) {
    fetcher.progress.problems.over(source(repository, INCREMENTAL));
}

/// Whether the server was there and did not take the request as it was: another time it will not either.
pub(crate) fn blames_conditions(failure: &Failure) -> bool {
    match failure {
        Failure::Refused(_) | Failure::Denied(_) => true,
        Failure::Failed(error) => {
            let status = error.status.unwrap_or(200);
            let is_passing = matches!(status, 408 | 429 | 500..);
            matches!(error.reached(), Reached::Answered)
                && !is_passing
                && error.retry_after.is_none()
        }
    }
}
