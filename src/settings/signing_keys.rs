//! The keys that sign webhooks, as Standard Webhooks 1.0 writes them. Pure.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use super::secret::Secret;

/// What a symmetric key begins with.
const SYMMETRIC: &str = "whsec_";
/// What the secret half of an asymmetric key begins with.
const ASYMMETRIC: &str = "whsk_";
/// How long a symmetric key is, in bytes (Standard Webhooks 1.0).
const SYMMETRIC_LENGTH: std::ops::RangeInclusive<usize> = 24..=64;
/// An ed25519 seed, alone or with its public half behind it, in bytes.
const SEED: usize = 32;
const SEED_AND_PUBLIC: usize = 64;
/// So many at once: the new one and the old one while a secret changes.
const MOST: usize = 4;

/// The keys of a feed; each signs every message.
pub struct SigningKeys(Vec<SigningKey>);

enum SigningKey {
    Symmetric(hmac::Key),
    Asymmetric(Box<Ed25519KeyPair>),
}

/// Why a text holds no keys; shows nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyFault {
    /// There is none.
    #[error("holds no secret; write one such as whsec_ and the base64 of 32 random bytes")]
    Missing,
    /// There are more than can be of use.
    #[error(
        "holds more than 4 secrets; write the new one, and the old one until nobody checks with it"
    )]
    TooMany,
    /// It begins otherwise.
    #[error("holds a secret that begins neither with whsec_ nor with whsk_")]
    Prefix,
    /// It goes on otherwise.
    #[error("holds a secret that is not in base64")]
    Base64,
    /// It is too short, or too long.
    #[error("holds a whsec_ secret that is not 24 to 64 bytes long")]
    Length,
    /// It is no key of ed25519.
    #[error(
        "holds a whsk_ secret that is no ed25519 key of 32 bytes, with or without its public half"
    )]
    NoKey,
}

impl SigningKeys {
    /// Reads them: one or, while a secret changes, several, with spaces or line ends between them.
    ///
    /// # Errors
    ///
    /// What is wrong with the text.
    pub fn read(text: &Secret) -> Result<Self, SigningKeyFault> {
        let keys: Result<Vec<_>, _> =
            text.expose().split_whitespace().map(SigningKey::read).collect();
        let keys = keys?;
        match keys.len() {
            0 => Err(SigningKeyFault::Missing),
            1..=MOST => Ok(Self(keys)),
            _ => Err(SigningKeyFault::TooMany),
        }
    }

    /// What each signs as: `v1`, `v1a`.
    pub fn kinds(&self) -> Vec<&'static str> {
        let kind = |key: &SigningKey| match key {
            SigningKey::Symmetric(_) => "v1",
            SigningKey::Asymmetric(_) => "v1a",
        };
        self.0.iter().map(kind).collect()
    }

    /// The value of `webhook-signature` for a message of this id, sent at this time since 1970: one
    /// signature for each key, with spaces between them.
    pub fn sign(&self, id: &str, sent: Duration, body: &[u8]) -> String {
        let message = message((id, sent, body));
        let signatures: Vec<String> = self.0.iter().map(|key| key.sign(&message)).collect();
        signatures.join(" ")
    }

    /// Whether such a value has a signature of each key for a message of this id, sent at this time, with
    /// this body.
    pub fn verify(&self, signed: (&str, Duration, &[u8]), signatures: &str) -> bool {
        let message = message(signed);
        let signatures: Vec<&str> = signatures.split(' ').collect();
        let mut keys = self.0.iter().zip(&signatures);
        signatures.len() == self.0.len() && keys.all(|(key, text)| key.verify(&message, text))
    }
}

/// What is signed.
fn message((id, sent, body): (&str, Duration, &[u8])) -> Vec<u8> {
    let mut message = format!("{id}.{}.", sent.as_secs()).into_bytes();
    message.extend_from_slice(body);
    message
}

impl SigningKey {
    fn read(text: &str) -> Result<Self, SigningKeyFault> {
        let decoded = |text: &str| STANDARD.decode(text).map_err(|_| SigningKeyFault::Base64);
        if let Some(text) = text.strip_prefix(SYMMETRIC) {
            let key = decoded(text)?;
            if !SYMMETRIC_LENGTH.contains(&key.len()) {
                return Err(SigningKeyFault::Length);
            }
            return Ok(Self::Symmetric(hmac::Key::new(hmac::HMAC_SHA256, &key)));
        }
        let text = text.strip_prefix(ASYMMETRIC).ok_or(SigningKeyFault::Prefix)?;
        let key = decoded(text)?;
        let pair = match key.split_at_checked(SEED) {
            Some((seed, [])) => Ed25519KeyPair::from_seed_unchecked(seed),
            Some((seed, public)) if key.len() == SEED_AND_PUBLIC => {
                Ed25519KeyPair::from_seed_and_public_key(seed, public)
            }
            _ => return Err(SigningKeyFault::NoKey),
        };
        pair.map(|pair| Self::Asymmetric(Box::new(pair))).map_err(|_| SigningKeyFault::NoKey)
    }

    fn sign(&self, message: &[u8]) -> String {
        match self {
            Self::Symmetric(key) => format!("v1,{}", STANDARD.encode(hmac::sign(key, message))),
            Self::Asymmetric(pair) => format!("v1a,{}", STANDARD.encode(pair.sign(message))),
        }
    }

    fn verify(&self, message: &[u8], signature: &str) -> bool {
        let of = |kind| STANDARD.decode(signature.strip_prefix(kind)?).ok();
        match self {
            Self::Symmetric(key) => {
                of("v1,").is_some_and(|it| hmac::verify(key, message, &it).is_ok())
            }
            Self::Asymmetric(pair) => {
                let public = UnparsedPublicKey::new(&ED25519, pair.public_key().as_ref());
                of("v1a,").is_some_and(|it| public.verify(message, &it).is_ok())
            }
        }
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKeys({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<SigningKeys, SigningKeyFault> {
        SigningKeys::read(&Secret::new(text))
    }

    fn secret(prefix: &str, length: usize) -> String {
        format!("{prefix}{}", STANDARD.encode(vec![7; length]))
    }

    #[test]
    fn a_message_is_signed_as_the_specification_has_it() {
        // The example that the specification's own libraries test with.
        let keys = read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let sent = Duration::from_secs(1_614_265_330);
        let signature = keys.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", sent, b"{\"test\": 2432232314}");
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn each_key_signs_and_the_public_half_verifies() {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[9; SEED]).unwrap();
        let whole = [&[9; SEED][..], pair.public_key().as_ref()].concat();
        let keys = format!(
            "{}\n{} whsk_{}",
            secret(SYMMETRIC, 32),
            secret(SYMMETRIC, 24),
            STANDARD.encode(whole)
        );
        let signed = read(&keys).unwrap().sign("a", Duration::from_secs(5), b"body");
        let parts: Vec<_> = signed.split(' ').collect();
        assert!(parts[0].starts_with("v1,") && parts[1].starts_with("v1,") && parts[0] != parts[1]);
        let signature = STANDARD.decode(parts[2].strip_prefix("v1a,").unwrap()).unwrap();
        let public = UnparsedPublicKey::new(&ED25519, pair.public_key().as_ref());
        public.verify(b"a.5.body", &signature).unwrap();
        let keys = read(&keys).unwrap();
        let sent = Duration::from_secs(5);
        assert!(keys.verify(("a", sent, b"body"), &signed));
        for (altered, signatures) in [
            (("b", sent, &b"body"[..]), &*signed),
            (("a", Duration::from_secs(6), b"body"), &signed),
            (("a", sent, b"Body"), &signed),
            (("a", sent, b"body"), &parts[..2].join(" ")),
            (("a", sent, b"body"), &[parts[1], parts[0], parts[2]].join(" ")),
            (("a", sent, b"body"), ""),
        ] {
            assert!(!keys.verify(altered, signatures), "{altered:?} {signatures}");
        }
        let alone = read(&secret(ASYMMETRIC, SEED)).unwrap();
        assert!(alone.sign("a", Duration::ZERO, b"").starts_with("v1a,"));
    }

    #[test]
    fn what_is_no_key_is_told_without_showing_it() {
        for (text, fault) in [
            (" \n".to_owned(), SigningKeyFault::Missing),
            (secret("", 32), SigningKeyFault::Prefix),
            ("whsec_§".to_owned(), SigningKeyFault::Base64),
            (secret(SYMMETRIC, 23), SigningKeyFault::Length),
            (secret(SYMMETRIC, 65), SigningKeyFault::Length),
            (secret(ASYMMETRIC, 31), SigningKeyFault::NoKey),
            (secret(ASYMMETRIC, 64), SigningKeyFault::NoKey),
            (
                [const { "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" }; 5].join(" "),
                SigningKeyFault::TooMany,
            ),
        ] {
            assert_eq!(read(&text).err(), Some(fault), "{text}");
        }
        let shown = format!("{:?}", read(&secret(SYMMETRIC, 32)).unwrap());
        assert_eq!(shown, "SigningKeys(1)");
    }
}
