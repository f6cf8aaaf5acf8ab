//! Taking a whole mirror over from one store to another: items, log with its sequences, ledger, what is
//! suspected and held back, and how to go on with passes under way.
//!
//! Guarantees: nobody else writes either store meanwhile; the memory that it takes does not grow with
//! the mirror; broken off at any instant, it goes on where it was; a target is a mirror only once it
//! was found to hold the same items as the source, and is refused by all who would open it until then.

mod contract;
mod error;
mod records;
mod run;
#[cfg(test)]
mod tests;

pub use contract::{TransferSource, TransferTarget};
pub use error::TransferError;
pub use records::{
    ChangeRecord, CheckpointRecord, FeedRecord, INCREMENTAL_NUMBERS, IncrementalPassRecord,
    ItemRecord, ItemRecords, MarkRecord, MirrorExtent, ModelRecord, PASS_NUMBERS, PassRecord,
    PublishedView, RepositoryRecord, SeenRecord, StateRecords, SuspectsRecord, TransferCursor,
    TransferOrigin,
};
pub use run::{RepositoryDigest, TransferProgress, transfer};
