//! JSON pointers (RFC 6901) that name a member.
//!
//! A pointer is taken apart once, here; walking an item then only compares tokens. The empty
//! pointer, which means the whole document, is refused: an item is not its own id.

use std::fmt;
use std::str::FromStr;

/// Why a text is no pointer to a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PointerError {
    /// It names the whole item.
    #[error("is empty, which means the whole item")]
    Empty,
    /// It does not begin with a slash.
    #[error("does not begin with a slash")]
    NoSlash,
    /// It holds a tilde that is neither `~0` nor `~1`.
    #[error("holds a tilde that is neither ~0 (a tilde) nor ~1 (a slash)")]
    Tilde,
}

/// An RFC 6901 JSON pointer that names a member, such as `/itemId`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPointer {
    text: String,
    tokens: Vec<String>,
}

impl JsonPointer {
    /// The pointer to the member of this name.
    pub fn to_member(name: &str) -> Option<Self> {
        format!("/{}", name.replace('~', "~0").replace('/', "~1")).parse().ok()
    }

    /// The names on the way to the member, unescaped; at least one.
    pub fn tokens(&self) -> &[String] {
        &self.tokens
    }
}

impl FromStr for JsonPointer {
    type Err = PointerError;

    fn from_str(text: &str) -> Result<Self, PointerError> {
        if text.is_empty() {
            return Err(PointerError::Empty);
        }
        let path = text.strip_prefix('/').ok_or(PointerError::NoSlash)?;
        let tokens = path.split('/').map(unescaped).collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), tokens })
    }
}

impl fmt::Display for JsonPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn unescaped(token: &str) -> Result<String, PointerError> {
    let mut plain = String::with_capacity(token.len());
    let mut characters = token.chars();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '~' => match characters.next() {
                Some('0') => '~',
                Some('1') => '/',
                _ => return Err(PointerError::Tilde),
            },
            other => other,
        });
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Result<Vec<String>, PointerError> {
        text.parse::<JsonPointer>().map(|pointer| pointer.tokens().to_vec())
    }

    #[test]
    fn a_pointer_is_split_at_its_slashes_and_unescaped_once() {
        assert_eq!(tokens("/itemId"), Ok(vec!["itemId".to_owned()]));
        assert_eq!(tokens("/a/0/b"), Ok(vec!["a".to_owned(), "0".to_owned(), "b".to_owned()]));
        assert_eq!(tokens("/a~1b/m~0n/~01"), Ok(vec!["a/b".into(), "m~n".into(), "~1".into()]));
        assert_eq!(tokens("/"), Ok(vec![String::new()]), "the member whose name is empty");
    }

    #[test]
    fn what_is_no_pointer_to_a_member_is_refused() {
        assert_eq!(tokens(""), Err(PointerError::Empty));
        assert_eq!(tokens("itemId"), Err(PointerError::NoSlash));
        assert_eq!(tokens("/a~"), Err(PointerError::Tilde));
        assert_eq!(tokens("/a~2"), Err(PointerError::Tilde));
    }

    #[test]
    fn a_pointer_is_printed_as_it_was_written() {
        assert_eq!("/a~1b".parse::<JsonPointer>().unwrap().to_string(), "/a~1b");
    }
}
