//! Which changes are old enough to be dropped, under a clock that may have been ahead. Pure.

use std::time::Duration;

/// How far back changes are kept, as of one moment.
#[derive(Clone, Copy, Debug)]
pub struct RetentionCutoff {
    now_ms: i64,
    before_ms: i64,
}

impl RetentionCutoff {
    /// Keeps what was found no longer than `keep` before `now_ms`, in milliseconds since 1970 (UTC).
    pub fn new(now_ms: i64, keep: Duration) -> Self {
        let keep_ms = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
        Self { now_ms, before_ms: now_ms.saturating_sub(keep_ms) }
    }

    /// The moment that all is measured by, in milliseconds since 1970 (UTC).
    pub fn now_ms(self) -> i64 {
        self.now_ms
    }

    /// When a change that is dropped was found at the latest: one from a clock that was ahead is as old as
    /// all that is dropped.
    pub fn dropped_ms(self, found_ms: i64) -> i64 {
        found_ms.min(self.before_ms)
    }

    /// Whether a change found at `found_ms` is to be kept.
    ///
    /// One from later than now is one from a clock that was ahead. It was found before the next pass
    /// of its repository began, and counts as that old; `next_pass_ms` tells when the first such pass
    /// began that does not lie ahead itself. Where there is none, nobody knows since when the change
    /// has been there, and it is as good as found now.
    ///
    /// # Errors
    ///
    /// What `next_pass_ms` fails with.
    pub fn keeps<E>(
        self,
        found_ms: i64,
        next_pass_ms: impl FnOnce() -> Result<Option<i64>, E>,
    ) -> Result<bool, E> {
        let found_ms = if found_ms > self.now_ms {
            next_pass_ms()?.unwrap_or(self.now_ms).min(self.now_ms)
        } else {
            found_ms
        };
        Ok(found_ms >= self.before_ms)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_found_in_time_is_kept_and_a_clock_ahead_keeps_nothing_longer(
            now in 0_i64..1000, keep in 0_u64..1000, found in 0_i64..2000,
            next in prop::option::of(0_i64..1000),
        ) {
            let cutoff = RetentionCutoff::new(now, Duration::from_millis(keep));
            let next = next.map(|next| next.min(now));
            let kept = cutoff.keeps(found, || Ok::<_, Infallible>(next)).unwrap();
            let age = now - if found > now { next.unwrap_or(now) } else { found };
            prop_assert_eq!(kept, age <= i64::try_from(keep).unwrap());
        }
    }

    #[test]
    fn the_next_pass_is_asked_for_only_where_the_clock_was_ahead() {
        let cutoff = RetentionCutoff::new(100, Duration::MAX);
        assert_eq!(cutoff.keeps(100, || Err("asked")), Ok(true));
        assert_eq!(cutoff.keeps(101, || Err("asked")), Err("asked"));
    }
}
