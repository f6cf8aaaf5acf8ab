//! What an answer says about one item: that it is there, that it is gone, or nothing. Pure;
//! table-tested.
//!
//! The form of the answer is open, so the item is looked for wherever it may stand. Guarantees: an
//! item is gone only where the server says so in a way that means nothing else: 404, 410, a success
//! whose place for the item is empty, or the item itself, with the word that it is deleted or with
//! the number of another repository. Another item, an error told in JSON, or a call that does not
//! exist in another way than 404 say nothing.

use serde_json::value::RawValue;

use super::error::{RefusalShape, RequestErrorKind, passes_by};
use super::item_call::{ItemRequest, ItemsRequest, Presence};
use super::verdict::{self, Reply, Verdict};
use super::walk;
use super::wire::{self, ApiEnvelope};
use crate::domain::{IdSet, RepositoryId};

/// A member in which the item may stand, and the members inside it in which it may.
struct ItemPlace {
    name: &'static str,
    inside: &'static [Self],
}

const ITEM: ItemPlace = ItemPlace { name: "item", inside: &[] };
const ITEM_LIST: ItemPlace = ItemPlace { name: "itemList", inside: &[] };
const DATA: ItemPlace = ItemPlace { name: "data", inside: &[ITEM, ITEM_LIST] };
const PLACES: [ItemPlace; 3] = [DATA, ITEM, ITEM_LIST];

/// How many items an answer has, by its own words.
const TOTALS: [&str; 2] = ["searchTotal", "returnTotal"];

/// In which repository an item, or what holds it, says that it is (open; the name is that of the
/// search).
const REPOSITORY: &str = "repositoryId";

/// Members of ours or theirs that say by `true` that an item is deleted (open).
const DELETED_FLAGS: [&str; 2] = ["deleted", "isDeleted"];

/// Members that say it by the word `deleted` (open). Attributes are keyed by field id (seen), so
/// that none of these is one.
const DELETED_WORDS: [&str; 3] = ["status", "state", "itemStatus"];

/// Members that say how it went with one of several (open). No attribute is called so, as above.
const VERDICTS: [&str; 7] =
    ["success", "error", "errors", "errorCode", "message", "status", "state"];

/// What a place for the item shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sight {
    /// The item.
    Item,
    /// The item, with the word that it is deleted or in another repository.
    Removed,
    /// Nothing.
    Empty,
    /// Neither.
    Unclear,
}

/// `webcm/rest/api/items/{itemId}` (vendor, in words).
pub(super) fn item(reply: &Reply, asked: &ItemRequest) -> Verdict<Presence> {
    match reply.status {
        _ if reply.foreign_redirect.is_some() => {}
        404 | 410 if verdict::asks_to_sign_in(reply) => {
            return Verdict::Refused(RefusalShape::SignInPage, None);
        }
        404 | 410 => return Verdict::Answer(Presence::Absent),
        200..=299 | 401 | 403 => {}
        status if passes_by(status) => return Verdict::Failed(RequestErrorKind::Status),
        // The server's opinion of the call, today as tomorrow.
        _ => return Verdict::Answer(Presence::Unknown),
    }
    match verdict::accepted(reply) {
        Ok(envelope) => Verdict::Answer(presence(reply, &envelope, asked)),
        Err(Verdict::Failed(RequestErrorKind::WrongShape { .. })) => {
            Verdict::Answer(Presence::Unknown)
        }
        Err(verdict) => verdict,
    }
}

/// The call for several items (vendor that there is one, open which): those of them that the answer
/// shows. That an item is not there says nothing.
pub(super) fn items(reply: &Reply, asked: &ItemsRequest) -> Verdict<IdSet> {
    if reply.foreign_redirect.is_none() && reply.status != 200 {
        return Verdict::Failed(RequestErrorKind::Status);
    }
    let status = match verdict::accepted(reply) {
        Ok(envelope) => envelope.status,
        // A list has no status.
        Err(Verdict::Failed(RequestErrorKind::WrongShape { .. })) => None,
        Err(verdict) => return verdict,
    };
    let mut shown = IdSet::new();
    let no_error = status.is_none_or(|status| matches!(status.get(), "null" | "0"));
    if no_error && let Ok(whole) = serde_json::from_slice::<&RawValue>(&reply.body) {
        show(whole, asked, &PLACES, &mut shown);
    }
    Verdict::Answer(asked.items.iter().filter(|id| shown.contains(id)).collect())
}

/// Adds the items that stand in a list or, where this is an object, in the lists of these places.
fn show(value: &RawValue, asked: &ItemsRequest, places: &[ItemPlace], shown: &mut IdSet) {
    let is_list = wire::elements_that(value, |element| {
        let id = wire::id_of(element, &asked.item_id);
        let is_item = || is_bare(element) && sight_of(element, asked.repository) == Sight::Item;
        let id = id.filter(|_| is_item());
        id.is_some_and(|id| shown.insert(&id))
    });
    // What holds the items may say more of them than they do.
    if is_list.is_some() || sight_of(value, asked.repository) != Sight::Item {
        return;
    }
    for place in places {
        if let Some(inside) = walk::member(value, &[place.name]) {
            show(inside, asked, place.inside, shown);
        }
    }
}

/// Whether an element of a list speaks of nothing but the item: one that says how it went with this id may say
/// that there is none.
fn is_bare(element: &RawValue) -> bool {
    VERDICTS.iter().all(|name| walk::member(element, &[*name]).is_none())
}

/// What a success says.
fn presence(reply: &Reply, envelope: &ApiEnvelope<'_>, asked: &ItemRequest) -> Presence {
    let Ok(whole) = serde_json::from_slice::<&RawValue>(&reply.body) else {
        return Presence::Unknown;
    };
    let status = envelope.status.filter(|status| status.get() != "null");
    let is_zero = status.is_some_and(|status| status.get() == "0");
    let success = envelope.success.map(RawValue::get);
    let no_error = match status {
        None => true,
        Some(_) if is_zero => true,
        // An item at the top may have an attribute of this name.
        Some(text) => text.get().starts_with('"') && is_asked(whole, asked) == Some(true),
    };
    // Any JSON may have an empty place; only a success that calls itself one says that it is.
    let calls_itself_success = is_zero || success == Some("true");
    match look(whole, asked, &PLACES) {
        Sight::Item if no_error => Presence::Present,
        Sight::Removed if no_error && reply.status == 200 => Presence::Absent,
        Sight::Empty if no_error && reply.status == 200 && calls_itself_success => Presence::Absent,
        _ => Presence::Unknown,
    }
}

/// Looks for the item in a value and, where that is an object, in the members of these places.
fn look(value: &RawValue, asked: &ItemRequest, places: &[ItemPlace]) -> Sight {
    if value.get() == "null" {
        return Sight::Empty;
    }
    // Counted rather than collected: an answer may have millions of elements.
    let that_show = |sight: Sight| {
        wire::elements_that(value, |element: &RawValue| {
            is_asked(element, asked) == Some(true) && sight_of(element, asked.repository) == sight
        })
    };
    if let Some((there, elements)) = that_show(Sight::Item) {
        return match (there, elements) {
            (_, 0) => Sight::Empty,
            (1.., _) => Sight::Item,
            _ if that_show(Sight::Removed).is_some_and(|(removed, _)| removed > 0) => {
                Sight::Removed
            }
            _ => Sight::Unclear,
        };
    }
    let own = is_asked(value, asked);
    if own == Some(true) {
        return sight_of(value, asked.repository);
    }
    let found = places.iter().filter_map(|place| {
        walk::member(value, &[place.name]).map(|inside| look(inside, asked, place.inside))
    });
    let found: Vec<Sight> = found.collect();
    let counts = |name: &&str| {
        walk::member(value, &[*name]).is_some_and(|total| !matches!(total.get(), "0" | "null"))
    };
    match best(&found) {
        // What holds the item may say more of it than the item itself.
        Sight::Item => sight_of(value, asked.repository),
        Sight::Removed => Sight::Removed,
        _ if own.is_some() || found.contains(&Sight::Unclear) || TOTALS.iter().any(counts) => {
            Sight::Unclear
        }
        _ if !found.is_empty() || (!places.is_empty() && is_empty_object(value)) => Sight::Empty,
        _ => Sight::Unclear,
    }
}

/// Of several sights the one that shows most: an item that is there once is there.
fn best(seen: &[Sight]) -> Sight {
    let order = [Sight::Item, Sight::Removed];
    order.into_iter().find(|sight| seen.contains(sight)).unwrap_or(Sight::Unclear)
}

/// What the item, or the object that it was found in, says of where it is.
fn sight_of(parent: &RawValue, repository: RepositoryId) -> Sight {
    let text = |name: &str| walk::member(parent, &[name]).map(|raw| raw.get().trim_matches('"'));
    let is_elsewhere = text(REPOSITORY)
        .and_then(|number| number.parse::<u64>().ok())
        .is_some_and(|number| number != repository.0);
    let is_flagged = DELETED_FLAGS.into_iter().any(|name| text(name) == Some("true"));
    let is_told =
        DELETED_WORDS.into_iter().filter_map(text).any(|word| word.eq_ignore_ascii_case("deleted"));
    if is_elsewhere || is_flagged || is_told { Sight::Removed } else { Sight::Item }
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
