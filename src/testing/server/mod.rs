//! An EnterWorks in memory that keeps the time of the runtime and does as it is told.
//!
//! A request is judged when it is sent and answered after its latency, so that an answer can be
//! under way while the world changes.

mod searches;
mod sessions;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

pub(crate) use self::searches::revised;
use self::searches::{Before, Finder};
use self::sessions::ServerSession;
use super::script::{Asked, Call, ItemCall, Logged, Outcome, StaleRest};
use crate::client::{
    Api, ApiEndpoint, Denial, Failure, ItemRequest, ListedRepository, Presence, Refusal,
    RefusalShape, RepositoryList, RequestError, RequestErrorKind, SearchAnswer, SearchRequest,
    SessionStatus,
};
use crate::domain::{Item, ItemId, RepositoryId};
use crate::model::{MetadataReply, MetadataRequest};
use crate::session::{Credentials, Generation, Tokens};

type Hook = Box<dyn FnMut(&Asked) -> Option<Outcome> + Send>;

/// The server.
pub(crate) struct Server {
    state: Mutex<State>,
}

/// What a test may set.
pub(crate) struct State {
    pub(crate) session_ttl: Duration,
    pub(crate) rest_ttl: Duration,
    pub(crate) stale_rest: StaleRest,
    /// Whether a login ends the sessions before it.
    pub(crate) one_session: bool,
    /// How long a call takes at most, as far as callers know: one that hangs takes longer.
    pub(crate) time_out: Duration,
    pub(crate) latency: HashMap<Call, Duration>,
    pub(crate) lists: HashMap<RepositoryId, Vec<Item>>,
    /// Repositories that the list of repositories does not show.
    pub(crate) unlisted: Vec<RepositoryId>,
    /// Items that no list shows, and that are there if asked for.
    pub(crate) hidden: Vec<u64>,
    pub(crate) item_call: ItemCall,
    /// How far the server's clock is ahead of ours, as far as its answers tell.
    pub(crate) clock_ahead_s: Option<i64>,
    /// What searches find, where their conditions count.
    pub(crate) found: Option<Finder>,
    /// What happens just before each request is judged.
    pub(crate) before: Option<Before>,
    script: HashMap<Call, VecDeque<Outcome>>,
    hook: Option<Hook>,
    /// Whether requests are forgotten once they are answered: months of them are not to be kept.
    pub(crate) forgetful: bool,
    sessions: HashMap<String, ServerSession>,
    issued: u64,
    sent: HashMap<Call, u64>,
    log: Vec<Logged>,
    under_way: HashMap<Option<RepositoryId>, usize>,
    most_under_way: HashMap<Option<RepositoryId>, usize>,
}

/// What a request comes to, and when.
enum Judged<T> {
    Answer(Result<T, Failure>, Duration),
    Hang,
    Panic,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Server")
    }
}

impl Server {
    /// A server with these repositories, each of so many items with the ids 1, 2, 3 ...
    pub(crate) fn new(repositories: &[(u64, u64)]) -> Self {
        let lists = repositories
            .iter()
            .map(|(id, items)| (RepositoryId(*id), (1..=*items).map(|id| revised(id, 0)).collect()))
            .collect();
        Self {
            state: Mutex::new(State {
                session_ttl: Duration::from_secs(24 * 3600),
                rest_ttl: Duration::from_secs(30 * 60),
                stale_rest: StaleRest::Renewed,
                one_session: false,
                time_out: Duration::from_secs(30),
                latency: HashMap::new(),
                lists,
                unlisted: Vec::new(),
                hidden: Vec::new(),
                item_call: ItemCall::Honest,
                clock_ahead_s: None,
                found: None,
                before: None,
                script: HashMap::new(),
                hook: None,
                forgetful: false,
                sessions: HashMap::new(),
                issued: 0,
                sent: HashMap::new(),
                log: Vec::new(),
                under_way: HashMap::new(),
                most_under_way: HashMap::new(),
            }),
        }
    }

    /// The state, to be set or looked at; not to be held across an await.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // A scripted panic happens outside of the lock, and a test that failed has failed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to become of the next requests of this kind, one after the other.
    pub(crate) fn script(&self, call: Call, outcomes: impl IntoIterator<Item = Outcome>) {
        self.state().script.entry(call).or_default().extend(outcomes);
    }

    /// Decides over every request that no script decides over.
    pub(crate) fn hook(&self, hook: impl FnMut(&Asked) -> Option<Outcome> + Send + 'static) {
        self.state().hook = Some(Box::new(hook));
    }

    pub(crate) fn unhook(&self) {
        self.state().hook = None;
    }

    pub(crate) fn set_latency(&self, call: Call, latency: Duration) {
        self.state().latency.insert(call, latency);
    }

    /// Ends all sessions on the server's side.
    pub(crate) fn end_sessions(&self) {
        self.state().sessions.clear();
    }

    /// Whether a repository has an item.
    pub(crate) fn lists(&self, repository: RepositoryId, id: &ItemId) -> bool {
        self.state().lists.get(&repository).is_some_and(|list| list.iter().any(|it| it.id == *id))
    }

    /// How many requests of this kind were sent.
    pub(crate) fn count(&self, call: Call) -> usize {
        self.log_of(call).len()
    }

    /// How many requests of this kind were sent, also of those that are forgotten.
    pub(crate) fn sent(&self, call: Call) -> u64 {
        self.state().sent.get(&call).copied().unwrap_or_default()
    }

    /// The requests of this kind, in the order in which they were sent.
    pub(crate) fn log_of(&self, call: Call) -> Vec<Logged> {
        self.state().log.iter().filter(|logged| logged.asked.call == call).copied().collect()
    }

    /// The page requests of a repository.
    pub(crate) fn searches(&self, repository: u64) -> Vec<Logged> {
        let repository = Some(RepositoryId(repository));
        let searches = self.log_of(Call::Search);
        searches.into_iter().filter(|logged| logged.asked.repository == repository).collect()
    }

    /// All requests.
    pub(crate) fn log(&self) -> Vec<Logged> {
        self.state().log.clone()
    }

    /// The most page requests of a repository that were under way at once.
    pub(crate) fn most_under_way(&self, repository: u64) -> usize {
        let repository = Some(RepositoryId(repository));
        self.state().most_under_way.get(&repository).copied().unwrap_or_default()
    }

    async fn answer<T>(
        &self,
        asked: Asked,
        judge: impl FnOnce(&mut State, &Asked, &Outcome) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let (place, judged) = self.state().judge(asked, judge);
        let _under_way = CurrentPass { server: self, repository: asked.repository };
        match judged {
            Judged::Answer(result, latency) => {
                if !latency.is_zero() {
                    sleep(latency).await;
                }
                if let Some(logged) = self.state().log.get_mut(place) {
                    logged.answered = Some(Instant::now());
                    logged.refused = matches!(result, Err(Failure::Refused(_)));
                }
                result
            }
            Judged::Hang => std::future::pending().await,
            Judged::Panic => panic!("scripted"),
        }
    }

    fn asked(&self, call: Call, credentials: Option<&Credentials>) -> Asked {
        let mut state = self.state();
        let number = state.sent.entry(call).or_default();
        *number += 1;
        Asked {
            call,
            number: *number,
            at: Instant::now(),
            repository: None,
            page: 0,
            page_size: 0,
            has_conditions: false,
            is_known: false,
            generation: credentials.map_or(Generation::NONE, |credentials| credentials.generation),
            revision: credentials.map_or(0, |credentials| credentials.revision),
        }
    }
}

/// Counts a request as under way until it is answered or given up.
struct CurrentPass<'a> {
    server: &'a Server,
    repository: Option<RepositoryId>,
}

impl Drop for CurrentPass<'_> {
    fn drop(&mut self) {
        if let Some(count) = self.server.state().under_way.get_mut(&self.repository) {
            *count -= 1;
        }
    }
}

impl State {
    fn judge<T>(
        &mut self,
        asked: Asked,
        judge: impl FnOnce(&mut Self, &Asked, &Outcome) -> Result<T, Failure>,
    ) -> (usize, Judged<T>) {
        if let Some(mut before) = self.before.take() {
            before(&asked, self);
            self.before = Some(before);
        }
        let scripted = self.script.get_mut(&asked.call).and_then(VecDeque::pop_front);
        let outcome = scripted
            .or_else(|| self.hook.as_mut().and_then(|hook| hook(&asked)))
            .unwrap_or(Outcome::Usual);
        let place = self.log.len();
        if !self.forgetful {
            self.log.push(Logged { asked, answered: None, refused: false });
        }
        let count = self.under_way.entry(asked.repository).or_default();
        *count += 1;
        let most = self.most_under_way.entry(asked.repository).or_default();
        *most = (*most).max(*count);

        let latency = self.latency.get(&asked.call).copied().unwrap_or(Duration::from_millis(50));
        let endpoint = endpoint(asked.call);
        let failed = |error: RequestError| Judged::Answer(Err(Failure::Failed(error)), latency);
        let judged = match &outcome {
            Outcome::Usual | Outcome::Refuse | Outcome::Cap | Outcome::Repeat => {
                Judged::Answer(judge(self, &asked, &outcome), latency)
            }
            Outcome::Late(more) => Judged::Answer(judge(self, &asked, &outcome), latency + *more),
            Outcome::EndSessions => {
                self.sessions.clear();
                Judged::Answer(judge(self, &asked, &outcome), latency)
            }
            Outcome::Deny(words) => {
                let reason = Some((*words).to_owned());
                let denial = Denial { endpoint, status: 200, reason };
                Judged::Answer(Err(Failure::Denied(denial)), latency)
            }
            Outcome::Fail(kind) => failed(RequestError::new(endpoint, kind.clone())),
            Outcome::Missing => {
                failed(RequestError::new(endpoint, RequestErrorKind::Status).with_status(404))
            }
            Outcome::Busy(retry_after) => {
                let mut error =
                    RequestError::new(endpoint, RequestErrorKind::Status).with_status(503);
                error.retry_after = Some(*retry_after);
                failed(error)
            }
            Outcome::Lose => {
                drop(judge(self, &asked, &outcome));
                failed(RequestError::new(endpoint, RequestErrorKind::Interrupted))
            }
            Outcome::Hang => Judged::Hang,
            Outcome::Panic => Judged::Panic,
        };
        (place, judged)
    }
}

fn refusal(call: Call) -> Failure {
    Failure::Refused(Refusal::new(endpoint(call), RefusalShape::Unauthorized))
}

fn endpoint(call: Call) -> ApiEndpoint {
    match call {
        Call::Login => ApiEndpoint::Login,
        Call::Reauth => ApiEndpoint::Reauth,
        Call::Logout => ApiEndpoint::Logout,
        Call::Search | Call::Item => ApiEndpoint::Search,
        Call::Repositories => ApiEndpoint::Repositories,
    }
}

impl Api for Server {
    fn time_out(&self) -> Duration {
        self.state().time_out
    }

    fn clock_ahead_s(&self) -> Option<i64> {
        self.state().clock_ahead_s
    }

    async fn login(&self) -> Result<Tokens, Failure> {
        let asked = self.asked(Call::Login, None);
        self.answer(asked, |state, asked, outcome| match outcome {
            Outcome::Refuse => Err(refusal(asked.call)),
            _ => Ok(state.sign_in(asked.at)),
        })
        .await
    }

    async fn reauth(&self, credentials: &Credentials) -> Result<SessionStatus, Failure> {
        let asked = self.asked(Call::Reauth, Some(credentials));
        self.answer(asked, |state, asked, outcome| {
            let stands = state.stands(credentials, asked.at);
            Ok(match outcome {
                Outcome::Refuse => SessionStatus::Ended,
                _ if stands => SessionStatus::Valid,
                _ => SessionStatus::Ended,
            })
        })
        .await
    }

    async fn logout(&self, credentials: &Credentials) -> Result<(), Failure> {
        let asked = self.asked(Call::Logout, Some(credentials));
        self.answer(asked, |state, asked, outcome| {
            let token = credentials.tokens.session.expose();
            match (outcome, state.sessions.remove(token)) {
                (Outcome::Refuse, _) | (_, None) => Err(refusal(asked.call)),
                (_, Some(_)) => Ok(()),
            }
        })
        .await
    }

    async fn search(
        &self,
        credentials: &Credentials,
        request: &SearchRequest,
    ) -> Result<SearchAnswer, Failure> {
        let asked = Asked {
            repository: Some(request.repository),
            page: request.page,
            page_size: request.page_size,
            has_conditions: !request.conditions.is_empty(),
            is_known: request.fingerprints.is_some(),
            ..self.asked(Call::Search, Some(credentials))
        };
        self.answer(asked, |state, asked, outcome| {
            if matches!(outcome, Outcome::Refuse) {
                return Err(refusal(asked.call));
            }
            let rest_token = state.admit(credentials, asked.at)?;
            state.page(request, outcome, rest_token)
        })
        .await
    }

    async fn repositories(&self, credentials: &Credentials) -> Result<RepositoryList, Failure> {
        let asked = self.asked(Call::Repositories, Some(credentials));
        self.answer(asked, |state, asked, outcome| {
            if matches!(outcome, Outcome::Refuse) {
                return Err(refusal(asked.call));
            }
            let mut listed: Vec<_> = state.lists.keys().copied().collect();
            listed.retain(|id| !state.unlisted.contains(id));
            listed.sort_unstable();
            let listed = listed.into_iter();
            let repositories =
                listed.map(|id| ListedRepository { id, name: None, can_read: None }).collect();
            Ok(RepositoryList { repositories, skipped: 0 })
        })
        .await
    }

    async fn metadata(
        &self,
        _: &Credentials,
        _: &MetadataRequest,
    ) -> Result<MetadataReply, Failure> {
        Ok(MetadataReply::Unanswered("status 404".to_owned()))
    }

    async fn item(
        &self,
        credentials: &Credentials,
        request: &ItemRequest,
    ) -> Result<Presence, Failure> {
        let asked = Asked {
            repository: Some(request.repository),
            ..self.asked(Call::Item, Some(credentials))
        };
        self.answer(asked, |state, asked, outcome| {
            if matches!(outcome, Outcome::Refuse) {
                return Err(refusal(asked.call));
            }
            state.admit(credentials, asked.at)?;
            let listed = state.lists.values().flatten().any(|item| item.id == request.item);
            let hidden =
                state.hidden.iter().any(|id| ItemId::Integer(i128::from(*id)) == request.item);
            Ok(match state.item_call {
                ItemCall::Honest if listed || hidden => Presence::Present,
                ItemCall::Honest | ItemCall::AllGone => Presence::Absent,
                ItemCall::Unclear => Presence::Unknown,
            })
        })
        .await
    }
}
