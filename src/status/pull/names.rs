//! Items by the names of their attributes, as far as these are known at the moment.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::config::RepositoryConfig;
use crate::domain::{Change, RepositoryId};
use crate::mirror::{MirrorError, MirrorReader};
use crate::presentation::{Presentation, naming};

/// How the items of a repository are shown by name.
pub(super) async fn presentation(
    mirror: &dyn MirrorReader,
    configured: &[Arc<RepositoryConfig>],
    repository: RepositoryId,
) -> Result<Presentation, MirrorError> {
    let own = configured.iter().find(|it| it.id == repository).map(|it| &**it);
    let kept = mirror.model(repository).await?;
    let naming = naming::naming(kept.map(|kept| kept.model), own);
    Ok(Presentation { naming, by_name: true, ..Presentation::default() })
}

/// How long the names of attributes are taken to be what they were.
const NAMES_FOR: Duration = Duration::from_secs(10);

/// How changes are shown by name, as long as somebody reads them.
#[derive(Debug)]
pub(super) struct ChangeNames {
    configured: Vec<Arc<RepositoryConfig>>,
    /// With when each was read.
    known: Mutex<HashMap<RepositoryId, (Instant, Presentation)>>,
}

impl ChangeNames {
    pub(super) fn new(configured: Vec<Arc<RepositoryConfig>>) -> Self {
        Self { configured, known: Mutex::default() }
    }

    /// Has changes show names.
    pub(super) async fn show(
        &self,
        mirror: &dyn MirrorReader,
        changes: &mut [Change],
    ) -> Result<(), MirrorError> {
        for repository in changes.iter().map(|it| it.repository).collect::<BTreeSet<_>>() {
            let known = self.known().get(&repository).map(|(read, _)| *read);
            if known.is_none_or(|read| read.elapsed() >= NAMES_FOR) {
                let names = presentation(mirror, &self.configured, repository).await?;
                self.known().insert(repository, (Instant::now(), names));
            }
        }
        let known = self.known();
        for change in changes {
            let Some((_, presentation)) = known.get(&change.repository) else { continue };
            show_in(change, presentation);
        }
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, HashMap<RepositoryId, (Instant, Presentation)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has a change show its item in this way.
pub(super) fn show_in(change: &mut Change, presentation: &Presentation) {
    for body in [&mut change.before, &mut change.after].into_iter().flatten() {
        if let Cow::Owned(shown) = presentation.item(body) {
            *body = shown;
        }
    }
}
