//! A walk along the members of an item that is written plainly, without a list of them. Pure.
//!
//! For who reads very many items that mostly have the same members in the same order: such a one asks
//! whether the member that it expects is next, which costs a comparison of a few bytes.
//!
//! Guarantees: what is walked along to its end is a JSON object with exactly the members handed over; a
//! walk that is given up says nothing, and [`super::members`] reads all that there is. It is given up at a
//! name that has escapes, and at whatever is not JSON. The bytes of texts need not be UTF-8.

use memchr::memchr;

/// The levels of lists and objects inside a value that are walked along.
const DEEPEST: usize = 64;

/// A place among the members of an item. The walk has come to its end once a name is [`PlainNext::End`].
#[derive(Debug)]
pub struct PlainWalk<'a> {
    item: &'a [u8],
    at: usize,
    is_first: bool,
    /// Whether texts have to be searched for escapes: mostly there is none in a whole item.
    has_escapes: bool,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub enum PlainNext<'a> {
    /// A member of this name; its value is to be asked for.
    Member(&'a [u8]),
    /// The end of the item.
    End,
}

/// A value: where in the item it is written, and as what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainValue {
    from: usize,
    to: usize,
    /// As what.
    pub form: PlainForm,
}

/// What the walk has seen of a value, so that nobody has to look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainForm {
    /// `null`.
    Null,
    /// A number or a truth: ASCII without a space, a comma or a quotation mark.
    Word,
    /// A text without escapes, so that nothing is between its quotation marks but itself.
    Text,
    /// A text with escapes.
    EscapedText,
    /// A list or an object.
    Nested,
}

impl PlainValue {
    /// The value as it is written in the item that was walked along.
    #[inline]
    pub fn written<'a>(&self, item: &'a [u8]) -> &'a [u8] {
        item.get(self.from..self.to).unwrap_or_default()
    }

    /// What is between the quotation marks of a text.
    #[inline]
    pub fn inside<'a>(&self, item: &'a [u8]) -> &'a [u8] {
        item.get(self.from + 1..self.to - 1).unwrap_or_default()
    }
}

impl<'a> PlainWalk<'a> {
    /// A walk along this item; `None` where it is none.
    pub fn along(item: &'a [u8]) -> Option<Self> {
        let has_escapes = memchr(b'\\', item).is_some();
        let mut walk = Self { item, at: 0, is_first: true, has_escapes };
        walk.skip_space();
        walk.pass(b'{').then_some(walk)
    }

    /// Whether the next member is written so: the comma before it unless it is the first, a name that
    /// [`PlainWalk::next_name`] has handed over, in quotation marks, and the colon. Goes on to its value if it
    /// is.
    #[inline]
    pub fn is_next(&mut self, written: &[u8]) -> bool {
        let is_next = self.is_first == (written.first() != Some(&b','))
            && self.item.get(self.at..).is_some_and(|rest| rest.starts_with(written));
        if is_next {
            self.at += written.len();
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

    /// The value of the member that was next; `None` where the walk is to be given up.
    #[inline]
    pub fn value(&mut self) -> Option<PlainValue> {
        self.skip_space();
        let from = self.at;
        let form = self.skip_value(DEEPEST)?;
        Some(PlainValue { from, to: self.at, form })
    }

    fn skip_value(&mut self, deepest: usize) -> Option<PlainForm> {
        match self.item.get(self.at)? {
            b'"' => {
                let is_plain = self.text()?;
                Some(if is_plain { PlainForm::Text } else { PlainForm::EscapedText })
            }
            b'n' => self.literal(b"null").map(|()| PlainForm::Null),
            b't' => self.literal(b"true").map(|()| PlainForm::Word),
            b'f' => self.literal(b"false").map(|()| PlainForm::Word),
            b'{' | b'[' => self.skip_nested(deepest).map(|()| PlainForm::Nested),
            _ => self.number().map(|()| PlainForm::Word),
        }
    }

    /// By itself, so that the way past other values stays short.
    #[inline(never)]
    fn skip_nested(&mut self, deepest: usize) -> Option<()> {
        let deepest = deepest.checked_sub(1)?;
        if self.item.get(self.at) == Some(&b'{') {
            self.skip_object(deepest)
        } else {
            self.skip_list(deepest)
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
        let mut inner = Self { at: self.at + 1, is_first: true, ..*self };
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
        if self.has_escapes {
            return self.text_with_escapes();
        }
        self.at += plain_bytes::<false>(self.item.get(self.at..)?);
        self.pass(b'"').then_some(true)
    }

    #[inline(never)]
    fn text_with_escapes(&mut self) -> Option<bool> {
        let mut is_plain = true;
        loop {
            self.at += plain_bytes::<true>(self.item.get(self.at..)?);
            if self.pass(b'"') {
                return Some(is_plain);
            }
            is_plain = false;
            self.pass(b'\\').then_some(())?;
            self.escape()?;
        }
    }

    /// Goes on behind an escape, its backslash passed already.
    fn escape(&mut self) -> Option<()> {
        let escaped = self.item.get(self.at)?;
        let is_escape =
            matches!(escaped, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' | b'u');
        let hex = if *escaped == b'u' { 4 } else { 0 };
        let digits = self.item.get(self.at + 1..self.at + 1 + hex)?;
        self.at += 1 + hex;
        (is_escape && digits.iter().all(u8::is_ascii_hexdigit)).then_some(())
    }
}

/// How many bytes from here on stand in a text as themselves: no quotation mark, no control character, and
/// no backslash, which is not looked for where there are no `ESCAPES`.
fn plain_bytes<const ESCAPES: bool>(bytes: &[u8]) -> usize {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    let below = |word: u64, least: u64| word.wrapping_sub(EACH * least) & !word & (EACH << 7);
    // Eight bytes at a time. A bit too many can only stand behind a right one.
    let marks = |word: [u8; 8]| {
        let word = u64::from_le_bytes(word);
        // With this bit turned, the quotation mark comes right behind the control characters.
        let marks = below(word ^ (EACH * 2), 0x21);
        if ESCAPES { marks | below(word ^ (EACH * u64::from(b'\\')), 1) } else { marks }
    };
    let (words, rest) = bytes.as_chunks::<8>();
    let (fours, _) = words.as_chunks::<4>();
    let are_plain =
        |[a, b, c, d]: &&[[u8; 8]; 4]| marks(*a) | marks(*b) | marks(*c) | marks(*d) == 0;
    let plain = fours.iter().take_while(are_plain).count() * 4;
    for (index, word) in words.iter().enumerate().skip(plain) {
        let marks = marks(*word);
        if marks != 0 {
            return index * 8 + marks.trailing_zeros() as usize / 8;
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
        let written = |(place, name): (usize, &&[u8])| {
            [if place == 0 { b"\"" } else { &b",\""[..] }, name, b"\":"].concat()
        };
        let expected: Vec<Vec<u8>> = expected.iter().enumerate().map(written).collect();
        let (mut walk, mut found) = (PlainWalk::along(item)?, Vec::new());
        loop {
            let guess = expected.get(found.len()).filter(|guess| walk.is_next(guess));
            let name = match guess {
                Some(guess) => guess[1 + usize::from(guess[0] == b',')..guess.len() - 2].to_vec(),
                None => match walk.next_name()? {
                    PlainNext::Member(name) => name.to_vec(),
                    PlainNext::End => return Some(found),
                },
            };
            found.push((name, walk.value()?.written(item).to_vec()));
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

    #[test]
    fn a_comma_is_expected_before_all_members_but_the_first() {
        let mut walk = PlainWalk::along(br#"{"a":1"b":2}"#).unwrap();
        assert!(!walk.is_next(b",\"a\":") && walk.is_next(b"\"a\":"));
        walk.value().unwrap();
        assert!(!walk.is_next(b"\"b\":") && !walk.is_next(b",\"b\":"));
        let mut walk = PlainWalk::along(br#"{,"a":1}"#).unwrap();
        assert!(!walk.is_next(b",\"a\":") && !walk.is_next(b"\"a\":"));
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
        fn plain_bytes_are_counted_one_by_one(
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0x1e_u8..0x25, 0x5a_u8..0x5e], 0..40),
        ) {
            let is_plain = |byte: &&u8| !matches!(byte, 0..0x20 | b'"' | b'\\');
            prop_assert_eq!(plain_bytes::<true>(&bytes), bytes.iter().take_while(is_plain).count());
            let bytes: Vec<u8> = bytes.into_iter().filter(|byte| *byte != b'\\').collect();
            prop_assert_eq!(plain_bytes::<false>(&bytes), bytes.iter().take_while(is_plain).count());
        }
    }
}
