//! A pipe from a thread that must not be held up to a reader that may be slow.
//!
//! A little is kept in memory, and for a reader that keeps up that is all. One that has kept the
//! writer waiting for longer than its patience, counted over the whole pipe, gets the rest from a
//! temporary file: the writer fills that as fast as the disk takes it, and is done. The file has no
//! name, so nothing of it is left behind however the process ends, and only its owner could ever read
//! it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Seek as _, Write};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes are handed over in pieces of at least this size.
const PIECE: usize = 128 << 10;

/// The pieces in memory, in bytes; one that is larger is let through alone.
const IN_MEMORY: usize = 1 << 20;

/// A pipe. The writer waits for the reader for as long as `patience` in all; its temporary file is
/// made in the first of these folders that takes one.
pub(super) fn pipe(patience: Duration, folders: Vec<PathBuf>) -> (SpillWriter, SpillReader) {
    let shared = Arc::new(SpillQueue::default());
    let writer = SpillWriter {
        shared: Arc::clone(&shared),
        piece: Vec::with_capacity(PIECE),
        patience,
        folders,
        file: None,
    };
    (writer, SpillReader { shared, rest: None })
}

/// The end that is written to. Where the reader is gone, writing fails with
/// [`ErrorKind::BrokenPipe`].
#[derive(Debug)]
pub(super) struct SpillWriter {
    shared: Arc<SpillQueue>,
    piece: Vec<u8>,
    /// What is left of it.
    patience: Duration,
    folders: Vec<PathBuf>,
    file: Option<File>,
}

/// The end that is read from.
#[derive(Debug)]
pub(super) struct SpillReader {
    shared: Arc<SpillQueue>,
    rest: Option<File>,
}

/// A plain mutex: it is held for a few instructions, never while anybody reads or writes.
#[derive(Debug, Default)]
struct SpillQueue {
    state: Mutex<QueueState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct QueueState {
    pieces: VecDeque<Vec<u8>>,
    /// The size of the pieces.
    bytes: usize,
    /// What comes after the pieces, once it is complete.
    rest: Option<File>,
    writer_gone: bool,
    reader_gone: bool,
}

impl SpillQueue {
    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SpillWriter {
    /// Hands over what is left. Without it the reader gets less than was written.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.hand_over()?;
        if let Some(mut file) = self.file.take() {
            file.rewind()?;
            self.shared.lock().rest = Some(file);
        }
        Ok(())
    }

    fn hand_over(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        if self.file.is_none() && !self.wait_for_room()? {
            self.file = Some(unnamed_file(&self.folders)?);
        }
        if let Some(file) = &mut self.file {
            if self.shared.lock().reader_gone {
                return Err(ErrorKind::BrokenPipe.into());
            }
            file.write_all(&self.piece).map_err(|error| {
                let message = format!("cannot write what waits for stdout to a file: {error}");
                io::Error::new(error.kind(), message)
            })?;
            self.piece.clear();
        } else {
            let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
            let mut state = self.shared.lock();
            state.bytes += piece.len();
            state.pieces.push_back(piece);
            drop(state);
            self.shared.changed.notify_one();
        }
        Ok(())
    }

    /// Whether there is room in memory before patience ends.
    fn wait_for_room(&mut self) -> io::Result<bool> {
        let full = |state: &mut QueueState| !state.reader_gone && state.bytes >= IN_MEMORY;
        let begun = Instant::now();
        let (state, _) = self
            .shared
            .changed
            .wait_timeout_while(self.shared.lock(), self.patience, full)
            .unwrap_or_else(PoisonError::into_inner);
        self.patience = self.patience.saturating_sub(begun.elapsed());
        if state.reader_gone {
            Err(ErrorKind::BrokenPipe.into())
        } else {
            Ok(state.bytes < IN_MEMORY)
        }
    }
}

impl Write for SpillWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.hand_over()?;
        }
        Ok(bytes.len())
    }

    /// Nothing: pieces are handed over when they are large enough, and the last by
    /// [`SpillWriter::finish`].
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for SpillWriter {
    fn drop(&mut self) {
        self.shared.lock().writer_gone = true;
        self.shared.changed.notify_one();
    }
}

impl SpillReader {
    /// The next bytes, once they are there; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        if self.rest.is_none() {
            let nothing = |state: &mut QueueState| state.pieces.is_empty() && !state.writer_gone;
            let mut state = self
                .shared
                .changed
                .wait_while(self.shared.lock(), nothing)
                .unwrap_or_else(PoisonError::into_inner);
            if let Some(piece) = state.pieces.pop_front() {
                state.bytes -= piece.len();
                drop(state);
                self.shared.changed.notify_one();
                return Ok(Some(piece));
            }
            self.rest = state.rest.take();
        }
        let Some(rest) = &mut self.rest else { return Ok(None) };
        let mut bytes = vec![0; PIECE];
        let read = rest.read(&mut bytes)?;
        bytes.truncate(read);
        Ok((read > 0).then_some(bytes))
    }
}

impl Drop for SpillReader {
    fn drop(&mut self) {
        self.shared.lock().reader_gone = true;
        self.shared.changed.notify_one();
    }
}

/// A new file without a name in the first of these folders that takes one.
fn unnamed_file(folders: &[PathBuf]) -> io::Result<File> {
    let mut refusals = Vec::new();
    for folder in folders {
        match tempfile::tempfile_in(folder) {
            Ok(file) => return Ok(file),
            Err(error) => refusals.push(format!("{}: {error}", folder.display())),
        }
    }
    let message = format!("no folder takes what waits for stdout: {}", refusals.join("; "));
    Err(io::Error::other(message))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Bytes that show whether any are missing or out of place.
    fn pattern(length: usize) -> Vec<u8> {
        (0..length / 8).flat_map(usize::to_be_bytes).collect()
    }

    fn read_all(reader: &mut SpillReader) -> Vec<u8> {
        let mut bytes = Vec::new();
        while let Some(piece) = reader.next().unwrap() {
            bytes.extend_from_slice(&piece);
        }
        bytes
    }

    fn written(mut writer: SpillWriter, bytes: &[u8]) -> io::Result<()> {
        for part in bytes.chunks(1000) {
            writer.write_all(part)?;
        }
        writer.finish()
    }

    #[test]
    fn a_reader_that_keeps_up_gets_everything_without_a_file() {
        let bytes = pattern(20 << 20);
        let (writer, mut reader) = pipe(Duration::from_secs(60), Vec::new());
        std::thread::scope(|scope| {
            let writing = scope.spawn(|| written(writer, &bytes));
            assert!(read_all(&mut reader) == bytes, "not what was written");
            writing.join().unwrap().unwrap();
        });
    }

    #[test]
    fn a_reader_that_stands_still_holds_nobody_up_and_still_gets_everything() {
        let folder = tempfile::tempdir().unwrap();
        let folders = vec!["/nonexistent".into(), folder.path().to_owned()];
        let bytes = pattern(20 << 20);
        let (writer, mut reader) = pipe(Duration::from_millis(50), folders);
        // Returns although nobody reads.
        written(writer, &bytes).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "the file has a name");
        assert!(read_all(&mut reader) == bytes, "not what was written");
    }

    #[test]
    fn patience_is_counted_over_the_whole_pipe() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = pattern(20 << 20);
        let patience = Duration::from_millis(200);
        let (writer, mut reader) = pipe(patience, vec![folder.path().to_owned()]);
        std::thread::scope(|scope| {
            let writing = scope.spawn(|| {
                let begun = Instant::now();
                written(writer, &bytes).map(|()| begun.elapsed())
            });
            let mut read = Vec::new();
            while let Some(piece) = reader.next().unwrap() {
                read.extend_from_slice(&piece);
                std::thread::park_timeout(Duration::from_millis(20));
            }
            // Reading alone takes 160 pieces of 20 ms.
            let took = writing.join().unwrap().unwrap();
            assert!(took < Duration::from_secs(2), "the writer was held up for {took:?}");
            assert!(read == bytes, "not what was written");
        });
    }

    #[test]
    fn a_reader_that_is_gone_ends_the_writer() {
        let (writer, reader) = pipe(Duration::from_secs(60), Vec::new());
        std::thread::scope(|scope| {
            let writing = scope.spawn(|| written(writer, &pattern(20 << 20)));
            drop(reader);
            assert_eq!(writing.join().unwrap().unwrap_err().kind(), ErrorKind::BrokenPipe);
        });
    }

    #[test]
    fn a_rest_that_no_folder_takes_is_an_error_that_names_them() {
        let (writer, reader) = pipe(Duration::ZERO, vec!["/nonexistent".into()]);
        let error = written(writer, &pattern(20 << 20)).unwrap_err();
        drop(reader);
        assert!(error.to_string().contains("/nonexistent: No such file"), "{error}");
    }
}
