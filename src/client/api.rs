//! What the refresher and the pagers need of a server: the calls, what they ask and what they answer.

use std::future::Future;
use std::time::Duration;

use super::error::Failure;
use super::item_call::{ItemRequest, ItemsRequest, Presence};
use super::repository_call::RepositoryList;
use super::search_call::{SearchAnswer, SearchRequest};
use crate::domain::IdSet;
use crate::model::{MetadataReply, MetadataRequest};
use crate::session::{Credentials, Tokens};

/// How far the server's clock and ours may be apart, in seconds, before it is told. The daemon lives
/// with more; but then one of them is wrong, and certificates and logs are judged by it.
pub const CLOCKS_APART_S: u64 = 60;

/// What the refresher and the pagers need of a server: the [`Client`](super::Client), or a script in tests.
pub trait Api: Send + Sync + 'static {
    /// Signs in.
    fn login(&self) -> impl Future<Output = Result<Tokens, Failure>> + Send;

    /// Asks whether the session still stands. A refusal of any shape is [`SessionStatus::Ended`], not
    /// an error.
    fn reauth(
        &self,
        credentials: &Credentials,
    ) -> impl Future<Output = Result<SessionStatus, Failure>> + Send;

    /// Ends the session.
    fn logout(&self, credentials: &Credentials)
    -> impl Future<Output = Result<(), Failure>> + Send;

    /// Reads one page of a repository.
    fn search(
        &self,
        credentials: &Credentials,
        request: &SearchRequest,
    ) -> impl Future<Output = Result<SearchAnswer, Failure>> + Send;

    /// Asks for one item, to learn whether the server still has it.
    fn item(
        &self,
        credentials: &Credentials,
        request: &ItemRequest,
    ) -> impl Future<Output = Result<Presence, Failure>> + Send;

    /// Whether there is a call for several items at once.
    fn has_items_call(&self) -> bool {
        false
    }

    /// Asks for several items at once: those of them that the server surely has. Of an item that is not
    /// among them it says nothing.
    fn items(
        &self,
        _credentials: &Credentials,
        _request: &ItemsRequest,
    ) -> impl Future<Output = Result<IdSet, Failure>> + Send {
        std::future::ready(Ok(IdSet::new()))
    }

    /// Asks what repositories there are for this login.
    fn repositories(
        &self,
        credentials: &Credentials,
    ) -> impl Future<Output = Result<RepositoryList, Failure>> + Send;

    /// Asks about the model of a repository. That the server does not answer such a call, or not to
    /// this login, is a reply.
    fn metadata(
        &self,
        credentials: &Credentials,
        request: &MetadataRequest,
    ) -> impl Future<Output = Result<MetadataReply, Failure>> + Send;

    /// How long a call that begins now may take until it has succeeded or failed.
    fn time_out(&self) -> Duration;

    /// How many seconds the server's clock is ahead of this machine's, as its last answer says;
    /// `None` where no answer has said the time.
    fn clock_ahead_s(&self) -> Option<i64>;
}

/// What `reauth` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionStatus {
    /// The session still stands.
    Valid,
    /// The session has ended; a login is due.
    Ended,
    /// There is no such question; a refused request tells.
    Unknown,
}
