//! What every task is built from: time and chance, the wish to stop, signs of life, and how loudly a
//! failure is told.

pub mod clock;
pub mod heartbeat;
pub mod outage;
pub mod stop;

pub use outage::Outage;
pub use stop::{Stop, Stopper};
