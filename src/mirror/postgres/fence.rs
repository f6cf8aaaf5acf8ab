//! The fence around what a writer does: its transactions change the row of its lease, under its
//! generation, and count themselves there.
//!
//! Guarantees: nothing is written once another has taken the lease, nor in a database that is older than
//! what was written before, nor by what an earlier writer under the same lease had sent before this one loaded; a
//! transaction whose answer was lost is found out by its number, and the call that made it is answered, not
//! made again.

use deadpool_postgres::ClientWrapper;
use tokio_postgres::types::ToSql;
use xxhash_rust::xxh3::Xxh3;

use super::error::PostgresError;
use super::numbers::{signed, unsigned};
use crate::domain::RepositoryId;
use crate::mirror::{ChangeCounts, Lease};

/// The part of a statement that makes it a transaction of its writer's: `fenced` has a row if it is, and
/// whatever else is written takes its rows from there. The first four parameters are
/// [`FenceParameters`]; a condition may follow.
pub(super) const FENCED: &str = "fenced AS (
    UPDATE lease SET writes = writes + 1
    WHERE repository = $1::bigint AND owner = $2::text AND generation = $3::bigint
        AND writes = $4::bigint AND owner <> ''";

/// The values of the first four parameters.
#[derive(Debug)]
pub(super) struct FenceParameters {
    repository: i64,
    owner: String,
    generation: i64,
    writes: i64,
}

impl FenceParameters {
    pub(super) fn add_to<'a>(&'a self, parameters: &mut Vec<&'a (dyn ToSql + Sync)>) {
        let Self { repository, owner, generation, writes } = self;
        parameters.extend::<[&(dyn ToSql + Sync); 4]>([repository, owner, generation, writes]);
    }
}

/// What a call is known by when it is made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CallId(u128);

/// Adds up what makes a call the one that it is.
pub(super) struct CallDigest(Xxh3);

impl CallDigest {
    /// The beginning: which call.
    pub(super) fn new(name: &str) -> Self {
        let mut digest = Xxh3::new();
        digest.update(name.as_bytes());
        Self(digest)
    }

    /// A number of it.
    pub(super) fn number(mut self, number: u64) -> Self {
        self.0.update(&number.to_le_bytes());
        self
    }

    /// Bytes of it.
    pub(super) fn bytes(self, bytes: &[u8]) -> Self {
        let mut digest = self.number(bytes.len() as u64);
        digest.0.update(bytes);
        digest
    }

    /// All of it.
    pub(super) fn call(self) -> CallId {
        CallId(self.0.digest128())
    }
}

/// A transaction that was asked for.
#[derive(Debug)]
struct Attempt {
    call: CallId,
    /// The count of transactions before it.
    before: i64,
    /// What the call is answered if it was made.
    outcome: ChangeCounts,
}

/// Where a call stands before it is made.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is to be made.
    Open,
    /// It was made before, and its answer lost.
    Made(ChangeCounts),
}

/// What is known of the lease and the transactions under it.
#[derive(Debug)]
pub(super) struct Fence {
    repository: RepositoryId,
    lease: Lease,
    /// How many there were when that was last known.
    writes: Option<i64>,
    /// One of which nobody knows whether it was made.
    attempt: Option<Attempt>,
}

impl Fence {
    /// That of a writer which has not looked yet.
    pub(super) fn new(repository: RepositoryId, lease: Lease) -> Self {
        Self { repository, lease, writes: None, attempt: None }
    }

    /// Takes what the database says now for what there is; what was asked for before counts no more.
    pub(super) fn begin_anew(
        &mut self,
        owner: &str,
        generation: i64,
        writes: i64,
    ) -> Result<(), PostgresError> {
        self.expect_ours(Some((owner, generation)))?;
        (self.writes, self.attempt) = (Some(writes), None);
        Ok(())
    }

    /// Its owner and its generation.
    pub(super) fn lease(&self) -> (&str, i64) {
        (&self.lease.owner, signed(self.lease.generation))
    }

    /// Sees that the lease is ours.
    pub(super) fn expect_ours(&self, row: Option<(&str, i64)>) -> Result<(), PostgresError> {
        let ours = self.lease();
        // A lease that nobody has is never a writer's.
        if row == Some(ours) && !ours.0.is_empty() {
            return Ok(());
        }
        Err(PostgresError::Fenced { repository: self.repository })
    }

    /// Looks whether a call is still to be made, where that is not certain.
    pub(super) async fn standing(
        &mut self,
        connection: &ClientWrapper,
        call: CallId,
    ) -> Result<Standing, PostgresError> {
        if self.writes.is_some() && self.attempt.is_none() {
            return Ok(Standing::Open);
        }
        self.look(connection, call).await
    }

    /// The parameters for a transaction of this call, of which nobody knows from here on whether it is
    /// made, until [`Fence::made`] or [`Fence::nothing_written`] says so.
    pub(super) fn attempt(&mut self, call: CallId, outcome: ChangeCounts) -> FenceParameters {
        let before = self.writes.unwrap_or(0);
        // One of the same call that is under way still would have the same outcome, except that what it
        // wrote is nothing new any more to the one that asks again.
        let outcome = match &self.attempt {
            Some(earlier) if earlier.call == call && earlier.before == before => earlier.outcome,
            _ => outcome,
        };
        self.attempt = Some(Attempt { call, before, outcome });
        self.parameters(before)
    }

    /// The parameters of a transaction that would be the next one, where it is certain what became of all
    /// before it.
    pub(super) fn certain(&self) -> Option<FenceParameters> {
        let writes = self.writes.filter(|_| self.attempt.is_none())?;
        Some(self.parameters(writes))
    }

    fn parameters(&self, writes: i64) -> FenceParameters {
        FenceParameters {
            repository: signed(self.repository.0),
            owner: self.lease.owner.to_string(),
            generation: signed(self.lease.generation),
            writes,
        }
    }

    /// The transaction was made.
    pub(super) fn made(&mut self) {
        if let Some(attempt) = self.attempt.take() {
            self.writes = Some(attempt.before + 1);
        }
    }

    /// The transaction came to its end and wrote nothing, for another reason than the lease.
    pub(super) fn nothing_written(&mut self) {
        self.attempt = None;
    }

    /// Finds out by the database's count what became of what was asked for.
    pub(super) async fn look(
        &mut self,
        connection: &ClientWrapper,
        call: CallId,
    ) -> Result<Standing, PostgresError> {
        let look = connection
            .prepare_cached("SELECT owner, generation, writes FROM lease WHERE repository = $1")
            .await?;
        let row = connection.query_opt(&look, &[&signed(self.repository.0)]).await?;
        let row = match &row {
            Some(row) => Some((row.try_get::<_, &str>(0)?, row.try_get(1)?, row.try_get(2)?)),
            None => None,
        };
        self.expect_ours(row.map(|(owner, generation, _)| (owner, generation)))?;
        let writes = row.map_or(0, |(_, _, writes): (_, _, i64)| writes);
        let known = self.writes;
        match (&self.attempt, known) {
            (_, None) => {
                self.writes = Some(writes);
                Ok(Standing::Open)
            }
            (None, Some(known)) if writes == known => Ok(Standing::Open),
            // It may still be under way. If it is, the count lets one of the two be made.
            (Some(attempt), Some(known)) if writes == known && attempt.call == call => {
                Ok(Standing::Open)
            }
            (Some(_), Some(known)) if writes == known => {
                Err(PostgresError::Unsettled { repository: self.repository })
            }
            (Some(attempt), Some(_)) if writes == attempt.before + 1 => {
                let (is_this, outcome) = (attempt.call == call, attempt.outcome);
                self.made();
                Ok(if is_this { Standing::Made(outcome) } else { Standing::Open })
            }
            (_, Some(known)) => Err(PostgresError::Regressed {
                repository: self.repository,
                expected: unsigned(known),
                found: unsigned(writes),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, parts: [&[u8]; 2]) -> CallId {
        CallDigest::new(name).bytes(parts[0]).bytes(parts[1]).number(7).call()
    }

    #[test]
    fn a_call_is_known_by_all_that_it_is() {
        let one = call("a", [b"bc", b"d"]);
        assert_eq!(one, call("a", [b"bc", b"d"]));
        assert_ne!(one, call("a", [b"b", b"cd"]));
        assert_ne!(one, call("b", [b"bc", b"d"]));
    }

    #[test]
    fn nobody_writes_under_a_lease_that_nobody_has() {
        let fence = Fence::new(RepositoryId(1), Lease::sole());
        let refused = fence.expect_ours(Some(("", 0)));
        assert!(matches!(refused, Err(PostgresError::Fenced { .. })));
    }
}
