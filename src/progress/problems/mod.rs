//! What is wrong at the moment: written by the task that waits, tries again or gives up, read by the
//! parts that show it.
//!
//! A task says that something failed, that something stands, or that it is over; nothing here decides
//! what follows. A failure is told from the second in a row on, or once it has lasted for
//! [`register::TOLD_AFTER`], so that one lost packet alarms nobody; a success ends it at once.

mod health;
mod held;
mod problem;
mod register;

pub use self::health::Health;
pub use self::held::{HELD, held};
pub use self::problem::{Problem, ProblemKind, ProblemReport, Reached, Scope, Source, worst_first};
pub use self::register::Problems;
