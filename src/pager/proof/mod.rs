//! What proves that a pass missed nothing: which windows it asks for, how neighbouring answers are
//! joined, what it is stored as, and which of the items that it did not see may be deleted. Pure.

pub mod checkpoint;
pub mod deletes;
pub(super) mod normalise;
pub mod overlap;
pub mod pass;
pub mod window;
