//! What a page means for the copy: which of its rows count, and what has happened to each. Pure.

use std::collections::HashMap;

use super::member_changes::MemberChanges;
use super::{IncrementalPage, PageOfItems};
use crate::domain::{Item, ItemId, Op};
use crate::json::{JsonPointer, canonical};

/// What the mirror has under an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoredVersion {
    /// Nothing, or an item that was deleted.
    Absent,
    /// An item with this digest.
    Present(u64),
}

/// How items are compared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ComparisonRules<'a> {
    /// Whether any pass over the repository has come to its end.
    pub(crate) first_pass_done: bool,
    /// Members left out.
    pub(crate) ignore: &'a [JsonPointer],
    /// Where it is counted what differs in those that are updated.
    pub(crate) member_changes: &'a MemberChanges,
}

impl<'a> ComparisonRules<'a> {
    /// Those of a page.
    pub(crate) fn of(page: &'a PageOfItems, first_pass_done: bool) -> Self {
        Self { first_pass_done, ignore: &page.ignore, member_changes: &page.member_changes }
    }

    /// Those of a page of an incremental pass.
    pub(crate) fn of_incremental(page: &'a IncrementalPage, first_pass_done: bool) -> Self {
        Self { first_pass_done, ignore: &page.ignore, member_changes: &page.member_changes }
    }

    /// What has happened to an item; `None`: nothing. `stored` fetches the body that the mirror
    /// has, and is asked only where the digests differ.
    pub(crate) fn judge<E>(
        self,
        item: &Item,
        known: StoredVersion,
        stored: impl FnOnce() -> Result<Vec<u8>, E>,
    ) -> Result<Option<Op>, E> {
        Ok(match known {
            StoredVersion::Present(digest) if digest == item.digest => None,
            StoredVersion::Present(_) => {
                let stored = stored()?;
                if canonical::same(&stored, &item.bytes, self.ignore) {
                    return Ok(None);
                }
                self.member_changes.note(&stored, &item.bytes);
                self.member_changes.found(&item.bytes);
                Some(Op::Update)
            }
            StoredVersion::Absent if self.first_pass_done => {
                self.member_changes.found(&item.bytes);
                Some(Op::Create)
            }
            StoredVersion::Absent => Some(Op::Read),
        })
    }
}

/// The rows that count, in their order, each with whether the pass sees its id for the first time:
/// where an id stands twice the later row counts, and whichever saw it first, it was seen first on
/// this page.
pub(crate) fn rows(page: &PageOfItems) -> impl Iterator<Item = (&Item, bool)> {
    latest(&page.items, |place| page.newly_seen.get(place).copied().unwrap_or(false))
}

/// The same of a page of an incremental pass, of which each row counts.
pub(crate) fn incremental_rows(page: &IncrementalPage) -> impl Iterator<Item = (&Item, bool)> {
    latest(&page.items, |_| true)
}

fn latest(items: &[Item], is_first: impl Fn(usize) -> bool) -> impl Iterator<Item = (&Item, bool)> {
    let mut last: HashMap<&ItemId, (usize, bool)> = HashMap::with_capacity(items.len());
    for (place, item) in items.iter().enumerate() {
        let first = is_first(place);
        let (last, sight) = last.entry(&item.id).or_default();
        *last = place;
        *sight |= first;
    }
    items.iter().enumerate().filter_map(move |(place, item)| {
        let (last, first) = last.get(&item.id)?;
        (*last == place).then_some((item, *first))
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use bytes::Bytes;

    use super::*;

    fn item(body: &'static str) -> Item {
        Item::new(ItemId::Integer(1), Bytes::from_static(body.as_bytes()))
    }

    fn judged(
        known: StoredVersion,
        body: &'static str,
        stored: &str,
        ignore: &[JsonPointer],
    ) -> Option<Op> {
        let member_changes = &MemberChanges::default();
        let rules = ComparisonRules { first_pass_done: true, ignore, member_changes };
        let stored = || Ok::<_, Infallible>(stored.as_bytes().to_vec());
        rules.judge(&item(body), known, stored).unwrap()
    }

    #[test]
    fn what_was_not_there_is_read_until_a_pass_is_done_and_created_afterwards() {
        for (first_pass_done, op) in [(false, Op::Read), (true, Op::Create)] {
            let member_changes = &MemberChanges::default();
            let rules = ComparisonRules { first_pass_done, ignore: &[], member_changes };
            let judged = rules.judge(&item("{}"), StoredVersion::Absent, || Err(()));
            assert_eq!(judged, Ok(Some(op)));
        }
    }

    #[test]
    fn the_stored_body_is_asked_for_only_where_the_digests_differ() {
        let member_changes = &MemberChanges::default();
        let rules = ComparisonRules { first_pass_done: true, ignore: &[], member_changes };
        let known = StoredVersion::Present(item("{}").digest);
        assert_eq!(rules.judge(&item("{}"), known, || Err("asked")), Ok(None));
        assert_eq!(rules.judge(&item("{ }"), known, || Err("asked")), Err("asked"));
    }

    #[test]
    fn another_spelling_and_an_ignored_member_are_no_update() {
        let known = StoredVersion::Present(0);
        let ignore = ["/a".parse().unwrap()];
        assert_eq!(judged(known, r#"{"a":1,"b":2}"#, r#"{"b":2.0,"a":1}"#, &[]), None);
        assert_eq!(judged(known, r#"{"a":1,"b":2}"#, r#"{"b":2}"#, &[]), Some(Op::Update));
        assert_eq!(judged(known, r#"{"a":1,"b":2}"#, r#"{"b":2}"#, &ignore), None);
    }
}
