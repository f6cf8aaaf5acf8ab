//! A walk along the members of an item that is written plainly, without a list of them. Pure.
//!
//! For who reads very many items that mostly have the same members in the same order: such a one asks
//! whether the member that it expects is next, which costs a comparison of a few bytes.
//!
//! Guarantees: what is walked along to its end is a JSON object with exactly the members handed over; a
//! walk that is given up says nothing, and [`super::members`] reads all that there is. It is given up at a
//! name that has escapes, and at whatever is not JSON. The bytes of texts need not be UTF-8.

/// The levels of lists and objects inside a value that are walked along.
const DEEPEST: usize = 64;

/// A place among the members of an item. The walk has come to its end once a name is [`PlainNext::End`].
#[derive(Debug)]
pub struct PlainWalk<'a> {
    item: &'a [u8],
    at: usize,
    is_first: bool,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub enum PlainNext<'a> {
    /// A member of this name; its value is to be asked for.
    Member(&'a [u8]),
    /// The end of the item.
    End,
}

impl<'a> PlainWalk<'a> {
    /// A walk along this item; `None` where it is none.
    pub fn along(item: &'a [u8]) -> Option<Self> {
        let mut walk = Self { item, at: 0, is_first: true };
        walk.skip_space();
        walk.pass(b'{').then_some(walk)
    }

    /// Whether the next member is called so, as [`written`] has the name; goes on to its value if it is.
    pub fn is_next(&mut self, written: &[u8]) -> bool {
        let from = match (self.is_first, self.item.get(self.at)) {
            (true, _) => self.at,
            (false, Some(b',')) => self.at + 1,
            (false, _) => return false,
        };
        let is_next = self.item.get(from..).is_some_and(|rest| rest.starts_with(written));
        if is_next {
            self.at = from + written.len();
            self.is_first = false;
        }
        is_next
    }

    /// The next name; `None` where the walk is to be given up.
    pub fn next_name(&mut self) -> Option<PlainNext<'a>> {
        self.skip_space();
        if self.pass(b'}') {
            self.skip_space();
            return (self.at == self.item.len()).then_some(PlainNext::End);
        }
        if !std::mem::take(&mut self.is_first) {
            if !self.pass(b',') {
                return None;
            }
            self.skip_space();
        }
        let from = self.at;
        if !self.text()? {
            return None;
        }
        let name = self.item.get(from + 1..self.at - 1)?;
        self.skip_space();
        self.pass(b':').then_some(PlainNext::Member(name))
    }

    /// The value of the member that was next, as it is written; `None` where the walk is to be given up.
    pub fn value(&mut self) -> Option<&'a [u8]> {
        self.skip_space();
        let from = self.at;
        self.skip_value(DEEPEST)?;
        self.item.get(from..self.at)
    }

    fn skip_value(&mut self, deepest: usize) -> Option<()> {
        match self.item.get(self.at)? {
            b'"' => self.text().map(drop),
            b'{' => self.skip_object(deepest.checked_sub(1)?),
            b'[' => self.skip_list(deepest.checked_sub(1)?),
            b't' => self.literal(b"true"),
            b'f' => self.literal(b"false"),
            b'n' => self.literal(b"null"),
            _ => self.number(),
        }
    }

    fn skip_list(&mut self, deepest: usize) -> Option<()> {
        self.at += 1;
        self.skip_space();
        if self.pass(b']') {
            return Some(());
        }
        loop {
            self.skip_space();
            self.skip_value(deepest)?;
            self.skip_space();
            if self.pass(b']') {
                return Some(());
            }
            self.pass(b',').then_some(())?;
        }
    }

    fn skip_object(&mut self, deepest: usize) -> Option<()> {
        let mut inner = Self { item: self.item, at: self.at + 1, is_first: true };
        loop {
            inner.skip_space();
            if inner.pass(b'}') {
                self.at = inner.at;
                return Some(());
            }
            if !std::mem::take(&mut inner.is_first) {
                inner.pass(b',').then_some(())?;
                inner.skip_space();
            }
            inner.text()?;
            inner.skip_space();
            inner.pass(b':').then_some(())?;
            inner.skip_space();
            inner.skip_value(deepest)?;
        }
    }

    fn skip_space(&mut self) {
        while matches!(self.item.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn pass(&mut self, byte: u8) -> bool {
        let is_there = self.item.get(self.at) == Some(&byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn literal(&mut self, literal: &[u8]) -> Option<()> {
        self.item.get(self.at..)?.starts_with(literal).then(|| self.at += literal.len())
    }

    fn number(&mut self) -> Option<()> {
        self.pass(b'-');
        if !self.pass(b'0') {
            self.digits()?;
        }
        if self.pass(b'.') {
            self.digits()?;
        }
        if self.pass(b'e') || self.pass(b'E') {
            if !self.pass(b'-') {
                self.pass(b'+');
            }
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let rest = self.item.get(self.at..)?;
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        (count > 0).then_some(())
    }

    /// Goes on behind a text; tells whether it has no escapes.
    fn text(&mut self) -> Option<bool> {
        self.pass(b'"').then_some(())?;
        let mut is_plain = true;
        loop {
            self.at += plain_bytes(self.item.get(self.at..)?);
            match self.item.get(self.at)? {
                b'"' => {
                    self.at += 1;
                    return Some(is_plain);
                }
                b'\\' => {
                    is_plain = false;
                    let escaped = self.item.get(self.at + 1)?;
                    let hex = if *escaped == b'u' { 4 } else { 0 };
                    let digits = self.item.get(self.at + 2..self.at + 2 + hex)?;
                    let is_escape = matches!(
                        escaped,
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' | b'u'
                    );
                    if !is_escape || !digits.iter().all(u8::is_ascii_hexdigit) {
                        return None;
                    }
                    self.at += 2 + hex;
                }
                _ => return None,
            }
        }
    }
}

/// A member's name as it stands before a value where nothing is between them: what
/// [`PlainWalk::is_next`] compares with; `None` for one that stands only with escapes, or not at all.
pub fn written(name: &[u8]) -> Option<Vec<u8>> {
    (plain_bytes(name) == name.len()).then(|| [b"\"", name, b"\":"].concat())
}

/// How many bytes from here on stand in a text as themselves: no quotation mark, no backslash, no
/// control character.
fn plain_bytes(bytes: &[u8]) -> usize {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    let below = |word: u64, least: u64| word.wrapping_sub(EACH * least) & !word;
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        // Eight bytes at a time. A bit too many can only stand behind a right one.
        let word = u64::from_le_bytes(*word);
        let quotes = below(word ^ (EACH * u64::from(b'"')), 1);
        let escapes = below(word ^ (EACH * u64::from(b'\\')), 1);
        let found = (below(word, 0x20) | quotes | escapes) & (EACH << 7);
        if found != 0 {
            return index * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let is_plain = |byte: &&u8| !matches!(byte, 0..0x20 | b'"' | b'\\');
    words.len() * 8 + rest.iter().take_while(is_plain).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::members;

    /// Names and values, where the walk comes to the end.
    fn walked(item: &[u8], expected: &[&[u8]]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
        let expected: Vec<Vec<u8>> = expected.iter().filter_map(|name| written(name)).collect();
        let (mut walk, mut found) = (PlainWalk::along(item)?, Vec::new());
        loop {
            let guess = expected.get(found.len()).filter(|guess| walk.is_next(guess));
            let name = match guess {
                Some(guess) => guess[1..guess.len() - 2].to_vec(),
                None => match walk.next_name()? {
                    PlainNext::Member(name) => name.to_vec(),
                    PlainNext::End => return Some(found),
                },
            };
            found.push((name, walk.value()?.to_vec()));
        }
    }

    /// The same by the library.
    fn read(item: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
        let members = members::of(item).ok()?;
        let both = members.into_iter().map(|member| {
            (member.name.as_bytes().to_vec(), member.value.get().as_bytes().to_vec())
        });
        Some(both.collect())
    }

    #[test]
    fn only_names_that_stand_as_themselves_are_compared_with() {
        assert_eq!(written("ä b".as_bytes()).unwrap(), "\"ä b\":".as_bytes());
        for name in ["a\"b", "a\\", "a\n", "\"\\ud800\""] {
            assert_eq!(written(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn a_plain_item_is_walked_along_and_others_are_given_up() {
        let item = br#" {"a":1,"b" : [1, {"c":"]"}] ,"":"x\"\u00e4\n","d":null} "#;
        assert_eq!(walked(item, &[]), read(item));
        assert_eq!(walked(item, &[]).unwrap().len(), 4);
        assert_eq!(walked(b"{}", &[]), Some(Vec::new()));
        for other in [
            &br#"{"a\n":1}"#[..],
            br#"{"a":1,}"#,
            br#"{,"a":1}"#,
            br#"{"a":01}"#,
            br#"{"a":1"b":2}"#,
            br#"{"a":}"#,
            br#"{"a":"\x"}"#,
            br#"{"a":"\u12g4"}"#,
            b"{\"a\":\"\x01\"}",
            br#"{"a":[1,]}"#,
            br#"{"a":{"b"}}"#,
            br#"{"a":tru}"#,
            br#"{"a":1}x"#,
            br#"{"a":1"#,
            b"[1]",
            b"",
        ] {
            assert_eq!(walked(other, &[b"a"]), None, "{}", String::from_utf8_lossy(other));
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(1000), "]".repeat(1000));
        assert_eq!(walked(deep.as_bytes(), &[]), None);
    }

    proptest! {
        #[test]
        fn what_is_walked_along_is_what_the_library_reads(
            values in prop::collection::vec(("[a-c\u{e4}]{0,12}", prop_oneof![
                "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?",
                "\"[a-z \u{e4}\u{20ac},{}\\[\\]:]{0,30}\"",
                "\"[a-z]{0,9}\\\\[nu\"/x]0041\"",
                Just("null".to_owned()), Just("true".to_owned()),
                Just("[1, \"]\", {\"a\":[]}]".to_owned()), Just("{ }".to_owned()),
            ]), 0..8),
            expected in prop::collection::vec("[a-c\u{e4}]{0,2}", 0..8),
            space in prop_oneof![Just(""), Just(" "), Just("\n\t")],
            damage in proptest::option::of((any::<usize>(), any::<u8>())),
        ) {
            let members: Vec<String> = values.iter()
                .map(|(name, value)| format!("\"{name}\"{space}:{space}{value}"))
                .collect();
            let mut item = format!("{{{space}{}{space}}}", members.join(&format!("{space},")))
                .into_bytes();
            if let Some((at, byte)) = damage {
                let at = at % item.len();
                item[at] = byte;
            }
            let expected: Vec<&[u8]> = expected.iter().map(String::as_bytes).collect();
            if let Some(found) = walked(&item, &expected)
                && std::str::from_utf8(&item).is_ok()
            {
                prop_assert_eq!(Some(found), read(&item));
            } else if damage.is_none() {
                // Nothing that a server writes as a rule is given up.
                prop_assert!(
                    item.windows(2).any(|two| two == b"\\x"), "{item:?}"
                );
            }
        }

        #[test]
        fn plain_bytes_are_counted_one_by_one(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let is_plain = |byte: &&u8| !matches!(byte, 0..0x20 | b'"' | b'\\');
            prop_assert_eq!(plain_bytes(&bytes), bytes.iter().take_while(is_plain).count());
        }
    }
}
