//! Tests of the SQLite mirror: the contract of all mirrors, and what is SQLite's own.

mod contract;
mod ledger;
mod migration;
mod open;
pub(in crate::mirror) mod published;
mod wal;

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{SqliteMirror, SqliteOptions};

/// A folder with a database in it.
pub(in crate::mirror) struct Place {
    folder: TempDir,
}

impl Place {
    pub(in crate::mirror) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(in crate::mirror) fn file(&self) -> PathBuf {
        self.folder.path().join("mirror.db")
    }

    fn beside(&self, end: &str) -> PathBuf {
        self.folder.path().join(format!("mirror.db{end}"))
    }

    pub(in crate::mirror) fn open(&self) -> SqliteMirror {
        open(&self.file())
    }
}

fn open(path: &Path) -> SqliteMirror {
    SqliteMirror::open(path, SqliteOptions::default()).unwrap()
}
