//! The [`Api`] over HTTP.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use url::Url;

use super::api::{Api, SessionStatus};
use super::error::Failure;
use super::item_call::{ItemRequest, ItemsRequest, Presence};
use super::probe::{self, ProbeAnswer, ProbeRequest};
use super::repository_call::RepositoryList;
use super::search_call::{SearchAnswer, SearchRequest};
use super::settings::{ClientSettings, Settings};
use super::{auth, items, metadata, repositories};
use crate::domain::IdSet;
use crate::http::SetupError;
use crate::model::{MetadataReply, MetadataRequest};
use crate::session::{Credentials, Tokens};

/// The [`Api`] over HTTP.
#[derive(Debug)]
pub struct Client {
    /// Replaced as a whole by a reload. A plain lock: it is held for as long as it takes to clone
    /// the `Arc`, never across an await.
    settings: RwLock<Arc<Settings>>,
}

impl Client {
    /// A client with these settings. Reads the certificate files.
    pub fn new(settings: &ClientSettings<'_>) -> Result<Self, SetupError> {
        Ok(Self { settings: RwLock::new(Arc::new(Settings::new(settings)?)) })
    }

    /// Replaces the settings under running callers: requests under way end with the old ones.
    /// Reads the certificate files again. On an error the old settings stay.
    pub fn reconfigure(&self, settings: &ClientSettings<'_>) -> Result<(), SetupError> {
        let settings = Settings::new(settings)?.inherit(&self.settings());
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
        Ok(())
    }

    /// The base URL by https to which the server has redirected us, if it has: requests go there
    /// now, and `server.url` should say so.
    pub fn redirected_to(&self) -> Option<Url> {
        self.settings().http.secured().cloned()
    }

    /// Asks any call with these tokens, to see how it is answered; they need not be good. It is no part
    /// of the [`Api`]: no task asks so.
    pub async fn probe(
        &self,
        tokens: &Tokens,
        request: &ProbeRequest,
    ) -> Result<ProbeAnswer, Failure> {
        probe::probe(&self.settings(), tokens, request).await
    }

    fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Api for Client {
    async fn login(&self) -> Result<Tokens, Failure> {
        auth::login(&self.settings()).await
    }

    async fn reauth(&self, credentials: &Credentials) -> Result<SessionStatus, Failure> {
        auth::reauth(&self.settings(), &credentials.tokens).await
    }

    async fn logout(&self, credentials: &Credentials) -> Result<(), Failure> {
        auth::logout(&self.settings(), &credentials.tokens).await
    }

    async fn search(
        &self,
        credentials: &Credentials,
        request: &SearchRequest,
    ) -> Result<SearchAnswer, Failure> {
        items::search(&self.settings(), &credentials.tokens, request).await
    }

    async fn item(
        &self,
        credentials: &Credentials,
        request: &ItemRequest,
    ) -> Result<Presence, Failure> {
        items::item(&self.settings(), &credentials.tokens, request).await
    }

    fn has_items_call(&self) -> bool {
        self.settings().items_call.is_some()
    }

    async fn items(
        &self,
        credentials: &Credentials,
        request: &ItemsRequest,
    ) -> Result<IdSet, Failure> {
        items::items(&self.settings(), &credentials.tokens, request).await
    }

    async fn repositories(&self, credentials: &Credentials) -> Result<RepositoryList, Failure> {
        repositories::repositories(&self.settings(), &credentials.tokens).await
    }

    async fn metadata(
        &self,
        credentials: &Credentials,
        request: &MetadataRequest,
    ) -> Result<MetadataReply, Failure> {
        metadata::metadata(&self.settings(), &credentials.tokens, request).await
    }

    fn time_out(&self) -> Duration {
        self.settings().http.request_timeout()
    }

    fn clock_ahead_s(&self) -> Option<i64> {
        self.settings().http.clock_ahead_s()
    }
}
