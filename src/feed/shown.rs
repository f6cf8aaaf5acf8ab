//! How the items of each repository are shown to a feed, and what the attributes that it is told of are
//! there.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::batch::FeedLine;
use super::line::LineStyle;
use super::selection::{FeedSelection, WatchedMembers};
use super::settings::FeedSettings;
use crate::config::RepositoryConfig;
use crate::domain::{Change, Op, RepositoryId};
use crate::json::members;
use crate::mirror::{KeptModel, MirrorError, MirrorReader};
use crate::presentation::{Presentation, naming};

/// How long the names of attributes are taken to be what they were.
const NAMES_FOR: Duration = Duration::from_secs(10);

/// The repositories as one feed shows them.
#[derive(Debug)]
pub(super) struct ShownRepositories {
    reader: Arc<dyn MirrorReader>,
    settings: Arc<FeedSettings>,
    selection: FeedSelection,
    style: LineStyle,
    shown: HashMap<RepositoryId, ShownRepository>,
    /// Attributes of the feed that no model has and that items have.
    members: BTreeSet<(RepositoryId, String)>,
}

/// How the items of a repository are shown.
#[derive(Debug)]
struct ShownRepository {
    presentation: Presentation,
    watched: WatchedMembers,
    read: Instant,
}

impl ShownRepositories {
    pub(super) fn new(reader: Arc<dyn MirrorReader>, settings: Arc<FeedSettings>) -> Self {
        Self {
            reader,
            selection: settings.selection(),
            style: settings.style(),
            settings,
            shown: HashMap::new(),
            members: BTreeSet::new(),
        }
    }

    /// What of the log belongs to the feed.
    pub(super) fn selection(&self) -> &FeedSelection {
        &self.selection
    }

    /// The line of a change, if it belongs to the feed.
    pub(super) async fn line_of(
        &mut self,
        change: Change,
    ) -> Result<Option<FeedLine>, MirrorError> {
        if !self.selection.takes_repository(change.repository)
            || !self.selection.takes_operation(change.op)
        {
            return Ok(None);
        }
        self.note_members(&change);
        self.look_up(change.repository).await?;
        let Some(shown) = self.shown.get(&change.repository) else { return Ok(None) };
        let belongs = self.selection.takes(&change, &shown.watched);
        Ok(belongs.then(|| self.style.line(change, &shown.presentation)))
    }

    /// The line of a change that belongs to the feed.
    pub(super) async fn line(&mut self, change: Change) -> Result<FeedLine, MirrorError> {
        self.look_up(change.repository).await?;
        let plain = Presentation::default();
        let shown = self.shown.get(&change.repository).map_or(&plain, |it| &it.presentation);
        Ok(self.style.line(change, shown))
    }

    /// The attributes that the feed is told of and that no repository of it has. None where a repository
    /// has not been read yet, or nothing is known of one: it may have them.
    pub(super) async fn unknown_attributes(&mut self) -> Result<Vec<String>, MirrorError> {
        let Some(attributes) = &self.selection.attributes else { return Ok(Vec::new()) };
        let mut unknown: Vec<&String> =
            attributes.iter().filter(|it| !self.members.iter().any(|(_, of)| of == *it)).collect();
        let mut wanted: BTreeSet<RepositoryId> =
            self.settings.repositories.iter().map(|it| it.id).collect();
        wanted.retain(|id| self.selection.takes_repository(*id));
        wanted.extend(self.selection.repositories.iter().flatten());
        let repositories = self.reader.snapshot(None).await?.repositories().await?;
        let own = repositories.into_iter().filter(|it| self.selection.takes_repository(it.id));
        for repository in own {
            let configured = self.configured(repository.id);
            if !are_told(repository.model.as_ref(), configured) {
                return Ok(Vec::new());
            }
            let naming = naming::naming(repository.model.map(|kept| kept.model), configured);
            unknown.retain(|text| !naming.knows(text));
            wanted.remove(&repository.id);
        }
        let unknown = unknown.into_iter().filter(|_| wanted.is_empty());
        Ok(unknown.cloned().collect())
    }

    /// Takes note of members of an item that the feed is told of as attributes. No model has all of them.
    fn note_members(&mut self, change: &Change) {
        let (Some(attributes), Some(body)) = (&self.selection.attributes, &change.after) else {
            return;
        };
        if change.op != Op::Update {
            return;
        }
        for text in attributes {
            let member = (change.repository, text.clone());
            let quoted = serde_json::Value::from(text.as_str()).to_string();
            // A first look that costs little: it may be the text of a value, or a member of one.
            if self.members.contains(&member)
                || !body.windows(quoted.len()).any(|it| it == quoted.as_bytes())
            {
                continue;
            }
            if members::of(body).is_ok_and(|own| own.iter().any(|it| *it.name == **text)) {
                self.members.insert(member);
                // What is watched is made out anew.
                self.shown.clear();
                return;
            }
        }
    }

    /// Sees that it is known how the items of a repository are shown.
    async fn look_up(&mut self, repository: RepositoryId) -> Result<(), MirrorError> {
        let config = &self.settings.config;
        let is_named = config.names || config.changed || config.attributes.is_some();
        let known = self.shown.get(&repository);
        if known.is_some_and(|known| !is_named || known.read.elapsed() < NAMES_FOR) {
            return Ok(());
        }
        let mut presentation = Presentation::default();
        let mut watched = WatchedMembers::default();
        if is_named {
            let own = self.configured(repository);
            let kept = self.reader.model(repository).await?;
            let are_told = are_told(kept.as_ref(), own);
            presentation.naming = naming::naming(kept.map(|kept| kept.model), own);
            presentation.by_name = config.names;
            let is_known = |text: &String| {
                presentation.naming.knows(text)
                    || self.members.contains(&(repository, text.clone()))
            };
            // Until it is known what an attribute is called, every update may be of it.
            if are_told || self.selection.attributes.iter().flatten().all(is_known) {
                watched = self.selection.watched(&presentation.naming);
            }
        }
        let read = Instant::now();
        self.shown.insert(repository, ShownRepository { presentation, watched, read });
        Ok(())
    }

    fn configured(&self, repository: RepositoryId) -> Option<&RepositoryConfig> {
        let own = self.settings.repositories.iter().find(|it| it.id == repository);
        own.map(|own| &**own)
    }
}

/// Whether anybody has told what the attributes of a repository are called.
fn are_told(kept: Option<&KeptModel>, configured: Option<&RepositoryConfig>) -> bool {
    kept.is_some_and(|kept| kept.server_ms.is_some() || kept.from_file)
        || configured.is_some_and(|it| it.names_file.is_some())
}
