//! What is known of a repository's attributes: what the mirror has from the server, and what the
//! configuration's names file says, which wins.

use super::Exit;
use super::query::MirrorQuery;
use crate::config::RepositoryConfig;
use crate::domain::RepositoryId;
use crate::model::{Naming, RepositoryModel};

/// The member that holds an item's id unless `item_id` says otherwise.
const ID_MEMBER: &str = "itemId";

/// The first member on the way to the id of an item.
pub(super) fn id_member(configured: Option<&RepositoryConfig>) -> String {
    let first = configured.and_then(|known| known.item_id.tokens().first());
    first.map_or(ID_MEMBER, String::as_str).to_owned()
}

/// The model of a repository, empty where nothing is known.
pub(super) fn of(query: &MirrorQuery, repository: RepositoryId) -> Result<RepositoryModel, Exit> {
    let kept = query.wait(query.mirror.model(repository))?;
    let mut model = kept.map(|kept| kept.model).unwrap_or_default();
    say(query.configured(repository), &mut model);
    Ok(model)
}

/// Says what the names file says.
pub(super) fn say(configured: Option<&RepositoryConfig>, model: &mut RepositoryModel) {
    if let Some(file) = configured.and_then(|known| known.names_file.as_ref()) {
        file.rows.apply(model);
    }
}

/// How the members of a repository's items are called.
pub(super) fn naming(query: &MirrorQuery, repository: RepositoryId) -> Result<Naming, Exit> {
    let model = of(query, repository)?;
    Ok(Naming::of(&model, &[&id_member(query.configured(repository))]))
}
