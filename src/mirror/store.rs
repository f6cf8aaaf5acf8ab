//! The store that is configured, and the way into it: the one place besides the configuration that
//! knows which stores there are.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::contracts::{
    FeedWriter, KeptModel, Lease, Leases, Mirror, MirrorFuture, MirrorReader, ModelUpdate,
    RefusedView, RepositoryWriter,
};
use super::disk::DiskSpace;
use super::examination::{ExaminationFinding, LockOwner};
use super::none::NoMirror;
use super::postgres::{
    self, PostgresAddress, PostgresFeedWriter, PostgresLeases, PostgresMirror, PostgresPool,
    PostgresReading, PostgresTransfer,
};
use super::sqlite::{self, SqliteMirror, SqliteOptions, SqliteReading, SqliteTransfer};
use super::transfer::{TransferSource, TransferTarget};
use super::{DroppedChanges, FeedHolds, MirrorError, MirrorErrorKind};
use crate::config::{MirrorConfig, MirrorUrl};
use crate::domain::RepositoryId;

/// Where a mirror is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Store {
    /// Nowhere.
    None,
    /// In the SQLite database in this file.
    Sqlite(PathBuf),
    /// In a PostgreSQL database.
    Postgres(Box<PostgresAddress>),
}

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("mirror.url is \"none\": nothing is kept that could be asked")]
    NothingKept,
}

impl Store {
    /// The store of a configuration.
    pub fn of(config: &MirrorConfig) -> Self {
        match &config.url {
            MirrorUrl::None => Self::None,
            MirrorUrl::Sqlite(path) => Self::Sqlite(path.clone()),
            MirrorUrl::Postgres(url) => Self::Postgres(Box::new(PostgresAddress::of(url, config))),
        }
    }

    /// The file of this machine that it is kept in; what belongs to this one mirror may stand beside
    /// it.
    pub fn local_file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) => Some(path),
            Self::None | Self::Postgres(_) => None,
        }
    }

    /// Whether there is a place for it, as far as can be told without touching it. Waits for the
    /// disk.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn check_place(&self) -> Result<(), MirrorError> {
        match self {
            Self::Sqlite(path) => Ok(sqlite::check_folder(path)?),
            Self::None | Self::Postgres(_) => Ok(()),
        }
    }

    /// Opens it to write, makes it if there is none, and brings it up to date. `instance` is what
    /// other daemons that share it call this one.
    ///
    /// # Errors
    ///
    /// It is another's, a later version's, or in use, or it cannot be made or read. It is not changed
    /// then.
    pub async fn open_to_write(&self, instance: &str) -> Result<OpenMirror, MirrorError> {
        match self {
            Self::None => Ok(OpenMirror {
                writing: Box::new(NoMirror),
                leases: None,
                feeds: None,
                reader: None,
            }),
            Self::Sqlite(path) => {
                let path = path.clone();
                off_the_runtime(move || {
                    let mirror = SqliteMirror::open(&path, SqliteOptions::default())?;
                    let reader: Arc<dyn MirrorReader> = Arc::new(mirror.reader()?);
                    let feeds = mirror.feed_writer();
                    Ok(OpenMirror {
                        writing: Box::new(mirror),
                        leases: None,
                        feeds,
                        reader: Some(reader),
                    })
                })
                .await
            }
            Self::Postgres(address) => {
                let address = PostgresAddress::clone(address);
                let pool = PostgresPool::new(address.clone())?;
                // Where the database is away, or another daemon migrates it, this one stands by; what takes
                // leases asks again.
                if let Err(error) = postgres::prepare(&pool).await
                    && !error.is_waited_for()
                {
                    return Err(error.into());
                }
                // What renews leases must not wait for those who write or ask.
                let leases = PostgresLeases::new(PostgresPool::new(address.clone())?, instance);
                let reading = PostgresReading::new(PostgresPool::to_read(address)?);
                let feeds = PostgresFeedWriter::new(pool.clone(), leases.owner());
                Ok(OpenMirror {
                    writing: Box::new(PostgresMirror::new(pool)),
                    leases: Some(Arc::new(leases)),
                    feeds: Some(Arc::new(feeds)),
                    reader: Some(Arc::new(reading)),
                })
            }
        }
    }

    /// Opens it to be asked, beside the daemon that writes it or without one. Of one process only one
    /// may do so, and none that writes it.
    ///
    /// # Errors
    ///
    /// There is none, or it is of another version, or it cannot be read.
    pub async fn open_to_read(&self) -> Result<Arc<dyn MirrorReader>, MirrorError> {
        match self {
            Self::Sqlite(path) => {
                let path = path.clone();
                off_the_runtime(move || {
                    let reader: Arc<dyn MirrorReader> = Arc::new(SqliteReading::open(&path)?);
                    Ok(reader)
                })
                .await
            }
            Self::Postgres(address) => {
                let pool = PostgresPool::to_read(PostgresAddress::clone(address))?;
                let reading = PostgresReading::open(pool.clone()).await?;
                postgres::expect_finished(&pool).await?;
                Ok(Arc::new(reading))
            }
            Self::None => Err(unusable(Unusable::NothingKept)),
        }
    }

    /// Opens it to be moved elsewhere, and keeps all who would write it out as long as it is open.
    ///
    /// # Errors
    ///
    /// There is none, or it is in use, of a later version, or the target of a move that was not
    /// finished.
    pub async fn open_to_transfer(&self) -> Result<Box<dyn TransferSource>, MirrorError> {
        match self {
            Self::Sqlite(path) => {
                let path = path.clone();
                off_the_runtime(move || {
                    Ok(Box::new(SqliteTransfer::source(&path)?) as Box<dyn TransferSource>)
                })
                .await
            }
            Self::Postgres(address) => {
                Ok(Box::new(PostgresTransfer::source(PostgresAddress::clone(address)).await?))
            }
            Self::None => Err(unusable(Unusable::NothingKept)),
        }
    }

    /// Opens it as the target of a move, makes it if there is none, and keeps all who would write it
    /// out as long as it is open.
    ///
    /// # Errors
    ///
    /// It is another's, in use, or of a later version, or it cannot be made.
    pub async fn open_for_transfer(&self) -> Result<Box<dyn TransferTarget>, MirrorError> {
        match self {
            Self::Sqlite(path) => {
                let path = path.clone();
                off_the_runtime(move || {
                    Ok(Box::new(SqliteTransfer::target(&path)?) as Box<dyn TransferTarget>)
                })
                .await
            }
            Self::Postgres(address) => {
                Ok(Box::new(PostgresTransfer::target(PostgresAddress::clone(address)).await?))
            }
            Self::None => Err(unusable(Unusable::NothingKept)),
        }
    }

    /// Who may write it now; `None`: nobody, or nobody can tell. Waits for the disk.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn lock_owner(&self) -> std::io::Result<Option<LockOwner>> {
        match self {
            Self::Sqlite(path) => sqlite::lock_owner(path),
            Self::None | Self::Postgres(_) => Ok(None),
        }
    }

    /// Examines it and the room that it has, for `within` at most, and tells of each finding as soon
    /// as it is known. Waits for the disk. As for [`Store::open_to_read`], nothing else in this process
    /// may have it open.
    pub async fn examine(&self, within: Duration, tell: &mut dyn FnMut(ExaminationFinding)) {
        match self {
            Self::Sqlite(path) => sqlite::findings(path, within, tell),
            Self::None => {
                ExaminationFinding::skipped("mirror.url is \"none\"").into_iter().for_each(tell);
            }
            Self::Postgres(address) => postgres::findings(address, within, tell).await,
        }
    }

    /// Whether there is anything to be asked.
    ///
    /// # Errors
    ///
    /// Why there is not.
    pub fn expect_kept(&self) -> Result<(), MirrorError> {
        match self {
            Self::Sqlite(_) | Self::Postgres(_) => Ok(()),
            Self::None => Err(unusable(Unusable::NothingKept)),
        }
    }
}

fn unusable(why: Unusable) -> MirrorError {
    let remedy = "name a database in mirror.url";
    MirrorError::new(MirrorErrorKind::Missing, remedy, why)
}

/// Does what may wait for the disk where nobody else waits for it.
async fn off_the_runtime<T: Send + 'static>(
    open: impl FnOnce() -> Result<T, MirrorError> + Send + 'static,
) -> Result<T, MirrorError> {
    let opened = tokio::task::spawn_blocking(open).await;
    opened.map_err(|error| MirrorError::new(MirrorErrorKind::Unavailable, "restart it", error))?
}

/// A mirror that the daemon has open.
#[derive(Debug)]
pub struct OpenMirror {
    writing: Box<dyn Mirror>,
    /// `None` where this process alone has it.
    leases: Option<Arc<dyn Leases>>,
    feeds: Option<Arc<dyn FeedWriter>>,
    reader: Option<Arc<dyn MirrorReader>>,
}

impl OpenMirror {
    /// What can be asked about it meanwhile; `None` where nothing is kept.
    pub fn reader(&self) -> Option<Arc<dyn MirrorReader>> {
        self.reader.clone()
    }
}

impl Mirror for OpenMirror {
    fn writer(&self, repository: RepositoryId, lease: &Lease) -> Arc<dyn RepositoryWriter> {
        self.writing.writer(repository, lease)
    }

    fn leases(&self) -> Option<Arc<dyn Leases>> {
        self.leases.clone()
    }

    fn feed_writer(&self) -> Option<Arc<dyn FeedWriter>> {
        self.feeds.clone()
    }

    fn drop_changes(
        &self,
        now_ms: i64,
        keep: Duration,
        holds: &FeedHolds,
    ) -> MirrorFuture<'_, DroppedChanges> {
        self.writing.drop_changes(now_ms, keep, holds)
    }

    fn used_bytes(&self) -> MirrorFuture<'_, u64> {
        self.writing.used_bytes()
    }

    fn saved_model(&self, repository: RepositoryId) -> MirrorFuture<'_, Option<KeptModel>> {
        self.writing.saved_model(repository)
    }

    fn save_model(
        &self,
        repository: RepositoryId,
        lease: &Lease,
        update: Arc<ModelUpdate>,
    ) -> MirrorFuture<'_, Vec<RefusedView>> {
        self.writing.save_model(repository, lease, update)
    }

    fn disk_space(&self) -> Option<DiskSpace> {
        self.writing.disk_space()
    }
}
