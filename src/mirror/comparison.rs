//! What became of an item between two instants. Pure.

use crate::domain::{ItemId, Op};
use crate::json::JsonPointer;
use crate::json::canonical;

/// An item at two instants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComparedItem {
    /// The item.
    pub id: ItemId,
    /// Its body as received at the earlier instant; `None`: it was not there.
    pub before: Option<Vec<u8>>,
    /// The same at the later one.
    pub after: Option<Vec<u8>>,
}

impl ComparedItem {
    /// What became of it, whatever happened in between; `None`: it is the same, once the members are
    /// left out that the comparison of items leaves out.
    pub fn op(&self, ignore: &[JsonPointer]) -> Option<Op> {
        match (&self.before, &self.after) {
            (None, None) => None,
            (None, Some(_)) => Some(Op::Create),
            (Some(_), None) => Some(Op::Delete),
            (Some(before), Some(after)) => {
                (!canonical::same(before, after, ignore)).then_some(Op::Update)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_same_in_the_end_has_not_changed() {
        let op = |before: Option<&str>, after: Option<&str>| {
            let [before, after] = [before, after].map(|it| it.map(|it| it.as_bytes().to_vec()));
            ComparedItem { id: ItemId::Integer(1), before, after }.op(&["/b".parse().unwrap()])
        };
        assert_eq!(op(None, None), None);
        assert_eq!(op(None, Some("{}")), Some(Op::Create));
        assert_eq!(op(Some("{}"), None), Some(Op::Delete));
        assert_eq!(op(Some("{\"a\":1,\"c\":2}"), Some("{\"c\": 2.0, \"a\": 1}")), None);
        assert_eq!(op(Some("{\"a\":1,\"b\":2}"), Some("{\"a\":1,\"b\":3}")), None);
        assert_eq!(op(Some("{\"a\":1,\"b\":2}"), Some("{\"a\":2,\"b\":2}")), Some(Op::Update));
    }
}
