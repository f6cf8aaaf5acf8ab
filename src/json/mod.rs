//! JSON as received: its members, pointers to them, whether two values are the same, and what differs.
//!
//! Nothing here re-serialises a value: callers get slices of what was received.

pub mod canonical;
pub mod difference;
pub mod jsonb;
pub mod members;
pub mod plain;
mod pointer;

pub use pointer::{JsonPointer, PointerError};
