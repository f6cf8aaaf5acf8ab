//! What the members of a repository's items are called: what the mirror has from the server, and what the
//! configuration's names file says, which wins.

use crate::config::RepositoryConfig;
use crate::model::{Naming, RepositoryModel};

/// The member that holds an item's id unless `item_id` says otherwise.
const ID_MEMBER: &str = "itemId";

/// The first member on the way to the id of an item.
pub fn id_member(configured: Option<&RepositoryConfig>) -> &str {
    let first = configured.and_then(|known| known.item_id.tokens().first());
    first.map_or(ID_MEMBER, String::as_str)
}

/// The model of a repository, empty where nothing is known.
pub fn model(
    kept: Option<RepositoryModel>,
    configured: Option<&RepositoryConfig>,
) -> RepositoryModel {
    let mut model = kept.unwrap_or_default();
    say(configured, &mut model);
    model
}

/// Says what the names file says.
pub fn say(configured: Option<&RepositoryConfig>, model: &mut RepositoryModel) {
    if let Some(file) = configured.and_then(|known| known.names_file.as_ref()) {
        file.rows.apply(model);
    }
}

/// What the members are called, by what is kept of the model.
pub fn naming(kept: Option<RepositoryModel>, configured: Option<&RepositoryConfig>) -> Naming {
    of_model(&model(kept, configured), configured)
}

/// What the members are called, by all that is known.
pub fn of_model(model: &RepositoryModel, configured: Option<&RepositoryConfig>) -> Naming {
    Naming::of(model, &[id_member(configured)])
}
