//! How connections to the database are secured: as `sslmode` says, by the library that HTTP has.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
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
            if mode == SslMode::VerifyCa { Arc::new(AnyName(trust)) } else { Arc::new(trust) }
        }
    };
    let config = builder.dangerous().with_custom_certificate_verifier(verifier);
    Ok(MakeRustlsConnect::new(config.with_no_client_auth()))
}

/// Trusts the same certificates, whatever host they are for: `verify-ca`.
#[derive(Debug)]
struct AnyName(Trust);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // The name is looked at last, when all else has been found right.
        match self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
