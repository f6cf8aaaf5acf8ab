//! The calls for items and repositories, once the session was found good.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::answer::{NOT_FOUND_PAGE, SWAGGER_PAGE, SimulatedAnswer, message};
use super::behaviour::SimulatedItemCall;
use super::call::SimulatedCall;
use super::state::SimulatorShared;

/// The largest page size that is accepted; about 200 MB of items. Beyond it the search says no
/// instead of quietly answering less, which is what the fault `cap` is for.
const LARGEST_PAGE: u64 = 100_000;

/// How a fault bends a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SearchDistortion {
    Straight,
    Short,
    Cap,
    Repeat,
    Empty,
    Excess,
    Less,
    More,
}

/// One page of a search.
pub(super) fn search(
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
pub(super) fn count(shared: &SimulatorShared, call: &SimulatedCall) -> SimulatedAnswer {
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
pub(super) fn item(shared: &SimulatorShared, call: &SimulatedCall) -> SimulatedAnswer {
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

/// The repositories (seen); member names are open.
pub(super) fn repositories(shared: &SimulatorShared, call: &SimulatedCall) -> SimulatedAnswer {
    let state = shared.lock();
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
