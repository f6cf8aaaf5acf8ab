//! The permission to send a request: a session that stands, and what the limiter allows.

use super::fetcher::Fetcher;
use crate::pager::rate::{ExpectedPage, Permit, Urgency};
use crate::session::Credentials;
use crate::task::{Context, Stopped, Until};

/// Waits until a request may be sent, for a page until there is room for it, too; with the tokens of that moment.
pub(super) async fn let_through<'a, A>(
    fetcher: &'a Fetcher<A>,
    urgency: Urgency,
    page: Option<ExpectedPage>,
    context: &Context,
) -> Result<(Credentials, Permit<'a>), Stopped> {
    loop {
        // Not before there is a session: what the limiter has let through is sent at once.
        context.run(Until::Session, fetcher.session.credentials()).await?;
        let permit = fetcher.limiter.acquire(context, urgency, page).await?;
        if fetcher.session.standing().is_some()
            && let Some(credentials) = fetcher.session.current()
        {
            return Ok((credentials, permit));
        }
    }
}
