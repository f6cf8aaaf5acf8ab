//! Whether README and docs say what the program does: tables are compared with the sources, commands
//! with the built binary, links and paths with the tree.
//!
//! What takes a running daemon to compare is in `tests/it/documents.rs`.

#[path = "documentation/events.rs"]
mod events;
#[path = "documentation/form.rs"]
mod form;
#[path = "documentation/members.rs"]
mod members;
#[path = "documentation/pages.rs"]
mod pages;
#[path = "documentation/shell.rs"]
mod shell;
#[path = "documentation/tables.rs"]
mod tables;
#[path = "documentation/usage.rs"]
mod usage;
