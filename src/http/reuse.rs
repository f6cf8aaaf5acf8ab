//! Which connections have been used before.
//!
//! A server closes a connection that was idle for too long, at times at the very moment when a
//! request goes out on it: that request never arrived, and is no failure of the server. A connection
//! that ends before it has answered anything is one. The HTTP library tells the two apart inside
//! itself only, so the local ends of connections that have answered are remembered here.
//!
//! Guarantees: memory is bounded; what is forgotten, and what cannot be known, counts as new, so
//! that at worst a failure is told that was none.

use std::collections::VecDeque;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hyper::http::Extensions;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpInfo;

use super::classify;
use super::error::HttpErrorKind;

/// How many connections are remembered: more than requests are ever under way at once.
const REMEMBERED: usize = 256;

/// The local ends of connections that have answered.
#[derive(Debug, Default)]
pub(crate) struct Reuse {
    /// The latest first. A plain lock, held for looking through a few addresses.
    answered: Mutex<VecDeque<SocketAddr>>,
}

impl Reuse {
    /// Notes that a connection has answered.
    pub(crate) fn answered(&self, response: &reqwest::Response) {
        if let Some(local) = response.extensions().get::<HttpInfo>().map(HttpInfo::local_addr) {
            self.note(local);
        }
    }

    /// Whether any connection has answered.
    pub(crate) fn is_any(&self) -> bool {
        !self.lock().is_empty()
    }

    /// Whether a request failed because a connection that had answered before was closed under it.
    /// Forgets that connection.
    pub(crate) fn was_closed(&self, error: &reqwest::Error) -> bool {
        if classify::kind(error) != HttpErrorKind::Interrupted {
            return false;
        }
        let Some(local) = local_end(error) else { return false };
        let mut answered = self.lock();
        let before = answered.len();
        answered.retain(|known| *known != local);
        answered.len() < before
    }

    fn note(&self, local: SocketAddr) {
        let mut answered = self.lock();
        if let Some(at) = answered.iter().position(|known| *known == local) {
            answered.swap(0, at);
            return;
        }
        answered.push_front(local);
        answered.truncate(REMEMBERED);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<SocketAddr>> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The local end of the connection on which an error occurred.
fn local_end(error: &reqwest::Error) -> Option<SocketAddr> {
    let error = error.source()?.downcast_ref::<legacy::Error>()?;
    let mut extensions = Extensions::new();
    error.connect_info()?.get_extras(&mut extensions);
    extensions.get::<HttpInfo>().map(HttpInfo::local_addr)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_bounded() {
        let reuse = Reuse::default();
        for port in 1..2000 {
            reuse.note(SocketAddr::from(([127, 0, 0, 1], port)));
            reuse.note(SocketAddr::from(([127, 0, 0, 1], port)));
        }
        let answered = reuse.lock();
        assert_eq!(answered.len(), REMEMBERED);
        assert_eq!(answered.front().map(SocketAddr::port), Some(1999));
    }
}
