//! The task that follows the model: now and then it asks the server for the attributes, code sets and
//! links of each repository that this daemon reads, and keeps what it learns in the mirror. Beside it, where
//! the configuration takes all repositories, the task that asks which there are ([`OfferRefresher`]).
//!
//! Guarantees: each asks one question at a time, well apart, and within the bound on requests a second
//! that pages have; neither signs in or reports a refusal, so that a server without these calls, or a
//! user who may not make them, costs no session; what the server does not answer is kept as it was.

mod duty;
mod interview;
mod offer;
mod task;

pub use duty::{ModelDuties, ModelDuty};
pub use offer::{OFFER, OfferRefresher};
pub use task::ModelRefresher;
