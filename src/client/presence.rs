//! What an answer says about one item: that it is there, that it is gone, or nothing. Pure;
//! table-tested.
//!
//! The form of the answer is open, so the item is looked for wherever it may stand. Guarantees: an
//! item is gone only where the server says so in a way that means nothing else: 404, 410, or a
//! success whose place for the item is empty. Another item, an error told in JSON, or a call that
//! does not exist in another way than 404 say nothing.

use serde_json::value::RawValue;

use super::error::{RefusalShape, RequestErrorKind};
use super::verdict::{self, Reply, Verdict};
use super::wire::{self, Envelope};
use super::{ItemRequest, Presence};

/// A member in which the item may stand, and the members inside it in which it may.
struct Place {
    name: &'static str,
    inside: &'static [Self],
}

const ITEM: Place = Place { name: "item", inside: &[] };
const ITEM_LIST: Place = Place { name: "itemList", inside: &[] };
const DATA: Place = Place { name: "data", inside: &[ITEM, ITEM_LIST] };
const PLACES: [Place; 3] = [DATA, ITEM, ITEM_LIST];

/// How many items an answer has, by its own words.
const TOTALS: [&str; 2] = ["searchTotal", "returnTotal"];

/// `webcm/rest/api/items/{itemId}` (vendor, in words).
pub(super) fn item(reply: &Reply, asked: &ItemRequest) -> Verdict<Presence> {
    match reply.status {
        _ if reply.elsewhere.is_some() => {}
        404 | 410 if verdict::asks_to_sign_in(reply) => {
            return Verdict::Refused(RefusalShape::SignInPage, None);
        }
        404 | 410 => return Verdict::Answer(Presence::Gone),
        200..=299 | 401 | 403 => {}
        // These pass by; all others are the server's opinion of the call, today as tomorrow.
        407 | 408 | 425 | 429 | 500 | 502.. => return Verdict::Failed(RequestErrorKind::Status),
        _ => return Verdict::Answer(Presence::Unclear),
    }
    match verdict::accepted(reply) {
        Ok(envelope) => Verdict::Answer(presence(reply, &envelope, asked)),
        Err(Verdict::Failed(RequestErrorKind::WrongShape { .. })) => {
            Verdict::Answer(Presence::Unclear)
        }
        Err(verdict) => verdict,
    }
}

/// What a success says.
fn presence(reply: &Reply, envelope: &Envelope<'_>, asked: &ItemRequest) -> Presence {
    let Ok(whole) = serde_json::from_slice::<&RawValue>(&reply.body) else {
        return Presence::Unclear;
    };
    let status = envelope.status.map(RawValue::get);
    let success = envelope.success.map(RawValue::get);
    let no_error = match status {
        None | Some("null" | "0") => true,
        // An item at the top may have an attribute of this name.
        Some(text) => text.starts_with('"') && is_asked(whole, asked) == Some(true),
    };
    match look(whole, asked, &PLACES) {
        _ if !no_error => Presence::Unclear,
        Presence::Gone if reply.status != 200 => Presence::Unclear,
        // Any JSON may have an empty place; only a success that calls itself one says that it is.
        Presence::Gone if status != Some("0") && success != Some("true") => Presence::Unclear,
        presence => presence,
    }
}

/// Looks for the item in a value and, where that is an object, in the members of these places.
fn look(value: &RawValue, asked: &ItemRequest, places: &[Place]) -> Presence {
    if value.get() == "null" {
        return Presence::Gone;
    }
    let is_there = |element: &RawValue| is_asked(element, asked) == Some(true);
    if let Some((there, elements)) = wire::elements_that(value, is_there) {
        return match (there, elements) {
            (_, 0) => Presence::Gone,
            (0, _) => Presence::Unclear,
            (..) => Presence::There,
        };
    }
    let own = is_asked(value, asked);
    if own == Some(true) {
        return Presence::There;
    }
    let found = places.iter().filter_map(|place| {
        wire::member(value, &[place.name]).map(|inside| look(inside, asked, place.inside))
    });
    let found: Vec<Presence> = found.collect();
    let counts = |name: &&str| {
        wire::member(value, &[*name]).is_some_and(|total| !matches!(total.get(), "0" | "null"))
    };
    if found.contains(&Presence::There) {
        Presence::There
    } else if own.is_some() || found.contains(&Presence::Unclear) || TOTALS.iter().any(counts) {
        Presence::Unclear
    } else if !found.is_empty() || (!places.is_empty() && is_empty_object(value)) {
        Presence::Gone
    } else {
        Presence::Unclear
    }
}

/// Whether a value is the item asked for; `None` where it is none at all.
fn is_asked(value: &RawValue, asked: &ItemRequest) -> Option<bool> {
    let is_object = value.get().starts_with('{');
    let id = is_object.then(|| wire::id_of(value, &asked.item_id)).flatten();
    id.map(|id| id == asked.item)
}

fn is_empty_object(value: &RawValue) -> bool {
    let inside = value.get().strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    inside.is_some_and(|inside| inside.trim().is_empty())
}
