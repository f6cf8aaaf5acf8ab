//! Signing in and out: the vendor's login, its logout, and the OAuth call.

use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, SET_COOKIE, WWW_AUTHENTICATE};
use serde_json::{Value, json};

use super::answer::SimulatedAnswer;
use super::call::{SimulatedCall, parameter};
use super::fault::SimulatedRefusal;
use super::options::{LoginAnswer, OauthReads};
use super::state::SimulatorShared;

/// Login as in vendor's example; name and password as query parameters are seen.
pub(super) fn login(shared: &SimulatorShared, call: &SimulatedCall) -> SimulatedAnswer {
    let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    let given = |name: &str| match &body[name] {
        Value::String(text) => Some(text.clone()),
        _ => call.parameter(name),
    };
    let mut state = shared.lock();
    if !fits(shared, given("login").as_ref(), given("password").as_ref()) {
        state.counts.failed_logins += 1;
        return SimulatedAnswer::refusal(SimulatedRefusal::Success, "");
    }
    let issued = state.sessions.open(call.now);
    if let Some(balancer) = &mut state.balancer {
        balancer.home(&issued.session, call.node);
    }
    state.counts.logins += 1;
    if shared.options.login_answer != LoginAnswer::Token {
        state.counts.rest_tokens_issued += 1;
    }
    drop(state);
    let mut answer = json!({"success": true, "message": "enjoy your token"});
    if shared.options.login_answer != LoginAnswer::Cookies {
        answer["token"] = json!({"token": issued.session});
    }
    let answer = SimulatedAnswer::json(&answer);
    if shared.options.login_answer == LoginAnswer::Token {
        return answer;
    }
    answer
        .with(SET_COOKIE, &format!("ewtoken={}; Path=/; HttpOnly", issued.session))
        .with(SET_COOKIE, &format!("epimresttoken={}; Path=/; HttpOnly", issued.rest))
}

/// Ends a session.
pub(super) fn logout(shared: &SimulatorShared, call: &SimulatedCall) -> SimulatedAnswer {
    let mut state = shared.lock();
    if !state.sessions.close(call.session_token(), call.now) {
        return SimulatedAnswer::refusal(SimulatedRefusal::Success, "");
    }
    state.counts.logouts += 1;
    SimulatedAnswer::json(&json!({"success": true, "message": "You are logged out"}))
}

/// The OAuth call (seen); any client is accepted if it names itself. The answers are those of the
/// OAuth standard, RFC 6749, sections 5.1 and 5.2.
pub(super) fn oauth_token(shared: &SimulatorShared, call: &SimulatedCall) -> SimulatedAnswer {
    let client = call.header(AUTHORIZATION.as_str());
    if !client.is_some_and(|client| client.starts_with("Basic ")) {
        let error = json!({"error": "invalid_client"});
        return SimulatedAnswer::status_json(StatusCode::UNAUTHORIZED, &error)
            .with(WWW_AUTHENTICATE, "Basic realm=\"oauth\"");
    }
    let given = |name: &str| {
        let reads = shared.options.oauth_reads;
        let in_url = call.parameter(name).filter(|_| reads != OauthReads::Body);
        let in_body = || parameter(&call.body, name).filter(|_| reads != OauthReads::Url);
        in_url.or_else(in_body)
    };
    if given("grant_type").as_deref() != Some("password") {
        let error = json!({"error": "unsupported_grant_type"});
        return SimulatedAnswer::status_json(StatusCode::BAD_REQUEST, &error);
    }
    let mut state = shared.lock();
    if !fits(shared, given("username").as_ref(), given("password").as_ref()) {
        state.counts.failed_logins += 1;
        let error = json!({"error": "invalid_grant", "error_description": "Bad credentials"});
        return SimulatedAnswer::status_json(StatusCode::BAD_REQUEST, &error);
    }
    state.counts.logins += 1;
    SimulatedAnswer::json(&json!({
        "access_token": state.sessions.open_oauth(call.now),
        "token_type": "bearer",
        "expires_in": shared.options.session_ttl.as_secs(),
    }))
}

fn fits(shared: &SimulatorShared, login: Option<&String>, password: Option<&String>) -> bool {
    login == Some(&shared.options.login) && password == Some(&shared.options.password)
}
