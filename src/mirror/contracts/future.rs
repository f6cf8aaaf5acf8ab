//! What a call to a mirror gives back at once: an answer that comes.

use std::pin::Pin;

use crate::mirror::MirrorError;

/// The answer to a call. A store may need a runtime with a clock to bring it. Who no longer wants it
/// drops it: a call whose turn has not come by then is not made, any other is made whole.
pub type MirrorFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, MirrorError>> + Send + 'a>>;
