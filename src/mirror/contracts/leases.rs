//! Leases: which of several daemons may write which repository.

use std::fmt::Debug;
use std::time::{Duration, SystemTime};

use super::future::MirrorFuture;
use crate::domain::RepositoryId;

/// What a daemon asks of a store each time that it says that it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseRequest {
    /// The repositories that it is configured to read.
    pub repositories: Vec<RepositoryId>,
    /// How daemons have them.
    pub sharing: Sharing,
    /// How long what it has holds from now on, by the clock of the store.
    pub ttl: Duration,
}

/// How several daemons have the repositories of one mirror.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// One has them all, and the others stand by.
    Leader,
    /// Each has its share. Where one daemon of several wants a leader, there is a leader.
    Spread,
}

/// How the leases stand, as the store told it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaseStanding {
    /// Those of this daemon, by repository.
    pub held: Vec<HeldLease>,
    /// Of these, the ones that it is to let go of once it no longer writes: they are another's share.
    pub excess: Vec<RepositoryId>,
    /// Those that this daemon is configured to read and nobody reads: another one leads, which is not.
    pub unread: Vec<RepositoryId>,
    /// Those that other daemons have now, by repository.
    pub others: Vec<ForeignLease>,
    /// How many daemons share the store, this one included.
    pub daemons: usize,
}

/// A lease that this daemon has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldLease {
    /// Of which repository.
    pub repository: RepositoryId,
    /// How often it has been taken by now.
    pub generation: u64,
    /// Where it was taken just now: how long nobody had had it, if that is known.
    pub vacant: Option<Duration>,
}

/// A lease that another daemon has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignLease {
    /// Of which repository.
    pub repository: RepositoryId,
    /// The name of the daemon.
    pub owner: String,
    /// When it ends unless it is renewed.
    pub expires_in: Duration,
}

/// A login that is being tried: when that was put down, by the clock of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginTry(pub SystemTime);

/// The leases of a store that several daemons share.
///
/// Obligations:
///
/// - a lease has one owner at a time, by the clock of the store alone, and its generation counts up each
///   time that it is taken, also where the same daemon takes it again after it had let go of it or had
///   not renewed it in time;
/// - once another has taken a lease, no transaction under an older generation is committed;
/// - what a daemon has is renewed all at once, and no page that is being written delays that;
/// - logins that are denied or being tried are never more than [`Leases::claim_try`] was told, however
///   many daemons ask at the same moment.
pub trait Leases: Debug + Send + Sync {
    /// Who this process is among those that share the store: the owner of its leases.
    fn owner(&self) -> &str;

    /// What this daemon is called.
    fn name(&self) -> &str;

    /// How the leases of these repositories stand. Changes nothing.
    fn look(&self, repositories: Vec<RepositoryId>) -> MirrorFuture<'_, LeaseStanding>;

    /// Says that this daemon is there, renews what it has, takes what is free as far as `request` says,
    /// and tells how all stand.
    fn renew(&self, request: LeaseRequest) -> MirrorFuture<'_, LeaseStanding>;

    /// Lets go of these at once, so that another may take them.
    fn release(&self, repositories: Vec<RepositoryId>) -> MirrorFuture<'_, ()>;

    /// Takes this daemon off the list of those that are there, and lets go of all that it has.
    fn leave(&self) -> MirrorFuture<'_, ()>;

    /// Counts a login that is about to be tried, unless those within the last `within` that were denied
    /// or are being tried are `most` already. `None`: it is not to be tried now. `login` names server
    /// and user.
    fn claim_try(
        &self,
        login: &str,
        within: Duration,
        most: usize,
    ) -> MirrorFuture<'_, Option<LoginTry>>;

    /// Counts a try no longer, which was no denial.
    fn withdraw_try(&self, login: &str, tried: LoginTry) -> MirrorFuture<'_, ()>;

    /// Counts a login that was denied, in place of the try that it was.
    fn count_denial(&self, login: &str, tried: Option<LoginTry>) -> MirrorFuture<'_, ()>;

    /// How long ago each denial of this login was, by any daemon, of those within the last `within`,
    /// the newest first.
    fn denials(&self, login: &str, within: Duration) -> MirrorFuture<'_, Vec<Duration>>;

    /// Forgets the denials of this login: it succeeded, or the configuration has another password now.
    fn forget_denials(&self, login: &str) -> MirrorFuture<'_, ()>;
}
