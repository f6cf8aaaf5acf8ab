//! What any HTTP client here needs, for any server: connections, TLS, proxies, cookies,
//! redirects, and bodies that are decompressed, capped and turned into UTF-8.
//!
//! | file | does |
//! | --- | --- |
//! | `client`, `connect` | what a request needs to know as of the last reload; connections, TLS, proxies |
//! | `exchange`, `body`, `encoding` | one request and its answer, redirects included; the cap; decompression |
//! | `redirect`, `reuse`, `cookies` | which redirects are followed (pure); which connections had been used before; the cookies of a session |
//! | `trust`, `pem` | whom TLS trusts; certificates and keys out of files |
//! | `route` | which host a request connects to first: the server's or a proxy's |
//! | `post`, `guarded_resolver`, `address_policy` | one request to somebody else's server; names to addresses; which may be gone to (pure) |
//! | `charset`, `rate_limit` | an answer's text as UTF-8 (pure); what its headers say of limits (pure) |
//! | `error`, `classify`, `setup_error`, `tls_fault` | what went wrong, as types |

mod address_policy;
mod body;
mod charset;
mod classify;
mod client;
mod connect;
pub mod cookies;
mod encoding;
mod error;
mod exchange;
mod guarded_resolver;
mod pem;
mod post;
pub mod rate_limit;
mod redirect;
mod reuse;
pub mod route;
mod setup_error;
mod tls_fault;
mod trust;

pub(crate) use reqwest::{Method, header};

pub(crate) use self::address_policy::AddressPolicy;
pub(crate) use self::classify::tls_fault;
pub(crate) use self::client::HttpClient;
pub(crate) use self::connect::proxy_passwords;
pub use self::error::TimeoutKind;
pub(crate) use self::error::{HttpError, HttpErrorKind};
pub(crate) use self::exchange::{HttpRequest, HttpResponse, exchange, sensitive};
pub(crate) use self::pem::authorities;
pub(crate) use self::post::PostClient;
pub(crate) use self::redirect::ForeignRedirect;
#[cfg(fuzzing)]
pub(crate) use self::redirect::{Redirect, redirect};
pub use self::setup_error::SetupError;
pub use self::tls_fault::TlsFault;
pub(crate) use self::trust::{Trust, TrustAnybody};
