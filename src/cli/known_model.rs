//! What is known of a repository's attributes, asked by a command.

use super::Exit;
use super::query::MirrorQuery;
use crate::domain::RepositoryId;
use crate::model::{Naming, RepositoryModel};
use crate::presentation::naming;

/// The model of a repository, empty where nothing is known.
pub(super) fn of(query: &MirrorQuery, repository: RepositoryId) -> Result<RepositoryModel, Exit> {
    let kept = query.wait(query.mirror.model(repository))?;
    Ok(naming::model(kept.map(|kept| kept.model), query.configured(repository)))
}

/// How the members of a repository's items are called.
pub(super) fn naming(query: &MirrorQuery, repository: RepositoryId) -> Result<Naming, Exit> {
    let kept = query.wait(query.mirror.model(repository))?;
    Ok(naming::naming(kept.map(|kept| kept.model), query.configured(repository)))
}
