//! Whether PostgreSQL's `jsonb` can hold a JSON text exactly: what it then gives out means the same.
//! Pure.
//!
//! `jsonb` reorders members and respells numbers, which means nothing. Of members with one name it
//! keeps one; it refuses NUL and halves of surrogate pairs, and numbers and values beyond its
//! bounds. All that is not exact. Where the bounds are is told by counting upwards: a value close to
//! one of them may be called inexact that is not.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::value::RawValue;

/// Levels of nesting: as many as an item may have, and far fewer than the server's stack takes.
const DEEPEST: usize = 128;

/// The most digits that a number may have before its point, and after it.
const DIGITS: [i64; 2] = [131_072, 16_383];

/// The most bytes of one value, as it is kept and as it is printed: its places are counted in 28 bits.
const LARGEST: usize = (1 << 28) - 1;

/// What each value takes besides its own bytes, at most; and each member. It is more than is kept: the
/// server's memory while it reads a list of tiny values is bounded as well.
const AROUND: [usize; 2] = [32, 24];

/// Whether `jsonb` holds this text exactly.
pub fn is_exact(text: &str) -> bool {
    // Seen to be JSON first, so that what follows only has to find its way.
    serde_json::from_str::<&RawValue>(text).is_ok()
        && Look { text, at: 0, size: 0 }.finds_all_exact().is_some()
}

/// What is open around a place in the text.
enum Open<'a> {
    List,
    /// The names so far, and whether a name comes next.
    Object(HashSet<Cow<'a, str>>, bool),
}

/// One walk along a JSON text.
struct Look<'a> {
    text: &'a str,
    at: usize,
    /// What all so far takes at most.
    size: usize,
}

impl<'a> Look<'a> {
    /// Looks at each token; `None` at the first that is not exact.
    fn finds_all_exact(&mut self) -> Option<()> {
        let mut open: Vec<Open<'a>> = Vec::new();
        while let Some(byte) = self.text.as_bytes().get(self.at).copied() {
            match byte {
                b'{' | b'[' => {
                    open.push(match byte {
                        b'{' => Open::Object(HashSet::new(), true),
                        _ => Open::List,
                    });
                    if open.len() > DEEPEST {
                        return None;
                    }
                    self.take(1, AROUND[0])?;
                }
                b'}' | b']' => {
                    open.pop();
                    self.take(1, 0)?;
                }
                b',' => {
                    if let Some(Open::Object(_, name_is_next)) = open.last_mut() {
                        *name_is_next = true;
                    }
                    self.take(1, 0)?;
                }
                b'"' => {
                    let string = self.string()?;
                    if let Some(Open::Object(names, name_is_next @ true)) = open.last_mut() {
                        *name_is_next = false;
                        if !names.insert(string) {
                            return None;
                        }
                        self.take(0, AROUND[1])?;
                    }
                }
                b'-' | b'0'..=b'9' => self.number()?,
                // A colon, a space, a letter of true, false or null.
                _ => self.take(1, if byte.is_ascii_alphabetic() { AROUND[0] } else { 0 })?,
            }
        }
        Some(())
    }

    /// Goes on by so many bytes, which take so much.
    fn take(&mut self, bytes: usize, size: usize) -> Option<()> {
        self.at += bytes;
        self.size = self.size.checked_add(size)?;
        (self.size <= LARGEST).then_some(())
    }

    /// The string that begins here.
    fn string(&mut self) -> Option<Cow<'a, str>> {
        let rest = self.text.get(self.at..)?;
        let (mut escaped, mut any_escaped) = (false, false);
        let inside = rest.bytes().skip(1).position(|byte| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            any_escaped |= escaped;
            ends
        })?;
        let written = rest.get(..inside + 2)?;
        let string = if any_escaped {
            // It fails at half a surrogate pair.
            let string = serde_json::from_str::<String>(written).ok()?;
            if string.contains('\0') {
                return None;
            }
            Cow::Owned(string)
        } else {
            Cow::Borrowed(written.get(1..=inside)?)
        };
        self.take(written.len(), written.len() + AROUND[0])?;
        Some(string)
    }

    /// Looks at the number that begins here.
    fn number(&mut self) -> Option<()> {
        let rest = self.text.get(self.at..)?;
        let is_part = |byte: u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
        let end = rest.bytes().position(|byte| !is_part(byte)).unwrap_or(rest.len());
        let number = rest.get(..end)?;
        let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let whole = i64::try_from(whole.trim_start_matches('-').len()).ok()?;
        let fraction = i64::try_from(fraction.len()).ok()?;
        let exponent: i64 = exponent.parse().ok()?;
        let before = whole.checked_add(exponent)?.max(1);
        let after = fraction.checked_sub(exponent)?.max(0);
        if before > DIGITS[0] || after > DIGITS[1] || whole > DIGITS[0] || fraction > DIGITS[0] {
            return None;
        }
        // It is printed with all its digits.
        self.take(end, usize::try_from(before + after).ok()? + end + AROUND[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_json_is_exact_however_it_is_spelt() {
        for text in [
            r#"{"b":1,"a":[1.50,-0,1e5,1E-5,true,null,"ä\u00e4\ud83d\ude00\n\"\\"],"c":{}}"#,
            " [ ] ",
            "7",
            r#"{"a":{"a":1},"b":{"a":2}}"#,
            r#"[{"a":"a"},{"a":"a"}]"#,
        ] {
            assert!(is_exact(text), "{text}");
        }
    }

    #[test]
    fn what_jsonb_drops_or_refuses_is_not() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":1}"#,
            r#"{"x":[{"a":1,"b":2,"a":3}]}"#,
            r#"{"a":"\u0000"}"#,
            r#"{"\u0000":1}"#,
            r#"["\ud800"]"#,
            r#"["\udc00\ud800"]"#,
            "1e400000",
            "-1e-20000",
            "1e99999999999999999999",
            "{",
            "",
            "nul",
            "[1]]",
        ] {
            assert!(!is_exact(text), "{text}");
        }
        let deep = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(is_exact(&deep(128)));
        assert!(!is_exact(&deep(129)));
    }

    #[test]
    fn numbers_are_exact_up_to_the_bounds_of_numeric() {
        for (number, exact) in [
            (format!("1{}", "0".repeat(131_071)), true),
            (format!("1{}", "0".repeat(131_072)), false),
            (format!("0.{}1", "0".repeat(16_382)), true),
            (format!("0.{}1", "0".repeat(16_383)), false),
            ("1e131071".to_owned(), true),
            ("1e131072".to_owned(), false),
            ("1e-16383".to_owned(), true),
            ("1e-16384".to_owned(), false),
        ] {
            assert_eq!(is_exact(&number), exact, "{}", number.len());
        }
    }

    #[test]
    fn what_would_be_printed_beyond_all_bounds_is_not_exact() {
        let list = |count: usize| format!("[{}1]", "1e131071,".repeat(count));
        assert!(is_exact(&list(1000)));
        assert!(!is_exact(&list(3000)));
    }
}
