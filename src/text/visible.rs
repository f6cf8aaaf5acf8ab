//! Text from outside, as a terminal, a log and a page can stand it. Pure.
//!
//! One filter for all of them, and the widest: whatever a terminal would obey (control characters,
//! those from U+0080 to U+009F too), whatever turns the order of the text around it (bidirectional
//! marks), and whatever is not seen (zero width, fillers, tags, variation selectors), since text that
//! is not seen is read by others than those who look. The standard library escapes a part of these,
//! and no crate knows just these, so they stand here as a table; a character that Unicode adds later
//! to a range that it keeps for such is in it already.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character is obeyed, turns others around, or is not seen.
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{2800}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// A text in which hidden characters are written as JSON writes them, so that JSON stays the same
/// JSON.
pub fn visible(text: &str) -> Cow<'_, str> {
    visible_but(text, &[])
}

/// The same, where some characters may stay: the ends of lines, say.
pub fn visible_but<'a>(text: &'a str, stay: &[char]) -> Cow<'a, str> {
    let hidden = |it: &char| is_hidden(*it) && !stay.contains(it);
    if !text.chars().any(|it| hidden(&it)) {
        return Cow::Borrowed(text);
    }
    let mut visible = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if hidden(&character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(visible, "\\u{unit:04x}").expect("a string takes any text");
            }
        } else {
            visible.push(character);
        }
    }
    Cow::Owned(visible)
}

/// A name on one line of no more than so many characters, without anything hidden.
pub fn name(text: &str, longest: usize) -> String {
    let mut name = String::new();
    let (mut length, mut space) = (0, false);
    for character in text.chars() {
        if character.is_whitespace() || is_hidden(character) {
            space = length > 0;
            continue;
        }
        if length + usize::from(space) >= longest {
            name.push_str("...");
            break;
        }
        if std::mem::take(&mut space) {
            name.push(' ');
            length += 1;
        }
        name.push(character);
        length += 1;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_obeyed_or_not_seen_is_let_through() {
        let spiteful = [
            '\u{1b}',
            '\u{7f}',
            '\u{9b}',
            '\u{ad}',
            '\u{61c}',
            '\u{200b}',
            '\u{200d}',
            '\u{202e}',
            '\u{2066}',
            '\u{2060}',
            '\u{feff}',
            '\u{e0041}',
            '\u{fe0f}',
            '\r',
            '\0',
            '\u{3164}',
        ];
        for character in spiteful {
            let shown = visible(&format!("a{character}b")).into_owned();
            assert!(shown.is_ascii() && shown.starts_with("a\\u"), "{shown:?}");
            let json = format!("\"{shown}\"");
            assert_eq!(
                serde_json::from_str::<String>(&json).unwrap(),
                format!("a{character}b"),
                "JSON stays what it is"
            );
        }
        let plain = "Größe – 大小 ☂ naïve e\u{301} 👍";
        assert!(matches!(visible(plain), Cow::Borrowed(shown) if shown == plain));
        assert_eq!(visible_but("a\nb\u{9b}", &['\n']), "a\nb\\u009b");
    }

    #[test]
    fn a_name_is_one_line_and_has_an_end() {
        assert_eq!(name("  a\u{1b}[2J\u{9b}b\r\n\tc\u{202e}  d ", 80), "a [2J b c d");
        assert_eq!(name(&"x".repeat(65_536), 10), "xxxxxxxxxx...");
        assert_eq!(name("xxxxx yyyyy", 5), "xxxxx...");
        assert_eq!(name("xxxxx  ", 5), "xxxxx");
        assert_eq!(name("\u{200b}", 5), "");
    }
}
