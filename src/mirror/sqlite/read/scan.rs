//! Pages over the items of a repository in the order of their ids.

use rusqlite::{Connection, Row};

use super::columns::signed;
use super::error::ReadError;
use crate::domain::{ItemId, RepositoryId};
use crate::mirror::ItemsPage;
use crate::mirror::sqlite::key::{self, OwnedSqlItemId, RANGES, RESTS, SqlItemId};

/// The items that are there.
pub(super) const THERE: &str = "digest IS NOT NULL";

/// How many items one page looks at to find those that it has.
pub(super) const LOOKED_AT: usize = 20_000;

/// What is read of items, and of which.
#[derive(Clone, Copy, Debug)]
pub(super) struct ItemScan<'a> {
    pub(super) repository: RepositoryId,
    /// What stands in a row after the id, in SQL.
    pub(super) columns: &'a str,
    /// What is joined to an item, in SQL: at most one row, with no column that is called as one of its.
    pub(super) beside: &'a str,
    /// Which items are looked at, in SQL.
    pub(super) condition: &'a str,
    /// A page is full with so many bytes of bodies, and one item more.
    pub(super) page_bytes: usize,
}

/// Some of what was found, in the order of the ids.
#[derive(Debug)]
pub(super) struct ScannedPage<T> {
    pub(super) found: Vec<(ItemId, T)>,
    /// Go on after this one; `None` at the end.
    pub(super) scanned_through: Option<ItemId>,
}

impl From<ScannedPage<Vec<u8>>> for ItemsPage {
    fn from(page: ScannedPage<Vec<u8>>) -> Self {
        Self { items: page.found, scanned_through: page.scanned_through }
    }
}

impl ItemScan<'_> {
    /// The next page, from behind `after` on, of the items that `read` finds something of, and of how
    /// many bytes that is.
    pub(super) fn page<T>(
        self,
        connection: &Connection,
        after: Option<&ItemId>,
        mut read: impl FnMut(&ItemId, &Row<'_>) -> Result<Option<(T, usize)>, ReadError>,
    ) -> Result<ScannedPage<T>, ReadError> {
        let Self { columns, beside, condition, .. } = self;
        let mut page = ScannedPage { found: Vec::new(), scanned_through: None };
        let (mut bytes, mut looked_at) = (0, 0);
        let first = after.map_or(0, key::range_of);
        for (place, range) in RANGES.iter().enumerate().skip(first) {
            let rest = after.filter(|_| place == first);
            let range = if rest.is_some() { RESTS[place] } else { range };
            let mut items = connection.prepare_cached(&format!(
                "SELECT id {columns} FROM item {beside} \
                 WHERE repository = ?1 AND {condition} AND {range} ORDER BY id"
            ))?;
            let repository = signed(self.repository.0);
            let mut rows = match rest {
                Some(after) => items.query((repository, SqlItemId(after)))?,
                None => items.query([repository])?,
            };
            while let Some(row) = rows.next()? {
                let OwnedSqlItemId(id) = row.get(0)?;
                looked_at += 1;
                let found = read(&id, row)?;
                bytes += found.as_ref().map_or(0, |(_, bytes)| *bytes);
                let is_full = bytes >= self.page_bytes || looked_at >= LOOKED_AT;
                page.scanned_through = is_full.then(|| id.clone());
                page.found.extend(found.map(|(found, _)| (id, found)));
                if is_full {
                    return Ok(page);
                }
            }
        }
        Ok(page)
    }
}
