//! Feeds: each delivers the changes of the log, in order and at least once, from a cursor of its own that
//! the store keeps.
//!
//! | file | does |
//! | --- | --- |
//! | `batch` | what is delivered at once, and what it is called |
//! | `cut` | which of the changes that are next make a batch, and which are held behind a parked one |
//! | `delivering` | the state of the task while it has the right to deliver, and what ends a step |
//! | `file` | the receiver that is a file |
//! | `items` | reads the items as they are at one instant |
//! | `kafka` | the receiver that is Kafka |
//! | `kept` | what the store keeps of a feed, while its task has the right to deliver it |
//! | `line` | a change as the line that is delivered of it |
//! | `next` | the batch that was sent before, what was released, items, or changes |
//! | `place` | where a feed is, and what an answer of its receiver means for that |
//! | `receiver` | who is delivered to, and how one says no |
//! | `reporting` | what the task tells |
//! | `selection` | what of the log belongs to a feed |
//! | `settings` | what a feed is told by the configuration |
//! | `shown` | how items are shown to a feed, and what its attributes are in each repository |
//! | `source` | reads what is next |
//! | `step` | what is next is sent, and what the receiver answers has its consequence |
//! | `task` | the task: the right to deliver, the loop, and where a feed begins |
//! | `unfit` | what follows from a batch that the receiver finds unfit |
//! | `webhook` | the receiver that is a URL |

mod batch;
mod cut;
mod delivering;
mod file;
mod items;
#[cfg(feature = "kafka")]
mod kafka;
mod kept;
mod line;
mod next;
mod place;
mod receiver;
mod reporting;
mod selection;
mod settings;
mod shown;
mod source;
mod step;
mod task;
#[cfg(test)]
mod tests;
mod unfit;
mod webhook;

#[cfg(feature = "kafka")]
pub use kafka::{KafkaTopics, TopicState};
pub use reporting::forget;
pub use settings::FeedSettings;
pub use task::{FeedTask, configured_receiver};
pub use webhook::WebhookReceiver;
