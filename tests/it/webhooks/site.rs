//! A mirror, and a feed of it to a shop.

use std::path::PathBuf;

use serde_json::Value;

use crate::support::shop::{SECRET, Shop};
use crate::support::{Kept, Setup, Sim, repositories, write_secret};

/// A mirror of one repository and a feed to a shop.
pub(super) struct Site {
    pub(super) sim: Sim,
    pub(super) kept: Kept,
    pub(super) shop: Shop,
    pub(super) folder: tempfile::TempDir,
}

impl Site {
    /// One of so many items.
    pub(super) fn new(items: usize) -> Self {
        let sim = Sim::start(repositories(&[(1, items)]));
        let kept = Kept::new(&sim);
        Self::with(sim, kept)
    }

    /// One whose mirror is kept there.
    pub(super) fn with(sim: Sim, kept: Kept) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let site = Self { sim, kept, shop: Shop::open(), folder };
        write_secret(&site.secret(), SECRET);
        site
    }

    /// Where the secret is.
    pub(super) fn secret(&self) -> PathBuf {
        self.folder.path().join("secret")
    }

    /// The configuration, with these keys of the feed.
    pub(super) fn setup(&self, keys: &str) -> Setup {
        let mut setup = self.kept.setup();
        "page_interval = '0s'\npass_interval = '50ms'".clone_into(&mut setup.paging);
        let (port, secret) = (self.shop.port, self.secret());
        let feed = format!(
            "\n[deletes]\nmax_fraction = 1.0\n[[feed]]\nname = 'shop'\ntype = 'webhook'\n\
             url = 'http://127.0.0.1:{port}/hooks/T0PSECRET'\nsecret_file = '{}'\n{keys}",
            secret.display()
        );
        setup.mirror += &feed;
        setup
    }

    /// What `feeds --json` says.
    pub(super) fn feed(&self) -> Value {
        serde_json::from_str(&self.kept.lines(&["feeds", "--json"])[0]).expect("JSON")
    }

    /// All changes.
    pub(super) fn log(&self) -> Vec<Value> {
        let lines = self.kept.lines(&["changes"]);
        lines.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}
