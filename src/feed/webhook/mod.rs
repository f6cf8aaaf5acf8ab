//! Webhooks, signed as Standard Webhooks 1.0 says.
//!
//! | file | does |
//! | --- | --- |
//! | `body` | what is sent (pure) |
//! | `verdict` | what an answer means for what was sent (pure) |
//! | `echo` | delivers to this machine, and verifies what arrives |
//! | `receiver` | sends a batch |

mod body;
mod echo;
mod receiver;
#[cfg(test)]
mod tests;
mod verdict;

pub use self::receiver::{WebhookReceiver, WebhookSettings};
