//! The receiver that is a file: lines of JSON, appended.
//!
//! Where the file ends is kept with the cursor. What stands behind that at the start is of a delivery that
//! was cut short, and is cut off: so there is never half a line, and none comes twice after a kill. A file
//! that is full or old enough is renamed, a new one is begun, and the old one is compressed beside it.
//!
//! All that touches the disk is done in a thread for that; a call that is dropped leaves it to finish, and
//! the lock on the file keeps everybody else away until it has.

mod open;
mod rotation;

use std::io::{self, BufWriter, Write as _};
use std::sync::Arc;

use bytes::Bytes;
use tokio::task::spawn_blocking;

use self::open::{FilePlace, OpenFile};
pub use self::rotation::FeedFileSettings;
use super::batch::Batch;
use super::receiver::{DeliveryFuture, DeliveryRefusal, Receiver};
use crate::task::clock;

/// So many bytes are written by one call.
const WRITTEN_AT_ONCE: usize = 256 << 10;

/// The receiver.
#[derive(Debug)]
pub struct FileReceiver {
    settings: Arc<FeedFileSettings>,
    /// Where the file ends, as the cursor has it.
    place: Option<FilePlace>,
    /// `None`: it is to be opened.
    file: Option<OpenFile>,
}

impl FileReceiver {
    /// One whose file ends where `place` says; a text that nobody can read is none.
    pub fn new(settings: FeedFileSettings, place: Option<&str>) -> Self {
        let place = place.and_then(|place| serde_json::from_str(place).ok());
        Self { settings: Arc::new(settings), place, file: None }
    }

    /// Does this with the open file in a thread for that. Where it fails, the file is opened anew the
    /// next time, and cut off where it ended before.
    async fn with_file(
        &mut self,
        work: impl FnOnce(&FeedFileSettings, OpenFile) -> io::Result<OpenFile> + Send + 'static,
    ) -> Result<Option<String>, DeliveryRefusal> {
        let (settings, file) = (Arc::clone(&self.settings), self.file.take());
        let place = self.place.clone();
        let done = spawn_blocking(move || {
            let file = match file {
                Some(file) if open::is_at(&settings.path, &file.place) => file,
                other => {
                    // Its lock would keep us out.
                    drop(other);
                    let file = open::open(&settings.path, place.as_ref())?;
                    // A kill may have left some as they were.
                    rotation::compress_all(settings.path.clone());
                    file
                }
            };
            work(&settings, file)
        });
        let done = done.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        match done {
            Ok(file) => {
                let place =
                    serde_json::to_string(&file.place).map_err(|error| self.fault(&error))?;
                self.place = Some(file.place.clone());
                self.file = Some(file);
                Ok(Some(place))
            }
            Err(error) => Err(self.fault(&error)),
        }
    }

    fn fault(&self, error: &dyn std::error::Error) -> DeliveryRefusal {
        let reason = format!("{}: {error}", self.settings.path.display());
        DeliveryRefusal::Later { reason, after: None }
    }
}

impl Receiver for FileReceiver {
    /// It is cut off where it ended before.
    fn needs_stored_batch(&self) -> bool {
        false
    }

    fn prepare<'a>(&'a mut self, batch: &'a Batch) -> DeliveryFuture<'a> {
        let more = batch.lines.iter().map(|line| line.envelope.len() as u64 + 1).sum();
        Box::pin(self.with_file(move |settings, file| {
            let now_ms = clock::now_ms();
            if !rotation::is_due(settings, &file.place, more, now_ms) {
                return Ok(file);
            }
            // Its lock is held until the new one is ours: nobody comes in between.
            rotation::rotate(&settings.path, now_ms)?;
            let new = open::open(&settings.path, None)?;
            drop(file.file);
            rotation::compress_all(settings.path.clone());
            Ok(new)
        }))
    }

    fn deliver<'a>(&'a mut self, batch: &'a Batch) -> DeliveryFuture<'a> {
        let lines: Vec<Bytes> = batch.lines.iter().map(|line| line.envelope.clone()).collect();
        Box::pin(self.with_file(move |_, mut file| {
            let mut writer = BufWriter::with_capacity(WRITTEN_AT_ONCE, &file.file);
            let mut size = 0_u64;
            for line in &lines {
                writer.write_all(line)?;
                writer.write_all(b"\n")?;
                size += line.len() as u64 + 1;
            }
            writer.flush()?;
            drop(writer);
            file.file.sync_data()?;
            file.grow(size)?;
            Ok(file)
        }))
    }
}
