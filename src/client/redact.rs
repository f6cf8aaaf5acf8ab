//! What may be shown of an answer that did not please us. Pure.
//!
//! The beginning of a body helps an operator more than any wording of ours, but it may hold secrets.
//! So every text from the server goes through here, line by line. A secret that the client knows is
//! masked where it stands as it is; a line that may hold one in another way (escaped, in base64, or
//! as the value of anything that is named like a secret) is masked as a whole. The rest is cut, and
//! hidden characters are escaped. A line is looked at as a whole before any of it is shown, so that
//! no secret is shown in part.

use super::escapes::{Encoded, without_escapes};
use crate::text::is_hidden;

/// The most characters shown.
const SHOWN: usize = 200;

/// What stands in for a secret, or for a line that may hold one.
pub(super) const MASK: &str = "***";

/// What stands for one character of it as long as that is worked on: no character of any text.
const MASKED: char = '\u{fdd0}';

/// Bytes of a body that are looked at: what is shown, and secrets in it, end long before.
const LOOKED_AT: usize = 64 * 1024;

/// Escapes within escapes, more than anybody has seen; a line with more of them is masked.
const DEEPEST: usize = 8;

/// Parts of names whose values are never shown.
const SECRET_NAMES: [&str; 10] = [
    "token",
    "passw",
    "pwd",
    "secret",
    "cookie",
    "session",
    "credential",
    "authorization",
    "apikey",
    "api_key",
];

/// Knows the secrets of one request.
#[derive(Default)]
pub(super) struct Redactor {
    /// Longest first, so that a secret that begins with another is replaced whole.
    secrets: Vec<Encoded>,
}

impl Redactor {
    /// A redactor that knows these secrets.
    pub(super) fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        // A text of several lines is looked for line by line.
        let mut secrets: Vec<&str> = secrets.into_iter().flat_map(str::lines).collect();
        secrets.retain(|secret| !secret.is_empty());
        secrets.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        secrets.dedup();
        Self { secrets: secrets.into_iter().map(Encoded::new).collect() }
    }

    /// The beginning of a body; `None` if there is nothing in it.
    pub(super) fn beginning(&self, body: &[u8]) -> Option<String> {
        self.text(&String::from_utf8_lossy(body.get(..LOOKED_AT).unwrap_or(body)))
    }

    /// A text from the server; `None` if there is nothing in it.
    pub(super) fn text(&self, text: &str) -> Option<String> {
        let text = text.trim();
        let end = text.char_indices().map(|(at, _)| at).find(|at| *at >= LOOKED_AT);
        let looked_at = end.and_then(|end| text.get(..end)).unwrap_or(text);
        let mut shown = Shown { is_cut: looked_at.len() < text.len(), ..Shown::default() };
        for line in looked_at.split_inclusive('\n').take(SHOWN) {
            shown.push(&self.masked(line));
        }
        shown.finish()
    }

    /// The bytes around a place of a body; `None` if there is nothing there.
    pub(super) fn around(&self, body: &[u8], at: usize) -> Option<String> {
        // Half of what is shown lies before it.
        const BEFORE: usize = SHOWN / 2;
        const LOOKED_AROUND: usize = 16 * 1024;
        let at = at.min(body.len());
        let (mut begin, end) = (at.saturating_sub(LOOKED_AROUND), at + LOOKED_AROUND);
        let looked_at = body.get(begin..end.min(body.len())).unwrap_or_default();
        let mut shown = Shown { is_cut: end < body.len(), ..Shown::default() };
        for line in looked_at.split_inclusive(|byte| *byte == b'\n') {
            let unseen = at.saturating_sub(BEFORE).saturating_sub(begin).min(line.len());
            let unseen = String::from_utf8_lossy(line.get(..unseen).unwrap_or_default());
            let masked = self.masked(&String::from_utf8_lossy(line));
            shown.push(&masked.chars().skip(unseen.chars().count()).collect::<String>());
            begin += line.len();
        }
        shown.finish()
    }

    /// A line in which each character of a secret is replaced by [`MASKED`]; only that, where it may
    /// hold a secret in another way.
    fn masked(&self, line: &str) -> String {
        let mut masked = line.to_owned();
        for secret in self.secrets.iter().map(Encoded::plain) {
            if masked.contains(secret) {
                let mask = MASKED.to_string().repeat(secret.chars().count());
                masked = masked.replace(secret, &mask);
            }
        }
        if self.may_hold_a_secret(&masked) {
            let all = |character| if character == '\n' { character } else { MASKED };
            masked = masked.chars().map(all).collect();
        }
        masked
    }

    /// Whether a line may hold a secret under whatever escapes.
    fn may_hold_a_secret(&self, line: &str) -> bool {
        let mut layer = line.as_bytes().to_vec();
        for _ in 0..DEEPEST {
            if self.secrets.iter().any(|secret| secret.is_in(&layer))
                || names_a_secret(&String::from_utf8_lossy(&layer).to_ascii_lowercase())
            {
                return true;
            }
            let inner = without_escapes(&layer);
            if inner == layer {
                return false;
            }
            layer = inner;
        }
        true
    }
}

/// Output that knows its limit.
#[derive(Default)]
struct Shown {
    text: String,
    characters: usize,
    /// Whether the last character was masked.
    is_masked: bool,
    /// Whether something did not fit any more, or was not looked at.
    is_cut: bool,
}

impl Shown {
    /// Shows a line; a mask is shown whole, even where the limit lies within it.
    fn push(&mut self, masked: &str) {
        for character in masked.chars() {
            let goes_on = std::mem::replace(&mut self.is_masked, character == MASKED);
            if self.is_masked && goes_on {
                continue;
            }
            if self.characters >= SHOWN {
                self.is_cut = true;
                return;
            }
            match character {
                MASKED => self.text.push_str(MASK),
                hidden if is_hidden(hidden) => self.text.extend(hidden.escape_default()),
                plain => self.text.push(plain),
            }
            self.characters += if self.is_masked { MASK.len() } else { 1 };
        }
    }

    fn finish(mut self) -> Option<String> {
        if self.is_cut {
            self.text.push_str("...");
        }
        (!self.text.is_empty()).then_some(self.text)
    }
}

/// Whether a text in lower case gives a value to a name that sounds secret. Prose such as "invalid
/// password: account locked" gives none.
fn names_a_secret(text: &str) -> bool {
    let (mut is_after_name, mut is_value_next) = (false, false);
    for piece in text.split_inclusive(|it| !is_word(it)) {
        let word = piece.trim_end_matches(|it| !is_word(it));
        if !word.is_empty() {
            let is_masked = word.trim_start_matches(MASKED).is_empty();
            if is_value_next && looks_secret(word) && !is_masked {
                return true;
            }
            is_after_name = SECRET_NAMES.iter().any(|name| word.contains(name));
            is_value_next = matches!(word, "bearer" | "basic");
        }
        match piece.get(word.len()..).and_then(|end| end.chars().next()) {
            Some('"' | '\'' | '=') if is_after_name => return true,
            Some('"' | '\'' | '{' | '[') if is_value_next => return true,
            Some(':') if is_after_name => is_value_next = true,
            Some(end) if !end.is_whitespace() => (is_after_name, is_value_next) = (false, false),
            _ => {}
        }
    }
    false
}

/// Whether a word is rather a token than prose.
fn looks_secret(word: &str) -> bool {
    word.len() >= 16 || (word.len() >= 4 && word.bytes().any(|byte| byte.is_ascii_digit()))
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '-' | MASKED)
}
