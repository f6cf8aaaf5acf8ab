//! The transaction of a page that has something new: one statement, or several where it changes much.
//!
//! What a page changes may be most of a gigabyte, which is more than a message can carry, and more
//! than either side should hold at once. So it is sent in pieces into a table that nobody else looks at,
//! without a lock that anybody could wait for; the last statement takes the locks, puts all in its
//! places, and the transaction ends. Broken off before that, it leaves nothing behind.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Waker};

use deadpool_postgres::ClientWrapper;
use tokio_postgres::types::ToSql;

use super::any_page::AnyPage;
use super::append::{ChangeColumns, NewChange, append, columns_from};
use super::error::PostgresError;
use super::fence::FenceParameters;
use super::ledger::{
    CountParameters, INCREMENTAL_COUNTED, INCREMENTAL_PARAMETERS, PAGE_COUNTED, PAGE_PARAMETERS,
};
use super::numbers::signed;
use crate::domain::{ItemId, RepositoryId};

/// The statements that append what one kind of page changes.
#[derive(Debug)]
struct AppendStatements {
    /// Appends the changes that it is given.
    given: String,
    /// Appends those that were taken down before in the same transaction, which are so many.
    staged: String,
}

static APPEND: LazyLock<AppendStatements> =
    LazyLock::new(|| AppendStatements::new(PAGE_COUNTED, PAGE_PARAMETERS));

static APPEND_INCREMENTAL: LazyLock<AppendStatements> =
    LazyLock::new(|| AppendStatements::new(INCREMENTAL_COUNTED, INCREMENTAL_PARAMETERS));

impl AppendStatements {
    fn for_page(page: AnyPage<'_>) -> &'static Self {
        match page {
            AnyPage::Whole(_) => &APPEND,
            AnyPage::Incremental(_) => &APPEND_INCREMENTAL,
        }
    }

    /// Those that put `counted` down, which has so many parameters with those before it.
    fn new(counted: &str, parameters: usize) -> Self {
        let (given, count) = columns_from(parameters + 1);
        let columns = "key, id, op, body, exact, digest, n";
        let with_staged = format!(
            "{counted},
        staged AS (DELETE FROM staged_change WHERE repository = $1 RETURNING {columns})"
        );
        let staged = format!("(SELECT {columns} FROM staged)");
        Self {
            given: append(counted, &count, &given),
            staged: append(&with_staged, &format!("${}::bigint", parameters + 1), &staged),
        }
    }
}

/// Takes down a piece of what a page changes, behind so many changes.
static STAGE: LazyLock<String> = LazyLock::new(|| {
    let (columns, _) = columns_from(3);
    format!(
        "INSERT INTO staged_change (repository, n, key, id, op, body, exact, digest)
        SELECT $1::bigint, $2::bigint + piece.n, key, id, op, body, exact, digest
        FROM {columns} AS piece (key, id, op, body, exact, digest, n)"
    )
});

/// What the transaction of a page puts down.
#[derive(Debug)]
pub(super) struct PageAppend<'a> {
    pub(super) repository: RepositoryId,
    pub(super) page: AnyPage<'a>,
    pub(super) changes: &'a [NewChange<'a>],
    pub(super) fence: &'a FenceParameters,
    pub(super) counts: &'a CountParameters,
    /// Changes are sent in pieces of so many bytes of bodies, and one change more.
    pub(super) piece_bytes: usize,
}

impl PageAppend<'_> {
    /// Makes the transaction; false: not, because the fence is closed. Bodies that `is_exact` says so of are
    /// kept as `jsonb`, too.
    pub(super) async fn run(
        &self,
        connection: &ClientWrapper,
        is_exact: &(dyn Fn(&ItemId, &str) -> bool + Sync),
    ) -> Result<bool, PostgresError> {
        let AppendStatements { given, staged } = AppendStatements::for_page(self.page);
        let of_page = self.page.parameters();
        let mut parameters: Vec<&(dyn ToSql + Sync)> = Vec::new();
        self.fence.add_to(&mut parameters);
        self.counts.add_to(&mut parameters);
        of_page.add_to(&mut parameters);
        let mut pieces = pieces(self.changes, self.piece_bytes).peekable();
        let first = pieces.next().unwrap_or_default();
        if pieces.peek().is_none() {
            let columns = ChangeColumns::of(self.repository, first, is_exact)?;
            columns.add_to(&mut parameters);
            let statement = connection.prepare_cached(given).await?;
            return Ok(connection.query_one(&statement, &parameters).await?.try_get(0)?);
        }
        let repository = signed(self.repository.0);
        let stage = connection.prepare_cached(&STAGE).await?;
        let append = connection.prepare_cached(staged).await?;
        let transaction = OpenTransaction::begin(connection).await?;
        let mut before = 0_i64;
        for piece in [first].into_iter().chain(pieces) {
            let columns = ChangeColumns::of(self.repository, piece, is_exact)?;
            let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&repository, &before];
            columns.add_to(&mut parameters);
            connection.execute(&stage, &parameters).await?;
            before += signed(piece.len() as u64);
        }
        parameters.push(&before);
        let row = transaction.end_with(connection.query_one(&append, &parameters)).await?;
        Ok(row.try_get(0)?)
    }

    /// The items whose bodies the database refuses as `jsonb` although `is_exact` says otherwise.
    pub(super) async fn refused(
        &self,
        connection: &ClientWrapper,
        is_exact: &(dyn Fn(&ItemId, &str) -> bool + Sync),
    ) -> Result<BTreeSet<&ItemId>, PostgresError> {
        let mut refused = BTreeSet::new();
        for piece in pieces(self.changes, self.piece_bytes) {
            let columns = ChangeColumns::of(self.repository, piece, is_exact)?;
            let places = columns.refused(connection).await?;
            refused.extend(places.into_iter().filter_map(|place| Some(piece.get(place)?.id)));
        }
        Ok(refused)
    }
}

/// A transaction that is rolled back unless it comes to its end. Unlike with the library's own, its last
/// statement and its end are sent together, so that no lock is held while anybody waits for us.
#[derive(Debug)]
struct OpenTransaction<'a> {
    connection: &'a ClientWrapper,
    is_open: bool,
}

impl<'a> OpenTransaction<'a> {
    async fn begin(connection: &'a ClientWrapper) -> Result<Self, PostgresError> {
        let transaction = Self { connection, is_open: true };
        connection.batch_execute("BEGIN").await?;
        Ok(transaction)
    }

    /// Makes the last statement and commits. Where the statement fails, the server rolls back instead.
    async fn end_with<T>(
        mut self,
        last: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, PostgresError> {
        let (done, ended) = tokio::join!(last, self.connection.batch_execute("COMMIT"));
        self.is_open = false;
        let done = done?;
        ended?;
        Ok(done)
    }
}

impl Drop for OpenTransaction<'_> {
    fn drop(&mut self) {
        if self.is_open {
            // It is sent when it is first polled, and nobody needs the answer.
            let rollback = pin!(self.connection.batch_execute("ROLLBACK"));
            drop(rollback.poll(&mut Context::from_waker(Waker::noop())));
        }
    }
}

/// Changes in pieces of so many bytes, and one change more; none is empty.
fn pieces<'b, 'a>(
    changes: &'b [NewChange<'a>],
    bytes: usize,
) -> impl Iterator<Item = &'b [NewChange<'a>]> {
    let mut rest = changes;
    std::iter::from_fn(move || {
        let mut sum = 0;
        let is_full = |change: &NewChange<'_>| {
            sum += change.item.map_or(0, |item| item.bytes.len());
            sum >= bytes
        };
        let end = rest.iter().position(is_full).map_or(rest.len(), |last| last + 1);
        let (piece, others) = rest.split_at(end);
        rest = others;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Item, Op};

    proptest! {
        #[test]
        fn pieces_are_all_of_it_and_none_is_larger_than_one_change_more(
            lengths in prop::collection::vec(0_usize..20, 0..30), bytes in 1_usize..40,
        ) {
            let item = |length| Item::new(ItemId::Integer(1), Bytes::from(vec![b' '; length]));
            let items: Vec<Item> = lengths.iter().copied().map(item).collect();
            let change = |item| NewChange { id: &ItemId::Integer(1), op: Op::Read, item: Some(item) };
            let changes: Vec<NewChange<'_>> = items.iter().map(change).collect();
            let mut found = Vec::new();
            for piece in pieces(&changes, bytes) {
                let of: Vec<usize> =
                    piece.iter().filter_map(|it| Some(it.item?.bytes.len())).collect();
                prop_assert!(!of.is_empty());
                let before_last = of.iter().sum::<usize>() - of.last().unwrap();
                prop_assert!(before_last < bytes);
                found.extend(of);
            }
            prop_assert_eq!(found, lengths);
        }
    }
}
