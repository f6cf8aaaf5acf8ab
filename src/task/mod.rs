//! What every task is built from: its context (the wish to stop, and what it says of its waits),
//! the one policy of trying again, how loudly a failure is told, time and chance.

pub mod clock;
pub mod context;
pub mod heartbeat;
pub mod outage;
pub mod retry;

pub use context::{Cancellation, Context, Stopped};
pub use heartbeat::Until;
pub use outage::Outage;
pub use retry::{Backoff, Retries};
