//! The ways in which a server may write a secret that it sends back: the escapes of JSON, HTML, URLs
//! and forms, each also within each other, and base64 and hexadecimal digits. Pure.
//!
//! Takes rather too much for a secret than too little.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use percent_encoding::percent_decode;

/// Shorter secrets are found in digits that mean something else.
const LEAST_ENCODED: usize = 6;

/// A secret, and what it looks like encoded.
pub(super) struct Encoded {
    plain: String,
    /// Without what would be taken for an escape in it.
    unescaped: Vec<u8>,
    /// Its digits in base64, by where in a group of three bytes it begins.
    base64: Vec<Vec<u8>>,
    /// Its hexadecimal digits, in lower case; empty if it is too short for digits.
    hex: Vec<u8>,
}

impl Encoded {
    pub(super) fn new(secret: &str) -> Self {
        let is_long = secret.len() >= LEAST_ENCODED;
        let hex = secret.bytes().filter(|_| is_long).map(|byte| format!("{byte:02x}"));
        let base64 = (0..3_usize).filter(|_| is_long).map(|before| {
            let bytes = [&vec![0; before], secret.as_bytes()].concat();
            let digits = STANDARD_NO_PAD.encode(&bytes).into_bytes();
            // Without the digits that hold bits of what stands before or after the secret.
            let (from, to) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
            of_one_alphabet(digits.get(from..to).unwrap_or_default())
        });
        let mut unescaped = secret.as_bytes().to_vec();
        // Each escape gets shorter, so that this ends.
        loop {
            let inner = without_escapes(&unescaped);
            if inner == unescaped {
                break;
            }
            unescaped = inner;
        }
        Self {
            plain: secret.to_owned(),
            unescaped,
            base64: base64.collect(),
            hex: hex.collect::<String>().into_bytes(),
        }
    }

    /// The secret itself.
    pub(super) fn plain(&self) -> &str {
        &self.plain
    }

    /// Whether it stands in a text from which some escapes have been taken.
    pub(super) fn is_in(&self, text: &[u8]) -> bool {
        contains(text, self.plain.as_bytes())
            || contains(text, &self.unescaped)
            || contains(&text.to_ascii_lowercase(), &self.hex)
            || self.base64.iter().any(|digits| contains(&of_one_alphabet(text), digits))
    }
}

/// Base64 in one alphabet, where a form may have made spaces of plus signs.
fn of_one_alphabet(digits: &[u8]) -> Vec<u8> {
    let one = |digit: &u8| match digit {
        b'-' | b' ' => b'+',
        b'_' => b'/',
        other => *other,
    };
    digits.iter().map(one).collect()
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    !part.is_empty() && text.windows(part.len()).any(|window| window == part)
}

/// A text without one layer of escapes, whichever they are.
pub(super) fn without_escapes(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let escape = match first {
            b'\\' => Some(after_backslash(after)),
            b'&' => entity(after),
            _ => None,
        };
        let (character, after) = escape.unwrap_or((None, after));
        match character {
            Some(character) => plain.extend(character.encode_utf8(&mut [0; 4]).bytes()),
            None if *first == b'\\' => {}
            None if *first == b'+' => plain.push(b' '),
            None => plain.push(*first),
        }
        rest = after;
    }
    percent_decode(&plain).collect()
}

/// The character that JSON writes behind a backslash and what follows it; no character where that
/// stands for itself, as it does behind several backslashes.
fn after_backslash(after: &[u8]) -> (Option<char>, &[u8]) {
    let unit = |text: &[u8]| {
        let digits = text.strip_prefix(b"u")?.get(..4)?;
        u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
    };
    let Some(high) = unit(after) else {
        let control = match after.first() {
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            _ => return (None, after),
        };
        return (Some(control), after.get(1..).unwrap_or_default());
    };
    let after = after.get(5..).unwrap_or_default();
    let low = after.strip_prefix(b"\\").and_then(unit);
    match char::decode_utf16([Some(high), low].into_iter().flatten()).next() {
        Some(Ok(pair)) if pair.len_utf16() == 2 => (Some(pair), after.get(6..).unwrap_or_default()),
        Some(Ok(one)) => (Some(one), after),
        // Half a pair is no character.
        _ => (Some(char::REPLACEMENT_CHARACTER), after),
    }
}

/// The character of an entity of HTML that begins behind its ampersand, and what follows it.
fn entity(after: &[u8]) -> Option<(Option<char>, &[u8])> {
    /// More than the number of any character has digits.
    const LONGEST: usize = 16;
    let end = after.iter().take(LONGEST).position(|byte| *byte == b';')?;
    let (name, rest) = after.split_at_checked(end)?;
    let character = match str::from_utf8(name).ok()? {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        number => {
            let number = number.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)?
        }
    };
    Some((Some(character), rest.get(1..)?))
}
