//! A window that the server does not answer though it answers the top of the list.
//!
//! Guarantees: where the list has become shorter than the window's beginning, the pass asks again
//! further up, and may still be certified; any other such window ends the pass, and its range is the
//! reason why nothing is certified.

use super::state::{Pass, STEP_BACKS};
use super::terms::{AnswerOutcome, RereadReason, Ticket};
use super::verdict::UncertifiedReason;
use crate::pager::proof::overlap::RowRange;
use crate::pager::proof::window;

impl Pass {
    /// Takes note that the oldest planned window is not answered, where the list has this total by
    /// now.
    pub fn unanswered(&mut self, ticket: Ticket, total: u64) -> AnswerOutcome {
        let Some(planned) = self.planned.front().copied().filter(|front| front.ticket == ticket)
        else {
            return AnswerOutcome::Void;
        };
        self.planned.clear();
        let asked = planned.window;
        // A total that has been found to be too low says nothing of where the list ends.
        let is_past_end = self.counts.pages > 0 && asked.start() >= total && !self.understated;
        if self.counts.pages > 0 {
            self.moved(self.counts.last_total.abs_diff(total));
            self.counts.last_total = total;
        }
        if is_past_end && !planned.overlaps {
            // As good as an empty answer.
            return self.join(planned, RowRange { start: asked.start(), rows: Vec::new() }, total);
        }
        if is_past_end && self.stepped_back < STEP_BACKS {
            self.counts.step_backs += 1;
            self.stepped_back += 1;
            let end_of_list = self.covered.min(total);
            self.reread = Some(window::step_back(end_of_list, self.page_size(), self.overlap));
            return AnswerOutcome::Replanned(RereadReason::ListShrank);
        }
        // Of several reasons this is the one that names what is missing.
        self.reason =
            Some(UncertifiedReason::WindowUnreadable { from: asked.start(), to: asked.end() });
        self.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ItemId;
    use crate::pager::proof::overlap::ItemDigest;
    use crate::pager::proof::pass::{PassSettings, PassVerdict, WindowRequest};

    /// A pass of pages of 20 that has asked a list at rest of so many items until it was asked for
    /// a window that ends behind `position`.
    fn until(position: u64, total: u64) -> (Pass, WindowRequest) {
        let mut pass = Pass::new(PassSettings { page_size: 20, overlap: true });
        loop {
            let request = pass.plan().expect("the pass goes on");
            if request.window.end() > position {
                return (pass, request);
            }
            answer(&mut pass, request, total);
        }
    }

    fn answer(pass: &mut Pass, request: WindowRequest, total: u64) -> AnswerOutcome {
        let rows = request.window.start().min(total)..request.window.end().min(total);
        let row = |id: u64| ItemDigest { id: ItemId::Integer(id.into()), digest: 0 };
        pass.take(request.ticket, rows.map(row).collect(), total)
    }

    #[test]
    fn a_window_in_the_list_that_is_not_answered_ends_the_pass_with_its_range() {
        let (mut pass, request) = until(80, 200);
        assert_eq!(pass.unanswered(request.ticket, 200), AnswerOutcome::Ended);
        let reason = UncertifiedReason::WindowUnreadable {
            from: request.window.start(),
            to: request.window.end(),
        };
        assert_eq!(pass.verdict(), Some(PassVerdict::NotCertified(reason)));
        let last = request.window.end() - 1;
        assert!(reason.to_string().contains(&format!("{} to {last}", request.window.start())));
        assert!(pass.plan().is_none());
    }

    #[test]
    fn a_list_that_has_become_shorter_than_the_window_is_asked_again_further_up() {
        let (mut pass, request) = until(80, 200);
        let shrunk = request.window.start().min(70);
        assert_eq!(
            pass.unanswered(request.ticket, shrunk),
            AnswerOutcome::Replanned(RereadReason::ListShrank)
        );
        let again = pass.plan().unwrap();
        assert!(again.window.start() < shrunk, "{again:?}");
        assert_eq!(answer(&mut pass, again, shrunk), AnswerOutcome::Ended);
        assert_eq!(pass.verdict(), Some(PassVerdict::Certified));
    }

    #[test]
    fn a_server_that_answers_nothing_further_up_either_ends_the_pass() {
        let (mut pass, mut request) = until(80, 200);
        for asked in 0.. {
            assert!(asked <= STEP_BACKS + 1, "it goes on for ever");
            if pass.unanswered(request.ticket, 40) == AnswerOutcome::Ended {
                break;
            }
            request = pass.plan().unwrap();
        }
        assert!(matches!(pass.verdict(), Some(PassVerdict::NotCertified(_))));
    }

    #[test]
    fn what_lies_past_the_end_where_nothing_overlaps_is_as_good_as_empty() {
        for (page_size, overlap) in [(2, true), (20, false)] {
            let mut pass = Pass::new(PassSettings { page_size, overlap });
            let request = pass.plan().unwrap();
            answer(&mut pass, request, page_size.into());
            let request = pass.plan().unwrap();
            assert_eq!(pass.unanswered(request.ticket, page_size.into()), AnswerOutcome::Ended);
            assert_eq!(pass.verdict(), Some(PassVerdict::Certified), "{page_size}");
        }
    }

    #[test]
    fn a_capped_total_takes_no_window_for_one_past_the_end() {
        let mut pass = Pass::new(PassSettings { page_size: 20, overlap: true });
        while pass.covered() < 80 {
            let request = pass.plan().unwrap();
            let rows = (request.window.start()..request.window.end())
                .map(|id| ItemDigest { id: ItemId::Integer(id.into()), digest: 0 });
            pass.take(request.ticket, rows.collect(), 50);
        }
        let request = pass.plan().unwrap();
        assert_eq!(pass.unanswered(request.ticket, 50), AnswerOutcome::Ended);
        // What is read is not read again to look for the end.
        let reason = UncertifiedReason::WindowUnreadable {
            from: request.window.start(),
            to: request.window.end(),
        };
        assert_eq!(pass.verdict(), Some(PassVerdict::NotCertified(reason)));
    }

    #[test]
    fn what_is_void_is_nobodys_fault() {
        let (mut pass, request) = until(80, 200);
        pass.change_settings(PassSettings { page_size: 10, overlap: true });
        assert_eq!(pass.unanswered(request.ticket, 200), AnswerOutcome::Void);
        assert_eq!(pass.verdict(), None);
    }

    #[test]
    fn the_first_window_of_all_can_be_unreadable_too() {
        let mut pass = Pass::new(PassSettings { page_size: 20, overlap: true });
        let request = pass.plan().unwrap();
        assert_eq!(pass.unanswered(request.ticket, 0), AnswerOutcome::Ended);
        let reason = UncertifiedReason::WindowUnreadable { from: 0, to: 20 };
        assert_eq!(pass.verdict(), Some(PassVerdict::NotCertified(reason)));
    }
}
