//! The vendor's JSON, read once and borrowed. Pure.
//!
//! One parse of an answer finds the members that we know and leaves each item as the slice of bytes
//! that came; nothing is re-serialised or re-ordered. A second look at each item walks to its id and
//! skips the rest without building a tree.
//!
//! Guarantees: no bytes make it panic or recurse without bound; no error text holds a value of the
//! answer, only names and places. A known member of the envelope that appears twice is an error,
//! since two readers could take different ones; inside an item the last one counts, as in most JSON
//! readers. Unknown members are skipped, twice or not.

use bytes::Bytes;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess};
use serde_json::value::RawValue;

use super::lenient::{IgnoredBytes, LenientSeed, LenientShape, LenientValue, OneOf, skip};
use super::walk;
use crate::domain::{
    Item, ItemId, LONGEST_ID,
    item::{self, DEEPEST},
};
use crate::json::{JsonPointer, canonical};

/// An answer of any of the vendor's calls; which members it has depends on the call.
#[derive(Debug, Default)]
pub(super) struct ApiEnvelope<'a> {
    /// `success` (vendor).
    pub(super) success: Option<&'a RawValue>,
    /// `status`, 0 for success (seen).
    pub(super) status: Option<&'a RawValue>,
    /// `error` (seen).
    pub(super) error: Option<&'a RawValue>,
    /// `message` (seen).
    pub(super) message: Option<&'a RawValue>,
    /// `error_description`, of OAuth.
    pub(super) error_description: Option<&'a RawValue>,
    /// `token`, an object with another `token` in it (vendor).
    pub(super) token: Option<&'a RawValue>,
    /// `access_token`, of OAuth (seen).
    pub(super) access_token: Option<&'a RawValue>,
    /// `epimresttoken` (vendor).
    pub(super) rest_token: Option<&'a RawValue>,
    /// `data` (vendor).
    pub(super) data: LenientValue<PageData<'a>>,
}

/// The page inside a search answer.
#[derive(Debug, Default)]
pub(super) struct PageData<'a> {
    /// `itemList` (vendor).
    pub(super) item_list: LenientValue<ItemList<'a>>,
    /// `searchTotal` (vendor).
    pub(super) search_total: Option<&'a RawValue>,
    /// `returnTotal` (vendor).
    pub(super) return_total: Option<&'a RawValue>,
}

/// A list, of which no more is held than its reader has use for: elements are cheap to write and
/// dear to hold.
#[derive(Debug, Default)]
pub(super) struct ItemList<'a> {
    /// The first elements.
    pub(super) held: Vec<&'a RawValue>,
    /// How many there are.
    pub(super) count: usize,
}

/// An item, and where in its bytes its id begins.
#[derive(Debug)]
pub(super) struct LocatedItem {
    pub(super) item: Item,
    pub(super) id_at: usize,
}

/// Why an item cannot be read; its text holds names, no values.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ItemFault {
    /// It is not JSON.
    #[error("it is not JSON: {0}")]
    NotJson(String),
    /// It is no item at all.
    #[error("it is not an object")]
    NotAnObject,
    /// It is nested more deeply than anything that is meant to be read.
    #[error("it is nested more than {DEEPEST} levels deep")]
    TooDeep,
    /// Its id is not where it should be, or is none.
    #[error("{0}")]
    Id(String),
}

/// Reads an answer; the error says what is wrong with it. Of a list of items one is held.
pub(super) fn envelope(body: &[u8]) -> Result<ApiEnvelope<'_>, String> {
    envelope_of_page(body, 1)
}

/// Reads an answer that may hold so many items.
pub(super) fn envelope_of_page(body: &[u8], items: usize) -> Result<ApiEnvelope<'_>, String> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let read =
        LenientSeed(EnvelopeShape(items)).deserialize(&mut deserializer).and_then(|envelope| {
            deserializer.end()?;
            Ok(envelope)
        });
    match read {
        Ok(LenientValue::Is(envelope)) => Ok(envelope),
        Ok(_) => Err("it is JSON, but not an object".to_owned()),
        // The text is safe: every visitor here takes every type, so the library never complains
        // about (and quotes) a value, only about syntax, and our own words hold names alone.
        Err(error) => Err(format!("it is not the JSON expected: {error}")),
    }
}

/// The token of a login answer: inside its `token` object, or that member itself.
pub(super) fn inner_token(token: &RawValue) -> Option<&RawValue> {
    if token.get().starts_with('"') { Some(token) } else { walk::member(token, &["token"]) }
}

/// A whole number, however it is written: `20`, `20.0`, `2e1` and `"20"` are one. In quotes, too, it
/// has to be a number as JSON has it: `"020"` may be another to somebody.
pub(super) fn whole_number(raw: &RawValue) -> Option<i128> {
    if !raw.get().starts_with('"') {
        return canonical::integer(raw.get());
    }
    let text = text(raw)?;
    let number: &RawValue = serde_json::from_str(&text).ok()?;
    // Without space around it.
    (number.get() == text).then(|| canonical::integer(number.get())).flatten()
}

/// The text of a JSON string; `None` for any other type and for what is no text (half a
/// surrogate pair).
pub(super) fn text(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

/// An item from its place in `body`: its id read, its bytes shared, not copied. The error says what
/// is wrong with it, without its position in the list.
pub(super) fn item(
    body: &Bytes,
    raw: &RawValue,
    pointer: &JsonPointer,
) -> Result<LocatedItem, ItemFault> {
    if !raw.get().starts_with('{') {
        return Err(ItemFault::NotAnObject);
    }
    let found = walk::member(raw, pointer.tokens()).ok_or_else(|| {
        ItemFault::Id(format!(
            "it has no member at {pointer}: set the repository's item_id to where the id is; \
             its members are {}",
            member_names(raw)
        ))
    })?;
    if item::is_too_deep(raw.get().as_bytes()) {
        return Err(ItemFault::TooDeep);
    }
    let id = item_id(found).map_err(|what| {
        let more = "set the repository's item_id to another";
        ItemFault::Id(format!("its member at {pointer} {what}: {more}"))
    })?;
    let id_at = found.get().as_ptr().addr() - raw.get().as_ptr().addr();
    Ok(LocatedItem { item: Item::new(id, body.slice_ref(raw.get().as_bytes())), id_at })
}

/// The id that begins here, whatever follows it.
pub(super) fn id_at(bytes: &[u8]) -> Option<ItemId> {
    first_value(bytes).and_then(|raw| item_id(raw).ok())
}

/// The whole value that these bytes begin with, whatever follows it; `None` where none does.
pub(super) fn first_value(bytes: &[u8]) -> Option<&RawValue> {
    serde_json::Deserializer::from_slice(bytes).into_iter().next()?.ok()
}

/// The id of an item; `None` where it has none that can be read.
pub(super) fn id_of(raw: &RawValue, pointer: &JsonPointer) -> Option<ItemId> {
    walk::member(raw, pointer.tokens()).and_then(|found| item_id(found).ok())
}

/// How many of a list's elements are such ones, and how many there are; `None` for any other type.
pub(super) fn elements_that<'a>(
    raw: &'a RawValue,
    are: impl FnMut(&'a RawValue) -> bool,
) -> Option<(usize, usize)> {
    let mut deserializer = serde_json::Deserializer::from_str(raw.get());
    match LenientSeed(CountShape(are)).deserialize(&mut deserializer) {
        Ok(LenientValue::Is(counts)) => Some(counts),
        _ => None,
    }
}

/// Hands over the members of an object, one after the other; nothing of any other type. A name that
/// is no text is as good as none.
pub(super) fn each_member<'a>(raw: &'a RawValue, each: impl FnMut(&str, &'a RawValue)) {
    let mut deserializer = serde_json::Deserializer::from_str(raw.get());
    // An error is the end of what can be read.
    drop(LenientSeed(EachShape(each)).deserialize(&mut deserializer));
}

/// Reads an id: an integer, exact far beyond 2^53, or a string.
fn item_id(raw: &RawValue) -> Result<ItemId, &'static str> {
    let json = raw.get();
    match json.bytes().next() {
        Some(b'"') => {
            let text = text(raw).ok_or("is not well-formed text")?;
            if text.len() > LONGEST_ID {
                return Err("is text of more than 1024 bytes");
            }
            Ok(ItemId::Text(text.into()))
        }
        Some(b'-' | b'0'..=b'9') => {
            // Nearly all are written plainly.
            let plain = json.parse().ok();
            plain.or_else(|| canonical::integer(json)).map(ItemId::Integer).ok_or_else(|| {
                if json.contains(['.', 'e', 'E']) {
                    "is a fraction, or beyond all measure, neither an integer nor text"
                } else {
                    "is an integer of too many digits"
                }
            })
        }
        Some(b'n') => Err("is null"),
        Some(b't' | b'f') => Err("is true or false, neither an integer nor text"),
        Some(b'[') => Err("is a list, neither an integer nor text"),
        _ => Err("is an object, neither an integer nor text"),
    }
}

/// The names of an item's members, for an operator who looks for the one that is the id. Cut, since
/// an item has hundreds, and escaped, since they come from outside.
fn member_names(raw: &RawValue) -> String {
    const SHOWN: usize = 12;
    const LONGEST: usize = 40;
    let mut deserializer = serde_json::Deserializer::from_str(raw.get());
    let Ok(LenientValue::Is((names, count))) =
        LenientSeed(NamesShape(SHOWN)).deserialize(&mut deserializer)
    else {
        return "unreadable".to_owned();
    };
    let mut shown = String::new();
    for (index, name) in names.iter().enumerate() {
        shown.push_str(if index == 0 { "" } else { ", " });
        shown.extend(name.chars().take(LONGEST).flat_map(char::escape_debug));
    }
    match count {
        0 => "none".to_owned(),
        count if count > SHOWN => format!("{shown} and {} more", count - SHOWN),
        _ => shown,
    }
}

/// An answer that holds so many items at most.
struct EnvelopeShape(usize);

impl<'de> LenientShape<'de> for EnvelopeShape {
    type Is = ApiEnvelope<'de>;

    fn map<A: MapAccess<'de>>(self, mut map: A) -> Result<LenientValue<Self::Is>, A::Error> {
        const NAMES: [&str; 9] = [
            "success",
            "status",
            "error",
            "message",
            "error_description",
            "token",
            "access_token",
            "epimresttoken",
            "data",
        ];
        let mut envelope = ApiEnvelope::default();
        let mut seen = [false; NAMES.len()];
        while let Some(name) = map.next_key_seed(OneOf(&NAMES))? {
            once(&mut seen, &NAMES, name)?;
            match name.map(|index| NAMES[index]) {
                Some("success") => envelope.success = Some(map.next_value()?),
                Some("status") => envelope.status = Some(map.next_value()?),
                Some("error") => envelope.error = Some(map.next_value()?),
                Some("message") => envelope.message = Some(map.next_value()?),
                Some("error_description") => envelope.error_description = Some(map.next_value()?),
                Some("token") => envelope.token = Some(map.next_value()?),
                Some("access_token") => envelope.access_token = Some(map.next_value()?),
                Some("epimresttoken") => envelope.rest_token = Some(map.next_value()?),
                Some("data") => {
                    envelope.data = map.next_value_seed(LenientSeed(DataShape(self.0)))?;
                }
                _ => skip(&mut map)?,
            }
        }
        Ok(LenientValue::Is(envelope))
    }
}

struct DataShape(usize);

impl<'de> LenientShape<'de> for DataShape {
    type Is = PageData<'de>;

    fn map<A: MapAccess<'de>>(self, mut map: A) -> Result<LenientValue<Self::Is>, A::Error> {
        const NAMES: [&str; 3] = ["itemList", "searchTotal", "returnTotal"];
        let mut data = PageData::default();
        let mut seen = [false; NAMES.len()];
        while let Some(name) = map.next_key_seed(OneOf(&NAMES))? {
            once(&mut seen, &NAMES, name)?;
            match name.map(|index| NAMES[index]) {
                Some("itemList") => {
                    data.item_list = map.next_value_seed(LenientSeed(ListShape(self.0)))?;
                }
                Some("searchTotal") => data.search_total = Some(map.next_value()?),
                Some("returnTotal") => data.return_total = Some(map.next_value()?),
                _ => skip(&mut map)?,
            }
        }
        Ok(LenientValue::Is(data))
    }
}

struct ListShape(usize);

impl<'de> LenientShape<'de> for ListShape {
    type Is = ItemList<'de>;

    fn seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<LenientValue<Self::Is>, A::Error> {
        let mut list = ItemList::default();
        while list.held.len() < self.0
            && let Some(item) = seq.next_element()?
        {
            list.held.push(item);
        }
        list.count = list.held.len();
        while seq.next_element::<IgnoredAny>()?.is_some() {
            list.count += 1;
        }
        Ok(LenientValue::Is(list))
    }
}

/// Every member.
struct EachShape<F>(F);

impl<'de, F: FnMut(&str, &'de RawValue)> LenientShape<'de> for EachShape<F> {
    type Is = ();

    fn map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<LenientValue<Self::Is>, A::Error> {
        while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            self.0(&text(name).unwrap_or_default(), value);
        }
        Ok(LenientValue::Is(()))
    }
}

/// How many elements are such ones, and how many there are.
struct CountShape<F>(F);

impl<'de, F: FnMut(&'de RawValue) -> bool> LenientShape<'de> for CountShape<F> {
    type Is = (usize, usize);

    fn seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<LenientValue<Self::Is>, A::Error> {
        let (mut such, mut all) = (0, 0);
        while let Some(element) = seq.next_element::<&RawValue>()? {
            such += usize::from(self.0(element));
            all += 1;
        }
        Ok(LenientValue::Is((such, all)))
    }
}

/// The first so many names, and how many there are.
struct NamesShape(usize);

impl<'de> LenientShape<'de> for NamesShape {
    type Is = (Vec<String>, usize);

    fn map<A: MapAccess<'de>>(self, mut map: A) -> Result<LenientValue<Self::Is>, A::Error> {
        let mut names = Vec::new();
        while names.len() < self.0
            && let Some((name, IgnoredAny)) = map.next_entry()?
        {
            names.push(name);
        }
        let mut count = names.len();
        while map.next_entry::<IgnoredBytes, IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(LenientValue::Is((names, count)))
    }
}

/// Notes that a known member was seen, and complains if it was seen before.
fn once<E: Error>(seen: &mut [bool], names: &[&str], name: Option<usize>) -> Result<(), E> {
    match name {
        Some(index) if seen[index] => {
            Err(E::custom(format_args!("the member {} appears twice", names[index])))
        }
        Some(index) => {
            seen[index] = true;
            Ok(())
        }
        None => Ok(()),
    }
}
