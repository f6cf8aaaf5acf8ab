//! One pass over a repository as a state machine: answers in, windows to ask for out.
//!
//! Pure: it neither waits nor asks nor knows the time. The pager asks for the windows that
//! [`Pass::plan`] names, as many at once as it likes, and hands the answers in with
//! [`Pass::take_with_gaps`], in the order in which they were planned.
//!
//! Guarantees: whatever the answers are, each new range costs a bounded number of requests, so
//! the pass ends as soon as the list stops growing faster than it is read; and a pass that calls
//! itself certified has read every item that was in the list from its beginning to its end and
//! kept its place relative to the others (see [`super::overlap`] for the proof between neighbours).
//!
//! Where the list ends is never taken from a number that the server says, nor from a short page
//! alone: see [`Pass::look_beyond`] for what proves it.
//!
//! One thing can only be judged by likelihood: whether an answer with fewer rows than asked for is
//! the last page, or one that the server cut for the first time in this pass, to exactly the
//! length that the last page would have. Such a cut deceives only if at the same moment more items
//! went from before the page than half of what the cut shifts it by (see `cut_by`).
//!
//! It does not judge whether an answer is well-formed: the client lets no other through.

mod end;
mod join;
mod state;
mod terms;
mod unanswered;
mod verdict;

pub use self::state::Pass;
#[cfg(test)]
pub use self::terms::PassCounts;
#[cfg(test)]
pub use self::terms::RereadReason;
pub use self::terms::{AnswerOutcome, PassSettings, Ticket, WindowRequest};
pub use self::verdict::{PassVerdict, UncertifiedReason};

#[cfg(test)]
mod adversary;
#[cfg(test)]
mod moving_list;
#[cfg(test)]
mod steps;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod totals;
