//! An [`Api`] whose calls are counted, with what came of them and how long they took.
//!
//! It changes nothing of a call. One that is dropped before its end is not counted.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Api, Failure, ItemRequest, Presence, SearchAnswer, SearchRequest, Standing};
use crate::metrics::calls::{Call, Calls, Outcome};
use crate::session::{Credentials, Tokens};

/// An [`Api`] and the book of its calls.
#[derive(Debug)]
pub struct Counted<A> {
    api: Arc<A>,
    calls: Arc<Calls>,
}

impl<A: Api> Counted<A> {
    /// Counts the calls to this one.
    pub fn new(api: Arc<A>, calls: Arc<Calls>) -> Self {
        Self { api, calls }
    }

    async fn counted<T>(
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

fn outcome<T>(result: &Result<T, Failure>) -> Outcome {
    match result {
        Ok(_) => Outcome::Ok,
        Err(Failure::Refused(_)) => Outcome::Refused,
        Err(Failure::Denied(_)) => Outcome::Denied,
        Err(Failure::Failed(_)) => Outcome::Failed,
    }
}

impl<A: Api> Api for Counted<A> {
    async fn login(&self) -> Result<Tokens, Failure> {
        self.counted(Call::Login, self.api.login()).await
    }

    async fn reauth(&self, credentials: &Credentials) -> Result<Standing, Failure> {
        let begun = Instant::now();
        let result = self.api.reauth(credentials).await;
        // A refusal in all but its type.
        let outcome = match &result {
            Ok(Standing::Ended) => Outcome::Refused,
            other => outcome(other),
        };
        self.calls.note(Call::Reauth, outcome, begun.elapsed());
        result
    }

    async fn logout(&self, credentials: &Credentials) -> Result<(), Failure> {
        self.counted(Call::Logout, self.api.logout(credentials)).await
    }

    async fn search(
        &self,
        credentials: &Credentials,
        request: &SearchRequest,
    ) -> Result<SearchAnswer, Failure> {
        self.counted(Call::Search, self.api.search(credentials, request)).await
    }

    async fn item(
        &self,
        credentials: &Credentials,
        request: &ItemRequest,
    ) -> Result<Presence, Failure> {
        self.counted(Call::Item, self.api.item(credentials, request)).await
    }

    fn time_out(&self) -> Duration {
        self.api.time_out()
    }

    fn clock_ahead_s(&self) -> Option<i64> {
        self.api.clock_ahead_s()
    }
}
