//! Whom a secured connection trusts.
//!
//! The authorities of this machine and of `server.ca_file`, as everybody does it; and besides them
//! the certificates in `server.ca_file` themselves, byte for byte: what stands there is the server's
//! own if the server shows it, also where it calls itself an authority, as `openssl req -x509` makes
//! it, or was issued by one that nobody here knows.
//!
//! Guarantees: name and dates of a certificate are checked, whichever authority vouches for it; the handshake's
//! signature is checked, so that a certificate without its key is worth nothing.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// Trusts authorities, and certificates that it knows.
#[derive(Debug)]
pub(crate) struct Trust {
    authorities: Arc<WebPkiServerVerifier>,
    known: Vec<CertificateDer<'static>>,
    /// Whether a certificate must be for the name by which the server was asked for.
    by_name: bool,
}

impl Trust {
    /// Trusts these authorities, and these certificates where the server itself shows one of them.
    pub(crate) fn new(
        authorities: RootCertStore,
        known: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, Error> {
        let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(authorities), provider);
        let authorities = builder.build().map_err(|error| Error::General(error.to_string()))?;
        Ok(Self { authorities, known, by_name: true })
    }

    /// Trusts the same, whatever name they are for: `sslmode=verify-ca` of PostgreSQL.
    #[must_use]
    pub(crate) fn for_any_name(self) -> Self {
        Self { by_name: false, ..self }
    }
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let by = |intermediates: &[CertificateDer<'_>]| {
            let Self { authorities, .. } = self;
            let verified = authorities.verify_server_cert(
                end_entity,
                intermediates,
                server_name,
                ocsp_response,
                now,
            );
            match verified {
                // The name is looked at last, when all else has been found right.
                Err(Error::InvalidCertificate(
                    CertificateError::NotValidForName
                    | CertificateError::NotValidForNameContext { .. },
                )) if !self.by_name => Ok(ServerCertVerified::assertion()),
                verified => verified,
            }
        };
        if !self.known.iter().any(|known| known == end_entity) {
            return by(intermediates);
        }
        // Without what came along, so that only its own faults count.
        match by(&[]) {
            Err(Error::InvalidCertificate(fault)) if is_of_issuer(&fault) => {
                if self.by_name {
                    verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                }
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.supported_verify_schemes()
    }
}

/// Whether a certificate was found wanting in what only its issuer can vouch for. The library looks
/// at the dates before it looks at any of this, so these are good; tests hold it to that.
fn is_of_issuer(fault: &CertificateError) -> bool {
    match fault {
        CertificateError::UnknownIssuer
        | CertificateError::BadSignature
        | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::InvalidPurpose
        | CertificateError::InvalidPurposeContext { .. } => true,
        CertificateError::Other(other) => calls_itself_an_authority(&other.to_string()),
        _ => false,
    }
}

/// The library has no type for this, only a name.
pub(crate) fn calls_itself_an_authority(fault: &str) -> bool {
    fault.contains("CaUsedAsEndEntity")
}

/// Trusts anybody, for `server.accept_invalid_certificates`.
#[derive(Debug)]
pub(crate) struct TrustAnybody(pub(crate) Arc<CryptoProvider>);

impl ServerCertVerifier for TrustAnybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
