//! What may be shown of an answer that did not please us. Pure.
//!
//! The beginning of a body helps an operator more than any wording of ours, but it may hold tokens.
//! So every text from the server goes through here: the secrets that the client knows are replaced
//! wherever they stand, so is the value of anything that is named like a secret, control characters
//! are escaped, and the rest is cut. The scan goes from left to right over the whole text and stops
//! when enough is shown, so that no secret is cut in half and shown in part.

use std::fmt::Write;

use super::encodings;
use crate::text::is_hidden;

/// The most characters shown.
const SHOWN: usize = 200;

/// What stands in for a secret.
const MASK: &str = "***";

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
    secrets: Vec<String>,
}

impl Redactor {
    /// A redactor that knows these secrets.
    pub(super) fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut secrets: Vec<String> =
            secrets.into_iter().filter(|secret| !secret.is_empty()).map(str::to_owned).collect();
        secrets.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        secrets.dedup();
        Self { secrets }
    }

    /// The beginning of a body; `None` if there is nothing in it.
    pub(super) fn beginning(&self, body: &[u8]) -> Option<String> {
        // A body of megabytes is looked at as far as can matter: what is shown, and secrets in it.
        const LOOKED_AT: usize = 64 * 1024;
        let body = body.get(..LOOKED_AT).unwrap_or(body);
        self.text(&String::from_utf8_lossy(body))
    }

    /// The bytes around a place of a body; `None` if there is nothing there.
    pub(super) fn around(&self, body: &[u8], at: usize) -> Option<String> {
        // Half of what is shown lies before it. Looked at is more, so that no secret that begins
        // earlier is shown in part.
        const BEFORE: usize = SHOWN / 2;
        const LOOKED_AT: usize = 16 * 1024;
        let at = at.min(body.len());
        let from = at.saturating_sub(LOOKED_AT);
        let looked_at = body.get(from..body.len().min(at + LOOKED_AT)).unwrap_or_default();
        let unseen = looked_at.get(..(at - from).saturating_sub(BEFORE)).unwrap_or_default();
        let unseen = String::from_utf8_lossy(unseen).len();
        self.from(&String::from_utf8_lossy(looked_at), unseen)
    }

    /// A text from the server; `None` if there is nothing in it.
    pub(super) fn text(&self, text: &str) -> Option<String> {
        const LOOKED_AT: usize = 64 * 1024;
        let text = text.trim();
        let end = text.char_indices().map(|(at, _)| at).find(|at| *at >= LOOKED_AT);
        self.from(end.and_then(|end| text.get(..end)).unwrap_or(text), 0)
    }

    /// A text from about this place on.
    fn from(&self, text: &str, unseen: usize) -> Option<String> {
        let mut shown = Shown::default();
        let mut rest = text;
        let (mut in_word, mut no_digits_before) = (false, 0);
        while !rest.is_empty() && !shown.is_full() {
            shown.muted = text.len() - rest.len() < unseen;
            let at = text.len() - rest.len();
            let encoded = || {
                // Within digits that were looked at there is nothing to be found.
                if in_word || at < no_digits_before {
                    return None;
                }
                let (looked_at, found) = encodings::encoded_length(rest, &self.secrets);
                no_digits_before = at + looked_at;
                found
            };
            if let Some(length) = self.spelt_at(rest).or_else(encoded) {
                shown.mask();
                rest = rest.get(length..).unwrap_or_default();
                in_word = false;
                continue;
            }
            if !in_word && let Some((value, length)) = secret_value(rest) {
                let name_end = self.show_name(rest, value, &mut shown);
                shown.mask();
                let end = self.end_of_secrets(rest, value, value + length).max(name_end);
                rest = rest.get(end..).unwrap_or_default();
                continue;
            }
            let mut characters = rest.chars();
            if let Some(character) = characters.next() {
                in_word = is_word(character);
                shown.push(character);
            }
            rest = characters.as_str();
        }
        shown.finish(!rest.is_empty())
    }

    /// The length of the secret that a text begins with, as it is spelt there.
    fn spelt_at(&self, text: &str) -> Option<usize> {
        self.secrets.iter().find_map(|secret| encodings::length(text, secret))
    }

    /// Shows a text up to the byte `end`, where a value begins: what is called a secret may have one
    /// in its name. Says where the last of these ends, if that is beyond it.
    fn show_name(&self, text: &str, end: usize, shown: &mut Shown) -> usize {
        let mut at = 0;
        while at < end {
            let from = text.get(at..).unwrap_or_default();
            let Some(character) = from.chars().next() else { break };
            if let Some(length) = self.spelt_at(from) {
                shown.mask();
                at += length;
            } else {
                shown.push(character);
                at += character.len_utf8();
            }
        }
        at
    }

    /// Where a value ends that is not shown: a secret that begins in it may hold what ends a value.
    fn end_of_secrets(&self, text: &str, mut at: usize, mut end: usize) -> usize {
        while at < end {
            let from = text.get(at..).unwrap_or_default();
            let Some(character) = from.chars().next() else { break };
            end = end.max(at + self.spelt_at(from).unwrap_or(0));
            at += character.len_utf8();
        }
        end
    }
}

/// Output that knows its limit.
#[derive(Default)]
struct Shown {
    text: String,
    characters: usize,
    /// Whether something did not fit any more.
    cut: bool,
    /// Whether what comes is left out.
    muted: bool,
}

impl Shown {
    fn is_full(&self) -> bool {
        self.characters >= SHOWN
    }

    fn push(&mut self, character: char) {
        if self.muted {
            return;
        }
        if self.is_full() {
            self.cut = true;
            return;
        }
        self.characters += 1;
        if is_hidden(character) {
            self.text.extend(character.escape_default());
        } else {
            self.text.push(character);
        }
    }

    /// A mask is shown whole, even where the limit lies within it.
    fn mask(&mut self) {
        if self.muted {
            return;
        }
        if self.is_full() {
            self.cut = true;
            return;
        }
        self.characters += MASK.len();
        self.text.push_str(MASK);
    }

    fn finish(mut self, cut: bool) -> Option<String> {
        if (cut || self.cut) && write!(self.text, "...").is_err() {
            return None;
        }
        (!self.text.is_empty()).then_some(self.text)
    }
}

/// If `text` begins with a name that sounds secret and a value: where the value begins, and how long
/// it is.
fn secret_value(text: &str) -> Option<(usize, usize)> {
    let bearer = ["bearer ", "basic "].into_iter().find(|scheme| {
        text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    if let Some(scheme) = bearer {
        let value = text.get(scheme.len()..)?;
        let length = plain_length(value);
        return looks_secret(value.get(..length)?).then_some((scheme.len(), length));
    }
    let name_length = text.find(|character| !is_word(character)).unwrap_or(text.len());
    let name = text.get(..name_length)?.to_ascii_lowercase();
    if !SECRET_NAMES.iter().any(|secret| name.contains(secret)) {
        return None;
    }
    let after_name = text.get(name_length..)?;
    let after_quote = after_name.trim_start_matches(['"', '\'', '\\']);
    let quoted = after_quote.len() < after_name.len();
    let after_space = after_quote.trim_start();
    let separator = after_space.chars().next().filter(|it| matches!(it, ':' | '='))?;
    let value = after_space.get(1..)?.trim_start();
    let start = text.len() - value.len();
    let length = match value.chars().next()? {
        quote @ ('"' | '\'') => quoted_length(value, quote),
        '\\' => escaped_length(value),
        '{' | '[' => nested_length(value),
        _ => plain_length(value),
    };
    let found = value.get(..length)?;
    let shown = match (quoted, separator) {
        // A JSON member: everything but these says something about a secret.
        (true, _) => matches!(found.trim(), "null" | "true" | "false" | "\"\"" | "{}"),
        (false, '=') => found.is_empty(),
        // Prose such as "Invalid password: account locked" should stay readable.
        (false, _) => !found.starts_with(['"', '\'', '{', '[', '\\']) && !looks_secret(found),
    };
    (!shown).then_some((start, length))
}

/// The length of a quoted value, both quotes included; all the rest if the closing one is missing.
fn quoted_length(value: &str, quote: char) -> usize {
    let mut escaped = false;
    for (index, character) in value.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if character == '\\' {
            escaped = true;
        } else if character == quote {
            return index + 1;
        }
    }
    value.len()
}

/// The length of a value in quotes that are themselves escaped, as in JSON within JSON.
fn escaped_length(value: &str) -> usize {
    let opening = value.len() - value.trim_start_matches('\\').len();
    let closing = value.get(..=opening).unwrap_or(value);
    let inner = value.get(closing.len()..).unwrap_or_default();
    inner.find(closing).map_or(value.len(), |index| closing.len() + index + closing.len())
}

/// The length of an object or a list; all the rest if it does not end.
fn nested_length(value: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(character) = value.get(at..).and_then(|rest| rest.chars().next()) {
        at += match character {
            '"' => quoted_length(value.get(at..).unwrap_or_default(), '"'),
            other => other.len_utf8(),
        };
        match character {
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    value.len()
}

/// The length of a value without quotes.
fn plain_length(value: &str) -> usize {
    let ends = |character: char| {
        character.is_whitespace() || ";,&<>\"'}])".contains(character) || character.is_control()
    };
    value.find(ends).unwrap_or(value.len())
}

/// Whether a word is rather a token than prose.
fn looks_secret(word: &str) -> bool {
    word.len() >= 16 || (word.len() >= 4 && word.bytes().any(|byte| byte.is_ascii_digit()))
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '-')
}
