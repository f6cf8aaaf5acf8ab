//! What a pass is told and what it says: settings in, windows and counts out.

use serde::{Deserialize, Serialize};

use crate::pager::proof::window::Window;

/// How a pass pages; may change while it is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassSettings {
    /// The most items asked for at once.
    pub page_size: u32,
    /// Whether windows overlap.
    pub overlap: bool,
}

/// Names one request of a pass, so that an answer to a plan given up meanwhile is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(super) u64);

impl Ticket {
    /// Its number, which no other request of the pass has.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// A window to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowRequest {
    /// The name of the request.
    pub ticket: Ticket,
    /// What to ask for.
    pub window: Window,
}

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerOutcome {
    /// It continues the pass.
    Accepted,
    /// It does not, and other windows will be asked for; all requests planned after it are void.
    Replanned(RereadReason),
    /// It ends the pass.
    Ended,
    /// It answers a request that the pass no longer waits for, and changes nothing.
    Void,
}

/// Why a pass reads a range again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RereadReason {
    /// The answer shares no item with the one before.
    OverlapLost,
    /// The answer carries fewer items than the window and the announced total promise, or looks
    /// like a page that was cut to another size than asked for.
    ShortPage,
    /// The answer is the one before over again.
    PageRepeated,
    /// The answer carries items beyond the total that it announces.
    TotalTooLow,
    /// The window was not answered, and the list ends before it by now.
    ListShrank,
}

impl RereadReason {
    /// The words that the log uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ListShrank => "list shrank",
            Self::OverlapLost => "overlap lost",
            Self::ShortPage => "short page",
            Self::PageRepeated => "page repeated",
            Self::TotalTooLow => "total too low",
        }
    }
}

/// What a pass has counted so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassCounts {
    /// Answers read, those included that were read again.
    pub pages: u64,
    /// Rows in them.
    pub rows: u64,
    /// Distinct ids in them.
    pub distinct: u64,
    /// Rows whose id was seen before in this pass.
    pub repeats: u64,
    /// How often a range was read again.
    pub step_backs: u64,
    /// The total that the first answer announced.
    pub first_total: u64,
    /// The total that the latest answer announced.
    pub last_total: u64,
}
