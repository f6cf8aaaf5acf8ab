//! Asking what repositories there are.

use super::auth::signed;
use super::error::{ApiEndpoint, Failure};
use super::repository_call::RepositoryList;
use super::repository_list;
use super::settings::Settings;
use crate::http::Method;
use crate::session::Tokens;

/// `GET webcm/rest/api/repositories` (seen).
pub(super) async fn repositories(
    settings: &Settings,
    tokens: &Tokens,
) -> Result<RepositoryList, Failure> {
    let exchanged = signed(settings, ApiEndpoint::Repositories, Method::GET, tokens, None).await?;
    let verdict = repository_list::repositories(&exchanged.reply);
    exchanged.conclude(verdict, || settings.redactor(tokens))
}
