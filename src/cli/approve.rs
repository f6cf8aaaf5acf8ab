//! `ewmirror approve-deletes`: releases deletions that the guard held back.
//!
//! It deletes nothing: it leaves word in the database, which the daemon heeds at the end of its
//! next certified pass.

use std::path::Path;

use super::ask::{self, Asked};
use super::{Exit, output};
use crate::config::Environment;
use crate::ids::RepositoryId;
use crate::mirror;

/// Releases what is held back of a repository.
pub(super) fn run(file: &Path, environment: &Environment, repository: RepositoryId) -> Exit {
    match release(file, environment, repository) {
        Ok(released) => output::data(&released),
        Err(exit) => exit,
    }
}

fn release(
    file: &Path,
    environment: &Environment,
    repository: RepositoryId,
) -> Result<String, Exit> {
    let asked = Asked::of(file, environment)?;
    asked.expect(&asked.reader()?, repository)?;
    match mirror::release(&asked.path, repository).map_err(|error| ask::failed(&error))? {
        Some(count) => {
            let deletions = if count == 1 { "deletion" } else { "deletions" };
            Ok(format!(
                "released {count} {deletions} of repository {repository}: the next certified pass \
                 makes them\n"
            ))
        }
        None => {
            Err(Exit::Failed(format!("no deletions are held back for repository {repository}")))
        }
    }
}
