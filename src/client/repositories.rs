//! Asking what repositories there are.

use reqwest::Method;

use super::auth::signed;
use super::error::{Endpoint, Failure};
use super::settings::Settings;
use super::{Offer, offer};
use crate::session::Tokens;

/// `GET webcm/rest/api/repositories` (seen).
pub(super) async fn repositories(settings: &Settings, tokens: &Tokens) -> Result<Offer, Failure> {
    let exchanged = signed(settings, Endpoint::Repositories, Method::GET, tokens, None).await?;
    let verdict = offer::repositories(&exchanged.reply);
    exchanged.settle(verdict, || settings.redactor(tokens))
}
