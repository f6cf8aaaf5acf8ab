//! `ewmirror digest`: one line that is the same for the same items, for comparing a mirror with a copy
//! of it.

use std::path::Path;

use clap::Args;

use super::as_of::{self, AsOf};
use super::query::{self, MirrorQuery, RepositorySelector};
use super::{Exit, output};
use crate::config::Environment;
use crate::mirror::ItemsDigest;

/// The flags of `ewmirror digest`.
#[derive(Args, Debug)]
pub(super) struct DigestArgs {
    /// The repository, by its number or its name
    #[arg(long, value_name = "ID|NAME", value_parser = query::repository)]
    repository: RepositorySelector,

    /// As it was: once the change of this sequence had been made (460), at a time
    /// (2026-11-24T14:09:35Z), or so long ago (2h)
    #[arg(long, value_name = "WHEN", value_parser = as_of::parse)]
    as_of: Option<AsOf>,
}

/// Writes sequence, count and digest of the items to stdout.
pub(super) fn run(file: &Path, environment: &Environment, args: &DigestArgs) -> Exit {
    match digest(file, environment, args) {
        Ok(line) => output::data(&line),
        Err(exit) => exit,
    }
}

fn digest(file: &Path, environment: &Environment, args: &DigestArgs) -> Result<String, Exit> {
    let query = MirrorQuery::open(file, environment)?;
    let repository = query.find(&args.repository)?;
    query.expect(repository)?;
    let as_of = args.as_of.map(|as_of| as_of::find(&query, as_of)).transpose()?;
    let snapshot = query.wait(query.mirror.snapshot(as_of))?;
    let digest = query.wait(ItemsDigest::of(&*snapshot, repository))?;
    Ok(format!("{} {} {digest}\n", snapshot.sequence(), digest.count()))
}
