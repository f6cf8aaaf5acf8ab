//! A pass as it is stored, and whether it may be taken up again.
//!
//! Pure. What cannot be read, or belongs to another list, is no reason to fail: the pass starts
//! over.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use xxhash_rust::xxh3::xxh3_64;

use super::pass::{Pass, PassSettings};
use crate::config::JsonPointer;
use crate::idset::IdSet;
use crate::mirror::Interrupted;

/// Counts up with every change of the stored form, which later versions cannot guess.
const FORMAT: u8 = 2;

/// What a pass goes through: a pass taken up again in another list could certify a mixture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListId(u64);

impl ListId {
    /// The list that a search with these conditions gives to the user of a server; both of them
    /// are in `source`.
    pub fn new(source: u64, conditions: &Map<String, Value>, item_id: &JsonPointer) -> Self {
        let conditions = Value::Object(conditions.clone()).to_string();
        Self(xxh3_64(format!("{source}\n{item_id}\n{conditions}").as_bytes()))
    }
}

/// Why a pass starts over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartOver {
    /// The list may have changed too much since.
    #[error("it was interrupted longer ago than paging.resume_within")]
    Stale,
    /// The settings that say what is searched for, where and for whom have changed.
    #[error("it went through another list")]
    OtherList,
    /// It was written by another version, or is damaged.
    #[error("its checkpoint cannot be read")]
    Unreadable,
}

/// The stored form of a pass, its ids apart.
///
/// # Panics
///
/// Never: every pass has a stored form.
pub fn state(pass: &Pass, list: ListId) -> Vec<u8> {
    postcard::to_allocvec(&(FORMAT, list, pass)).expect("a pass has a stored form")
}

/// The ids that the latest page was the first to show; nothing where there were none.
pub fn seen(fresh: &IdSet) -> Vec<u8> {
    if fresh.is_empty() { Vec::new() } else { fresh.to_bytes() }
}

/// Takes up an interrupted pass; `age` is how long ago it was interrupted.
pub fn resume(
    interrupted: &Interrupted,
    list: ListId,
    age: Duration,
    resume_within: Duration,
    settings: PassSettings,
) -> Result<Pass, StartOver> {
    if age > resume_within {
        return Err(StartOver::Stale);
    }
    // The format first: nothing after it is to be read in another one.
    if interrupted.state.first() != Some(&FORMAT) {
        return Err(StartOver::Unreadable);
    }
    let (_, stored, pass): (u8, ListId, Pass) =
        postcard::from_bytes(&interrupted.state).map_err(|_| StartOver::Unreadable)?;
    if stored != list {
        return Err(StartOver::OtherList);
    }
    let mut ids = IdSet::new();
    for part in &interrupted.seen {
        ids.unite(IdSet::from_bytes(part).map_err(|_| StartOver::Unreadable)?);
    }
    Ok(pass.resume(ids, settings))
}
