//! What is asked and answered by the call for one item.

use crate::domain::{ItemId, RepositoryId};
use crate::json::JsonPointer;

/// One item asked for.
#[derive(Clone, Debug)]
pub struct ItemRequest {
    /// Which repository.
    pub repository: RepositoryId,
    /// Which item.
    pub item: ItemId,
    /// Where an item carries its id.
    pub item_id: JsonPointer,
}

/// Several items asked for at once.
#[derive(Clone, Debug)]
pub struct ItemsRequest {
    /// Which repository.
    pub repository: RepositoryId,
    /// Which items, 500 at most (vendor).
    pub items: Vec<ItemId>,
    /// Where an item carries its id.
    pub item_id: JsonPointer,
}

/// Whether the server has an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Presence {
    /// It answered with the item.
    Present,
    /// It said that there is no such item. Believed only of a server that answers with an item
    /// that is there, because where such a call does not exist it says the same.
    Absent,
    /// Its answer is neither.
    Unknown,
}
