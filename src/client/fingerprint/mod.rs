//! The fingerprints of an answer's items: where they lay and what they were, so that the next answer to the
//! same request need not be read again where it is byte for byte the same. Pure.
//!
//! Most of a pass over a repository at rest is reading JSON to find where one item ends and the next
//! begins. An item whose bytes were one whole JSON object the last time is one this time; so where
//! the bytes that come next have the length and the digest of an item that was expected there, the
//! item is known without a look inside. What differs is read as ever, and what follows it is found
//! again by its fingerprint: an answer in which a few items were changed, came or went costs little more
//! than one that is the same.
//!
//! Guarantees: an answer read with fingerprints is the answer that reading it from scratch gives, as
//! far as equal digests (64 bits, of equal length) mean equal bytes; wherever that is not certain, or
//! anything to complain of, there is no such answer, and it is read from scratch.

mod stored;

use bytes::Bytes;

use self::stored::StoredFingerprint;
use super::wire::{self, ApiEnvelope, LocatedItem};
use crate::domain::{Item, item};
use crate::json::JsonPointer;

/// The list's member in the answer (vendor).
const LIST: &[u8] = b"\"itemList\"";

/// The list begins within this many bytes, or it is not looked for. Before it are `status` and
/// perhaps a token.
const BEGINS_WITHIN: usize = 4096;

/// How many fingerprints the next item may be ahead of the last one that was found: so many
/// may go at one place, or change one after the other, and the rest is still known.
const AHEAD: usize = 64;

/// Stands for the list's items in what is left of an answer without them. One element, because only
/// the place where it is found again shows that the list is the one that was cut out.
pub(super) const PLACEHOLDER: &[u8] = b"0";

/// Where the items of an answer lay, and what they were.
#[derive(Debug, PartialEq, Eq)]
pub struct Fingerprints {
    rows: Vec<Fingerprint>,
    /// Where the items carry their ids.
    pointer: JsonPointer,
}

/// One item: 16 bytes, since there is one for each item of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fingerprint {
    digest: u64,
    /// In bytes.
    length: u32,
    /// Where in the item its id begins.
    id_at: u32,
}

/// An answer taken apart with fingerprints.
#[derive(Debug)]
pub(super) struct Split {
    /// The items of the list that was cut out.
    pub(super) items: Vec<Item>,
    /// Where they lie now; `None`: just as before.
    pub(super) fingerprints: Option<Fingerprints>,
    /// What is left.
    pub(super) rest: Rest,
}

/// An answer with a placeholder in the place of its items.
#[derive(Debug)]
pub(super) struct Rest {
    json: Vec<u8>,
    /// Where the placeholder stands.
    place: usize,
}

impl Fingerprints {
    /// How many items it has.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Their stored form: some 11 bytes an item.
    pub fn to_bytes(&self) -> Vec<u8> {
        let row = |&Fingerprint { digest, length, id_at }: &Fingerprint| StoredFingerprint {
            digest: digest.to_le_bytes(),
            length,
            id_at,
        };
        let rows: Vec<StoredFingerprint> = self.rows.iter().map(row).collect();
        stored::written(&self.pointer.to_string(), &rows)
    }

    /// Reads the stored form of those of items that carry their ids there; `None` where it is none.
    pub fn from_bytes(bytes: &[u8], pointer: &JsonPointer) -> Option<Self> {
        let row = |StoredFingerprint { digest, length, id_at }| Fingerprint {
            digest: u64::from_le_bytes(digest),
            length,
            id_at,
        };
        let rows = stored::read(bytes, &pointer.to_string())?;
        Some(Self { rows: rows.into_iter().map(row).collect(), pointer: pointer.clone() })
    }

    /// The fingerprints of these items; `None` where one of them is too large for one.
    pub(super) fn of(items: &[LocatedItem], pointer: &JsonPointer) -> Option<Self> {
        let rows = items.iter().map(Fingerprint::of).collect::<Option<_>>()?;
        Some(Self { rows, pointer: pointer.clone() })
    }

    /// The fingerprints of so many items, of whatever kind.
    #[cfg(test)]
    pub(crate) fn of_rows(count: usize) -> Self {
        let row = Fingerprint { digest: 0, length: 2, id_at: 0 };
        Self { rows: vec![row; count], pointer: "/itemId".parse().expect("it is a pointer") }
    }

    /// Takes an answer apart; `None` where these fingerprints are of no use for it.
    pub(super) fn split(&self, body: &Bytes, pointer: &JsonPointer) -> Option<Split> {
        if self.pointer != *pointer {
            return None;
        }
        let begin = begin_of_list(body)?;
        let mut at = after_space(body, begin);
        let mut items = Vec::with_capacity(self.len());
        let mut rows = Vec::with_capacity(self.len());
        let mut known = self.rows.as_slice();
        loop {
            let (item, row) = if let Some((ahead, item)) = expected(known, body, at) {
                let row = known[ahead];
                known = &known[ahead + 1..];
                (item, row)
            } else {
                // So that a long range of strangers does not leave behind what is known.
                if items.len() >= self.len() - known.len() + AHEAD {
                    known = known.get(1..).unwrap_or_default();
                }
                let found = stranger(body, at, pointer)?;
                let row = Fingerprint::of(&found)?;
                (found.item, row)
            };
            at = after_space(body, at + item.bytes.len());
            items.push(item);
            rows.push(row);
            match body.get(at)? {
                b',' => at = after_space(body, at + 1),
                b']' => break,
                _ => return None,
            }
        }
        let json = [&body[..begin], PLACEHOLDER, &body[at..]].concat();
        let fingerprints = (rows != self.rows).then(|| Self { rows, pointer: pointer.clone() });
        Some(Split { items, fingerprints, rest: Rest::new(json, begin) })
    }
}

impl Fingerprint {
    fn of(found: &LocatedItem) -> Option<Self> {
        Some(Self {
            digest: found.item.digest,
            length: u32::try_from(found.item.bytes.len()).ok()?,
            id_at: u32::try_from(found.id_at).ok()?,
        })
    }
}

impl Rest {
    /// What is left of an answer, with the placeholder at this place.
    pub(super) fn new(json: Vec<u8>, place: usize) -> Self {
        Self { json, place }
    }

    /// It, read; `None` where the list that was cut out is not the answer's list of items.
    pub(super) fn envelope(&self) -> Option<ApiEnvelope<'_>> {
        let envelope = wire::envelope(&self.json).ok()?;
        let list = envelope.data.is()?.item_list.is()?;
        let (&[element], 1) = (list.held.as_slice(), list.count) else { return None };
        let place = self.json.get(self.place..)?.as_ptr();
        std::ptr::eq(element.get().as_ptr(), place).then_some(envelope)
    }
}

/// The first of the known rows, as far as one looks ahead, whose item stands here.
fn expected(known: &[Fingerprint], body: &Bytes, at: usize) -> Option<(usize, Item)> {
    let from_here = body.get(at..)?;
    // Items are often of one length, and then one digest serves to look at many rows.
    let mut digested = None;
    known.iter().take(AHEAD).enumerate().find_map(|(ahead, row)| {
        let (length, id_at) = (usize::try_from(row.length).ok()?, usize::try_from(row.id_at).ok()?);
        let bytes = from_here.get(..length).filter(|bytes| bytes.ends_with(b"}"))?;
        let digest = match digested {
            Some((of, digest)) if of == length => digest,
            _ => item::digest(bytes),
        };
        digested = Some((length, digest));
        if digest != row.digest {
            return None;
        }
        let id = wire::id_at(bytes.get(id_at..)?)?;
        Some((ahead, Item { id, bytes: body.slice(at..at + length), digest }))
    })
}

/// An item that no fingerprint knows.
fn stranger(body: &Bytes, at: usize, pointer: &JsonPointer) -> Option<LocatedItem> {
    let raw = wire::first_value(body.get(at..)?)?;
    wire::item(body, raw, pointer).ok()
}

/// Where the elements of the list of items begin, by the look of it.
pub(super) fn begin_of_list(body: &[u8]) -> Option<usize> {
    let head = body.get(..BEGINS_WITHIN).unwrap_or(body);
    let name = head.windows(LIST.len()).position(|bytes| bytes == LIST)?;
    let mut at = name + LIST.len();
    for mark in [b':', b'['] {
        at = after_space(body, at);
        if body.get(at) != Some(&mark) {
            return None;
        }
        at += 1;
    }
    Some(at)
}

/// The first place from here on without white space as JSON has it.
pub(super) fn after_space(body: &[u8], at: usize) -> usize {
    let rest = body.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count()
}

#[cfg(test)]
mod tests;
