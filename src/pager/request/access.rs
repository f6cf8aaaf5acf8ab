//! Whether this login may read a repository at all, where its search is refused or finds nothing.

use tokio::time::Instant;

use super::fetcher::Fetcher;
use super::permit::let_through;
use crate::client::Api;
use crate::domain::RepositoryId;
use crate::pager::rate::Urgency;
use crate::progress::AccessDenied;
use crate::task::{Context, Stopped, Until};

/// Asks the server for its list of repositories, once, and takes note of what it says; that the login
/// may not read this one, where it says so. A server that does not answer says nothing.
///
/// # Errors
///
/// [`Stopped`] where the task is to stop before.
pub(crate) async fn ask_access<A: Api>(
    fetcher: &Fetcher<A>,
    repository: RepositoryId,
    context: &Context,
) -> Result<Option<AccessDenied>, Stopped> {
    let (credentials, permit) =
        let_through(fetcher, Urgency::question(Instant::now()), None, context).await?;
    drop(permit);
    let until = Until::Within(fetcher.api.time_out());
    if let Ok(list) = context.wait(until, fetcher.api.repositories(&credentials)).await {
        fetcher.progress.access.note(list.repositories.iter().map(|it| (it.id, it.can_read)));
    }
    Ok(fetcher.progress.access.denied(repository))
}
