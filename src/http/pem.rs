//! Certificates and keys out of files, as people make them: with a byte order mark, with the line
//! ends of Windows, in UTF-16 as its shell writes them.
//!
//! Each fault is a [`SetupError`] that names the key and the file, and says what should be there.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::setup_error::SetupError;

/// A certificate chain and the key of its first certificate.
pub(crate) struct Identity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

/// The certificates of the file that this key names.
pub(crate) fn authorities(
    key: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, SetupError> {
    let unusable = |what| SetupError::Unusable { key, path: path.to_owned(), what };
    let pem = read(key, path)?;
    let mut checked = RootCertStore::empty();
    let mut authorities = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|_| unusable("is damaged PEM: export it anew"))?;
        checked
            .add(certificate.clone())
            .map_err(|_| unusable("holds a damaged certificate: export it anew"))?;
        authorities.push(certificate);
    }
    if authorities.is_empty() {
        return Err(unusable(
            "holds no certificate: it must be PEM, beginning with -----BEGIN CERTIFICATE-----",
        ));
    }
    Ok(authorities)
}

/// What is in `server.client_identity_file`. Whether key and certificate belong together shows only
/// in use: see [`no_pair`].
pub(crate) fn identity(path: &Path) -> Result<Identity, SetupError> {
    let pem = read(IDENTITY, path)?;
    let chain = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let key = PrivateKeyDer::from_pem_slice(&pem);
    match (chain, key) {
        (Ok(chain), Ok(key)) if !chain.is_empty() => Ok(Identity { chain, key }),
        _ => Err(SetupError::Unusable {
            key: IDENTITY,
            path: path.to_owned(),
            what: "must hold the client's certificate chain and its private key, unencrypted, as PEM",
        }),
    }
}

/// The error where key and certificate do not belong together.
pub(crate) fn no_pair(path: &Path) -> SetupError {
    SetupError::Unusable {
        key: IDENTITY,
        path: path.to_owned(),
        what: "holds a key that does not belong to its first certificate",
    }
}

const IDENTITY: &str = "server.client_identity_file";

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, SetupError> {
    let bytes = std::fs::read(path).map_err(|source| SetupError::Unreadable {
        key,
        path: path.to_owned(),
        source,
    })?;
    Ok(plain(bytes))
}

/// The same text without a byte order mark, and in ASCII where it came in UTF-16.
fn plain(bytes: Vec<u8>) -> Vec<u8> {
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.as_chunks().0.iter().map(|pair| unit(*pair)).collect();
        String::from_utf16_lossy(&units).into_bytes()
    };
    match bytes.as_slice() {
        [0xef, 0xbb, 0xbf, rest @ ..] => rest.to_vec(),
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        _ => bytes,
    }
}
