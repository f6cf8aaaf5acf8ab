//! Where things are: the server, a proxy, the status endpoint.
//!
//! Pure functions. A URL may carry a password, so no error here repeats the text.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use url::{Host, Url};

use super::values::StatusListen;
use crate::settings::codec::{Codec, Input, Parsed, invalid};
use crate::settings::secret::Secret;
use crate::settings::sensitivity::{self, Sensitivity};

/// `server.url`: http or https, and a path that ends in one slash.
pub(super) const SERVER_URL: Codec<Url> = Codec::text(server).with(Sensitivity::Url);

/// `server.proxy`.
pub(super) const PROXY_URL: Codec<Secret> =
    Codec::new(proxy, |url| sensitivity::masked(url).into()).with(Sensitivity::Url);

/// `status.listen`.
pub(super) const LISTEN: Codec<StatusListen> = Codec::text(status);

/// The paths that the daemon appends to the base URL itself, and that people paste along with it.
const OWN_PATHS: [&str; 2] = ["/webcm/", "/enable-api/"];

/// The longest path of a Unix socket that Linux takes, in bytes, without the closing NUL.
const LONGEST_SOCKET_PATH: usize = 107;

/// A URL of one of these schemes that names a host.
fn url(text: &str, schemes: &[&str], wrong_scheme: &str, hint: &str) -> Parsed<Url> {
    match Url::parse(text) {
        Err(error) => invalid(format!("is not a URL: {error}"), hint),
        Ok(url) if !schemes.contains(&url.scheme()) => invalid(wrong_scheme, hint),
        Ok(url) if url.host().is_none() => invalid("names no host", hint),
        Ok(url) => Ok(url),
    }
}

fn server(input: Input<'_>) -> Parsed<Url> {
    const HINT: &str = "write the server's base URL, such as \"https://enterworks.example.com\"";
    let text = input.text("\"https://enterworks.example.com\"")?;
    let mut url = url(text, &["http", "https"], "is neither http nor https", HINT)?;
    if !url.username().is_empty() || url.password().is_some() {
        let hint = "take it out of the URL: login.username and the password's own places hold it";
        return invalid("holds a user or password", hint);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return invalid("holds a query or fragment", "end the URL after its path");
    }
    let path = format!("{}/", url.path().trim_end_matches('/'));
    url.set_path(&path);
    if let Some(own) = OWN_PATHS.into_iter().find(|own| path.ends_with(own)) {
        // All of them, so that what the hint says is right the first time.
        let mut base = path.clone();
        while let Some(before) = OWN_PATHS.iter().find_map(|own| base.strip_suffix(own)) {
            base = format!("{}/", before.trim_end_matches('/'));
        }
        url.set_path(&base);
        let base = url.as_str().trim_end_matches('/');
        let error = format!("ends in {own}, which ewmirror appends by itself");
        return invalid(error, format!("write {base:?}"));
    }
    Ok(url)
}

/// Whether what is sent to this URL stays on this machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn proxy(input: Input<'_>) -> Parsed<Secret> {
    const HINT: &str = "write http, https, socks5 or socks5h and the host, such as \"http://proxy.example.com:3128\"";
    let text = input.text("\"http://proxy.example.com:3128\"")?;
    let schemes = ["http", "https", "socks5", "socks5h"];
    url(text, &schemes, "has an unknown scheme", HINT).map(|_| Secret::new(text))
}

/// Whether the URL of a proxy has a password in it.
pub(super) fn has_password(proxy: &Secret) -> bool {
    Url::parse(proxy.expose()).is_ok_and(|url| url.password().is_some())
}

/// The URL of a proxy with this password in it.
pub(super) fn with_password(proxy: &Secret, password: &str) -> Parsed<String> {
    const HINT: &str = "write the user alone there, such as \"http://user@proxy.example.com:3128\"";
    match Url::parse(proxy.expose()) {
        Err(error) => invalid(format!("is not a URL: {error}"), HINT),
        Ok(url) if url.password().is_some() => {
            invalid("has a password in it, and there is another one", HINT)
        }
        Ok(mut url) => {
            if url.username().is_empty() || url.set_password(Some(password)).is_err() {
                return invalid("names no user that the password could be of", HINT);
            }
            Ok(url.into())
        }
    }
}

fn status(input: Input<'_>) -> Parsed<StatusListen> {
    const HINT: &str = "write \"off\", an IP address and a port such as \"127.0.0.1:9464\", or \
                        \"unix:/run/ewmirror/status.sock\"";
    let text = input.text("\"127.0.0.1:9464\"")?;
    if text == "off" {
        return Ok(StatusListen::Off);
    }
    if let Some(path) = text.strip_prefix("unix:") {
        return if !Path::new(path).is_absolute() || path.ends_with('/') {
            invalid("names no socket by its absolute path", HINT)
        } else if path.len() > LONGEST_SOCKET_PATH {
            invalid(format!("is longer than the {LONGEST_SOCKET_PATH} bytes of a socket"), HINT)
        } else {
            Ok(StatusListen::Unix(PathBuf::from(path)))
        };
    }
    // The one host name whose address is known without asking anybody.
    let local = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
    let address = local.map(|port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    match address.or_else(|| text.parse().ok()) {
        Some(address) => Ok(StatusListen::Tcp(address)),
        None => invalid("is no address to listen at", HINT),
    }
}

#[cfg(test)]
mod tests {
    use config::ValueKind;

    use super::*;

    fn read<T>(parse: impl Fn(Input<'_>) -> Parsed<T>, text: &str) -> Result<T, String> {
        let kind = ValueKind::from(text);
        parse(Input { kind: &kind, is_variable: false }).map_err(|found| found.error)
    }

    #[test]
    fn the_server_url_ends_in_one_slash() {
        let url = |text| read(server, text).map(String::from);
        assert_eq!(url("https://h"), Ok("https://h/".to_owned()));
        assert_eq!(url("http://h:8090/pim//"), Ok("http://h:8090/pim/".to_owned()));
        assert_eq!(url("https://[::1]/a"), Ok("https://[::1]/a/".to_owned()));
    }

    #[test]
    fn a_server_url_of_another_kind_is_refused() {
        for (text, error) in [
            ("ftp://h", "is neither http nor https"),
            ("h.example.com:8090", "is neither http nor https"),
            ("enterworks", "is not a URL: relative URL without a base"),
            ("https://", "is not a URL: empty host"),
            ("https://u:p@h", "holds a user or password"),
            ("https://h/?a=b", "holds a query or fragment"),
            ("https://h/#a", "holds a query or fragment"),
            ("https://h:99999", "is not a URL: invalid port number"),
        ] {
            assert_eq!(read(server, text), Err(error.to_owned()), "{text}");
        }
    }

    #[test]
    fn proxies_are_of_the_kinds_that_the_client_speaks() {
        for text in ["http://p:1", "https://p", "socks5://p:1", "socks5h://u:p@p:1"] {
            assert!(read(proxy, text).is_ok(), "{text}");
        }
        assert_eq!(read(proxy, "socks4://p:1").unwrap_err(), "has an unknown scheme");
        assert_eq!(read(proxy, "proxy:3128").unwrap_err(), "has an unknown scheme");
        assert_eq!(read(proxy, "socks5:p").unwrap_err(), "names no host");
    }

    #[test]
    fn the_status_endpoint_is_off_an_address_or_a_socket() {
        assert_eq!(read(status, "off"), Ok(StatusListen::Off));
        let tcp = |text: &str| StatusListen::Tcp(text.parse().unwrap());
        assert_eq!(read(status, "[::1]:9464"), Ok(tcp("[::1]:9464")));
        assert_eq!(read(status, "localhost:80"), Ok(tcp("127.0.0.1:80")));
        assert_eq!(read(status, "unix:/run/s"), Ok(StatusListen::Unix(PathBuf::from("/run/s"))));
        let long = format!("unix:/{}", "s".repeat(LONGEST_SOCKET_PATH));
        for text in [":9464", "example.com:80", "127.0.0.1", "unix:s", "unix:/run/", "on", &long] {
            assert!(read(status, text).is_err(), "{text}");
        }
    }
}
