//! A page of a search, as far as `learn` looks at it: its items, its totals, and nothing else. Pure.

use serde_json::value::RawValue;

use crate::json::members;

/// A page.
#[derive(Debug)]
pub(super) struct RawPage<'a> {
    /// The items, in the server's order.
    pub(super) items: Vec<&'a RawValue>,
    /// `searchTotal`.
    pub(super) total: u64,
}

impl<'a> RawPage<'a> {
    /// The page in the body of an answer; `None` where it is none.
    pub(super) fn of(body: &'a [u8]) -> Option<Self> {
        let data = member(body, "data")?.get().as_bytes();
        let list = member(data, "itemList")?;
        let total = member(data, "searchTotal")?;
        Some(Self {
            items: serde_json::from_str(list.get()).ok()?,
            total: members::text(total).trim().parse().ok()?,
        })
    }
}

/// The last member of this name.
pub(super) fn member<'a>(object: &'a [u8], name: &str) -> Option<&'a RawValue> {
    let members = members::of(object).ok()?;
    members.into_iter().rev().find(|member| member.name == name).map(|member| member.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_a_list_and_a_total() {
        let body = br#"{"status":0,"data":{"itemList":[{"a":1},{"a":2}],"searchTotal":"7"}}"#;
        let page = RawPage::of(body).unwrap();
        assert_eq!((page.items.len(), page.total), (2, 7));
        let none: [&[u8]; 4] =
            [b"", b"<html>", br#"{"data":null}"#, br#"{"data":{"itemList":{},"searchTotal":1}}"#];
        assert!(none.iter().all(|body| RawPage::of(body).is_none()));
    }
}
