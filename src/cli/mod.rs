//! The commands and their flags.

pub mod simulate;
