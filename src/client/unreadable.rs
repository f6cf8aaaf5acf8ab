//! Answers that are no JSON because of single records. Pure.
//!
//! A record with `NaN` or a raw control character in it spoils the whole answer for a reader of
//! JSON. Here the list of items is taken apart record by record: each is JSON, or it is as good as
//! JSON but for the words that stand in the place of values and for what its texts hold. Then its
//! end is where its brackets say, and all others are read as ever.
//!
//! Guarantees: nothing is guessed. A record that is broken in any other way (a quote too many, a
//! bracket or a comma too few) could end in several places, so there is no such reading at all;
//! nor is there one where what is left of the answer without its records is not JSON.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::fingerprint::{PLACEHOLDER, Rest, after_space, begin_of_list};
use super::wire::{self, ItemFault};
use crate::domain::ItemId;
use crate::json::JsonPointer;

/// Levels of nesting that are followed in a broken record: far more than one that is not broken may
/// have, and no memory to speak of.
const DEEPEST: usize = 4096;

/// An answer whose records were taken out one by one.
#[derive(Debug)]
pub(super) struct SplitList<'a> {
    pub(super) records: Vec<ListRecord<'a>>,
    /// What is left.
    pub(super) rest: Rest,
}

/// One record.
#[derive(Debug)]
pub(super) enum ListRecord<'a> {
    Json(&'a RawValue),
    UnreadableRecord(UnreadableRecord<'a>),
}

/// A record that is no JSON.
#[derive(Debug)]
pub(super) struct UnreadableRecord<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) fault: ItemFault,
    /// Where in its bytes the fault is.
    pub(super) at: usize,
    pub(super) id: Option<ItemId>,
}

/// Takes an answer apart that has at most so many records; `None` where that cannot be done without
/// a guess.
pub(super) fn split<'a>(
    body: &'a Bytes,
    most: usize,
    pointer: &JsonPointer,
) -> Option<SplitList<'a>> {
    let begin = begin_of_list(body)?;
    let mut records = Vec::new();
    let mut at = after_space(body, begin);
    while records.len() < most {
        let from_here = body.get(at..)?;
        let record = if let Some(raw) = wire::first_value(from_here) {
            at += raw.get().len();
            ListRecord::Json(raw)
        } else {
            let (length, id) = extent(from_here, pointer)?;
            at += length;
            ListRecord::UnreadableRecord(UnreadableRecord::new(from_here.get(..length)?, id))
        };
        records.push(record);
        at = after_space(body, at);
        match body.get(at)? {
            b',' => at = after_space(body, at + 1),
            b']' => {
                let json = [&body[..begin], PLACEHOLDER, &body[at..]].concat();
                return Some(SplitList { records, rest: Rest::new(json, begin) });
            }
            _ => return None,
        }
    }
    None
}

impl<'a> UnreadableRecord<'a> {
    fn new(bytes: &'a [u8], id: Option<ItemId>) -> Self {
        let error = serde_json::from_slice::<&RawValue>(bytes).err();
        // The library counts lines from 1, and in them bytes.
        let at = error.as_ref().map_or(0, |error| {
            let lines = bytes.split_inclusive(|byte| *byte == b'\n');
            let before: usize = lines.take(error.line().saturating_sub(1)).map(<[u8]>::len).sum();
            (before + error.column().saturating_sub(1)).min(bytes.len())
        });
        let what = error.map_or_else(String::new, |error| error.to_string());
        Self { bytes, fault: ItemFault::NotJson(what), at, id }
    }
}

/// How long the broken record is that begins here, and its id where that can be told; `None` where
/// its end cannot.
fn extent(bytes: &[u8], pointer: &JsonPointer) -> Option<(usize, Option<ItemId>)> {
    let name = match pointer.tokens() {
        [name] => Some(name.as_str()),
        _ => None,
    };
    let mut reader = RecordScanner { bytes, at: 0, open: Vec::new() };
    if reader.next()? != b'{' {
        return None;
    }
    let mut ids = Vec::new();
    // Where the value of the id's member begins, while it is read.
    let mut begun = None;
    let mut expected = Expected::MemberOrEnd;
    while !reader.open.is_empty() {
        reader.skip_space();
        let (start, level) = (reader.at, reader.open.len());
        expected = match (expected, reader.next()?) {
            (Expected::MemberOrEnd | Expected::LenientValue, b'"') => {
                reader.skip_text()?;
                let told = bytes.get(start..reader.at)?;
                reader.skip_space();
                if reader.next()? != b':' {
                    return None;
                }
                let is_id = || {
                    name.is_some() && serde_json::from_slice::<String>(told).ok().as_deref() == name
                };
                if level == 1 && is_id() {
                    reader.skip_space();
                    begun = Some(reader.at);
                }
                Expected::Value
            }
            (Expected::Value | Expected::ElementOrEnd, byte @ (b'{' | b'[')) => {
                if reader.open.len() > DEEPEST {
                    return None;
                }
                if byte == b'{' { Expected::MemberOrEnd } else { Expected::ElementOrEnd }
            }
            (Expected::Value | Expected::ElementOrEnd, byte) if byte == b'"' || is_word(byte) => {
                if byte == b'"' {
                    reader.skip_text()?;
                } else {
                    reader.skip_word();
                }
                Expected::CommaOrEnd
            }
            (Expected::CommaOrEnd, b',') => {
                if reader.open.last() == Some(&b'{') {
                    Expected::LenientValue
                } else {
                    Expected::Value
                }
            }
            (Expected::MemberOrEnd | Expected::CommaOrEnd, b'}') if reader.closes(b'{') => {
                Expected::CommaOrEnd
            }
            (Expected::ElementOrEnd | Expected::CommaOrEnd, b']') if reader.closes(b'[') => {
                Expected::CommaOrEnd
            }
            _ => return None,
        };
        if expected == Expected::CommaOrEnd
            && reader.open.len() == 1
            && let Some(begun) = begun.take()
        {
            ids.push(bytes.get(begun..reader.at).and_then(wire::id_at));
        }
    }
    // Two readers could take different ones.
    let id = if let [id] = &mut ids[..] { id.take() } else { None };
    Some((reader.at, id))
}

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    MemberOrEnd,
    LenientValue,
    Value,
    ElementOrEnd,
    CommaOrEnd,
}

/// Goes along the bytes of a record.
struct RecordScanner<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The brackets that are open.
    open: Vec<u8>,
}

impl RecordScanner<'_> {
    /// The next byte; an opening bracket is open from here on.
    fn next(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        if matches!(byte, b'{' | b'[') {
            self.open.push(byte);
        }
        Some(byte)
    }

    fn closes(&mut self, bracket: u8) -> bool {
        self.open.pop() == Some(bracket)
    }

    fn skip_space(&mut self) {
        self.at = after_space(self.bytes, self.at);
    }

    fn skip_word(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at += rest.iter().take_while(|byte| is_word(**byte)).count();
    }

    /// To behind the closing quote, whatever stands before it.
    fn skip_text(&mut self) -> Option<()> {
        loop {
            match self.bytes.get(self.at)? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Some(())
    }
}

/// What stands in the place of a number or a word of JSON: `NaN`, `-Infinity`, `undefined`, `0x1F`.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.' | b'_')
}
