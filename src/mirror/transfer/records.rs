//! What a mirror holds, in records that any store can write and any can take. Pure.
//!
//! Numbers and id sets are as both stores keep them: numbers of 64 bits taken as signed, sets in the
//! stored form of [`IdSet`](crate::domain::IdSet).

use crate::domain::{Change, ItemId, RepositoryId, Sequence};
use crate::mirror::contracts::{FeedState, KeptModel, ModelChange, ParkedChange};
use crate::model::RawAnswer;
use crate::model::shape::{ShapedColumn, ShapedPart, ShapedView};

/// A change, and which one it follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeRecord {
    /// The change.
    pub change: Change,
    /// The change of the same item before it, if it had one.
    pub previous: Option<Sequence>,
    /// When that was found, in milliseconds since 1970 (UTC); of updates and deletions always, of others
    /// where it is known.
    pub previous_ms: Option<i64>,
}

/// An item, or what is remembered of one that was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemRecord {
    /// The item.
    pub id: ItemId,
    /// Its last change.
    pub sequence: Sequence,
    /// When that was found, in milliseconds since 1970 (UTC).
    pub changed_ms: i64,
    /// As received; `None`: it was deleted.
    pub body: Option<Vec<u8>>,
}

/// Some items of a repository, in the order of their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ItemRecords {
    /// The items.
    pub records: Vec<ItemRecord>,
    /// Whether others may come after them.
    pub more: bool,
}

/// All but items and log: what does not grow with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateRecords {
    /// What is known of each repository.
    pub repositories: Vec<RepositoryRecord>,
    /// The ledger.
    pub passes: Vec<PassRecord>,
    /// The ledger of incremental passes.
    pub incremental_passes: Vec<IncrementalPassRecord>,
    /// How far incremental passes have come.
    pub marks: Vec<MarkRecord>,
    /// Suspects, and deletions that are held back.
    pub suspects: Vec<SuspectsRecord>,
    /// How to go on with passes that are under way.
    pub checkpoints: Vec<CheckpointRecord>,
    /// The ids that they have seen.
    pub seen: Vec<SeenRecord>,
    /// What is known of each repository's attributes.
    pub models: Vec<ModelRecord>,
    /// The views that are published of these, in their order.
    pub views: Vec<PublishedView>,
    /// What feeds have delivered.
    pub feeds: Vec<FeedRecord>,
}

/// What is known of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryRecord {
    /// The repository.
    pub id: i64,
    /// Items that are there.
    pub items: i64,
    /// Whether any pass has come to its end.
    pub first_pass_done: bool,
    /// The last certified pass.
    pub certified_iteration: Option<i64>,
    /// When that ended.
    pub certified_ms: Option<i64>,
}

/// How many numbers the ledger has of a pass: pages, requests, first and last total, distinct ids,
/// repeats, steps back, created, updated, deleted, unchanged, suspects and held, in this order.
pub const PASS_NUMBERS: usize = 13;

/// An entry of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassRecord {
    /// The repository.
    pub repository: i64,
    /// The pass.
    pub iteration: i64,
    /// When it began.
    pub started_ms: i64,
    /// When it ended; `None` while it is under way.
    pub ended_ms: Option<i64>,
    /// What was counted.
    pub numbers: [i64; PASS_NUMBERS],
    /// Whether it is certified.
    pub certified: bool,
    /// Why it is not.
    pub reason: Option<String>,
}

/// How many numbers the ledger has of an incremental pass: pages, requests, distinct ids, created, updated
/// and unchanged, in this order.
pub const INCREMENTAL_NUMBERS: usize = 6;

/// An entry of the ledger for an incremental pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncrementalPassRecord {
    /// The repository.
    pub repository: i64,
    /// Its place among the others.
    pub number: i64,
    /// The whole pass that was under way, or the last one.
    pub iteration: i64,
    /// When it began.
    pub started_ms: i64,
    /// When it ended.
    pub ended_ms: i64,
    /// What was counted.
    pub numbers: [i64; INCREMENTAL_NUMBERS],
}

/// How far the incremental passes of a repository have come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkRecord {
    /// The repository.
    pub repository: i64,
    /// As the pager has it.
    pub mark: Vec<u8>,
}

/// What is suspected and held back in a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuspectsRecord {
    /// The repository.
    pub repository: i64,
    /// The suspects.
    pub suspects: Vec<u8>,
    /// How many they are.
    pub suspect_count: i64,
    /// The deletions that are held back.
    pub held: Option<Vec<u8>>,
    /// How many were announced.
    pub held_count: i64,
    /// By which pass.
    pub held_iteration: Option<i64>,
    /// When.
    pub held_ms: Option<i64>,
    /// Those that are approved.
    pub approved_items: Option<Vec<u8>>,
    /// How many they are.
    pub approved_count: i64,
    /// Whether the operator has picked some.
    pub picked: bool,
}

/// How to go on with a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointRecord {
    /// The repository.
    pub repository: i64,
    /// When it was written.
    pub saved_ms: i64,
    /// Its state.
    pub state: Vec<u8>,
}

/// What a page of the pass under way was the first to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenRecord {
    /// The repository.
    pub repository: i64,
    /// The page.
    pub page: i64,
    /// The ids.
    pub ids: Vec<u8>,
}

/// A view that was published of a model, or what comes to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedView {
    /// Its number: its place among all, from 1 on.
    pub number: i64,
    /// Its name.
    pub name: String,
    /// The repository whose it is.
    pub repository: i64,
    /// What that was called when the view came.
    pub base: String,
    /// What is in it, in one word, and which language, code set or link.
    pub part: (String, String),
    /// Its columns, in their order: name, field id, and what the attribute was called.
    pub columns: Vec<(String, String, String)>,
}

impl PublishedView {
    /// The record of a view.
    pub fn of(number: i64, view: &ShapedView) -> Self {
        let (part, subject) = match &view.part {
            ShapedPart::Main => ("main", ""),
            ShapedPart::Language(language) => ("language", language.as_str()),
            ShapedPart::KeyValues => ("key_values", ""),
            ShapedPart::CodeSet(name) => ("code_set", name.as_str()),
            ShapedPart::Link(id) => ("link", id.as_str()),
        };
        let column = |it: &ShapedColumn| (it.name.clone(), it.field_id.clone(), it.called.clone());
        Self {
            number,
            name: view.name.clone(),
            repository: view.repository.0.cast_signed(),
            base: view.base.clone(),
            part: (part.to_owned(), subject.to_owned()),
            columns: view.columns.iter().map(column).collect(),
        }
    }

    /// The view.
    pub fn shaped(self) -> ShapedView {
        let (part, subject) = self.part;
        let column = |(name, field_id, called)| ShapedColumn { name, field_id, called };
        ShapedView {
            name: self.name,
            repository: RepositoryId(self.repository.cast_unsigned()),
            base: self.base,
            part: match part.as_str() {
                "language" => ShapedPart::Language(subject),
                "key_values" => ShapedPart::KeyValues,
                "code_set" => ShapedPart::CodeSet(subject),
                "link" => ShapedPart::Link(subject),
                _ => ShapedPart::Main,
            },
            columns: self.columns.into_iter().map(column).collect(),
        }
    }
}

/// The model of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelRecord {
    /// The repository.
    pub repository: i64,
    /// When it was made out.
    pub read_ms: i64,
    /// When the server last told of its attributes.
    pub server_ms: Option<i64>,
    /// Whether a names file says something of it.
    pub from_file: bool,
    /// The model as JSON.
    pub document: String,
    /// The server's answers, in their order.
    pub answers: Vec<RawAnswer>,
    /// Its changes, the oldest first.
    pub changes: Vec<ModelChange>,
}

impl ModelRecord {
    /// The record of what is kept, without answers and changes.
    pub fn of(repository: RepositoryId, kept: &KeptModel) -> Self {
        let KeptModel { model, read_ms, server_ms, from_file } = kept;
        let document = serde_json::to_string(model).expect("texts and lists are JSON");
        Self {
            repository: repository.0.cast_signed(),
            read_ms: *read_ms,
            server_ms: *server_ms,
            from_file: *from_file,
            document,
            answers: Vec::new(),
            changes: Vec::new(),
        }
    }

    /// What is kept. Of a document that cannot be read nothing is known.
    pub fn kept(&self) -> KeptModel {
        KeptModel {
            model: serde_json::from_str(&self.document).unwrap_or_default(),
            read_ms: self.read_ms,
            server_ms: self.server_ms,
            from_file: self.from_file,
        }
    }
}

/// A feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedRecord {
    /// Its name.
    pub name: String,
    /// What it has delivered.
    pub state: FeedState,
    /// What is parked of it, in the order of sequences.
    pub parked: Vec<ParkedChange>,
}

/// How much a mirror holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirrorExtent {
    /// The last change; 0: there was none yet.
    pub last: Sequence,
    /// Changes up to this one have been dropped.
    pub dropped_through: Sequence,
    /// The latest time of those, in milliseconds since 1970 (UTC), where any have been dropped.
    pub dropped_ms: Option<i64>,
    /// Items that are there, or remembered; where it costs much to count them, about so many.
    pub items: u64,
    /// The repositories that it knows, by number.
    pub repositories: Vec<RepositoryId>,
}

/// Where a transfer comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferOrigin {
    /// The store, without any secret.
    pub place: String,
    /// The last change there.
    pub last: Sequence,
    /// Changes up to this one had been dropped there.
    pub dropped_through: Sequence,
    /// The latest time of those.
    pub dropped_ms: Option<i64>,
}

/// What of a transfer has been written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferCursor {
    /// Changes up to this one.
    pub sequence: Sequence,
    /// Items up to this one, by repository and id; `None`: none yet.
    pub item: Option<(RepositoryId, ItemId)>,
}
