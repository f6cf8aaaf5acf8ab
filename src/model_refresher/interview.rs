//! One round of questions about one repository.

use std::sync::Arc;
use std::time::Duration;

use crate::client::{Api, Failure, RepositoryList};
use crate::domain::RepositoryId;
use crate::model::{MetadataReply, MetadataRequest, ModelRead, ModelReading};
use crate::pager::Scheduler;
use crate::session::{Credentials, SharedSession};
use crate::task::{Context, Stopped, Until};

/// The least time between two questions: pages come first.
const BETWEEN: Duration = Duration::from_millis(100);
/// How long a question rests that was refused: whether the session has ended is found out meanwhile by
/// those whose task that is.
const AFTER_REFUSAL: Duration = Duration::from_secs(5);
/// How often a question is asked that is refused, or fails.
const TRIES: u32 = 3;

/// What a round came to.
pub(super) enum Interview {
    /// The server was asked for all that it answers.
    Done(Box<ModelRead>),
    /// It is in trouble, and may answer later.
    Later,
}

/// Who asks.
pub(super) struct Interviewer<'a, A> {
    pub(super) api: &'a Arc<A>,
    pub(super) session: &'a SharedSession,
    pub(super) scheduler: &'a Arc<Scheduler>,
    pub(super) context: &'a Context,
}

impl<A: Api> Interviewer<'_, A> {
    /// Asks for the model of a repository; and for the list of repositories, which has its name, where this
    /// round has not asked for that yet.
    ///
    /// # Errors
    ///
    /// [`Stopped`] where the task is to stop before.
    pub(super) async fn interview(
        &self,
        repository: RepositoryId,
        list: &mut Option<RepositoryList>,
    ) -> Result<Interview, Stopped> {
        let list = match list {
            Some(list) => list,
            None => match self.list().await? {
                Ok(answer) => list.insert(answer),
                Err(NoAnswer::For(_)) => list.insert(RepositoryList::default()),
                Err(NoAnswer::Now) => return Ok(Interview::Later),
            },
        };
        let listed = list.repositories.iter().find(|listed| listed.id == repository);
        let mut reading = ModelReading::new(repository, listed.and_then(|it| it.name.clone()));
        while let Some(request) = reading.next().cloned() {
            let reply = match self.question(&request).await? {
                Ok(reply) => reply,
                Err(NoAnswer::For(reason)) => MetadataReply::Unanswered(reason),
                Err(NoAnswer::Now) => return Ok(Interview::Later),
            };
            reading.take(reply);
        }
        Ok(Interview::Done(Box::new(reading.finish())))
    }

    /// Asks which repositories the server offers.
    pub(super) async fn list(&self) -> Result<Result<RepositoryList, NoAnswer>, Stopped> {
        self.ask(|api, credentials| async move { api.repositories(&credentials).await }).await
    }

    async fn question(
        &self,
        request: &MetadataRequest,
    ) -> Result<Result<MetadataReply, NoAnswer>, Stopped> {
        self.ask(|api, credentials| {
            let request = request.clone();
            async move { api.metadata(&credentials, &request).await }
        })
        .await
    }

    /// Asks something until it is answered, or a few times in vain.
    async fn ask<T, F>(
        &self,
        ask: impl Fn(Arc<A>, Credentials) -> F,
    ) -> Result<Result<T, NoAnswer>, Stopped>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut last = NoAnswer::Now;
        for tried in 1..=TRIES {
            self.context.sleep(BETWEEN).await?;
            // Not before there is a session: what the limit has let through is sent at once.
            self.context.run(Until::Session, self.session.credentials()).await?;
            self.scheduler.ask(self.context).await?;
            let Some(credentials) = self.session.current() else { continue };
            let until = Until::Within(self.api.time_out());
            let asked = ask(Arc::clone(self.api), credentials.clone());
            match self.context.wait(until, asked).await {
                Ok(answer) => return Ok(Ok(answer)),
                Err(Failure::Refused(refusal)) => last = NoAnswer::For(refusal.to_string()),
                Err(Failure::Denied(denial)) => last = NoAnswer::For(denial.to_string()),
                // A server without the call has none a moment later, and nobody is to wait for it.
                Err(Failure::Failed(error)) if error.is_lasting() => {
                    return Ok(Err(NoAnswer::For(error.to_string())));
                }
                Err(Failure::Failed(_)) => last = NoAnswer::Now,
            }
            let is_other = self.session.standing().is_some_and(|it| it != credentials.generation);
            if tried < TRIES && !is_other {
                self.context.sleep(AFTER_REFUSAL).await?;
            }
        }
        Ok(Err(last))
    }
}

/// Why there is no answer.
pub(super) enum NoAnswer {
    /// The server does not answer this, or not to this login.
    For(String),
    /// It is in trouble.
    Now,
}
