//! What an error of the HTTP library means for an operator.
//!
//! The library's errors are layered: ours to walk down to the one that knows. Nothing here shows
//! any of it.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError};

use super::error::{HttpErrorKind, TimeoutKind};
use super::tls_fault::TlsFault;
use super::trust::calls_itself_an_authority;

/// The kind of an error met while sending a request or reading its answer.
pub(crate) fn kind(error: &reqwest::Error) -> HttpErrorKind {
    let layers = layers(error);
    if let Some(tls) = layers.iter().find_map(|layer| layer.downcast_ref()) {
        return HttpErrorKind::Tls(tls_fault(tls));
    }
    if error.is_connect() && error.is_timeout() {
        return HttpErrorKind::Timeout(TimeoutKind::Connect);
    }
    if error.is_connect() {
        return HttpErrorKind::Connect;
    }
    match layers.iter().find_map(|layer| http_fault(*layer)) {
        Some(kind) => kind,
        None => HttpErrorKind::Other,
    }
}

/// The kind of an error of the decoders, each of which has a way of its own to say that a body is
/// damaged. One that ends too early was cut.
pub(crate) fn decoding(error: &io::Error) -> HttpErrorKind {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => HttpErrorKind::Interrupted,
        _ => malformed("it cannot be decompressed"),
    }
}

/// The kind of an answer that is compressed as nobody asked.
pub(crate) fn unasked(encoding: &str) -> HttpErrorKind {
    malformed(&format!("it is compressed as {encoding}, where gzip alone was asked for"))
}

/// The error and all beneath it. An `io::Error` hides the error that it wraps from `source`.
fn layers(error: &reqwest::Error) -> Vec<&(dyn Error + 'static)> {
    // More layers than any library has; a loop in them would not end.
    const DEEPEST: usize = 32;
    let mut layers: Vec<&(dyn Error + 'static)> = vec![error];
    while let Some(layer) = layers.last().copied().filter(|_| layers.len() < DEEPEST) {
        let wrapped = layer
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            .map(|wrapped| wrapped as &(dyn Error + 'static));
        match wrapped.or_else(|| layer.source()) {
            Some(deeper) => layers.push(deeper),
            None => break,
        }
    }
    layers
}

fn http_fault(layer: &(dyn Error + 'static)) -> Option<HttpErrorKind> {
    if let Some(error) = layer.downcast_ref::<hyper::Error>() {
        if error.is_parse() {
            return Some(malformed("it is not HTTP"));
        }
        // Closed, reset, cancelled: all of these ended before the answer did, unless the layer
        // beneath knows better.
        let cut = error.is_incomplete_message() || error.is_closed() || error.is_canceled();
        return cut.then_some(HttpErrorKind::Interrupted);
    }
    match layer.downcast_ref::<io::Error>()?.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::NotConnected
        | io::ErrorKind::TimedOut => Some(HttpErrorKind::Interrupted),
        _ => None,
    }
}

/// Why no secured connection came about.
pub(crate) fn tls_fault(error: &rustls::Error) -> TlsFault {
    match error {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::UnknownIssuer
            | CertificateError::BadSignature
            | CertificateError::InvalidPurpose
            | CertificateError::InvalidPurposeContext { .. } => TlsFault::UntrustedIssuer,
            CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
                TlsFault::NoName
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                TlsFault::WrongName
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => TlsFault::Expired,
            CertificateError::Other(other) => match other.to_string() {
                fault if calls_itself_an_authority(&fault) => TlsFault::UntrustedIssuer,
                // Version 1, as `openssl x509 -req` makes it without extensions: it has no names.
                fault if fault.contains("UnsupportedCertVersion") => TlsFault::NoName,
                _ => TlsFault::BadCertificate,
            },
            _ => TlsFault::BadCertificate,
        },
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::DecryptError
            | AlertDescription::AccessDenied,
        ) => TlsFault::ClientCertificate,
        rustls::Error::InvalidMessage(_) => TlsFault::NotTls,
        _ => TlsFault::Other,
    }
}

fn malformed(what: &str) -> HttpErrorKind {
    HttpErrorKind::Malformed { what: what.to_owned() }
}
