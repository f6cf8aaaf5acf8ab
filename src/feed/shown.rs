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
    /// The attributes of the feed, each beside itself as JSON.
    quoted: Vec<(String, String)>,
    /// Those that no model has and that items have.
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
        let selection = settings.selection();
        let quote = |text: &String| (text.clone(), serde_json::Value::from(&**text).to_string());
        Self {
            reader,
            quoted: selection.attributes.iter().flatten().map(quote).collect(),
            selection,
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
        self.look_up(change.repository).await?;
        if change.op == Op::Update
            && let Some(body) = &change.after
            && self.note_members(change.repository, body)
        {
            self.look_up(change.repository).await?;
        }
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
        if self.quoted.is_empty() {
            return Ok(Vec::new());
        }
        let mut wanted: BTreeSet<RepositoryId> =
            self.settings.repositories.iter().map(|it| it.id).collect();
        wanted.retain(|id| self.selection.takes_repository(*id));
        wanted.extend(self.selection.repositories.iter().flatten());
        let snapshot = self.reader.snapshot(None).await?;
        let mut own = snapshot.repositories().await?;
        own.retain(|it| self.selection.takes_repository(it.id));
        let mut unknown: Vec<String> = self.quoted.iter().map(|(text, _)| text.clone()).collect();
        let mut read = Vec::with_capacity(own.len());
        for repository in own {
            let configured = self.configured(repository.id);
            if !are_told(repository.model.as_ref(), configured) {
                return Ok(Vec::new());
            }
            let naming = naming::naming(repository.model.map(|kept| kept.model), configured);
            unknown.retain(|text| !naming.knows(text));
            wanted.remove(&repository.id);
            read.push(repository.id);
        }
        if !wanted.is_empty() {
            return Ok(Vec::new());
        }
        // No model has all that items have: what the log has shown is forgotten at each start.
        for repository in read {
            unknown.retain(|text| !self.members.iter().any(|(_, of)| of == text));
            if unknown.is_empty() {
                break;
            }
            for (_, body) in snapshot.items(repository, None).await?.items {
                self.note_members(repository, &body);
            }
        }
        unknown.retain(|text| !self.members.iter().any(|(_, of)| of == text));
        Ok(unknown)
    }

    /// Takes note of those members of an item that the feed is told of as attributes and that its model does
    /// not have, whether there is any that was not known.
    fn note_members(&mut self, repository: RepositoryId, body: &[u8]) -> bool {
        let naming = self.shown.get(&repository).map(|shown| &shown.presentation.naming);
        let mut found = Vec::new();
        for (text, quoted) in &self.quoted {
            let member = (repository, text.clone());
            // A look that costs little comes first: it may be the text of a value, or a member of one.
            if naming.is_some_and(|naming| naming.knows(text))
                || self.members.contains(&member)
                || !body.windows(quoted.len()).any(|it| it == quoted.as_bytes())
            {
                continue;
            }
            if members::of(body).is_ok_and(|own| own.iter().any(|it| *it.name == **text)) {
                found.push(member);
            }
        }
        if found.is_empty() {
            return false;
        }
        self.members.extend(found);
        // What is watched is made out anew.
        self.shown.remove(&repository);
        true
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
