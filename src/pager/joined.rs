//! What a task of the pager came to.

use tokio::task::JoinError;

/// What a task came to; `None` where it was aborted. A panic in it is one in the pager: the
/// supervisor counts it and starts anew.
pub(super) fn joined<T>(ended: Result<T, JoinError>) -> Option<T> {
    match ended {
        Ok(value) => Some(value),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => None,
    }
}
