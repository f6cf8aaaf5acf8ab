//! The mirror's summary, read for every client, and no more often than is good for the disk.
//!
//! One reading at a time, at most one a second, however many ask. A reading that takes long holds
//! up nobody beyond [`PATIENCE`]: who asks meanwhile gets what the one before it came to, unless
//! that is older than [`KEPT`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::mirror::MirrorSummary;

/// Reads the figures; may block. The error says what failed.
pub type SummaryReader = Arc<dyn Fn() -> Result<MirrorSummary, String> + Send + Sync>;

/// How long a reading stays good: shorter than any scraper's pace.
const FRESH: Duration = Duration::from_secs(1);

/// How long one who asks waits for a reading: less than `ewmirror status` waits for an answer,
/// which shall come also where the disk hangs.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long a reading stands in for one that takes too long: a disk that is merely slow shows
/// figures that are a little old rather than none, and one that hangs does not show them for ever.
const KEPT: Duration = Duration::from_secs(60);

/// What a reading came to.
type SummaryResult = Result<Arc<MirrorSummary>, String>;

pub(super) struct SummaryCache {
    read: SummaryReader,
    /// Held by the reading under way until it ends: giving up on it does not start another.
    turn: Arc<Semaphore>,
    /// The latest reading. A plain mutex: it is held to copy it, and never across an await.
    latest: Arc<Mutex<Option<(Instant, SummaryResult)>>>,
}

impl SummaryCache {
    pub(super) fn new(read: SummaryReader) -> Self {
        Self { read, turn: Arc::new(Semaphore::new(1)), latest: Arc::default() }
    }

    /// The figures: at most [`FRESH`] old, or at most [`KEPT`] where reading them takes too long.
    pub(super) async fn get(&self) -> SummaryResult {
        let late = || Err(format!("the mirror did not answer within {} s", PATIENCE.as_secs()));
        let in_time = timeout(PATIENCE, self.fresh_or_read()).await;
        in_time.unwrap_or_else(|_| self.younger_than(KEPT).unwrap_or_else(late))
    }

    async fn fresh_or_read(&self) -> SummaryResult {
        if let Some(fresh) = self.younger_than(FRESH) {
            return fresh;
        }
        let turn = Arc::clone(&self.turn).acquire_owned().await;
        // The one who had the turn before may have read it meanwhile.
        if let Some(fresh) = self.younger_than(FRESH) {
            return fresh;
        }
        let (read, latest) = (Arc::clone(&self.read), Arc::clone(&self.latest));
        let reading = tokio::task::spawn_blocking(move || {
            let figure = read().map(Arc::new);
            *locked(&latest) = Some((Instant::now(), figure.clone()));
            drop(turn);
            figure
        });
        // A panic has been told by the panic hook.
        reading.await.unwrap_or_else(|_| Err("reading the mirror failed".to_owned()))
    }

    fn younger_than(&self, age: Duration) -> Option<SummaryResult> {
        let latest = locked(&self.latest);
        latest.as_ref().filter(|(at, _)| at.elapsed() < age).map(|(_, figure)| figure.clone())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;
    use crate::testing::{storage, summary};

    fn wal(summary: &MirrorSummary) -> u64 {
        summary.bytes_of("wal").unwrap()
    }

    #[tokio::test]
    async fn many_who_ask_within_a_second_are_one_reading() {
        let readings = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&readings);
        let figures = SummaryCache::new(Arc::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(MirrorSummary { storage: storage(0, 7), ..summary() })
        }));
        let (a, b) = tokio::join!(figures.get(), figures.get());
        assert_eq!((wal(&a.unwrap()), wal(&b.unwrap())), (7, 7));
        assert!(figures.get().await.is_ok());
        assert_eq!(readings.load(Ordering::Relaxed), 1);
        tokio::time::sleep(FRESH).await;
        assert!(figures.get().await.is_ok());
        assert_eq!(readings.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_disk_that_hangs_holds_one_thread_and_nobody_who_asks() {
        let (release, held) = mpsc::channel::<()>();
        let held = Mutex::new(held);
        let readings = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&readings);
        let figures = SummaryCache::new(Arc::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            assert!(locked(&held).recv().is_err(), "nothing is sent");
            Ok(summary())
        }));
        for _ in 0..2 {
            assert_eq!(figures.get().await.unwrap_err(), "the mirror did not answer within 1 s");
        }
        assert_eq!(readings.load(Ordering::Relaxed), 1);
        drop(release);
        assert!(figures.get().await.is_ok());
    }
    #[tokio::test]
    async fn while_a_reading_takes_long_the_one_before_stands_in_for_it() {
        let (release, held) = mpsc::channel::<()>();
        let held = Mutex::new(held);
        let readings = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&readings);
        let figures = SummaryCache::new(Arc::new(move || {
            let nth = counted.fetch_add(1, Ordering::Relaxed);
            // All but the first are slow.
            if nth > 0 {
                assert!(locked(&held).recv().is_err(), "nothing is sent");
            }
            Ok(MirrorSummary { storage: storage(0, nth as u64), ..summary() })
        }));
        assert_eq!(wal(&figures.get().await.unwrap()), 0);
        tokio::time::sleep(FRESH).await;
        assert_eq!(wal(&figures.get().await.unwrap()), 0);
        assert_eq!(readings.load(Ordering::Relaxed), 2);
        // Not for ever.
        if let Some((at, _)) = locked(&figures.latest).as_mut() {
            *at = at.checked_sub(KEPT).expect("the machine has been up for longer");
        }
        assert_eq!(figures.get().await.unwrap_err(), "the mirror did not answer within 1 s");
        drop(release);
        assert_eq!(wal(&figures.get().await.unwrap()), 1);
    }
}
