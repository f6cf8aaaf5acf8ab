//! The page in an answer to a search. Pure.
//!
//! Guarantees: an answer of the wrong shape is never taken for an empty page; no more items are
//! held than were asked for, however many came; and a record that cannot be read costs itself, not
//! its page: it is named and holds its place. Where no record of a page can be read, that is no
//! fault of a record, and the page is an error.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::error::RequestErrorKind;
use super::fingerprint::{Fingerprints, Split};
use super::lenient::LenientValue;
use super::search_call::{SearchAnswer, UnreadableItem};
use super::unreadable::{self, ListRecord, SplitList, UnreadableRecord};
use super::verdict::{
    Reply, Verdict, accepted_as, admitted, secret, success, successful, wrong_shape,
};
use super::wire::{self, ApiEnvelope, ItemFault, ItemList, LocatedItem, PageData};
use crate::config::Secret;
use crate::domain::item;
use crate::json::JsonPointer;

/// What a page was asked for with.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageQuery<'a> {
    pub(super) page_size: u32,
    pub(super) item_id: &'a JsonPointer,
    /// What the answer may be read along.
    pub(super) fingerprints: Option<&'a Arc<Fingerprints>>,
}

impl PageQuery<'_> {
    /// How many items are held of an answer: one more than was asked for is one too many.
    fn held(&self) -> usize {
        usize::try_from(self.page_size).unwrap_or(usize::MAX)
    }
}

/// `webcm/rest/api/items/search` (vendor).
pub(super) fn search(reply: &Reply, asked: PageQuery<'_>) -> Verdict<SearchAnswer> {
    if let Some(answer) =
        asked.fingerprints.and_then(|fingerprints| along(reply, asked, fingerprints))
    {
        return Verdict::Answer(answer);
    }
    match accepted_as(reply, |body| wire::envelope_of_page(body, asked.held())) {
        Ok(envelope) => page(reply, asked, &envelope).unwrap_or_else(|it| it),
        Err(fault @ Verdict::Failed(RequestErrorKind::WrongShape { .. })) => {
            record_by_record(reply, asked).unwrap_or(fault)
        }
        Err(verdict) => verdict,
    }
}

/// The page, read with the fingerprints of an earlier answer; `None` where it cannot be, or is none:
/// then it is read from scratch.
fn along(
    reply: &Reply,
    asked: PageQuery<'_>,
    fingerprints: &Arc<Fingerprints>,
) -> Option<SearchAnswer> {
    admitted::<()>(reply).ok()?;
    let Split { items, fingerprints: new, rest } =
        fingerprints.split(&reply.body, asked.item_id)?;
    let envelope = rest.envelope()?;
    let success = success::<()>(&envelope).ok()?;
    successful::<()>(&envelope).ok().filter(|()| success)?;
    let total = total::<()>(envelope.data.is()?, items.len(), asked).ok()?;
    let rest_token = rest_token::<()>(&envelope).ok()?;
    let fingerprints = Some(new.map_or_else(|| Arc::clone(fingerprints), Arc::new));
    Some(SearchAnswer { items, unreadable: Vec::new(), total, rest_token, fingerprints })
}

/// Reads the page out of an answer that is no refusal so far.
fn page(
    reply: &Reply,
    asked: PageQuery<'_>,
    envelope: &ApiEnvelope<'_>,
) -> Result<Verdict<SearchAnswer>, Verdict<SearchAnswer>> {
    successful(envelope)?;
    let data = match &envelope.data {
        LenientValue::Is(data) => data,
        LenientValue::Absent => return Err(wrong_shape("it has no data")),
        LenientValue::Null | LenientValue::Other => {
            return Err(wrong_shape("its data is not an object"));
        }
    };
    let none = ItemList::default();
    let list = match &data.item_list {
        LenientValue::Is(list) => list,
        // Nothing is a list without items where it is said that there are none.
        LenientValue::Absent | LenientValue::Null if says_empty(data) => &none,
        LenientValue::Absent => return Err(wrong_page("it has no itemList")),
        LenientValue::Null | LenientValue::Other => {
            return Err(wrong_page("its itemList is not a list"));
        }
    };
    let total = total(data, list.count, asked)?;
    let rest_token = rest_token(envelope)?;
    let mut records = Records::default();
    for raw in &list.held {
        records.push(&reply.body, raw, asked.item_id);
    }
    records.into_answer(total, rest_token, asked.item_id)
}

/// Reads the page out of an answer that is no JSON, where single records are to blame for that;
/// `None` where they are not, or nobody can tell.
fn record_by_record(reply: &Reply, asked: PageQuery<'_>) -> Option<Verdict<SearchAnswer>> {
    admitted::<()>(reply).ok()?;
    let SplitList { records: taken, rest } =
        unreadable::split(&reply.body, asked.held(), asked.item_id)?;
    let envelope = rest.envelope()?;
    let success = success::<()>(&envelope).ok()?;
    successful::<()>(&envelope).ok().filter(|()| success)?;
    let total = match total(envelope.data.is()?, taken.len(), asked) {
        Ok(total) => total,
        Err(verdict) => return Some(verdict),
    };
    let rest_token = rest_token::<()>(&envelope).ok()?;
    let mut records = Records::default();
    for record in taken {
        match record {
            ListRecord::Json(raw) => records.push(&reply.body, raw, asked.item_id),
            ListRecord::UnreadableRecord(broken) => records.spoilt(&reply.body, broken),
        }
    }
    Some(records.into_answer(total, rest_token, asked.item_id).unwrap_or_else(|it| it))
}

/// Whether both counts say that there is nothing.
fn says_empty(data: &PageData<'_>) -> bool {
    let is_zero = |raw: Option<&RawValue>| raw.and_then(wire::whole_number) == Some(0);
    is_zero(data.search_total) && is_zero(data.return_total)
}

/// The records of a page, one after the other.
#[derive(Default)]
struct Records {
    found: Vec<LocatedItem>,
    unreadable: Vec<UnreadableItem>,
    /// What is wrong with the first that cannot be read.
    fault: Option<ItemFault>,
}

impl Records {
    fn push(&mut self, body: &Bytes, raw: &RawValue, pointer: &JsonPointer) {
        match wire::item(body, raw, pointer) {
            Ok(found) => self.found.push(found),
            Err(fault) => {
                let (bytes, id) = (raw.get().as_bytes(), wire::id_of(raw, pointer));
                self.spoilt(body, UnreadableRecord { bytes, fault, at: 0, id });
            }
        }
    }

    fn spoilt(&mut self, body: &Bytes, broken: UnreadableRecord<'_>) {
        let UnreadableRecord { bytes, fault, at, id } = broken;
        self.unreadable.push(UnreadableItem {
            place: self.found.len() + self.unreadable.len(),
            id,
            what: fault.to_string(),
            bytes: body.slice_ref(bytes),
            fault_at: at,
            around: None,
            digest: item::digest(bytes),
        });
        self.fault.get_or_insert(fault);
    }

    fn into_answer(
        self,
        total: u64,
        rest_token: Option<Secret>,
        pointer: &JsonPointer,
    ) -> Result<Verdict<SearchAnswer>, Verdict<SearchAnswer>> {
        let Self { found, unreadable, fault } = self;
        if let Some(fault) = fault.filter(|_| found.is_empty()) {
            let what = format!("item 1 of the list: {fault}");
            return Err(match fault {
                ItemFault::Id(_) => Verdict::Failed(RequestErrorKind::ItemId { what }),
                ItemFault::TooDeep => wrong_page(what),
                ItemFault::NotAnObject | ItemFault::NotJson(_) => wrong_shape(what),
            });
        }
        // Places are no part of a fingerprint.
        let whole = unreadable.is_empty();
        let fingerprints = whole.then(|| Fingerprints::of(&found, pointer)).flatten().map(Arc::new);
        let items = found.into_iter().map(|found| found.item).collect();
        Ok(Verdict::Answer(SearchAnswer { items, unreadable, total, rest_token, fingerprints }))
    }
}

/// The total that the whole search has, if what is said of this page agrees with what came.
fn total<T>(data: &PageData<'_>, came: usize, asked: PageQuery<'_>) -> Result<u64, Verdict<T>> {
    let total = count(data.search_total, "searchTotal")?;
    let returned = count(data.return_total, "returnTotal")?;
    if usize::try_from(returned) != Ok(came) {
        return Err(wrong_page(format!("returnTotal is {returned}, but {came} items came")));
    }
    if returned > u64::from(asked.page_size) {
        let size = asked.page_size;
        return Err(wrong_page(format!("{returned} items came where {size} were asked for")));
    }
    Ok(total)
}

/// The REST token that came along, if one did.
fn rest_token<T>(envelope: &ApiEnvelope<'_>) -> Result<Option<Secret>, Verdict<T>> {
    let raw = match envelope.rest_token {
        Some(raw) if !matches!(raw.get(), "null" | "\"\"") => raw,
        _ => return Ok(None),
    };
    wire::text(raw).and_then(|text| secret(&text)).map(Some).ok_or_else(|| {
        wrong_shape(
            "its epimresttoken cannot be sent in a header (8192 printable characters at most)",
        )
    })
}

fn count<T>(member: Option<&RawValue>, name: &str) -> Result<u64, Verdict<T>> {
    let raw = member.ok_or_else(|| wrong_page(format!("it has no {name}")))?;
    wire::whole_number(raw)
        .and_then(|count| u64::try_from(count).ok())
        .ok_or_else(|| wrong_page(format!("its {name} is not a whole number from 0 up")))
}

fn wrong_page<T>(what: impl Into<String>) -> Verdict<T> {
    Verdict::Failed(RequestErrorKind::WrongPage { what: what.into() })
}
