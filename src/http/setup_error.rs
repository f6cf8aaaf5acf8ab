//! Why no HTTP client can be built from a configuration: a fault that no retry mends.

use std::error::Error;
use std::path::PathBuf;

/// A setting that no client can be built from. Each text names the key and what to do.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A file cannot be read.
    #[error("{key}: cannot read {}: check that it exists and that this user may read it", path.display())]
    Unreadable {
        /// The configuration key.
        key: &'static str,
        /// The file it names.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file holds something else than it should.
    #[error("{key}: {} {what}", path.display())]
    Unusable {
        /// The configuration key.
        key: &'static str,
        /// The file it names.
        path: PathBuf,
        /// What is wrong, and what to do.
        what: &'static str,
    },
    /// The proxy cannot be used.
    #[error("server.proxy: write it as http://, https://, socks5:// or socks5h://host:port")]
    Proxy,
    /// An https server on a machine that trusts nobody.
    #[error(
        "server.url: https needs certificate authorities, and this machine has none: \
         install its ca-certificates package or set server.ca_file"
    )]
    NoAuthorities,
    /// The HTTP library did not accept the settings, for a reason that we did not foresee.
    #[error("the HTTP client cannot be set up")]
    Setup {
        /// What the library said.
        source: Box<dyn Error + Send + Sync>,
    },
}
