//! The cookies of one session: those that a balancer or a container sets so that a session stays
//! with the node that knows it.
//!
//! Kept and sent by the rules of RFC 6265 (host, path, expiry, `Secure`, replaced by later answers),
//! as the library behind it knows them. A [`Cookies`] belongs to the session whose login began it;
//! its copies share one jar, so an answer that comes late to a session of before writes into the jar
//! of before, which ends with the last request that holds it.
//!
//! Guarantees: the jar is bounded in number and bytes, whatever a server sends; what does not fit is
//! not kept; neither names nor values are shown by `Debug`.
//!
//! It keeps no tokens: the caller that fills it leaves those out, since they are sent in a way of their own.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use cookie_store::{CookieStore, RawCookie};
use url::Url;

/// The most cookies of a session; RFC 6265 wants at least so many for a host.
pub const MOST: usize = 50;

/// The longest cookie, its attributes included, in bytes (RFC 6265, 6.1).
pub const LONGEST: usize = 4096;

/// The most bytes that names and values of all cookies have together: the usual server takes no
/// larger head of a request than 8 KiB, and the tokens need room there, too.
pub const MOST_BYTES: usize = 6 * 1024;

/// The cookies of a session; cloning shares them.
#[derive(Clone, Default)]
pub struct Cookies {
    /// A plain lock: it is held for looking up a few cookies, never across an await.
    jar: Arc<Mutex<Jar>>,
}

#[derive(Default)]
struct Jar {
    store: CookieStore,
    refused: Option<TooMuch>,
}

/// Why a cookie was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooMuch {
    /// It is too long by itself.
    #[error("a cookie of more than {LONGEST} bytes was not kept")]
    Long,
    /// There are too many others.
    #[error("a cookie beyond {MOST} cookies was not kept")]
    Many,
    /// The others are too long together.
    #[error("a cookie that makes more than {MOST_BYTES} bytes of cookies was not kept")]
    Bytes,
}

/// Name and value of a `Set-Cookie` header, without quotes; `None` where it is no cookie, has no
/// value, or deletes one, at whatever time in the past.
pub fn pair(set_cookie: &str, now: SystemTime) -> Option<(String, String)> {
    let cookie = RawCookie::parse(set_cookie).ok()?;
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let lapsed = match (cookie.max_age(), cookie.expires_datetime()) {
        // It outweighs the date (RFC 6265, 5.3).
        (Some(age), _) => !age.is_positive(),
        (None, Some(at)) => i128::from(at.unix_timestamp()) <= i128::from(now),
        (None, None) => false,
    };
    let value = cookie.value_trimmed().trim();
    (!lapsed && !value.is_empty()).then(|| (cookie.name().to_owned(), value.to_owned()))
}

impl Cookies {
    /// Takes a cookie as it stands in a `Set-Cookie` header of an answer to this URL. One that is
    /// no cookie, or not this server's to set, is left out, as RFC 6265 says.
    pub fn take(&self, set_cookie: &str, from: &Url) {
        let mut jar = self.jar();
        if set_cookie.len() > LONGEST {
            jar.refused = Some(TooMuch::Long);
            return;
        }
        let Ok(cookie) = cookie_store::Cookie::parse(set_cookie.to_owned(), from) else { return };
        let name = cookie.name().to_owned();
        let domain: String = (&cookie.domain).into();
        let path = String::from(&*cookie.path);
        // What has lapsed, or is deleted here, makes room.
        jar.forget_expired();
        let before = jar.store.remove(&domain, &path, &name);
        if cookie.is_expired() {
            return;
        }
        let refused = jar.lacks_room(size(&cookie));
        if refused.is_some() {
            jar.refused = refused;
            // The value of before still stands for the node that gave it.
            if let Some(before) = before {
                jar.insert(before, from);
            }
            return;
        }
        jar.insert(cookie.into_owned(), from);
    }

    /// What a request to this URL says in its `Cookie` header; `None` where it says nothing.
    pub fn header(&self, to: &Url) -> Option<String> {
        let jar = self.jar();
        let mut cookies = jar.store.matches(to);
        // The library takes the loopback host for secured.
        cookies.retain(|cookie| to.scheme() == "https" || cookie.secure() != Some(true));
        // Longer paths first (RFC 6265, 5.4); the library keeps no order.
        cookies.sort_by(|one, other| {
            let key = |cookie: &cookie_store::Cookie<'_>| {
                (std::cmp::Reverse(cookie.path.len()), cookie.name().to_owned())
            };
            key(one).cmp(&key(other))
        });
        let pairs: Vec<String> =
            cookies.iter().map(|cookie| format!("{}={}", cookie.name(), cookie.value())).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// The values, none of which may be shown.
    pub fn values(&self) -> Vec<String> {
        self.jar().store.iter_any().map(|cookie| cookie.value().to_owned()).collect()
    }

    /// Why the last cookie that was not kept was not; `None` where all were.
    #[cfg(test)]
    pub fn refused(&self) -> Option<TooMuch> {
        self.jar().refused
    }

    fn jar(&self) -> MutexGuard<'_, Jar> {
        self.jar.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Jar {
    /// Whether a cookie of this size has no room beside the others.
    fn lacks_room(&self, more: usize) -> Option<TooMuch> {
        let (mut count, mut bytes) = (0, 0);
        for cookie in self.store.iter_any() {
            count += 1;
            bytes += size(cookie);
        }
        if count >= MOST {
            Some(TooMuch::Many)
        } else if bytes + more > MOST_BYTES {
            Some(TooMuch::Bytes)
        } else {
            None
        }
    }

    fn insert(&mut self, cookie: cookie_store::Cookie<'static>, from: &Url) {
        // What the library refuses here is a cookie that RFC 6265 has nobody keep.
        drop(self.store.insert(cookie, from));
    }

    fn forget_expired(&mut self) {
        let expired = |cookie: &&cookie_store::Cookie<'static>| cookie.is_expired();
        let gone: Vec<(String, String, String)> = self
            .store
            .iter_any()
            .filter(expired)
            .map(|cookie| {
                let domain: String = (&cookie.domain).into();
                (domain, String::from(&*cookie.path), cookie.name().to_owned())
            })
            .collect();
        for (domain, path, name) in gone {
            drop(self.store.remove(&domain, &path, &name));
        }
    }
}

fn size(cookie: &cookie_store::Cookie<'_>) -> usize {
    // The separators count, too.
    cookie.name().len() + cookie.value().len() + 3
}

impl fmt::Debug for Cookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.jar().store.iter_any().count();
        f.debug_struct("Cookies").field("count", &count).finish_non_exhaustive()
    }
}

impl PartialEq for Cookies {
    /// Whether both are the same jar, or hold nothing.
    fn eq(&self, other: &Self) -> bool {
        let empty = |cookies: &Self| cookies.jar().store.iter_any().next().is_none();
        Arc::ptr_eq(&self.jar, &other.jar) || (empty(self) && empty(other))
    }
}

impl Eq for Cookies {}

#[cfg(test)]
mod tests;
