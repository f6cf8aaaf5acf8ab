//! What a pass proved, and if nothing, why not: the words that the log and the ledger use.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a pass proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PassVerdict {
    /// It missed nothing.
    Certified,
    /// It may have missed something.
    NotCertified(UncertifiedReason),
}

/// Why a pass is not certified: the first reason met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UncertifiedReason {
    /// `paging.overlap` is off, and the list takes more than one page.
    PlainPages,
    /// Neighbouring answers shared no item even after several steps back.
    OverlapLost {
        /// The position in the list.
        position: u64,
    },
    /// The page size is too small for any overlap here.
    PageSizeTooSmall {
        /// The position in the list.
        position: u64,
    },
    /// The server answers the same page whatever page is asked for.
    PageRepeated,
    /// The server cuts pages to other sizes than asked for, and not always to the same.
    PagesCut {
        /// The position in the list.
        position: u64,
    },
    /// The server has no more items, but announced more.
    EndsEarly {
        /// The position in the list.
        position: u64,
        /// The total that the last answer announced.
        announced: u64,
    },
    /// A record could not be read, so nobody knows which item it is, or what it is like.
    Unreadable {
        /// Its position in the list; the first, where there are several.
        position: u64,
    },
    /// A window was not answered, again and again, though the top of the list was.
    WindowUnreadable {
        /// The first position that could not be read.
        from: u64,
        /// The position behind the last one.
        to: u64,
    },
    /// The server announced fewer items than it sent, when asked twice.
    TotalTooLow {
        /// The position in the list after the last item read.
        position: u64,
        /// The total that came with the first items beyond it.
        announced: u64,
    },
    /// The number of distinct ids differs from the announced total by more than what was seen to
    /// come and go.
    CountDisagrees {
        /// Ids read.
        distinct: u64,
        /// The total that the last answer announced.
        announced: u64,
        /// The most that the two may differ by.
        came_and_went: u64,
    },
}

impl fmt::Display for UncertifiedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PlainPages => f.write_str("plain pages prove nothing (paging.overlap is off)"),
            Self::OverlapLost { position } => write!(
                f,
                "neighbouring pages shared no unchanged item at position {position}: the list \
                 moves faster than it can be read, or has no stable order"
            ),
            Self::PageSizeTooSmall { position } => write!(
                f,
                "the page size is too small for pages to overlap at position {position}: raise \
                 paging.page_size"
            ),
            Self::PageRepeated => f.write_str("the server answers the same page over again"),
            Self::PagesCut { position } => write!(
                f,
                "the server cuts pages to changing sizes, so nobody knows what stands at position \
                 {position}: lower paging.page_size"
            ),
            Self::EndsEarly { position, announced } => write!(
                f,
                "the list ends at position {position}, where the server announced {announced} items"
            ),
            Self::Unreadable { position } => write!(
                f,
                "the record at position {position} cannot be read, so its item stays as it was: \
                 mend it in EnterWorks"
            ),
            Self::WindowUnreadable { from, to } => write!(
                f,
                "positions {from} to {} could not be read, though the top of the list could",
                to.saturating_sub(1)
            ),
            Self::TotalTooLow { position, announced } => write!(
                f,
                "the server announced {announced} items and sent items up to position {position}: \
                 its total is capped, or counts only the page, and so proves nothing"
            ),
            Self::CountDisagrees { distinct, announced, came_and_went } => write!(
                f,
                "read {distinct} distinct ids where the server announced {announced}, and saw at \
                 most {came_and_went} come or go"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ItemId;
    use crate::pager::proof::overlap::ItemDigest;
    use crate::pager::proof::pass::{Pass, PassSettings};

    #[test]
    fn an_announced_total_that_is_too_low_is_no_end_the_first_time_and_no_proof_the_second() {
        for (lies, certified) in [(1, true), (usize::MAX, false)] {
            let mut pass = Pass::new(PassSettings { page_size: 100, overlap: true });
            let mut asked = 0;
            while let Some(request) = pass.plan() {
                let rows = request.window.start()..request.window.end().min(500);
                let row = |id| ItemDigest { id: ItemId::Integer(i128::from(id)), digest: 0 };
                let lie = asked >= 2 && asked - 2 < lies;
                pass.take(request.ticket, rows.map(row).collect(), if lie { 150 } else { 500 });
                asked += 1;
            }
            let reason = UncertifiedReason::TotalTooLow { position: 500, announced: 150 };
            let uncertified = PassVerdict::NotCertified(reason);
            let expected = if certified { PassVerdict::Certified } else { uncertified };
            assert_eq!(pass.verdict(), Some(expected));
            assert_eq!(pass.counts().distinct, 500, "what is there is read all the same");
        }
    }

    #[test]
    fn a_reason_names_the_place_and_the_numbers_that_it_goes_by() {
        let (position, announced) = (123, 456);
        for reason in [
            UncertifiedReason::OverlapLost { position },
            UncertifiedReason::PageSizeTooSmall { position },
            UncertifiedReason::PagesCut { position },
            UncertifiedReason::Unreadable { position },
            UncertifiedReason::EndsEarly { position, announced },
            UncertifiedReason::CountDisagrees { distinct: 123, announced, came_and_went: 7 },
        ] {
            assert!(reason.to_string().contains("123"), "{reason}");
        }
        assert!(UncertifiedReason::EndsEarly { position, announced }.to_string().contains("456"));
        assert!(UncertifiedReason::PlainPages.to_string().contains("paging.overlap"));
    }
}
