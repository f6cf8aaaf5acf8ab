//! Signing in, asking whether the session stands, signing out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use url::form_urlencoded;

use super::api::SessionStatus;
use super::error::{ApiEndpoint, Failure};
use super::exchange::{ApiRequest, Exchanged, exchange};
use super::settings::{Settings, plain, sensitive};
use super::sign_in;
use super::verdict::{self, TokenCookies};
use crate::config::LoginMethod;
use crate::http::Method;
use crate::http::cookies::{self, Cookies};
use crate::http::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, SET_COOKIE,
};
use crate::session::Tokens;
use crate::task::clock;

/// Signs in by the configured method.
pub(super) async fn login(settings: &Settings) -> Result<Tokens, Failure> {
    // Of this session alone: what the last one was given is forgotten with it.
    let cookies = Cookies::default();
    let call = match settings.login.method {
        LoginMethod::EnableApi => enable_api_login(settings, &cookies),
        LoginMethod::Oauth => oauth_token(settings, &cookies)?,
    };
    let exchanged = exchange(settings, call).await?;
    let came = token_cookies(&exchanged.headers);
    let verdict = match settings.login.method {
        LoginMethod::EnableApi => sign_in::login(&exchanged.reply, came.clone()),
        LoginMethod::Oauth => sign_in::token(&exchanged.reply, came.clone()),
    };
    let tokens = exchanged.conclude(verdict, || settings.login_redactor(&came, &cookies))?;
    Ok(Tokens { cookies, ..tokens })
}

/// Asks whether the session stands. There is no such call with OAuth; a refused search tells there.
pub(super) async fn reauth(settings: &Settings, tokens: &Tokens) -> Result<SessionStatus, Failure> {
    if settings.login.method == LoginMethod::Oauth {
        return Ok(SessionStatus::Unknown);
    }
    let exchanged = signed(settings, ApiEndpoint::Reauth, Method::GET, tokens, None).await?;
    exchanged.conclude(verdict::reauth(&exchanged.reply), || settings.redactor(tokens))
}

/// Signs out. There is no such call with OAuth; the token runs out by itself.
pub(super) async fn logout(settings: &Settings, tokens: &Tokens) -> Result<(), Failure> {
    if settings.login.method == LoginMethod::Oauth {
        return Ok(());
    }
    let body = serde_json::json!({ "login": settings.login.username }).to_string();
    let body = Some(Bytes::from(body));
    let exchanged = signed(settings, ApiEndpoint::Logout, Method::POST, tokens, body).await?;
    exchanged.conclude(verdict::acknowledged(&exchanged.reply), || settings.redactor(tokens))
}

/// A request that carries the tokens, and its answer.
pub(super) async fn signed(
    settings: &Settings,
    endpoint: ApiEndpoint,
    method: Method,
    tokens: &Tokens,
    body: Option<Bytes>,
) -> Result<Exchanged, Failure> {
    let mut headers = settings.signed(endpoint, tokens)?;
    if body.is_some() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let url = settings.url(endpoint);
    let cookies = &tokens.cookies;
    Ok(exchange(settings, ApiRequest { endpoint, method, url, headers, body, cookies }).await?)
}

/// `POST enable-api/login` (vendor). Name and password go into the body, never into the URL, where
/// servers take them too (seen): URLs end in access logs.
fn enable_api_login<'a>(settings: &Settings, cookies: &'a Cookies) -> ApiRequest<'a> {
    let login = &settings.login;
    let body = serde_json::json!({
        "login": login.username,
        "password": login.password.expose(),
    });
    let mut headers = plain();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    ApiRequest {
        endpoint: ApiEndpoint::Login,
        method: Method::POST,
        url: settings.url(ApiEndpoint::Login),
        headers,
        body: Some(Bytes::from(body.to_string())),
        cookies,
    }
}

/// What a token is asked for with, beside name and password (seen).
const GRANT: [(&str, &str); 3] =
    [("grant_type", "password"), ("allowexpire", "true"), ("language", "en")];

/// `POST webcm/rest/oauth/token` (seen), with name and password as a form in the body. Servers before
/// 10.2.1 read them in the URL only (seen): there they stand where the configuration says so, and this
/// URL is never shown.
fn oauth_token<'a>(settings: &Settings, cookies: &'a Cookies) -> Result<ApiRequest<'a>, Failure> {
    let login = &settings.login;
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(GRANT);
    form.append_pair("username", &login.username).append_pair("password", login.password.expose());
    let form = form.finish();
    let mut url = settings.url(ApiEndpoint::Token);
    let mut headers = plain();
    let client = format!("{}:{}", login.client_id, login.client_secret.expose());
    let basic = format!("Basic {}", STANDARD.encode(client));
    headers.insert(AUTHORIZATION, sensitive(ApiEndpoint::Token, &basic)?);
    let body = if login.oauth_credentials_in_url {
        url.set_query(Some(&form));
        // Some servers want a length with every POST, and the library sends none without a body.
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        None
    } else {
        let media_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, media_type);
        Some(Bytes::from(form))
    };
    let (endpoint, method) = (ApiEndpoint::Token, Method::POST);
    Ok(ApiRequest { endpoint, method, url, headers, body, cookies })
}

/// The tokens among an answer's cookies.
pub(super) fn token_cookies(headers: &HeaderMap) -> TokenCookies {
    let mut found = TokenCookies::default();
    for header in headers.get_all(SET_COOKIE).iter().filter_map(|it| it.to_str().ok()) {
        match cookies::pair(header, clock::now()) {
            Some((name, value)) if name == "ewtoken" => found.session = Some(value),
            Some((name, value)) if name == "epimresttoken" => found.rest = Some(value),
            _ => {}
        }
    }
    found
}
