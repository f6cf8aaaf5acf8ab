//! Reading an answer's body with a cap and an eye on the clock.
//!
//! Guarantees: counted are the bytes after decompression, so that a small answer cannot unfold into
//! all of our memory; reading stops with the chunk that passes the cap; a length that the server
//! claims is believed for reserving memory up to [`RESERVED`] only, and twice what has come beyond.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Response;
use tokio::time::{Instant, timeout_at};

use super::encoding::{BodyFault, BodyStream};

/// How much memory a claimed length may reserve ahead: a usual page, and no harm if it is a lie.
const RESERVED: u64 = 1024 * 1024;

/// How long, how silent, how large.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLimits {
    /// When the request's time is over.
    pub(crate) deadline: Instant,
    /// How long the body may be silent between two chunks.
    pub(crate) idle: Duration,
    /// The largest body, in bytes after decompression.
    pub(crate) size: u64,
}

/// Why a body was not read to its end.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// The request's time is over.
    Deadline,
    /// Silent for too long.
    Idle,
    /// Larger than allowed.
    TooLarge,
    /// The connection or the encoding broke.
    Broken(BodyFault),
}

/// Reads the whole body.
pub(crate) async fn read(response: Response, limits: BodyLimits) -> Result<Bytes, BodyError> {
    let mut coming = BodyStream::of(response);
    let claimed = coming.claimed().unwrap_or_default();
    if claimed > limits.size {
        return Err(BodyError::TooLarge);
    }
    let reserved = usize::try_from(claimed.min(RESERVED)).unwrap_or_default();
    let mut body = Vec::with_capacity(reserved);
    while let Some(chunk) = chunk(&mut coming, limits).await? {
        let length = u64::try_from(body.len() + chunk.len()).unwrap_or(u64::MAX);
        if length > limits.size {
            return Err(BodyError::TooLarge);
        }
        // As much as has come is asked for again, so that room for more is mostly there; no more than
        // the length that was claimed, once that much has come, and never more than is allowed.
        if body.capacity() - body.len() < chunk.len() {
            let most = if claimed > length { claimed } else { limits.size };
            let wanted = length.max(2 * body.len() as u64).min(most.max(length));
            body.reserve_exact(usize::try_from(wanted).unwrap_or(0).saturating_sub(body.len()));
        }
        body.extend_from_slice(&chunk);
    }
    // What was reserved in vain would be kept for as long as any item of it.
    body.shrink_to_fit();
    Ok(body.into())
}

/// Reads the beginning of a body whose status has already said what matters: whatever goes wrong,
/// what came until then is good enough, and the status is not lost over it.
pub(crate) async fn beginning(response: Response, limits: BodyLimits) -> Bytes {
    let mut coming = BodyStream::of(response);
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = chunk(&mut coming, limits).await {
        let room = usize::try_from(limits.size).unwrap_or(usize::MAX).saturating_sub(body.len());
        body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
        if chunk.len() >= room {
            break;
        }
    }
    body.into()
}

async fn chunk(coming: &mut BodyStream, limits: BodyLimits) -> Result<Option<Bytes>, BodyError> {
    let idle = Instant::now().checked_add(limits.idle).filter(|idle| *idle < limits.deadline);
    match timeout_at(idle.unwrap_or(limits.deadline), coming.chunk()).await {
        Ok(Ok(chunk)) => Ok(chunk),
        Ok(Err(fault)) => Err(BodyError::Broken(fault)),
        Err(_) if idle.is_some() => Err(BodyError::Idle),
        Err(_) => Err(BodyError::Deadline),
    }
}
