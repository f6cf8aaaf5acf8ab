//! Pages over the items of a repository in the order of their ids.

use rusqlite::{Connection, Row};

use super::columns::signed;
use super::error::ReadError;
use crate::domain::{ItemId, RepositoryId};
use crate::mirror::ItemsPage;
use crate::mirror::sqlite::key::{self, OwnedSqlItemId, RANGES, RESTS, SqlItemId};

/// How many items one page looks at to find those that it has.
pub(super) const LOOKED_AT: usize = 20_000;

/// What is read of items, and of which.
#[derive(Clone, Copy, Debug)]
pub(super) struct ItemScan {
    pub(super) repository: RepositoryId,
    /// What stands in a row after the id, in SQL.
    pub(super) columns: &'static str,
    /// Whether items are looked at that are deleted now.
    pub(super) with_deleted: bool,
    /// A page is full with so many bytes of bodies, and one item more.
    pub(super) page_bytes: usize,
}

impl ItemScan {
    /// The next page, from behind `after` on, of the items that `body` has a body for.
    pub(super) fn page(
        self,
        connection: &Connection,
        after: Option<&ItemId>,
        mut body: impl FnMut(&ItemId, &Row<'_>) -> Result<Option<Vec<u8>>, ReadError>,
    ) -> Result<ItemsPage, ReadError> {
        let Self { columns, .. } = self;
        let there = if self.with_deleted { "" } else { "AND digest IS NOT NULL" };
        let mut page = ItemsPage { items: Vec::new(), scanned_through: None };
        let (mut bytes, mut looked_at) = (0, 0);
        let first = after.map_or(0, key::range_of);
        for (place, range) in RANGES.iter().enumerate().skip(first) {
            let rest = after.filter(|_| place == first);
            let range = if rest.is_some() { RESTS[place] } else { range };
            let mut items = connection.prepare_cached(&format!(
                "SELECT id {columns} FROM item WHERE repository = ?1 {there} AND {range} ORDER BY id"
            ))?;
            let repository = signed(self.repository.0);
            let mut rows = match rest {
                Some(after) => items.query((repository, SqlItemId(after)))?,
                None => items.query([repository])?,
            };
            while let Some(row) = rows.next()? {
                let OwnedSqlItemId(id) = row.get(0)?;
                looked_at += 1;
                let found = body(&id, row)?;
                bytes += found.as_ref().map_or(0, Vec::len);
                let is_full = bytes >= self.page_bytes || looked_at >= LOOKED_AT;
                page.scanned_through = is_full.then(|| id.clone());
                page.items.extend(found.map(|body| (id, body)));
                if is_full {
                    return Ok(page);
                }
            }
        }
        Ok(page)
    }
}
