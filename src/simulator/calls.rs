//! The calls for items and repositories, once the session was found good.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::answer::{NOT_FOUND_PAGE, SWAGGER_PAGE, SimulatedAnswer, message};
use super::behaviour::SimulatedItemCall;
use super::call::SimulatedCall;
use super::conditions::{Unwanted, Wanted};
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
    let wanted = match Wanted::of(&body, &shared.options.conditions) {
        Ok(wanted) => wanted,
        Err(Unwanted(member)) => {
            return message(StatusCode::BAD_REQUEST, &format!("{member} is not a condition"));
        }
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
        let is_unreadable = state.behaviour.unreadable.contains(&repository_id);
        let order = state.behaviour.next_order();
        let Some(repository) = state.repository(repository_id, shared.uptime()) else {
            return no_repository();
        };
        // Which of the two a server does is open.
        if is_unreadable && !repository.looks_empty {
            return message(StatusCode::FORBIDDEN, "you may not read this repository");
        }
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
        let (found, there) = repository.select(&wanted, window.0, window.1);
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
        let begin = out.len();
        shared.render(*entry, order, &mut out);
        wanted.cut(&mut out, begin);
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

/// Several items by id (vendor that there is such a call, open which).
pub(super) fn items(shared: &SimulatorShared, call: &SimulatedCall) -> SimulatedAnswer {
    /// More are an error (vendor).
    const MOST: usize = 500;
    if !shared.options.items_call {
        return SimulatedAnswer::html(StatusCode::NOT_FOUND, NOT_FOUND_PAGE);
    }
    let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    let asked = body["itemIds"].as_array().into_iter().flatten();
    let ids: Option<Vec<u64>> = asked.map(Value::as_u64).collect();
    let (Some(ids), Some(wanted)) = (ids, body["repositoryId"].as_u64()) else {
        return message(StatusCode::BAD_REQUEST, "repositoryId and itemIds are numbers");
    };
    if ids.len() > MOST {
        return message(StatusCode::BAD_REQUEST, "500 items at most");
    }
    let uptime = shared.uptime();
    let mut found = Vec::new();
    let mut state = shared.lock();
    for repository in state.repositories.iter_mut().filter(|it| it.id == wanted) {
        repository.advance(uptime);
        found.extend(ids.iter().filter_map(|id| repository.item(*id)));
    }
    let mut out = b"{\"status\":0,\"data\":{\"itemList\":[".to_vec();
    for (index, entry) in found.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        shared.render(entry, None, &mut out);
    }
    drop(state);
    out.extend_from_slice(b"]}}");
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
        .filter(|repository| !state.behaviour.unlisted.contains(&repository.id))
        .map(|repository| {
            let can_read = !state.behaviour.unreadable.contains(&repository.id);
            json!({"repositoryId": repository.id, "name": repository.name, "canRead": can_read,
                "canEdit": can_read})
        })
        .collect();
    SimulatedAnswer::json(&json!({"status": 0, "data": found}))
}

/// What is said to a good session that asks for a repository that is not there (open).
fn no_repository() -> SimulatedAnswer {
    SimulatedAnswer::json(&json!({"status": 1, "message": "the repository does not exist"}))
}
