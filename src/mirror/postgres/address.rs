//! Which database a mirror is kept in, and how to get there.

use std::path::PathBuf;

#[cfg(test)]
use crate::config::PostgresHost;
use crate::config::{MirrorConfig, PostgresUrl, Secret};

/// Where a mirror is kept in PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresAddress {
    /// Hosts, database and user.
    pub(crate) url: PostgresUrl,
    /// The user's password, if one is given.
    pub(crate) password: Option<Secret>,
    /// The file of an authority that is trusted beside those of this machine.
    pub(crate) ca_file: Option<PathBuf>,
    /// The schema that holds our tables and views.
    pub(crate) schema: Box<str>,
}

impl PostgresAddress {
    /// The database at this URL, reached as the configuration says.
    pub(crate) fn of(url: &PostgresUrl, config: &MirrorConfig) -> Self {
        Self {
            url: url.clone(),
            password: config.password.clone(),
            ca_file: config.ca_file.clone(),
            schema: config.schema.as_str().into(),
        }
    }
}

#[cfg(test)]
impl PostgresAddress {
    /// A database of the tests' own.
    pub(crate) fn at(url: &str, schema: &str) -> Self {
        let url = PostgresUrl::parse(url).expect("tests write right URLs");
        Self { url, password: None, ca_file: None, schema: schema.into() }
    }

    /// The same for the library, for connections that are not the store's.
    pub(crate) fn plain_config(&self) -> tokio_postgres::Config {
        let mut config = tokio_postgres::Config::new();
        config.host_path(self.socket());
        config.user(self.url.user.as_deref().unwrap_or_default());
        config.dbname(self.url.database.as_deref().unwrap_or_default());
        config
    }

    /// The folder of its socket.
    pub(crate) fn socket(&self) -> PathBuf {
        let [PostgresHost::Socket(folder, _)] = &self.url.hosts[..] else {
            panic!("the tests' server has a socket")
        };
        folder.clone()
    }

    /// The same database, reached at a socket in this folder.
    pub(crate) fn behind(&self, folder: &std::path::Path) -> Self {
        let mut behind = self.clone();
        behind.url.hosts = vec![PostgresHost::Socket(folder.to_owned(), 5432)];
        behind
    }
}
