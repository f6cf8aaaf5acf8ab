//! The vendor's calls: finds the one that is meant, lets it go wrong where a fault says so, and
//! answers as the API page describes.
//!
//! Paths are logged, queries and bodies never: a login may stand in them.

use std::future::pending;
use std::sync::Arc;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::ALLOW;
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::answer::{
    CutOff, Delivery, NOT_FOUND_PAGE, SWAGGER_PAGE, SimulatedAnswer, Travel, message,
};
use super::call::SimulatedCall;
use super::calls::{SearchDistortion, count, item, items, repositories, search};
use super::conditions::{self, SimulatedConditions};
use super::fault::{SimulatedEndpoint, SimulatedFault, SimulatedRefusal};
use super::model::model;
use super::sessions::TokenStatus;
use super::sign_in::{login, logout, oauth_token};
use super::state::{SearchGuard, SimulatorShared};
use super::{answer, balancer, control};

/// No request is larger than this, in bytes.
const LARGEST_REQUEST: usize = 1 << 20;
/// Answers one request, before which its connection had served so many.
pub(super) async fn serve(
    shared: Arc<SimulatorShared>,
    request: Request<Incoming>,
    before: u64,
) -> Result<Response<Delivery>, CutOff> {
    if shared.options.requests_per_connection.is_some_and(|most| before >= u64::from(most.get())) {
        shared.lock().counts.closed_idle += 1;
        return Err(CutOff);
    }
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, LARGEST_REQUEST).collect().await else {
        return Ok(message(StatusCode::PAYLOAD_TOO_LARGE, "too large").travel(Travel::Whole));
    };
    let path = head.uri.path().strip_prefix(shared.options.base_path.as_str());
    let mut call = SimulatedCall {
        method: head.method,
        path: path.unwrap_or_default().to_owned(),
        query: head.uri.query().map(str::to_owned),
        headers: head.headers,
        body: body.to_bytes(),
        now: Instant::now(),
        first: before == 0,
        node: 0,
        astray: false,
    };
    if call.path.starts_with("/simulator/") {
        return Ok(control::answer(&shared, &call));
    }
    if let Some(kind) = shared.options.redirect
        && let Some(answer) = balancer::redirected(kind, &mut call, &shared.options.base_path)
    {
        shared.lock().counts.redirected += 1;
        return Ok(answer.travel(Travel::Whole));
    }
    find_node(&shared, &mut call);
    let answered = vendor_call(&shared, call).await;
    let status = answered.as_ref().ok().map(|response| response.status().as_u16());
    tracing::debug!(status, "request answered or, without a status, dropped");
    answered
}

/// Finds the node that a request goes to, and whether its session is known there.
fn find_node(shared: &SimulatorShared, call: &mut SimulatedCall) {
    let mut state = shared.lock();
    let Some(balancer) = &mut state.balancer else { return };
    call.node = balancer.node(call);
    let token = call.sent_session_token();
    call.astray = token.is_some_and(|token| !balancer.is_home(token, call.node));
    state.counts.astray += u64::from(call.astray);
}

async fn vendor_call(
    shared: &SimulatorShared,
    mut call: SimulatedCall,
) -> Result<Response<Delivery>, CutOff> {
    let Some((endpoint, method)) = endpoint(&call.path) else {
        return Ok(page(shared, &call).travel(Travel::Whole));
    };
    if call.first && shared.lock().faults.drops_again(endpoint) {
        return Err(CutOff);
    }
    wait_for_release(shared, endpoint).await;
    let (fault, salt, canned) = {
        let mut state = shared.lock();
        let drawn = state.faults.draw(endpoint);
        if let Some(fault) = drawn.0 {
            *state.counts.faults.entry(fault.name()).or_default() += 1;
        }
        drawn
    };
    tracing::debug!(path = call.path, fault = fault.map(SimulatedFault::name), "request received");
    let under_way = (endpoint == SimulatedEndpoint::Search).then(|| SearchGuard::new(shared));
    if !shared.options.latency.is_zero() {
        tokio::time::sleep(shared.options.latency).await;
    }
    if let Some(capacity) = shared.options.capacity {
        let _worker = shared.workers.acquire().await;
        tokio::time::sleep(capacity.service_time).await;
    }
    call.now = Instant::now();
    let work = |distortion| {
        let answer = if call.method == method {
            handle(shared, endpoint, &call, distortion, salt)
        } else {
            message(StatusCode::METHOD_NOT_ALLOWED, "wrong method").with(ALLOW, method.as_str())
        };
        match &mut shared.lock().balancer {
            Some(balancer) => balancer.stamp(answer, call.node),
            None => answer,
        }
    };
    let failure = |status| SimulatedAnswer::failure(status, salt).travel(Travel::Whole);
    let response = match fault {
        None => work(SearchDistortion::Straight).travel(Travel::Whole),
        Some(SimulatedFault::Short) => work(SearchDistortion::Short).travel(Travel::Whole),
        Some(SimulatedFault::Cap) => work(SearchDistortion::Cap).travel(Travel::Whole),
        Some(SimulatedFault::Repeat) => work(SearchDistortion::Repeat).travel(Travel::Whole),
        Some(SimulatedFault::Empty) => work(SearchDistortion::Empty).travel(Travel::Whole),
        Some(SimulatedFault::Excess) => work(SearchDistortion::Excess).travel(Travel::Whole),
        Some(SimulatedFault::Less) => work(SearchDistortion::Less).travel(Travel::Whole),
        Some(SimulatedFault::More) => work(SearchDistortion::More).travel(Travel::Whole),
        Some(SimulatedFault::Canned) => {
            let unfit = || message(StatusCode::INTERNAL_SERVER_ERROR, "no such answer");
            canned.and_then(SimulatedAnswer::canned).unwrap_or_else(unfit).travel(Travel::Whole)
        }
        Some(SimulatedFault::Slow) => {
            work(SearchDistortion::Straight).travel(Travel::Slow(shared.options.slow))
        }
        Some(SimulatedFault::Truncate) => {
            work(SearchDistortion::Straight).travel(Travel::Truncated)
        }
        Some(SimulatedFault::Drop) => {
            drop(work(SearchDistortion::Straight));
            if !call.first {
                shared.lock().faults.drop_again(endpoint);
            }
            return Err(CutOff);
        }
        Some(SimulatedFault::Hang) => pending().await,
        Some(SimulatedFault::Refuse(shape)) => refusal(shared, shape, salt).travel(Travel::Whole),
        Some(SimulatedFault::Garbage) => SimulatedAnswer::garbage(salt).travel(Travel::Whole),
        Some(SimulatedFault::Huge) => answer::huge(),
        Some(SimulatedFault::E500) => failure(StatusCode::INTERNAL_SERVER_ERROR),
        Some(SimulatedFault::E502) => failure(StatusCode::BAD_GATEWAY),
        Some(SimulatedFault::E503) => failure(StatusCode::SERVICE_UNAVAILABLE),
        Some(SimulatedFault::E429) => failure(StatusCode::TOO_MANY_REQUESTS),
    };
    drop(under_way);
    Ok(response)
}

/// Counts a request, and waits where a test holds it.
async fn wait_for_release(shared: &SimulatorShared, endpoint: SimulatedEndpoint) {
    let hold = {
        let mut state = shared.lock();
        let hold = state.holds.arrive(endpoint);
        state.counts.requests += 1;
        *state.counts.calls.entry(endpoint).or_default() += 1;
        match endpoint {
            SimulatedEndpoint::Search => state.counts.searches += 1,
            SimulatedEndpoint::Item => state.counts.item_reads += 1,
            SimulatedEndpoint::Reauth => state.counts.reauths += 1,
            _ => {}
        }
        state.counts.held += u64::from(hold.is_some());
        hold
    };
    if let Some(released) = hold {
        // A hold that is gone holds nobody.
        drop(released.await);
    }
}

/// Which call a path means, and its method.
fn endpoint(path: &str) -> Option<(SimulatedEndpoint, Method)> {
    Some(match path {
        "/enable-api/login" => (SimulatedEndpoint::Login, Method::POST),
        "/enable-api/reauth" => (SimulatedEndpoint::Reauth, Method::GET),
        "/enable-api/logout" => (SimulatedEndpoint::Logout, Method::POST),
        "/webcm/rest/oauth/token" => (SimulatedEndpoint::Token, Method::POST),
        "/webcm/rest/api/items/search" => (SimulatedEndpoint::Search, Method::POST),
        "/webcm/rest/api/items/list" => (SimulatedEndpoint::Item, Method::POST),
        "/webcm/rest/api/items/count" => (SimulatedEndpoint::Count, Method::POST),
        "/webcm/rest/api/repositories" => (SimulatedEndpoint::Repositories, Method::GET),
        "/webcm/rest/api/items/attrValueOptions" => (SimulatedEndpoint::Metadata, Method::POST),
        _ if path.starts_with("/webcm/rest/api/items/") => (SimulatedEndpoint::Item, Method::GET),
        _ if ["/webcm/rest/api/repositories/", "/webcm/rest/api/links/"]
            .iter()
            .any(|above| path.starts_with(above)) =>
        {
            (SimulatedEndpoint::Metadata, Method::GET)
        }
        _ => return None,
    })
}

/// The server's description of its calls, as Springfox 2 writes one (likely): the members of a search
/// are those that the vendor names.
fn description(conditions: &SimulatedConditions) -> Value {
    let number = || json!({"type": "integer", "format": "int64"});
    let mut members = conditions::described(conditions);
    let usual = json!({
        "repositoryId": number(),
        "page": number(),
        "pageSize": number(),
        "savedSetId": number(),
        "userPreferenceId": number(),
        "getCodeSetDescInd": {"type": "boolean"},
    });
    if let Value::Object(usual) = usual {
        members.extend(usual);
    }
    let reads = || json!({"get": {"responses": {"200": {"description": "OK"}}}});
    let body = json!({"in": "body", "name": "search",
        "schema": {"$ref": "#/definitions/ItemSearch"}});
    let search = || json!({"post": {"parameters": [body], "responses": {}}});
    json!({
        "swagger": "2.0",
        "basePath": "/webcm/rest",
        "paths": {
            "/api/items/search": search(),
            "/api/items/count": search(),
            "/api/items/{itemId}": reads(),
            "/api/repositories": reads(),
            "/api/repositories/{name}/attributes": reads(),
        },
        "definitions": {"ItemSearch": {"type": "object", "properties": members}},
    })
}

/// The pages that a browser would ask for.
fn page(shared: &SimulatorShared, call: &SimulatedCall) -> SimulatedAnswer {
    match call.path.as_str() {
        "/webcm/rest/v2/api-docs" if shared.options.description => {
            SimulatedAnswer::json(&description(&shared.options.conditions))
        }
        "/webcm/login" => SimulatedAnswer::sign_in_page(),
        "/webcm/rest/swagger-ui.html" => SimulatedAnswer::html(StatusCode::OK, SWAGGER_PAGE),
        _ => SimulatedAnswer::html(StatusCode::NOT_FOUND, NOT_FOUND_PAGE),
    }
}

fn handle(
    shared: &SimulatorShared,
    endpoint: SimulatedEndpoint,
    call: &SimulatedCall,
    distortion: SearchDistortion,
    salt: u64,
) -> SimulatedAnswer {
    match endpoint {
        SimulatedEndpoint::Login => return login(shared, call),
        SimulatedEndpoint::Reauth => {
            let open = shared.lock().sessions.is_open(call.session_token(), call.now);
            return SimulatedAnswer::json(&json!({"success": open}));
        }
        SimulatedEndpoint::Logout => return logout(shared, call),
        SimulatedEndpoint::Token => return oauth_token(shared, call),
        SimulatedEndpoint::Search
        | SimulatedEndpoint::Count
        | SimulatedEndpoint::Item
        | SimulatedEndpoint::Repositories
        | SimulatedEndpoint::Metadata => {}
    }
    let standing = {
        let mut state = shared.lock();
        let (session, rest) = (call.session_token(), call.rest_token());
        let standing =
            state.sessions.judge(session, rest, endpoint == SimulatedEndpoint::Search, call.now);
        match standing {
            TokenStatus::Good => {}
            TokenStatus::Renewed(_) => {
                state.counts.rest_tokens_issued += 1;
                state.counts.rest_tokens_renewed += 1;
            }
            TokenStatus::NoSession | TokenStatus::StaleRestToken => state.counts.refusals += 1,
        }
        standing
    };
    let announced = match standing {
        TokenStatus::Good => None,
        TokenStatus::Renewed(token) => Some(token),
        TokenStatus::NoSession | TokenStatus::StaleRestToken => {
            return refusal(shared, shared.options.refusal, salt);
        }
    };
    match endpoint {
        SimulatedEndpoint::Search => search(shared, call, distortion, announced.as_deref()),
        SimulatedEndpoint::Count => count(shared, call),
        SimulatedEndpoint::Item if call.method == Method::POST => items(shared, call),
        SimulatedEndpoint::Item => item(shared, call),
        SimulatedEndpoint::Metadata => model(shared, call),
        _ => repositories(shared, call),
    }
}

fn refusal(
    shared: &SimulatorShared,
    shape: Option<SimulatedRefusal>,
    salt: u64,
) -> SimulatedAnswer {
    let any = || SimulatedRefusal::ALL[usize::try_from(salt % 6).unwrap_or_default()];
    SimulatedAnswer::refusal(shape.unwrap_or_else(any), &shared.options.base_path)
}
