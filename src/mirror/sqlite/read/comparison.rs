//! The items at two instants, side by side: those that changed in between, and no others are looked at.

use rusqlite::Connection;

use super::columns::bounds_in;
use super::connection::SqliteReader;
use super::error::ReadError;
use super::scan::ItemScan;
use super::versions;
use crate::domain::{ItemId, RepositoryId, Sequence};
use crate::mirror::{ComparedItem, ComparedPage, LogError};

/// A page of items is full with so many bytes of bodies, and one item more.
const PAGE_BYTES: usize = 1 << 20;

/// Two states of a mirror. While it lasts the daemon's WAL can only grow.
#[derive(Debug)]
pub(crate) struct SqliteComparison {
    /// In a transaction that ends with it.
    connection: Connection,
    from: Sequence,
    to: Sequence,
}

impl SqliteComparison {
    /// Takes the states that these changes left; without the second, the one of now.
    ///
    /// # Errors
    ///
    /// [`LogError::Dropped`] where later changes than that have been dropped, and
    /// [`LogError::Ahead`] where one has not come yet, or the first comes after the second.
    pub(crate) fn take(
        reader: SqliteReader,
        from: Sequence,
        to: Option<Sequence>,
    ) -> Result<Self, ReadError> {
        let connection = reader.connection;
        connection.execute_batch("BEGIN")?;
        // The transaction takes its state when it first reads.
        let bounds = bounds_in(&connection)?;
        let to = to.unwrap_or(bounds.last);
        bounds.expect(from)?;
        bounds.expect(to)?;
        if from > to {
            return Err(LogError::Ahead { after: from, last: to }.into());
        }
        Ok(Self { connection, from, to })
    }

    /// The last change that is in the earlier state, and in the later one.
    pub(crate) fn sequences(&self) -> (Sequence, Sequence) {
        (self.from, self.to)
    }

    /// The items of a repository whose bytes are not the same in both, in the order of their ids, from
    /// behind `after` on.
    pub(crate) fn items(
        &self,
        repository: RepositoryId,
        after: Option<&ItemId>,
    ) -> Result<ComparedPage, ReadError> {
        let condition = format!("sequence > {}", self.from);
        let scan = ItemScan {
            repository,
            columns: ", sequence",
            beside: "",
            condition: &condition,
            page_bytes: PAGE_BYTES,
        };
        let page = scan.page(&self.connection, after, |_, row| self.bodies(row.get(1)?))?;
        let compared = |(id, (before, after))| ComparedItem { id, before, after };
        Ok(ComparedPage {
            items: page.found.into_iter().map(compared).collect(),
            scanned_through: page.scanned_through,
        })
    }

    /// What the item whose latest change this is was and became, and the size of both; `None`: it is the
    /// same.
    fn bodies(&self, latest: i64) -> Result<Option<(Bodies, usize)>, ReadError> {
        let after = versions::at(&self.connection, latest, self.to)?;
        let before = versions::at(&self.connection, latest, self.from)?;
        let sequence =
            |version: &Option<versions::ItemVersion>| version.as_ref().map(|it| it.sequence);
        if sequence(&before) == sequence(&after) {
            return Ok(None);
        }
        let (before, after) = (before.map(|it| it.body), after.map(|it| it.body));
        let bytes = [&before, &after].into_iter().flatten().map(Vec::len).sum();
        Ok((before != after).then_some(((before, after), bytes)))
    }
}

/// The body before and after.
type Bodies = (Option<Vec<u8>>, Option<Vec<u8>>);
