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

use super::answer::{self, CutOff, Delivery, SimulatedAnswer, Travel};
use super::behaviour::SimulatedItemCall;
use super::call::{SimulatedCall, parameter};
use super::faults::{SimulatedEndpoint, SimulatedFault, SimulatedRefusal};
use super::sessions::TokenStatus;
use super::sign_in::{login, logout, oauth_token};
use super::{SearchGuard, SimulatorShared, balancer, catalog, control};

/// No request is larger than this, in bytes.
const LARGEST_REQUEST: usize = 1 << 20;
/// The largest page size that is accepted; about 200 MB of items. Beyond it the search says no
/// instead of quietly answering less, which is what the fault `cap` is for.
const LARGEST_PAGE: u64 = 100_000;

/// How a fault bends a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SearchDistortion {
    Straight,
    Short,
    Cap,
    Repeat,
    Empty,
    Excess,
    Less,
    More,
}

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
        return Ok(page(&call).travel(Travel::Whole));
    };
    if call.first && shared.lock().faults.drops_again(endpoint) {
        return Err(CutOff);
    }
    pass_gate(shared, endpoint).await;
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
async fn pass_gate(shared: &SimulatorShared, endpoint: SimulatedEndpoint) {
    let gate = {
        let mut state = shared.lock();
        let gate = state.gates.arrive(endpoint);
        state.counts.requests += 1;
        *state.counts.calls.entry(endpoint).or_default() += 1;
        match endpoint {
            SimulatedEndpoint::Search => state.counts.searches += 1,
            SimulatedEndpoint::Item => state.counts.item_reads += 1,
            SimulatedEndpoint::Reauth => state.counts.reauths += 1,
            _ => {}
        }
        state.counts.held += u64::from(gate.is_some());
        gate
    };
    if let Some(released) = gate {
        // A gate that is gone holds nobody.
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
        "/webcm/rest/api/items/count" => (SimulatedEndpoint::Count, Method::POST),
        "/webcm/rest/api/repositories" => (SimulatedEndpoint::Repositories, Method::GET),
        _ if path.starts_with("/webcm/rest/api/items/") => (SimulatedEndpoint::Item, Method::GET),
        _ if path.starts_with("/webcm/rest/api/repositories/") => {
            (SimulatedEndpoint::Repositories, Method::GET)
        }
        _ => return None,
    })
}

/// The pages that a browser would ask for.
fn page(call: &SimulatedCall) -> SimulatedAnswer {
    match call.path.as_str() {
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
        | SimulatedEndpoint::Repositories => {}
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
        SimulatedEndpoint::Item => item(shared, call),
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

fn search(
    shared: &SimulatorShared,
    call: &SimulatedCall,
    distortion: SearchDistortion,
    announced: Option<&str>,
) -> SimulatedAnswer {
    let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    let number = |name: &str| body[name].as_u64();
    let Some(repository_id) = number("repositoryId") else {
        return message(StatusCode::BAD_REQUEST, "repositoryId must be a number");
    };
    let Some(page) = number("page").filter(|page| *page >= 1) else {
        return message(StatusCode::BAD_REQUEST, "page must be a number from 1");
    };
    let Some(size) = number("pageSize").filter(|size| (1..=LARGEST_PAGE).contains(size)) else {
        return message(StatusCode::BAD_REQUEST, "pageSize must be a number from 1 to 100000");
    };
    let size = match distortion {
        SearchDistortion::Cap if size > 50 => 50,
        SearchDistortion::Cap => size.min(20),
        _ => shared.lock().behaviour.lists.size(size),
    };
    let start = usize::try_from((page - 1).saturating_mul(size)).unwrap_or(usize::MAX);
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let (entries, total, order) = {
        let mut state = shared.lock();
        let order = state.behaviour.next_order();
        let Some(repository) = state.repository(repository_id, shared.uptime()) else {
            return no_repository();
        };
        let window = match distortion {
            SearchDistortion::Repeat if repository.last_window.1 > 0 => {
                (repository.last_window.0, size)
            }
            SearchDistortion::Repeat => (0, size),
            SearchDistortion::Empty => (start, 0),
            SearchDistortion::Excess => (start, size + 1),
            _ => (start, size),
        };
        repository.last_window = window;
        let (found, there) = (repository.search(window.0, window.1), repository.shown());
        if let Some(no) = state.behaviour.lists.in_place_of(window.0, &found, there) {
            return no;
        }
        let total = match distortion {
            SearchDistortion::Less => there / 2,
            SearchDistortion::More => there + 1000,
            _ => state.behaviour.lists.total(there, &found),
        };
        let found = (found, total, order);
        state.counts.pages += 1;
        state.counts.items += found.0.len() as u64;
        found
    };
    let claimed =
        if distortion == SearchDistortion::Short { entries.len().max(1) } else { entries.len() };
    let carried =
        if distortion == SearchDistortion::Short { entries.len() * 2 / 3 } else { entries.len() };
    let mut out = Vec::with_capacity(carried * 2560 + 256);
    out.extend_from_slice(b"{\"status\":0,\"data\":{\"itemList\":[");
    for (index, entry) in entries.iter().take(carried).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        shared.render(*entry, order, &mut out);
    }
    out.extend_from_slice(
        format!("],\"searchTotal\":{total},\"returnTotal\":{claimed}}}").as_bytes(),
    );
    if let Some(token) = announced {
        out.extend_from_slice(format!(",\"epimresttoken\":\"{token}\"").as_bytes());
    }
    out.push(b'}');
    SimulatedAnswer::new(StatusCode::OK, "application/json", out)
}

/// How many items meet a search (vendor, in words); the form of the answer is open.
fn count(shared: &SimulatorShared, call: &SimulatedCall) -> SimulatedAnswer {
    let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    let Some(id) = body["repositoryId"].as_u64() else {
        return message(StatusCode::BAD_REQUEST, "repositoryId must be a number");
    };
    match shared.lock().repository(id, shared.uptime()) {
        Some(repository) => {
            SimulatedAnswer::json(&json!({"status": 0, "data": repository.shown()}))
        }
        None => no_repository(),
    }
}

/// One item (vendor, in words); the form of the answer is open.
fn item(shared: &SimulatorShared, call: &SimulatedCall) -> SimulatedAnswer {
    let id = call.path.rsplit('/').next().and_then(|id| id.parse::<u64>().ok());
    let uptime = shared.uptime();
    let (found, order) = {
        let mut state = shared.lock();
        match state.behaviour.item_call {
            SimulatedItemCall::Honest => {}
            SimulatedItemCall::NotFound => {
                return SimulatedAnswer::html(StatusCode::NOT_FOUND, NOT_FOUND_PAGE);
            }
            SimulatedItemCall::Html => return SimulatedAnswer::html(StatusCode::OK, SWAGGER_PAGE),
            SimulatedItemCall::Status => {
                return SimulatedAnswer::json(&json!({"status": 1, "message": "failed"}));
            }
            SimulatedItemCall::Error => {
                return message(StatusCode::INTERNAL_SERVER_ERROR, "failed");
            }
        }
        let found = id.and_then(|id| {
            state.repositories.iter_mut().find_map(|repository| {
                repository.advance(uptime);
                repository.item(id)
            })
        });
        (found, state.behaviour.next_order())
    };
    let Some(entry) = found else { return message(StatusCode::NOT_FOUND, "item not found") };
    let mut out = b"{\"status\":0,\"data\":".to_vec();
    shared.render(entry, order, &mut out);
    out.push(b'}');
    SimulatedAnswer::new(StatusCode::OK, "application/json", out)
}

/// The repositories, or the attributes of one (seen); member names are open.
fn repositories(shared: &SimulatorShared, call: &SimulatedCall) -> SimulatedAnswer {
    let state = shared.lock();
    let below = call.path.strip_prefix("/webcm/rest/api/repositories/");
    if let Some(path) = below {
        let name = path.strip_suffix("/attributes").unwrap_or_default();
        // A plus sign is a plus sign in a path, but nothing here has one in its name.
        let name = parameter(format!("name={name}").as_bytes(), "name");
        if !state.repositories.iter().any(|repository| Some(&repository.name) == name.as_ref()) {
            return message(StatusCode::NOT_FOUND, "repository not found");
        }
        let attributes: Vec<Value> = catalog::attributes()
            .map(|(id, label)| json!({"fieldId": id, "name": label}))
            .collect();
        return SimulatedAnswer::json(&json!({"status": 0, "data": attributes}));
    }
    let wanted = call.parameter("NAME");
    let found: Vec<Value> = state
        .repositories
        .iter()
        .filter(|repository| wanted.as_ref().is_none_or(|name| *name == repository.name))
        .map(|repository| json!({"repositoryId": repository.id, "name": repository.name}))
        .collect();
    SimulatedAnswer::json(&json!({"status": 0, "data": found}))
}

/// What is said to a good session that asks for a repository that is not there (open).
fn no_repository() -> SimulatedAnswer {
    SimulatedAnswer::json(&json!({"status": 1, "message": "the repository does not exist"}))
}

/// An error that is nobody's refusal.
pub(super) fn message(status: StatusCode, text: &str) -> SimulatedAnswer {
    SimulatedAnswer::status_json(status, &json!({"status": status.as_u16(), "message": text}))
}

const SWAGGER_PAGE: &str = "<!DOCTYPE html>
<html><head><title>Swagger UI</title></head>
<body><h1>EnterWorks look-alike</h1><p>POST /webcm/rest/api/items/search</p></body></html>
";

const NOT_FOUND_PAGE: &str = "<!DOCTYPE html>
<html><head><title>HTTP Status 404 - Not Found</title></head>
<body><h1>HTTP Status 404 - Not Found</h1></body></html>
";
