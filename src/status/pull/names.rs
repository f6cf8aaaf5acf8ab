//! Items by the names of their attributes, as far as these are known at the moment.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

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

/// Has changes show names.
pub(super) async fn show(
    mirror: &dyn MirrorReader,
    configured: &[Arc<RepositoryConfig>],
    changes: &mut [Change],
) -> Result<(), MirrorError> {
    let mut known: HashMap<RepositoryId, Presentation> = HashMap::new();
    for repository in changes.iter().map(|change| change.repository).collect::<BTreeSet<_>>() {
        known.insert(repository, presentation(mirror, configured, repository).await?);
    }
    for change in changes {
        let Some(presentation) = known.get(&change.repository) else { continue };
        show_in(change, presentation);
    }
    Ok(())
}

/// Has a change show its item in this way.
pub(super) fn show_in(change: &mut Change, presentation: &Presentation) {
    for body in [&mut change.before, &mut change.after].into_iter().flatten() {
        if let Cow::Owned(shown) = presentation.item(body) {
            *body = shown;
        }
    }
}
