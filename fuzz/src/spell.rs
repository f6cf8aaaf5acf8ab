//! A JSON value in another of its many spellings, chosen by the bytes of a fuzz input.

use crate::json::{Is, Json};

/// Chances, one byte each; without more of them the plainest spelling.
pub struct Chances<'a>(pub &'a [u8]);

impl Chances<'_> {
    fn next(&mut self, choices: usize) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first) % choices
    }
}

/// Appends the value, spelled as chance has it.
pub fn value(json: &Json<'_>, chances: &mut Chances<'_>, text: &mut String) {
    space(chances, text);
    match &json.is {
        Is::Null | Is::Truth(_) => text.push_str(json.raw),
        Is::Number => number(json.raw, chances, text),
        Is::Text(units) => string(units, chances, text),
        Is::List(list) => {
            text.push('[');
            for (index, one) in list.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { "," });
                value(one, chances, text);
            }
            space(chances, text);
            text.push(']');
        }
        Is::Object(members) => {
            // Each name once, the last one of its name, in any order.
            let mut kept: Vec<_> = Vec::new();
            for member in members.iter().rev() {
                if kept.iter().all(|other: &&(Vec<u16>, &str, Json<'_>)| other.0 != member.0) {
                    kept.insert(chances.next(kept.len() + 1), member);
                }
            }
            text.push('{');
            for (index, (name, _, one)) in kept.into_iter().enumerate() {
                text.push_str(if index == 0 { "" } else { "," });
                space(chances, text);
                string(name, chances, text);
                space(chances, text);
                text.push(':');
                value(one, chances, text);
            }
            text.push('}');
        }
    }
    space(chances, text);
}

fn space(chances: &mut Chances<'_>, text: &mut String) {
    text.push_str(["", "", "", " ", "\r\n\t"][chances.next(5)]);
}

fn string(units: &[u16], chances: &mut Chances<'_>, text: &mut String) {
    text.push('"');
    for unit in char::decode_utf16(units.iter().copied()) {
        match unit {
            Ok(character)
                if chances.next(3) == 0 && !matches!(character, '"' | '\\' | '\0'..='\x1f') =>
            {
                text.push(character);
            }
            Ok(character) => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    text.push_str(&if chances.next(2) == 0 {
                        format!("\\u{unit:04x}")
                    } else {
                        format!("\\u{unit:04X}")
                    });
                }
            }
            // Half a surrogate pair can only be escaped.
            Err(half) => text.push_str(&format!("\\u{:04x}", half.unpaired_surrogate())),
        }
    }
    text.push('"');
}

fn number(raw: &str, chances: &mut Chances<'_>, text: &mut String) {
    let lower = raw.to_ascii_lowercase();
    let (mantissa, exponent) = lower.split_once('e').unwrap_or((&lower, "0"));
    let Ok(exponent) = exponent.parse::<i64>() else { return text.push_str(raw) };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let zeros = chances.next(4);
    match (chances.next(3), i64::try_from(zeros + fraction.len())) {
        // All digits before the point, and more zeros.
        (1, Ok(shift)) if !whole.trim_start_matches('-').starts_with('0') => {
            let exponent = exponent.saturating_sub(shift);
            if exponent.checked_add(shift).is_none() || exponent == i64::MIN {
                return text.push_str(raw);
            }
            text.push_str(&format!("{whole}{fraction}{}e{exponent}", "0".repeat(zeros)));
        }
        // More zeros behind the point.
        (2, _) => {
            text.push_str(&format!("{whole}.{fraction}{}E{exponent:+}", "0".repeat(zeros + 1)));
        }
        _ => text.push_str(raw),
    }
}
