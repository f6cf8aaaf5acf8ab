//! Whether the window or the server is at fault where a window is not answered. Pure.
//!
//! A window that has failed three times is suspected. Then the top of the list is asked for, and if
//! that is answered the window once more, because the server may just have come back. If the window
//! fails again, the fault is the window's (a result window, a record that nobody can serialise, a
//! server that refuses what lies past the end), and no waiting mends it. If the top fails as well,
//! the server is away, and what failed before says nothing of the window.

/// How many failures make a window suspect: fewer may be a hiccup, more cost the operator time.
const FAILURES: u32 = 3;

/// What is known of a window that is not answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Blame {
    failures: u32,
    /// The total that came with the top of the list, where it was answered.
    top: Option<u64>,
    is_windows: bool,
}

impl Blame {
    /// Whether the top of the list is to be asked for now, and not the window.
    pub(super) fn asks_for_top(self) -> bool {
        self.failures >= FAILURES && self.top.is_none()
    }

    /// The top of the list was answered, with this total.
    pub(super) fn top_answered(&mut self, total: u64) {
        self.top = Some(total);
    }

    /// What was asked for has failed.
    pub(super) fn failed(&mut self) {
        if self.asks_for_top() {
            self.failures = 0;
        } else {
            self.failures = self.failures.saturating_add(1);
            self.is_windows = self.top.is_some();
        }
    }

    /// The total of the list whose window cannot be read, once the fault is known to be the
    /// window's.
    pub(super) fn verdict(self) -> Option<u64> {
        self.top.filter(|_| self.is_windows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(failures: u32) -> Blame {
        let mut blame = Blame::default();
        for _ in 0..failures {
            assert!(!blame.asks_for_top());
            blame.failed();
        }
        blame
    }

    #[test]
    fn a_window_is_to_blame_if_it_fails_once_more_after_the_top_was_answered() {
        assert!(!after(2).asks_for_top());
        let mut blame = after(3);
        assert!(blame.asks_for_top());
        blame.top_answered(70);
        assert_eq!((blame.asks_for_top(), blame.verdict()), (false, None));
        blame.failed();
        assert_eq!(blame.verdict(), Some(70));
    }

    #[test]
    fn a_server_that_does_not_answer_the_top_either_is_away_and_the_window_begins_anew() {
        let mut blame = after(3);
        blame.failed();
        assert_eq!(blame, after(0));
    }
}
