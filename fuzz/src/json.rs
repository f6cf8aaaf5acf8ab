//! RFC 8259, read strictly into a tree that keeps what is written.
//!
//! Texts are UTF-16, as the escapes of JSON are, so that half a surrogate pair is a text too.

use std::collections::BTreeMap;

/// Deeper values are not read; the program's own limit lies above.
const DEEPEST: usize = 100;

/// Numbers are compared digit by digit, written out in full; beyond this exponent nobody writes
/// them out.
const LARGEST_EXPONENT: i64 = 2_000;

/// A value, and how it is written.
#[derive(Clone, Debug)]
pub struct Json<'a> {
    pub raw: &'a str,
    pub is: Is<'a>,
}

/// What a value is.
#[derive(Clone, Debug)]
pub enum Is<'a> {
    Null,
    Truth(bool),
    Number,
    Text(Vec<u16>),
    List(Vec<Json<'a>>),
    /// Every member in its order, repeated names included, each with its name as written.
    Object(Vec<(Vec<u16>, &'a str, Json<'a>)>),
}

/// A value by its meaning alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    Null,
    Truth(bool),
    /// The digits before and after the point, without zeros at the outside.
    Number {
        negative: bool,
        whole: String,
        fraction: String,
    },
    Text(Vec<u16>),
    List(Vec<Self>),
    Object(BTreeMap<Vec<u16>, Self>),
}

/// Reads a text that holds one value; `None` where it is none, or is nested too deeply.
pub fn read(text: &[u8]) -> Option<Json<'_>> {
    let text = std::str::from_utf8(text).ok()?;
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    reader.space();
    (reader.at == text.len()).then_some(value)
}

/// As UTF-16.
pub fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

impl<'a> Json<'a> {
    /// The member of this name; of several the last.
    pub fn member(&self, name: &str) -> Option<&Self> {
        let Is::Object(members) = &self.is else { return None };
        let name = wide(name);
        members.iter().rev().find(|member| member.0 == name).map(|member| &member.2)
    }

    /// How often this name stands in the object.
    pub fn times(&self, name: &str) -> usize {
        let Is::Object(members) = &self.is else { return 0 };
        let name = wide(name);
        members.iter().filter(|member| member.0 == name).count()
    }

    /// The elements of a list.
    pub fn list(&self) -> Option<&[Self]> {
        if let Is::List(list) = &self.is { Some(list) } else { None }
    }

    /// A text that is Unicode.
    pub fn text(&self) -> Option<String> {
        if let Is::Text(text) = &self.is { String::from_utf16(text).ok() } else { None }
    }

    /// Whether it is an object.
    pub fn is_object(&self) -> bool {
        matches!(self.is, Is::Object(_))
    }

    /// Where a JSON pointer (RFC 6901) leads, given by its unescaped names.
    pub fn walk(&self, names: &[String]) -> Option<&Self> {
        names.iter().try_fold(self, |value, name| match &value.is {
            Is::Object(_) => value.member(name),
            Is::List(list) => {
                let index: usize = name.parse().ok()?;
                list.get(index).filter(|_| index.to_string() == *name)
            }
            _ => None,
        })
    }

    /// What it means, without what the pointers name; `None` where a number is too large to be
    /// written out.
    pub fn meaning(&self, without: &[Vec<String>]) -> Option<Meaning> {
        let inside = |name: &str| -> Option<Vec<Vec<String>>> {
            let named = without.iter().filter(|path| path.first().is_some_and(|it| it == name));
            let below: Vec<Vec<String>> =
                named.map(|path| path.get(1..).unwrap().to_vec()).collect();
            below.iter().all(|path| !path.is_empty()).then_some(below)
        };
        Some(match &self.is {
            Is::Null => Meaning::Null,
            Is::Truth(truth) => Meaning::Truth(*truth),
            Is::Number => written_out(self.raw)?,
            Is::Text(text) => Meaning::Text(text.clone()),
            Is::List(list) => {
                let mut kept = Vec::new();
                for (place, value) in list.iter().enumerate() {
                    if let Some(below) = inside(&place.to_string()) {
                        kept.push(value.meaning(&below)?);
                    }
                }
                Meaning::List(kept)
            }
            Is::Object(members) => {
                let mut kept = BTreeMap::new();
                for (name, _, value) in members {
                    // A name that is no Unicode is none that a pointer could have.
                    let below = String::from_utf16(name).map_or(Some(Vec::new()), |it| inside(&it));
                    if let Some(below) = below {
                        kept.insert(name.clone(), value.meaning(&below)?);
                    }
                }
                Meaning::Object(kept)
            }
        })
    }
}

/// A number in plain digits.
fn written_out(number: &str) -> Option<Meaning> {
    let negative = number.starts_with('-');
    let number = number.trim_start_matches('-').to_ascii_lowercase();
    let (mantissa, exponent) = number.split_once('e').unwrap_or((&number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent: i64 = exponent.parse().ok()?;
    if exponent.abs() > LARGEST_EXPONENT {
        return None;
    }
    let (mut whole, mut fraction) = (whole.to_owned(), fraction.to_owned());
    for _ in 0..exponent {
        whole.push(if fraction.is_empty() { '0' } else { fraction.remove(0) });
    }
    for _ in exponent..0 {
        fraction.insert(0, whole.pop().unwrap_or('0'));
    }
    let whole = whole.trim_start_matches('0').to_owned();
    let fraction = fraction.trim_end_matches('0').to_owned();
    let negative = negative && !(whole.is_empty() && fraction.is_empty());
    Some(Meaning::Number { negative, whole, fraction })
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, wanted: u8) -> Option<()> {
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Option<Json<'a>> {
        if depth > DEEPEST {
            return None;
        }
        self.space();
        let from = self.at;
        let is = match self.peek()? {
            b'n' => self.word("null", Is::Null)?,
            b't' => self.word("true", Is::Truth(true))?,
            b'f' => self.word("false", Is::Truth(false))?,
            b'"' => Is::Text(self.string()?),
            b'[' => self.elements(depth)?,
            b'{' => self.members(depth)?,
            _ => self.number()?,
        };
        Some(Json { raw: self.text.get(from..self.at)?, is })
    }

    fn word(&mut self, word: &str, is: Is<'a>) -> Option<Is<'a>> {
        self.text.get(self.at..)?.starts_with(word).then(|| self.at += word.len())?;
        Some(is)
    }

    fn digits(&mut self) -> Option<()> {
        let from = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > from).then_some(())
    }

    fn number(&mut self) -> Option<Is<'a>> {
        let _sign = self.take(b'-');
        if self.take(b'0').is_none() {
            self.digits()?;
        }
        if self.take(b'.').is_some() {
            self.digits()?;
        }
        if self.take(b'e').or_else(|| self.take(b'E')).is_some() {
            let _sign = self.take(b'+').or_else(|| self.take(b'-'));
            self.digits()?;
        }
        Some(Is::Number)
    }

    fn string(&mut self) -> Option<Vec<u16>> {
        self.take(b'"')?;
        let mut text = Vec::new();
        loop {
            let character = self.text.get(self.at..)?.chars().next()?;
            self.at += character.len_utf8();
            match character {
                '"' => return Some(text),
                '\0'..='\x1f' => return None,
                '\\' => text.push(self.escape()?),
                other => text.extend_from_slice(other.encode_utf16(&mut [0; 2])),
            }
        }
    }

    fn escape(&mut self) -> Option<u16> {
        let letter = self.peek()?;
        self.at += 1;
        Some(match letter {
            b'"' | b'\\' | b'/' => u16::from(letter),
            b'b' => 8,
            b'f' => 12,
            b'n' => 10,
            b'r' => 13,
            b't' => 9,
            b'u' => {
                let digits = self.text.get(self.at..self.at + 4)?;
                self.at += 4;
                let all = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
                all.then(|| u16::from_str_radix(digits, 16).ok()).flatten()?
            }
            _ => return None,
        })
    }

    fn elements(&mut self, depth: usize) -> Option<Is<'a>> {
        self.take(b'[')?;
        let mut list = Vec::new();
        self.space();
        if self.take(b']').is_some() {
            return Some(Is::List(list));
        }
        loop {
            list.push(self.value(depth + 1)?);
            self.space();
            if self.take(b']').is_some() {
                return Some(Is::List(list));
            }
            self.take(b',')?;
        }
    }

    fn members(&mut self, depth: usize) -> Option<Is<'a>> {
        self.take(b'{')?;
        let mut members = Vec::new();
        self.space();
        if self.take(b'}').is_some() {
            return Some(Is::Object(members));
        }
        loop {
            self.space();
            let from = self.at;
            let name = self.string()?;
            let written = self.text.get(from..self.at)?;
            self.space();
            self.take(b':')?;
            members.push((name, written, self.value(depth + 1)?));
            self.space();
            if self.take(b'}').is_some() {
                return Some(Is::Object(members));
            }
            self.take(b',')?;
        }
    }
}
