//! Who may ask for items: over TCP only who sends the token.

use std::net::IpAddr;

use hyper::Request;
use hyper::header::AUTHORIZATION;
use ring::digest::{SHA256, digest};

use crate::config::Secret;

/// Why an answer is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AccessDenial {
    /// There is no token that anybody could send.
    NoToken,
    /// It was not sent, or another one.
    Unauthorized,
}

/// Whether a request that came to this address (`None`: to a socket, whose mode is the permission) may be
/// answered with items.
pub(super) fn check<B>(
    request: &Request<B>,
    met: Option<IpAddr>,
    token: Option<&Secret>,
) -> Result<(), AccessDenial> {
    if met.is_none() {
        return Ok(());
    }
    let Some(token) = token else { return Err(AccessDenial::NoToken) };
    let mut sent = request.headers().get_all(AUTHORIZATION).iter();
    let (Some(sent), None) = (sent.next(), sent.next()) else {
        return Err(AccessDenial::Unauthorized);
    };
    let scheme = sent.as_bytes().split_at_checked(BEARER.len());
    let told = scheme.filter(|(scheme, _)| scheme.eq_ignore_ascii_case(BEARER)).map(|it| it.1);
    let told = told.ok_or(AccessDenial::Unauthorized)?;
    if is_same(told, token.expose().as_bytes()) { Ok(()) } else { Err(AccessDenial::Unauthorized) }
}

const BEARER: &[u8] = b"Bearer ";

/// Compares digests, so that how long it takes tells nothing of how much of the token was right.
fn is_same(told: &[u8], token: &[u8]) -> bool {
    digest(&SHA256, told).as_ref() == digest(&SHA256, token).as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn checked(headers: &[&str]) -> Result<(), AccessDenial> {
        let mut request = Request::builder().uri("/changes");
        for header in headers {
            request = request.header(AUTHORIZATION, *header);
        }
        let met = Some("127.0.0.1".parse().unwrap());
        check(&request.body(()).unwrap(), met, Some(&Secret::new(TOKEN)))
    }

    #[test]
    fn the_token_and_nothing_like_it_opens_the_door() {
        assert_eq!(checked(&[&format!("Bearer {TOKEN}")]), Ok(()));
        assert_eq!(checked(&[&format!("bearer {TOKEN}")]), Ok(()));
        let whole = format!("Bearer {TOKEN}");
        let denied: [&[&str]; 8] = [
            &[],
            &[""],
            &["Bearer "],
            &[TOKEN],
            &["Bearer 0123456789abcdef0123456789abcdeF"],
            &["Bearer  0123456789abcdef0123456789abcdef"],
            &["Basic 0123456789abcdef0123456789abcdef"],
            &[&whole, &whole],
        ];
        for headers in denied {
            assert_eq!(checked(headers), Err(AccessDenial::Unauthorized), "{headers:?}");
        }
    }

    #[test]
    fn a_socket_needs_none_and_without_one_nobody_comes_in_over_tcp() {
        let request = Request::builder().uri("/changes").body(()).unwrap();
        assert_eq!(check(&request, None, None), Ok(()));
        let met = Some("::1".parse().unwrap());
        assert_eq!(check(&request, met, None), Err(AccessDenial::NoToken));
    }
}
