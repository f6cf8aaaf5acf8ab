//! The ways in which a server may write a secret that it sends back. Pure.
//!
//! Knows JSON, HTML, URLs and forms, each of them also within each other, however a writer chooses
//! what to escape; and base64 and hexadecimal digits of anything that holds a secret. Takes rather
//! too much for a secret than too little.

/// Shorter secrets are found in digits that mean something else.
const LEAST_ENCODED: usize = 6;

/// URLs within URLs, more than anybody has seen.
const DEEPEST: usize = 4;

/// Digits looked at: what is shown of an answer is far less, and no secret is longer.
const DIGITS: usize = 8 * 1024;

/// Backslashes looked at: more than any escaping within escaping needs. A longer run would be walked
/// again from each of its places.
const MOST_BACKSLASHES: usize = 64;

/// Digits looked at in an entity: more than the number of any character has.
const MOST_DIGITS: usize = 16;

/// How much of the text's beginning is the secret; `None` if it begins otherwise.
pub(super) fn length(text: &str, secret: &str) -> Option<usize> {
    if text.starts_with(secret) {
        return Some(secret.len());
    }
    let after = |depth| secret.chars().try_fold(text, |rest, it| without(rest, it, depth));
    let rest = (0..DEEPEST).find_map(after)?;
    Some(text.len() - rest.len())
}

/// The length of the digits at the text's beginning, if they are base64 or hexadecimal ones of
/// something that holds one of the secrets; before it, how much of the beginning need not be looked
/// at again.
pub(super) fn encoded_length(text: &str, secrets: &[String]) -> (usize, Option<usize>) {
    let length = text.find(|it| base64_value(it).is_none()).unwrap_or(text.len());
    // Digits are ASCII, a byte each.
    let digits = text.get(..length.min(DIGITS)).unwrap_or_default();
    let holds = |bytes: &[u8]| {
        let secrets = secrets.iter().filter(|secret| secret.len() >= LEAST_ENCODED);
        let mut secrets = secrets.map(String::as_bytes);
        secrets.any(|secret| bytes.windows(secret.len()).any(|window| window == secret))
    };
    // Where the digits begin is not known: a word may stand before them without a gap.
    let hidden = (0..4).any(|skipped| holds(&packed(digits, skipped, 6, base64_value)))
        || (0..2).any(|skipped| holds(&packed(digits, skipped, 4, |it| it.to_digit(16))));
    // Of more digits than were looked at the rest may begin in the middle of a secret.
    let looked_at = if length <= DIGITS { length } else { DIGITS / 2 };
    (looked_at, hidden.then_some(length))
}

/// The text after this character, however it is written; as for URLs, so deep within others.
fn without(text: &str, character: char, depth: usize) -> Option<&str> {
    let escaped = without_backslashes(text);
    let is_escaped = escaped.len() < text.len();
    if is_escaped {
        let mut units = [0; 2];
        let mut units = character.encode_utf16(&mut units).iter();
        let unicode = units.try_fold(text, |rest, unit| {
            let digits = without_backslashes(rest).strip_prefix('u')?;
            without_number(digits, u32::from(*unit), 16, 4)
        });
        if unicode.is_some() {
            return unicode;
        }
    }
    without_entity(text, character)
        .or_else(|| without_bytes(text, character, depth))
        .or_else(|| text.strip_prefix(character))
        .or_else(|| escaped.strip_prefix(character).filter(|_| is_escaped))
        .or_else(|| text.strip_prefix('+').filter(|_| character == ' '))
}

fn without_backslashes(text: &str) -> &str {
    let many = text.bytes().take(MOST_BACKSLASHES).take_while(|it| *it == b'\\').count();
    text.get(many..).unwrap_or_default()
}

/// As in HTML, be it HTML within HTML.
fn without_entity(text: &str, character: char) -> Option<&str> {
    let mut name = text.strip_prefix('&')?;
    if character != '&' {
        while let Some(inner) = name.strip_prefix("amp;") {
            name = inner;
        }
    }
    let named = match character {
        '&' => "amp;",
        '<' => "lt;",
        '>' => "gt;",
        '"' => "quot;",
        '\'' => "apos;",
        _ => "#",
    };
    if named != "#" && name.starts_with(named) {
        return name.strip_prefix(named);
    }
    let number = name.strip_prefix('#')?;
    let (digits, radix) = match number.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    let length = digits.bytes().take(MOST_DIGITS).position(|it| it == b';')?;
    without_number(digits, character.into(), radix, length)?.strip_prefix(';')
}

/// As in a URL, so deep within others.
fn without_bytes(text: &str, character: char, depth: usize) -> Option<&str> {
    let mut bytes = [0; 4];
    character.encode_utf8(&mut bytes).bytes().try_fold(text, |rest, byte| {
        let digits = rest.strip_prefix('%')?;
        let digits = (0..depth).try_fold(digits, |digits, _| digits.strip_prefix("25"))?;
        without_number(digits, byte.into(), 16, 2)
    })
}

/// The text after this number, which has so many digits.
fn without_number(text: &str, number: u32, radix: u32, digits: usize) -> Option<&str> {
    let found = u32::from_str_radix(text.get(..digits)?, radix).ok()?;
    (found == number).then(|| text.get(digits..))?
}

/// The bytes that digits of so many bits stand for, but for those left out at the beginning.
fn packed(text: &str, skipped: usize, bits: u32, value: impl Fn(char) -> Option<u32>) -> Vec<u8> {
    let (mut bytes, mut held, mut count) = (Vec::new(), 0_u32, 0);
    for digit in text.chars().skip(skipped).map_while(value) {
        held = (held << bits | digit) & 0xffff;
        count += bits;
        if count >= 8 {
            count -= 8;
            bytes.extend(u8::try_from(held >> count & 0xff));
        }
    }
    bytes
}

/// The value of a digit in base64, in either alphabet.
fn base64_value(digit: char) -> Option<u32> {
    let from = |first: char| u32::from(digit) - u32::from(first);
    match digit {
        'A'..='Z' => Some(from('A')),
        'a'..='z' => Some(from('a') + 26),
        '0'..='9' => Some(from('0') + 52),
        '+' | '-' => Some(62),
        '/' | '_' => Some(63),
        _ => None,
    }
}
