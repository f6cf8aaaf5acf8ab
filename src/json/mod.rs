//! JSON as received: its members, pointers to them, and whether two values are the same.
//!
//! Nothing here re-serialises a value: callers get slices of what was received.

pub mod canonical;
pub mod jsonb;
pub mod members;
mod pointer;

pub use pointer::{JsonPointer, PointerError};
