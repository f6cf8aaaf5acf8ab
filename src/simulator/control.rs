//! The control API: how a test sets, from outside, what happens next, and reads what is true.
//!
//! It is open to any program that reaches the port, which is none beyond this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use hyper::body::Bytes;
use hyper::header::HeaderMap;
use hyper::{Method, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::answer::{self, Delivery, SimulatedAnswer, Travel, message};
use super::behaviour::SimulatedItemCall;
use super::call::SimulatedCall;
use super::churn::Rates;
use super::dataset;
use super::fault::{SimulatedEndpoint, SimulatedFault};
use super::faults::Scripted;
use super::holds::HoldRequest;
use super::options::{check_odds, check_rates};
use super::state::SimulatorShared;

/// How many items of the oracle are rendered at a time.
const ORACLE_PIECE: usize = 100;

/// Answers a call to the control API.
pub(super) fn answer(shared: &Arc<SimulatorShared>, call: &SimulatedCall) -> Response<Delivery> {
    let call_name = call.path.strip_prefix("/simulator/").unwrap_or_default();
    if (&call.method, call_name) == (&Method::GET, "items") {
        return items(shared, call);
    }
    match answered(shared, call_name, call) {
        Ok(value) => SimulatedAnswer::json(&value),
        Err(ControlError(status, reason)) => message(status, &reason),
    }
    .travel(Travel::Whole)
}

/// Makes a call to the control API for this process itself.
pub(super) fn call(
    shared: &Arc<SimulatorShared>,
    call_name: &str,
    body: &Value,
) -> Result<(), String> {
    let call = SimulatedCall {
        method: Method::POST,
        path: String::new(),
        query: None,
        headers: HeaderMap::new(),
        body: body.to_string().into(),
        now: Instant::now(),
        first: false,
        node: 0,
        astray: false,
    };
    answered(shared, call_name, &call).map(drop).map_err(|ControlError(_, reason)| reason)
}

fn answered(
    shared: &Arc<SimulatorShared>,
    call_name: &str,
    call: &SimulatedCall,
) -> Result<Value, ControlError> {
    match (&call.method, call_name) {
        (&Method::GET, "counts") => Ok(json!(shared.counts())),
        (&Method::POST, "faults") => queue_faults(shared, call),
        (&Method::POST, "hold") => parse(call).map(|hold: HoldRequest| {
            shared.lock().holds.hold(hold);
            json!({})
        }),
        (&Method::POST, "release") => parse(call)
            .map(|ReleaseRequest { endpoint }| json!({"released": shared.lock().holds.release(endpoint)})),
        (&Method::DELETE, "faults") => {
            shared.lock().faults.clear();
            Ok(json!({}))
        }
        (&Method::POST, "odds") => odds(shared, call),
        (&Method::POST, "end-sessions") => Ok(json!({"ended": shared.lock().sessions.close_all()})),
        (&Method::POST, "renew-rest-tokens") => {
            shared.lock().sessions.ask_renewals();
            Ok(json!({}))
        }
        (&Method::POST, "churn") => parse(call).and_then(|change| churn(shared, &change)),
        (&Method::POST, "freeze") => {
            let still = Some(0.0);
            let change = ChurnRequest {
                repository: None,
                insert_rate: still,
                delete_rate: still,
                update_rate: still,
            };
            churn(shared, &change)
        }
        (&Method::POST, "edit") => edit(shared, call),
        (&Method::POST, "hide") => parse(call).and_then(|hide| hide_items(shared, &hide)),
        (&Method::POST, "show") => parse(call).and_then(|show| show_items(shared, &show)),
        (&Method::POST, "empty") => parse(call).and_then(|empty| look_empty(shared, &empty)),
        (&Method::POST, "items-call") => parse(call).map(|ItemCallRequest { mode }| {
            shared.lock().behaviour.item_call = mode;
            json!({})
        }),
        (&Method::POST, "lists") => parse(call).map(|lists| {
            shared.lock().behaviour.lists = lists;
            json!({})
        }),
        (&Method::POST, "offer") => parse(call).map(|offer| {
            note_offer(shared, &offer);
            json!({})
        }),
        (&Method::POST, "stamp") => parse(call).map(|members: BTreeMap<String, Value>| {
            let written = members.iter().map(|(name, value)| format!(",{}:{value}", json!(name)));
            let written = written.collect::<String>().into_bytes();
            *shared.stamps.write().unwrap_or_else(PoisonError::into_inner) = written;
            json!({})
        }),
        (&Method::POST, "reorder") => parse(call).map(|ReorderRequest { on }| {
            shared.lock().behaviour.reorder(on, shared.options.seed);
            json!({})
        }),
        _ => Err(ControlError(StatusCode::NOT_FOUND, "there is no such call".to_owned())),
    }
}

/// Why a call to the control API fails.
struct ControlError(StatusCode, String);

impl ControlError {
    fn wrong(reason: impl Display) -> Self {
        Self(StatusCode::BAD_REQUEST, format!("{reason}"))
    }
}

fn parse<T: DeserializeOwned>(call: &SimulatedCall) -> Result<T, ControlError> {
    serde_json::from_slice(&call.body).map_err(ControlError::wrong)
}

fn queue_faults(shared: &SimulatorShared, call: &SimulatedCall) -> Result<Value, ControlError> {
    let scripted: Vec<Scripted> = parse(call)?;
    if let Some(unfit) = scripted.iter().find(|fault| !fault.kind.fits(fault.endpoint)) {
        return Err(ControlError::wrong(format!("{} is a fault of a search", unfit.kind)));
    }
    let mut state = shared.lock();
    let queued = scripted.len();
    for fault in scripted {
        state.faults.queue(fault);
    }
    Ok(json!({"queued": queued}))
}

fn odds(shared: &SimulatorShared, call: &SimulatedCall) -> Result<Value, ControlError> {
    let named: BTreeMap<String, f64> = parse(call)?;
    let odds = named
        .into_iter()
        .map(|(name, probability)| Ok((name.parse::<SimulatedFault>()?, probability)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error: super::fault::UnknownFault| ControlError::wrong(error))?;
    check_odds(&odds).map_err(ControlError::wrong)?;
    shared.lock().faults.set_odds(odds);
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReleaseRequest {
    endpoint: SimulatedEndpoint,
}

/// What of the server's list of repositories is another from now on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfferRequest {
    repository: u64,
    /// Whether it is listed.
    listed: Option<bool>,
    /// Whether the login may read it.
    readable: Option<bool>,
}

fn note_offer(shared: &SimulatorShared, offer: &OfferRequest) {
    let behaviour = &mut shared.lock().behaviour;
    let note = |out: &mut BTreeSet<u64>, is_in: Option<bool>| match is_in {
        Some(true) => drop(out.remove(&offer.repository)),
        Some(false) => drop(out.insert(offer.repository)),
        None => {}
    };
    note(&mut behaviour.unlisted, offer.listed);
    note(&mut behaviour.unreadable, offer.readable);
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChurnRequest {
    repository: Option<u64>,
    insert_rate: Option<f64>,
    delete_rate: Option<f64>,
    update_rate: Option<f64>,
}

fn churn(shared: &SimulatorShared, change: &ChurnRequest) -> Result<Value, ControlError> {
    let uptime = shared.uptime();
    let mut state = shared.lock();
    let mut changed = 0;
    for repository in &mut state.repositories {
        if change.repository.is_some_and(|id| id != repository.id) {
            continue;
        }
        // What fell due under the old rates still happens.
        repository.advance(uptime);
        let old = repository.rates();
        let rates = Rates {
            insert: change.insert_rate.unwrap_or(old.insert),
            delete: change.delete_rate.unwrap_or(old.delete),
            update: change.update_rate.unwrap_or(old.update),
        };
        check_rates(rates).map_err(ControlError::wrong)?;
        repository.set_rates(rates, uptime);
        changed += 1;
    }
    Ok(json!({"repositories": changed}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EditRequest {
    repository: u64,
    clear: Option<ClearAmount>,
    #[serde(default)]
    insert: u32,
    /// Where the new items go.
    at: Option<usize>,
    #[serde(default)]
    delete: Vec<u64>,
    #[serde(default)]
    update: Vec<u64>,
    #[serde(default, rename = "move")]
    moves: Vec<MoveRequest>,
    /// How much later than they are the changes claim to be.
    #[serde(default)]
    ahead_ms: u64,
}

/// How many of the items there are.
#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum ClearAmount {
    Count(usize),
    Fraction(f64),
}

impl ClearAmount {
    /// Of so many, how many; a fraction is rounded up.
    fn of(self, items: usize) -> Result<usize, ControlError> {
        match self {
            Self::Count(count) => Ok(count),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it is between 0 and the number of items"
            )]
            Self::Fraction(part) if (0.0..=1.0).contains(&part) => {
                Ok((part * items as f64).ceil() as usize)
            }
            Self::Fraction(_) => {
                Err(ControlError::wrong("clear is a number of items or a part of 1"))
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MoveRequest {
    id: u64,
    to: usize,
}

fn edit(shared: &SimulatorShared, call: &SimulatedCall) -> Result<Value, ControlError> {
    let edit: EditRequest = parse(call)?;
    let uptime = shared.uptime();
    let mut state = shared.lock();
    let repository = state.repository(edit.repository, uptime).ok_or_else(no_repository)?;
    if let Some(part) = edit.clear {
        repository.clear(part.of(repository.len())?);
    }
    let mut inserted = Vec::new();
    repository.ahead = Duration::from_millis(edit.ahead_ms);
    let done: Result<(), dataset::EditError> = (|| {
        for _ in 0..edit.insert {
            inserted.push(repository.insert(edit.at)?);
        }
        edit.delete.iter().try_for_each(|id| repository.delete(*id))?;
        edit.update.iter().try_for_each(|id| repository.update(*id))?;
        edit.moves.iter().try_for_each(|one| repository.move_to(one.id, one.to))
    })();
    repository.ahead = Duration::ZERO;
    done.map_err(ControlError::wrong)?;
    Ok(json!({"inserted": inserted}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HideRequest {
    repository: u64,
    ids: Vec<u64>,
}

fn hide_items(shared: &SimulatorShared, hide: &HideRequest) -> Result<Value, ControlError> {
    let uptime = shared.uptime();
    let mut state = shared.lock();
    let repository = state.repository(hide.repository, uptime).ok_or_else(no_repository)?;
    hide.ids.iter().try_for_each(|id| repository.hide(*id)).map_err(ControlError::wrong)?;
    Ok(json!({"shown": repository.shown()}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShowRequest {
    repository: u64,
    ids: Option<Vec<u64>>,
}

fn show_items(shared: &SimulatorShared, show: &ShowRequest) -> Result<Value, ControlError> {
    let uptime = shared.uptime();
    let mut state = shared.lock();
    let repository = state.repository(show.repository, uptime).ok_or_else(no_repository)?;
    match &show.ids {
        Some(ids) => {
            ids.iter().try_for_each(|id| repository.show(*id)).map_err(ControlError::wrong)?;
        }
        None => repository.show_all(),
    }
    Ok(json!({"shown": repository.shown()}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EmptyRequest {
    repository: u64,
    on: bool,
}

fn look_empty(shared: &SimulatorShared, empty: &EmptyRequest) -> Result<Value, ControlError> {
    let uptime = shared.uptime();
    let mut state = shared.lock();
    let repository = state.repository(empty.repository, uptime).ok_or_else(no_repository)?;
    repository.looks_empty = empty.on;
    Ok(json!({"shown": repository.shown()}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ItemCallRequest {
    mode: SimulatedItemCall,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReorderRequest {
    on: bool,
}

/// The oracle. The list is copied at one moment; the items are rendered as they are sent.
fn items(shared: &Arc<SimulatorShared>, call: &SimulatedCall) -> Response<Delivery> {
    let id = call.parameter("repository").and_then(|id| id.parse::<u64>().ok());
    let uptime = shared.uptime();
    let mut state = shared.lock();
    let Some(repository) = id.and_then(|id| state.repository(id, uptime)) else {
        let ControlError(status, reason) = no_repository();
        return message(status, &reason).travel(Travel::Whole);
    };
    let mut entries = repository.window(0, usize::MAX).into_iter();
    drop(state);
    let shared = Arc::clone(shared);
    let frames = std::iter::from_fn(move || {
        let mut lines = Vec::new();
        for entry in entries.by_ref().take(ORACLE_PIECE) {
            shared.catalog.render(entry, &mut lines);
            lines.push(b'\n');
        }
        (!lines.is_empty()).then(|| Bytes::from(lines))
    });
    answer::stream("application/x-ndjson", frames)
}

fn no_repository() -> ControlError {
    ControlError(StatusCode::NOT_FOUND, "there is no such repository".to_owned())
}
