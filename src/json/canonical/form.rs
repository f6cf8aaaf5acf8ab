//! The canonical form of a JSON text: texts that mean the same have the same one. Pure.
//!
//! Others compute it too (docs/mirror.md has a program that does), so it never changes:
//!
//! - no space between tokens;
//! - the members of an object sorted by their names, character by character by code point, and of
//!   several members with one name only the last one;
//! - a string as RFC 8785 writes it: `\"`, `\\`, `\b`, `\t`, `\n`, `\f`, `\r`, other control characters
//!   below space as `\u00` and two lower-case digits, anything else as itself; half a surrogate pair as
//!   `\u` and four lower-case digits;
//! - a number as its digits without zeros at either end and, unless that is 0, `e` and the power of ten
//!   that the last digit counts: 150.0 is `15e1`, -0.5 is `-5e-1`, and zero is `0`. RFC 8785 would round
//!   it to a double. One whose exponent has more than 128 bits stands as it is written.
//!
//! What is no JSON, or is nested too deeply, is its own form.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::budget::DEEPEST;
use super::number::decimal;
use super::text::Text;

/// The canonical form of a text.
pub fn form(json: &[u8]) -> Cow<'_, [u8]> {
    // What comes after may take it for granted that the text is JSON.
    let Ok(text) = serde_json::from_slice::<&RawValue>(json) else { return Cow::Borrowed(json) };
    let mut form = Vec::with_capacity(json.len());
    let mut tokens = JsonScanner { rest: text.get().as_bytes() };
    match tokens.write_value(&mut form, DEEPEST) {
        Some(()) => Cow::Owned(form),
        None => Cow::Borrowed(json),
    }
}

/// The canonical form of the string that has these characters.
pub fn text_form(text: &str) -> Vec<u8> {
    let mut form = Vec::with_capacity(text.len() + 2);
    write_text(&mut form, text.as_bytes());
    form
}

/// What is left to be read of a text.
struct JsonScanner<'a> {
    rest: &'a [u8],
}

impl<'a> JsonScanner<'a> {
    /// Writes the next value; `None`: it is nested too deeply.
    fn write_value(&mut self, form: &mut Vec<u8>, levels: usize) -> Option<()> {
        match self.next()? {
            b'{' => self.write_object(form, levels.checked_sub(1)?),
            b'[' => self.write_list(form, levels.checked_sub(1)?),
            b'"' => {
                write_text(form, &self.text()?);
                Some(())
            }
            _ => {
                let word = self.word();
                match std::str::from_utf8(word).ok()? {
                    "true" | "false" | "null" => form.extend_from_slice(word),
                    number => write_number(form, number),
                }
                Some(())
            }
        }
    }

    fn write_object(&mut self, form: &mut Vec<u8>, levels: usize) -> Option<()> {
        let mut members: Vec<(Cow<'a, [u8]>, Vec<u8>)> = Vec::new();
        self.take();
        while self.next()? != b'}' {
            if self.next()? == b',' {
                self.take();
                self.next()?;
            }
            let name = self.text()?;
            // The colon.
            self.next()?;
            self.take();
            let mut value = Vec::new();
            self.write_value(&mut value, levels)?;
            members.push((name, value));
        }
        self.take();
        members.sort_by(|(a, _), (b, _)| a.cmp(b));
        // Of one name the last is now the first, which stays.
        members.reverse();
        members.dedup_by(|(name, _), (last, _)| name == last);
        form.push(b'{');
        for (place, (name, value)) in members.iter().rev().enumerate() {
            form.extend((place > 0).then_some(b','));
            write_text(form, name);
            form.push(b':');
            form.extend_from_slice(value);
        }
        form.push(b'}');
        Some(())
    }

    fn write_list(&mut self, form: &mut Vec<u8>, levels: usize) -> Option<()> {
        form.push(b'[');
        self.take();
        while self.next()? != b']' {
            if self.next()? == b',' {
                self.take();
                form.push(b',');
            }
            self.write_value(form, levels)?;
        }
        self.take();
        form.push(b']');
        Some(())
    }

    /// The first byte of the next token.
    fn next(&mut self) -> Option<u8> {
        self.rest = self.rest.trim_ascii_start();
        self.rest.first().copied()
    }

    /// Takes a token of one byte.
    fn take(&mut self) {
        self.rest = self.rest.get(1..).unwrap_or_default();
    }

    /// Takes a string; its characters.
    fn text(&mut self) -> Option<Cow<'a, [u8]>> {
        let mut escaped = false;
        let end = self.rest.iter().skip(1).position(|byte| match byte {
            _ if escaped => {
                escaped = false;
                false
            }
            b'\\' => {
                escaped = true;
                false
            }
            byte => *byte == b'"',
        });
        let (string, rest) = self.rest.split_at_checked(end? + 2)?;
        self.rest = rest;
        serde_json::from_slice::<Text<'a>>(string).ok().map(|text| text.0)
    }

    /// Takes a number or a literal.
    fn word(&mut self) -> &'a [u8] {
        let ends = |byte: &u8| !byte.is_ascii_alphanumeric() && !b"+-.".contains(byte);
        let end = self.rest.iter().position(ends).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }
}

fn write_number(form: &mut Vec<u8>, number: &str) {
    let Some((negative, digits, exponent)) = decimal(number) else {
        return form.extend_from_slice(number.as_bytes());
    };
    if digits.is_empty() {
        return form.push(b'0');
    }
    form.extend(negative.then_some(b'-'));
    form.extend_from_slice(digits.as_bytes());
    if exponent != 0 {
        form.extend_from_slice(format!("e{exponent}").as_bytes());
    }
}

/// Writes a string of these characters, among which half a surrogate pair stands as three bytes that
/// no character has.
fn write_text(form: &mut Vec<u8>, text: &[u8]) {
    form.push(b'"');
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'"' | b'\\', _) => form.extend([b'\\', *byte]),
            (8, _) => form.extend_from_slice(b"\\b"),
            (b'\t', _) => form.extend_from_slice(b"\\t"),
            (b'\n', _) => form.extend_from_slice(b"\\n"),
            (12, _) => form.extend_from_slice(b"\\f"),
            (b'\r', _) => form.extend_from_slice(b"\\r"),
            (0..b' ', _) => form.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            (0xed, [second @ 0xa0..=0xbf, third, left @ ..]) => {
                let unit = 0xd000 | u16::from(second & 0x3f) << 6 | u16::from(third & 0x3f);
                form.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
                rest = left;
            }
            _ => form.push(*byte),
        }
    }
    form.push(b'"');
}
