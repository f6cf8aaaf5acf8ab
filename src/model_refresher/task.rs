//! The task's own loop: what is due, and what becomes of what was learnt.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::duty::{ModelDuties, ModelDuty};
use super::interview::{Interview, Interviewer};
use crate::client::Api;
use crate::domain::RepositoryId;
use crate::mirror::{KeptModel, Mirror, MirrorError, ModelUpdate, RefusedView};
use crate::model::{ModelDifference, ModelRead, NameRows, RepositoryModel};
use crate::pager::{PassLimit, Scheduler};
use crate::progress::{ModelFacts, Progress};
use crate::session::SharedSession;
use crate::task::{Context, Stopped, Until, clock};
use crate::telemetry::event::{self, ModelChanged, RequestFailed};

/// How long the first pages have for themselves.
const FIRST_AFTER: Duration = Duration::from_secs(1);
/// How long a server in trouble, or a mirror, is left alone.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// What the task works with.
#[derive(Debug)]
pub struct ModelRefresher<A, M> {
    /// The server.
    pub api: Arc<A>,
    /// Where tokens come from.
    pub session: Arc<SharedSession>,
    /// What lets the requests of all repositories through.
    pub scheduler: Arc<Scheduler>,
    /// Where it is told what is known.
    pub progress: Arc<Progress>,
    /// With one pass the first pages have nothing for themselves: the end of the pass waits for this.
    pub passes: PassLimit,
    /// Where models are kept.
    pub mirror: Arc<M>,
    /// What is to be followed, as it changes.
    pub duties: watch::Receiver<ModelDuties>,
    /// When to end, and how long it waits.
    pub context: Context,
}

/// What the task remembers.
#[derive(Debug, Default)]
struct ModelMemory {
    /// When each repository is due, and what its names file said when it was last seen to.
    due: BTreeMap<RepositoryId, (Instant, Option<Arc<NameRows>>)>,
    /// What was told of calls that are not answered, and of views that were not made.
    told: BTreeSet<(RepositoryId, &'static str, String)>,
}

impl<A: Api, M: Mirror> ModelRefresher<A, M> {
    /// Follows the model until told to stop.
    pub async fn run(mut self) {
        let Err(Stopped) = self.follow().await;
    }

    async fn follow(&mut self) -> Result<Infallible, Stopped> {
        let mut memory = ModelMemory::default();
        if self.passes == PassLimit::Endless {
            self.context.sleep(FIRST_AFTER).await?;
        }
        loop {
            let duties = self.duties.borrow_and_update().clone();
            self.round(&duties, &mut memory).await?;
            let next = memory.due.values().map(|(due, _)| *due).min();
            let next = next.filter(|_| duties.interval.is_some());
            let until = next.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
            let limit = Until::Within(until.saturating_duration_since(Instant::now()));
            let wait = async {
                tokio::select! {
                    () = tokio::time::sleep_until(until) => Ok(()),
                    changed = self.duties.changed() => changed,
                }
            };
            self.context.run(limit, wait).await??;
        }
    }

    /// Sees to all that is due.
    async fn round(&self, duties: &ModelDuties, memory: &mut ModelMemory) -> Result<(), Stopped> {
        memory.due.retain(|id, _| duties.repositories.iter().any(|it| it.repository == *id));
        let mut list = None;
        for duty in &duties.repositories {
            let now = Instant::now();
            let seen = memory.due.get(&duty.repository).cloned();
            let is_due = seen.as_ref().is_none_or(|(due, _)| *due <= now);
            let other_names = seen.as_ref().is_none_or(|(_, names)| *names != duty.names);
            if !is_due && !other_names {
                continue;
            }
            let read = match duties.interval {
                Some(_) if is_due => {
                    Some(self.interviewer().interview(duty.repository, &mut list).await?)
                }
                _ => None,
            };
            let is_later = matches!(read, Some(Interview::Later));
            let read = match read {
                Some(Interview::Done(read)) => Some(*read),
                Some(Interview::Later) | None => None,
            };
            if let Some(read) = &read {
                tell_unanswered(duty.repository, read, memory);
            }
            let kept = self.keep(duty, read).await;
            // Whatever came of it.
            let facts = kept.as_ref().ok().map(|(facts, _)| facts.clone());
            self.progress.models.note(duty.repository, facts);
            let kept = kept.map(|(_, refused)| tell_refused(duty.repository, &refused, memory));
            let rest = match (kept, duties.interval) {
                (Ok(()), Some(interval)) if !is_later => interval,
                (Ok(()), None) => Duration::from_secs(24 * 3600),
                (Err(error), _) => {
                    event::request_failed_again(&RequestFailed {
                        repository: Some(duty.repository),
                        endpoint: "model",
                        attempt: 1,
                        retry_in: RETRY_AFTER,
                        error: &error,
                        answer: None,
                        remedy: Some(error.remedy()),
                    });
                    RETRY_AFTER
                }
                (Ok(()), Some(_)) => RETRY_AFTER,
            };
            let due = if is_due { Instant::now() + rest } else { seen.map_or(now, |it| it.0) };
            memory.due.insert(duty.repository, (due, duty.names.clone()));
        }
        Ok(())
    }

    fn interviewer(&self) -> Interviewer<'_, A> {
        Interviewer {
            api: &self.api,
            session: &self.session,
            scheduler: &self.scheduler,
            context: &self.context,
        }
    }

    /// Keeps what was learnt, and tells what changed.
    async fn keep(
        &self,
        duty: &ModelDuty,
        read: Option<ModelRead>,
    ) -> Result<(ModelFacts, Vec<RefusedView>), MirrorError> {
        let repository = duty.repository;
        let limit = Until::Within(Duration::from_secs(60));
        let before = self.context.wait(limit, self.mirror.saved_model(repository)).await?;
        let is_first = before.is_none();
        let before = before.unwrap_or_default();
        let update = learnt(before.clone(), read, duty.names.as_deref(), clock::now_ms());
        let facts =
            ModelFacts { name: update.kept.model.name.clone(), read_ms: update.kept.server_ms };
        if is_first && update.kept.model == RepositoryModel::default() {
            return Ok((facts, Vec::new()));
        }
        let difference = ModelDifference::between(&before.model, &update.kept.model);
        let is_news = !difference.is_none();
        let update = ModelUpdate { change: is_news.then(|| difference.words()), ..update };
        let what = update.change.clone().unwrap_or_default();
        let saved = self.mirror.save_model(repository, &duty.lease, Arc::new(update));
        match self.context.wait(limit, saved).await {
            Ok(refused) if is_news => {
                event::model_changed(&ModelChanged {
                    repository,
                    added: difference.added.len(),
                    changed: difference.changed.len(),
                    removed: difference.removed.len(),
                    what: &what,
                });
                Ok((facts, refused))
            }
            // Another daemon reads it now, and learns it.
            Err(error) if error.is_fenced() => Ok((facts, Vec::new())),
            saved => saved.map(|refused| (facts, refused)),
        }
    }
}

/// What is to be kept from now on. What the server did not say this time stays as it was, and what the
/// names file says wins.
fn learnt(
    before: KeptModel,
    read: Option<ModelRead>,
    names: Option<&NameRows>,
    now_ms: i64,
) -> ModelUpdate {
    let mut server_ms = before.server_ms;
    let given_names = before.model.given_names.clone();
    let (mut model, answers) = match read {
        Some(ModelRead { mut model, answers, .. }) if !model.attributes.is_empty() => {
            server_ms = Some(now_ms);
            before.model.code_sets.into_iter().for_each(|code_set| {
                let is_used =
                    model.attributes.iter().any(|it| it.code_set.as_ref() == Some(&code_set.name));
                if is_used {
                    model.add_code_set(code_set);
                }
            });
            // Of what is not answered, as the name where there is no list, what was known stays.
            model.name = model.name.or(before.model.name);
            (model, Some(answers))
        }
        Some(ModelRead { model, .. }) => {
            let name = model.name.or_else(|| before.model.name.clone());
            (RepositoryModel { name, ..before.model }, None)
        }
        None => (before.model, None),
    };
    if let Some(names) = names {
        names.apply(&mut model);
    }
    model.give_names(given_names);
    let kept = KeptModel { model, read_ms: now_ms, server_ms, from_file: names.is_some() };
    ModelUpdate { kept, answers, change: None }
}

/// Tells once of each call that is not answered.
fn tell_unanswered(repository: RepositoryId, read: &ModelRead, memory: &mut ModelMemory) {
    for (call, reason) in &read.unanswered {
        if memory.told.insert((repository, call, reason.clone())) {
            event::model_call_unanswered(repository, call, reason);
        }
    }
}

/// Tells once of each view that the store did not make. It is tried again at each reading.
fn tell_refused(repository: RepositoryId, refused: &[RefusedView], memory: &mut ModelMemory) {
    for RefusedView { view, error } in refused {
        if memory.told.insert((repository, "view", format!("{view}: {error}"))) {
            event::view_not_published(repository, view, error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Attribute;

    fn model(names: &[(&str, &str)]) -> RepositoryModel {
        let mut model = RepositoryModel::default();
        for (id, name) in names {
            let name = Some((*name).to_owned());
            model.add_attribute(Attribute { name, ..Attribute::of(*id) });
        }
        model.give_names(BTreeMap::new());
        model
    }

    fn read(names: &[(&str, &str)]) -> ModelRead {
        ModelRead { model: model(names), ..ModelRead::default() }
    }

    #[test]
    fn what_the_server_does_not_say_stays_as_it_was() {
        let name = Some("Products".to_owned());
        let before = KeptModel {
            model: RepositoryModel { name: name.clone(), ..model(&[("F_1", "Brand")]) },
            server_ms: Some(5),
            ..Default::default()
        };
        for nothing in [None, Some(read(&[]))] {
            let update = learnt(before.clone(), nothing, None, 10);
            assert_eq!((update.kept.server_ms, update.answers), (Some(5), None));
            assert_eq!(update.kept.model, before.model);
        }
        let update = learnt(before, Some(read(&[("F_2", "Size")])), None, 10);
        let known = model(&[("F_2", "Size")]).attributes;
        assert_eq!((update.kept.server_ms, update.kept.model.attributes), (Some(10), known));
        // A server that lists no repositories says no name.
        assert_eq!(update.kept.model.name, name);
    }

    #[test]
    fn the_names_file_wins_and_tells_no_time_of_the_server() {
        let rows = NameRows::read(b"id,name\nF_1,Marke\n").unwrap();
        let update = learnt(KeptModel::default(), Some(read(&[("F_1", "Brand")])), Some(&rows), 10);
        assert_eq!(update.kept.model, model(&[("F_1", "Marke")]));
        let update = learnt(KeptModel::default(), None, Some(&rows), 10);
        assert_eq!((update.kept.server_ms, update.kept.from_file), (None, true));
        assert_eq!(update.kept.model, model(&[("F_1", "Marke")]));
    }
}
