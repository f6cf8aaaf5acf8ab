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

use std::io::{self, Write as _};
use std::sync::Arc;

use tokio::task::spawn_blocking;

use self::open::{FilePlace, OpenFile};
pub use self::rotation::FeedFileSettings;
use super::batch::Batch;
use super::receiver::{DeliveryFuture, DeliveryRefusal, Receiver};
use crate::task::clock;

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
        let size = batch.lines.iter().map(|line| line.envelope.len() + 1).sum();
        let mut text = Vec::with_capacity(size);
        for line in &batch.lines {
            text.extend_from_slice(&line.envelope);
            text.push(b'\n');
        }
        Box::pin(self.with_file(move |_, mut file| {
            file.file.write_all(&text)?;
            file.file.sync_data()?;
            file.grow(text.len() as u64)?;
            Ok(file)
        }))
    }
}
