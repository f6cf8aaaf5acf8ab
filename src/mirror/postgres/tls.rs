//! How connections to the database are secured: as `sslmode` says, by the library that HTTP has.

use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::ring::default_provider;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::PostgresAddress;
use super::error::PostgresError;
use crate::config::SslMode;
use crate::http::{Trust, TrustAnybody, authorities};

/// The key that names the authority.
const CA_FILE: &str = "mirror.ca_file";

/// What secures connections to this address. Reads `mirror.ca_file`.
pub(super) fn connector(address: &PostgresAddress) -> Result<MakeRustlsConnect, PostgresError> {
    let provider = Arc::new(default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(PostgresError::TlsSetUp)?;
    let known = match &address.ca_file {
        Some(path) => authorities(CA_FILE, path)?,
        None => Vec::new(),
    };
    let mode = match address.url.ssl_mode {
        // As libpq has it: who names an authority wants it to count.
        SslMode::Require if !known.is_empty() => SslMode::VerifyCa,
        mode if !address.url.is_over_tcp() && mode != SslMode::Disable => SslMode::Prefer,
        mode => mode,
    };
    let verifier: Arc<dyn ServerCertVerifier> = match mode {
        SslMode::Disable | SslMode::Prefer | SslMode::Require => Arc::new(TrustAnybody(provider)),
        SslMode::VerifyCa | SslMode::VerifyFull => {
            let mut roots = RootCertStore::empty();
            // Those that this machine has and that cannot be read are nobody's to trust.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            roots.add_parsable_certificates(known.iter().cloned());
            if roots.is_empty() {
                return Err(PostgresError::NoAuthorities);
            }
            let trust = Trust::new(roots, known, provider).map_err(PostgresError::TlsSetUp)?;
            Arc::new(if mode == SslMode::VerifyCa { trust.for_any_name() } else { trust })
        }
    };
    let config = builder.dangerous().with_custom_certificate_verifier(verifier);
    Ok(MakeRustlsConnect::new(config.with_no_client_auth()))
}
