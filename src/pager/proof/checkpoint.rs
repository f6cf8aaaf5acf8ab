//! A pass as it is stored, and whether it may be taken up again.
//!
//! Pure. What cannot be read, or belongs to another list, is no reason to fail: the pass starts
//! over. So does one whose state is damaged, whether or not it can still be read: it could certify
//! what it never saw.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use xxhash_rust::xxh3::xxh3_64;

use super::pass::{Pass, PassSettings};
use crate::domain::{IdSet, stored_form};
use crate::json::JsonPointer;
use crate::mirror::Interrupted;

/// Counts up with every change of the stored form, which later versions cannot guess.
const FORMAT: u8 = 3;

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
    let pass = postcard::to_allocvec(&(list, pass)).expect("a pass has a stored form");
    stored_form::write(FORMAT, &pass)
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
    let stored = stored_form::read(FORMAT, &interrupted.state).ok_or(StartOver::Unreadable)?;
    let (stored_list, pass): (ListId, Pass) =
        postcard::from_bytes(stored).map_err(|_| StartOver::Unreadable)?;
    if stored_list != list {
        return Err(StartOver::OtherList);
    }
    let mut ids = IdSet::new();
    for part in &interrupted.seen {
        ids.unite(IdSet::from_bytes(part).map_err(|_| StartOver::Unreadable)?);
    }
    Ok(pass.resume(ids, settings))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ItemId;
    use crate::mirror::PassStatistics;
    use crate::pager::proof::overlap::ItemDigest;

    const SETTINGS: PassSettings = PassSettings { page_size: 10, overlap: true };

    fn taken_up(state: &[u8], list: ListId) -> Result<Pass, StartOver> {
        let interrupted = Interrupted {
            saved_ms: 0,
            statistics: PassStatistics::default(),
            state: state.to_vec(),
            seen: Vec::new(),
        };
        resume(&interrupted, list, Duration::ZERO, Duration::ZERO, SETTINGS)
    }

    #[test]
    fn a_state_that_is_damaged_is_never_taken_up() {
        let list = ListId(7);
        let mut pass = Pass::new(SETTINGS);
        let ask = pass.plan().unwrap();
        let rows =
            (0..10).map(|id| ItemDigest { id: ItemId::Integer(id), digest: 1 << id }).collect();
        pass.take(ask.ticket, rows, 100);
        let whole = state(&pass, list);
        assert_eq!(state(&taken_up(&whole, list).unwrap(), list), whole);
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut damaged = whole.clone();
                damaged[at] ^= 1 << bit;
                assert!(taken_up(&damaged, list).is_err(), "bit {bit} of byte {at}");
            }
            assert!(taken_up(&whole[..at], list).is_err(), "cut to {at} bytes");
        }
        assert_eq!(taken_up(&whole, ListId(8)).err(), Some(StartOver::OtherList));
    }

    #[test]
    fn a_pass_is_taken_up_again_until_it_is_older_than_the_limit() {
        let settings = PassSettings { page_size: 20, overlap: true };
        let list = ListId::new(1, &Map::new(), &"/id".parse().unwrap());
        let state = state(&Pass::new(settings), list);
        let interrupted = Interrupted {
            saved_ms: 0,
            statistics: PassStatistics::default(),
            state,
            seen: Vec::new(),
        };
        let limit = Duration::from_secs(60);
        let at = |age| resume(&interrupted, list, age, limit, settings).err();
        assert_eq!(at(limit), None);
        assert_eq!(at(limit + Duration::from_millis(1)), Some(StartOver::Stale));
    }
}
