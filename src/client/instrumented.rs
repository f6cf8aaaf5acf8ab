//! An [`Api`] whose calls are counted, with what came of them and how long they took.
//!
//! It changes nothing of a call. One that is dropped before its end is not counted.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::api::{Api, SessionStatus};
use super::error::Failure;
use super::item_call::{ItemRequest, ItemsRequest, Presence};
use super::repository_call::RepositoryList;
use super::search_call::{SearchAnswer, SearchRequest};
use crate::domain::IdSet;
use crate::metrics::calls::{Call, CallOutcome, Calls};
use crate::model::{MetadataReply, MetadataRequest};
use crate::session::{Credentials, Tokens};

/// An [`Api`] and the book of its calls.
#[derive(Debug)]
pub struct Instrumented<A> {
    api: Arc<A>,
    calls: Arc<Calls>,
}

impl<A: Api> Instrumented<A> {
    /// Counts the calls to this one.
    pub fn new(api: Arc<A>, calls: Arc<Calls>) -> Self {
        Self { api, calls }
    }

    async fn measured<T>(
        &self,
        call: Call,
        request: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let begun = Instant::now();
        let result = request.await;
        self.calls.note(call, outcome(&result), begun.elapsed());
        result
    }
}

fn outcome<T>(result: &Result<T, Failure>) -> CallOutcome {
    match result {
        Ok(_) => CallOutcome::Ok,
        Err(Failure::Refused(_)) => CallOutcome::Refused,
        Err(Failure::Denied(_)) => CallOutcome::Denied,
        Err(Failure::Failed(_)) => CallOutcome::Failed,
    }
}

impl<A: Api> Api for Instrumented<A> {
    async fn login(&self) -> Result<Tokens, Failure> {
        self.measured(Call::Login, self.api.login()).await
    }

    async fn reauth(&self, credentials: &Credentials) -> Result<SessionStatus, Failure> {
        let begun = Instant::now();
        let result = self.api.reauth(credentials).await;
        // A refusal in all but its type.
        let outcome = match &result {
            Ok(SessionStatus::Ended) => CallOutcome::Refused,
            other => outcome(other),
        };
        self.calls.note(Call::Reauth, outcome, begun.elapsed());
        result
    }

    async fn logout(&self, credentials: &Credentials) -> Result<(), Failure> {
        self.measured(Call::Logout, self.api.logout(credentials)).await
    }

    async fn search(
        &self,
        credentials: &Credentials,
        request: &SearchRequest,
    ) -> Result<SearchAnswer, Failure> {
        self.measured(Call::Search, self.api.search(credentials, request)).await
    }

    async fn item(
        &self,
        credentials: &Credentials,
        request: &ItemRequest,
    ) -> Result<Presence, Failure> {
        self.measured(Call::Item, self.api.item(credentials, request)).await
    }

    fn has_items_call(&self) -> bool {
        self.api.has_items_call()
    }

    async fn items(
        &self,
        credentials: &Credentials,
        request: &ItemsRequest,
    ) -> Result<IdSet, Failure> {
        self.measured(Call::Item, self.api.items(credentials, request)).await
    }

    async fn repositories(&self, credentials: &Credentials) -> Result<RepositoryList, Failure> {
        self.measured(Call::Metadata, self.api.repositories(credentials)).await
    }

    async fn metadata(
        &self,
        credentials: &Credentials,
        request: &MetadataRequest,
    ) -> Result<MetadataReply, Failure> {
        self.measured(Call::Metadata, self.api.metadata(credentials, request)).await
    }

    fn time_out(&self) -> Duration {
        self.api.time_out()
    }

    fn clock_ahead_s(&self) -> Option<i64> {
        self.api.clock_ahead_s()
    }
}
