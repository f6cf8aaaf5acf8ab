//! Who is delivered to, and how one says no.

use std::fmt::Debug;
use std::pin::Pin;
use std::time::Duration;

use super::batch::Batch;

/// The answer to a delivery, which comes.
pub type DeliveryFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Option<String>, DeliveryRefusal>> + Send + 'a>>;

/// Takes batches.
///
/// Obligations:
///
/// - a batch is delivered when its call returns `Ok`, and durable there as far as the receiver promises it;
/// - the same batch, with the same id, may come again: after an error, after a kill, from another daemon;
/// - a call that is dropped half-way leaves the receiver fit for the next one.
pub trait Receiver: Debug + Send {
    /// Whether a batch is to be put down before it is first sent: a receiver that knows a batch by its id
    /// has to be sent the same one again.
    fn needs_stored_batch(&self) -> bool {
        true
    }

    /// Makes ready for a batch, which has not been sent yet. Returns where the receiver is then, if it
    /// keeps that: what is new of it is kept before the batch is delivered.
    fn prepare<'a>(&'a mut self, _batch: &'a Batch) -> DeliveryFuture<'a> {
        Box::pin(async { Ok(None) })
    }

    /// Whether what was prepared since this was asked last has shut out all other daemons. The right to
    /// deliver is then asked for once more, so that none is shut out that has it by now.
    fn has_shut_out(&mut self) -> bool {
        false
    }

    /// Delivers a batch, or says why not. On success where the receiver is now, kept with the cursor (a
    /// file's name and length).
    fn deliver<'a>(&'a mut self, batch: &'a Batch) -> DeliveryFuture<'a>;

    /// Ends what runs beside its calls, where there is any: nothing is delivered any more. One that is dropped
    /// without it has that end by itself.
    fn close<'a>(&'a mut self) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async {})
    }
}

/// Why a batch was not delivered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryRefusal {
    /// It is tried again, and not before this long.
    #[error("{reason}")]
    Later {
        /// What people are told.
        reason: String,
        /// The least time until then.
        after: Option<Duration>,
    },
    /// The feed pauses until it is resumed.
    #[error("{reason}")]
    Gone {
        /// What people are told.
        reason: String,
    },
    /// It is about what is in the batch: that is halved until it is one change, which is parked with later
    /// changes of the same item behind it.
    #[error("{reason}")]
    Unfit {
        /// What people are told.
        reason: String,
    },
}
