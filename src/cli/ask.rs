//! What the commands that ask the mirror share: where it is, and whether it can be asked.
//!
//! They need no password and no server, and may run while the daemon writes.

use std::path::{Path, PathBuf};

use super::{Exit, output};
use crate::config::{self, AskConfig, Environment, MirrorUrl};
use crate::ids::RepositoryId;
use crate::mirror::{ReadError, Reader};

/// A configured mirror.
pub(super) struct Asked {
    /// What the configuration says of it.
    pub(super) config: AskConfig,
    /// Its database.
    pub(super) path: PathBuf,
}

impl Asked {
    /// The mirror of a configuration.
    pub(super) fn of(file: &Path, environment: &Environment) -> Result<Self, Exit> {
        let config = config::load_to_ask(file, environment).map_err(|faults| {
            Exit::Wrong(format!("{}: {}\n{faults}", file.display(), faults.count()))
        })?;
        let path = match &config.mirror {
            MirrorUrl::Sqlite(path) => path.clone(),
            MirrorUrl::None => {
                let message = "mirror.url is \"none\": nothing is kept that could be asked";
                return Err(Exit::Wrong(message.to_owned()));
            }
            MirrorUrl::Postgres(_) => {
                let message = "mirror.url: this version has no PostgreSQL mirror yet";
                return Err(Exit::Wrong(message.to_owned()));
            }
        };
        Ok(Self { config, path })
    }

    /// Opens the database, of which this is to be the only connection of this process.
    pub(super) fn reader(&self) -> Result<Reader, Exit> {
        Reader::open(&self.path).map_err(|error| failed(&error))
    }

    /// Sees that this repository is configured, or else in the mirror: an answer about any other
    /// would be empty and look like one.
    pub(super) fn expect(&self, reader: &Reader, repository: RepositoryId) -> Result<(), Exit> {
        let configured = self.config.repositories.iter().any(|known| known.id == repository);
        if configured || reader.knows(repository).map_err(|error| failed(&error))? {
            return Ok(());
        }
        Err(Exit::Failed(format!(
            "repository {repository} is neither configured nor in the mirror"
        )))
    }
}

/// The end of a command whose question has no answer.
pub(super) fn failed(error: &ReadError) -> Exit {
    Exit::Failed(format!("{}; {}", output::chain(error), error.remedy()))
}

/// A repository's number as a flag has it.
pub(super) fn repository(text: &str) -> Result<RepositoryId, std::num::ParseIntError> {
    text.parse().map(RepositoryId)
}
