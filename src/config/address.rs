//! Where things are: the server, a proxy, the mirror's database, the status endpoint.
//!
//! Pure functions. A URL may carry a password, so no rejection here repeats the text, and
//! [`shown`] is what a fault may show of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use url::{Host, Url};

use super::units::{Parsed, Raw, Rejection};
use super::{MirrorUrl, Secret, StatusListen};

/// What stands for a secret wherever a configuration is shown.
pub(super) const MASK: &str = "***";

/// The paths that the daemon appends to the base URL itself, and that people paste along with it.
const OWN_PATHS: [&str; 2] = ["/webcm/", "/enable-api/"];

/// The longest path of a Unix socket that Linux takes, in bytes, without the closing NUL.
const LONGEST_SOCKET_PATH: usize = 107;

/// `server.url`: http or https, and a path that ends in one slash.
pub(super) fn server(raw: Raw<'_>) -> Parsed<Url> {
    const EXAMPLE: &str = "\"https://enterworks.example.com\"";
    let remedy = format!("write the server's base URL, such as {EXAMPLE}");
    let text = raw.text(EXAMPLE)?;
    let mut url = Url::parse(text)
        .map_err(|error| Rejection::new(format!("is not a URL: {error}"), remedy.clone()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Rejection::new("is neither http nor https", remedy));
    }
    if url.host().is_none() {
        return Err(Rejection::new("names no host", remedy));
    }
    if !url.username().is_empty() || url.password().is_some() {
        let remedy = "take it out of the URL: login.username and the password's own places hold it";
        return Err(Rejection::new("holds a user or password", remedy));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Rejection::new("holds a query or fragment", "end the URL after its path"));
    }
    let path = format!("{}/", url.path().trim_end_matches('/'));
    url.set_path(&path);
    if let Some(own) = OWN_PATHS.into_iter().find(|own| path.ends_with(own)) {
        // All of them, so that what the remedy says is right the first time.
        let mut base = path.clone();
        while let Some(before) = OWN_PATHS.iter().find_map(|own| base.strip_suffix(own)) {
            base = format!("{}/", before.trim_end_matches('/'));
        }
        url.set_path(&base);
        let base = url.as_str().trim_end_matches('/');
        return Err(Rejection::new(
            format!("ends in {own}, which ewmirror appends by itself"),
            format!("write {base:?}"),
        ));
    }
    Ok(url)
}

/// Whether what is sent to this URL stays on this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// `server.proxy`.
pub(super) fn proxy(raw: Raw<'_>) -> Parsed<Secret> {
    const EXAMPLE: &str = "\"http://proxy.example.com:3128\"";
    let remedy = format!("write http, https, socks5 or socks5h and the host, such as {EXAMPLE}");
    let text = raw.text(EXAMPLE)?;
    let url = Url::parse(text)
        .map_err(|error| Rejection::new(format!("is not a URL: {error}"), remedy.clone()))?;
    if !matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h") {
        return Err(Rejection::new("has an unknown scheme", remedy));
    }
    if url.host().is_none() {
        return Err(Rejection::new("names no host", remedy));
    }
    Ok(Secret::new(text))
}

/// Whether the URL of a proxy has a password in it.
pub(super) fn has_password(proxy: &Secret) -> bool {
    Url::parse(proxy.expose()).is_ok_and(|url| url.password().is_some())
}

/// The URL of a proxy with this password in it.
pub(super) fn with_password(proxy: &Secret, password: &Secret) -> Parsed<Secret> {
    let remedy = "write the user alone there, such as \"http://user@proxy.example.com:3128\"";
    let mut url = Url::parse(proxy.expose())
        .map_err(|error| Rejection::new(format!("is not a URL: {error}"), remedy))?;
    if url.password().is_some() {
        return Err(Rejection::new("has a password in it, and there is another one", remedy));
    }
    if url.username().is_empty() || url.set_password(Some(password.expose())).is_err() {
        return Err(Rejection::new("names no user that the password could be of", remedy));
    }
    Ok(Secret::new(url.as_str()))
}

/// `mirror.url`.
pub(super) fn mirror(raw: Raw<'_>) -> Parsed<MirrorUrl> {
    const REMEDY: &str = "write \"none\", \"sqlite:///var/lib/ewmirror/mirror.db\" or \
                          \"postgres://user@host/database\"";
    let text = raw.text("\"none\"")?;
    if text == "none" {
        return Ok(MirrorUrl::None);
    }
    if let Some(path) = text.strip_prefix("sqlite:") {
        // The rest is the path as it is, without percent escapes; a question mark is kept free
        // for options.
        let path = path.strip_prefix("//").unwrap_or_default();
        return if !path.starts_with('/') || path.ends_with('/') {
            Err(Rejection::new("names no file by its absolute path", REMEDY))
        } else if path.contains('?') {
            Err(Rejection::new("holds a question mark", REMEDY))
        } else {
            Ok(MirrorUrl::Sqlite(PathBuf::from(path)))
        };
    }
    let url = Url::parse(text)
        .map_err(|error| Rejection::new(format!("is not a URL: {error}"), REMEDY))?;
    match url.scheme() {
        "postgres" | "postgresql" if text.contains("://") => {
            Ok(MirrorUrl::Postgres(Secret::new(text)))
        }
        _ => Err(Rejection::new("is none of the kinds of mirror", REMEDY)),
    }
}

/// `status.listen`.
pub(super) fn status(raw: Raw<'_>) -> Parsed<StatusListen> {
    const REMEDY: &str = "write \"off\", an IP address and a port such as \"127.0.0.1:9464\", or \
                          \"unix:/run/ewmirror/status.sock\"";
    let text = raw.text("\"127.0.0.1:9464\"")?;
    if text == "off" {
        return Ok(StatusListen::Off);
    }
    if let Some(path) = text.strip_prefix("unix:") {
        return if !Path::new(path).is_absolute() || path.ends_with('/') {
            Err(Rejection::new("names no socket by its absolute path", REMEDY))
        } else if path.len() > LONGEST_SOCKET_PATH {
            let problem = format!("is longer than the {LONGEST_SOCKET_PATH} bytes of a socket");
            Err(Rejection::new(problem, REMEDY))
        } else {
            Ok(StatusListen::Unix(PathBuf::from(path)))
        };
    }
    // The one host name whose address is known without asking anybody.
    let local = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
    local
        .map(|port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .or_else(|| text.parse().ok())
        .map(StatusListen::Tcp)
        .ok_or_else(|| Rejection::new("is no address to listen at", REMEDY))
}

/// What of a URL a fault may show: nothing of user, password, query and fragment, nor of a text
/// that is no URL, such as `host=db password=...`. A password may hold any of the characters that
/// mark where it ends, so the cut is at the last `@`.
pub(super) fn shown(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    if scheme.is_empty() || !scheme.chars().all(|c| c.is_ascii_alphanumeric() || c == '+') {
        return None;
    }
    let (user, rest) = match rest.rsplit_once('@') {
        Some((_, rest)) => (format!("{MASK}@"), rest),
        None => (String::new(), rest),
    };
    let place = rest.split(['?', '#']).next().unwrap_or_default();
    let cut = if place.len() < rest.len() { format!("?{MASK}") } else { String::new() };
    Some(format!("{scheme}://{user}{place}{cut}"))
}

/// A URL that is right, as the effective configuration shows it: the same but for its passwords,
/// and still a URL that would be taken.
pub(super) fn masked(secret: &Secret) -> String {
    let Ok(mut url) = Url::parse(secret.expose()) else { return MASK.to_owned() };
    let hidden = url.password().is_none() || url.set_password(Some(MASK)).is_ok();
    let pairs: Vec<(String, String)> = url
        .query_pairs()
        .map(|(name, value)| {
            // `password` and `sslpassword` are PostgreSQL's.
            let secret = name.to_lowercase().contains("pass");
            (name.into_owned(), if secret { MASK.to_owned() } else { value.into_owned() })
        })
        .collect();
    if pairs.iter().any(|(_, value)| value == MASK) {
        url.query_pairs_mut().clear().extend_pairs(pairs);
    }
    if !hidden {
        return MASK.to_owned();
    }
    if url.password().is_none() && url.query().is_none() {
        // Nothing hidden: as it was written.
        return secret.expose().to_owned();
    }
    url.into()
}

#[cfg(test)]
mod tests {
    use config::ValueKind;

    use super::*;

    fn read<T>(parse: impl Fn(Raw<'_>) -> Parsed<T>, text: &str) -> Result<T, String> {
        let kind = ValueKind::from(text);
        parse(Raw { kind: &kind, variable: false }).map_err(|rejection| rejection.problem)
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
        for (text, problem) in [
            ("ftp://h", "is neither http nor https"),
            ("h.example.com:8090", "is neither http nor https"),
            ("enterworks", "is not a URL: relative URL without a base"),
            ("https://", "is not a URL: empty host"),
            ("https://u:p@h", "holds a user or password"),
            ("https://h/?a=b", "holds a query or fragment"),
            ("https://h/#a", "holds a query or fragment"),
            ("https://h:99999", "is not a URL: invalid port number"),
        ] {
            assert_eq!(read(server, text), Err(problem.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_a_fault_shows_of_a_url_holds_no_secret() {
        let shown = |text| shown(text).unwrap_or_default();
        assert_eq!(shown("https://h/a"), "https://h/a");
        assert_eq!(shown("https://u:p@h/a"), "https://***@h/a");
        assert_eq!(shown("https://u:p?a#s@s@h/a?t=secret"), "https://***@h/a?***");
        assert_eq!(shown("u:p@h"), "");
        assert_eq!(shown("host=db password=secret"), "");
        assert_eq!(shown("u:p://x"), "");
    }

    #[test]
    fn a_masked_url_is_still_a_url() {
        let masked = |text| masked(&Secret::new(text));
        assert_eq!(masked("http://proxy:3128"), "http://proxy:3128");
        assert_eq!(masked("socks5h://u:p@proxy:1"), "socks5h://u:***@proxy:1");
        assert_eq!(masked("postgres:///db?host=/run"), "postgres:///db?host=/run");
        let told = masked("postgres://u@h/db?sslmode=require&password=hunter2");
        assert!(told.contains("sslmode=require") && !told.contains("hunter2"), "{told}");
        assert!(read(mirror, &told).is_ok());
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
    fn mirrors_are_none_a_file_or_a_database() {
        assert_eq!(read(mirror, "none"), Ok(MirrorUrl::None));
        let file = MirrorUrl::Sqlite(PathBuf::from("/var/lib/a b%.db"));
        assert_eq!(read(mirror, "sqlite:///var/lib/a b%.db"), Ok(file));
        for text in ["postgres://u:p@h/d", "postgresql://h/d", "postgres:///d?host=/run"] {
            assert_eq!(read(mirror, text), Ok(MirrorUrl::Postgres(Secret::new(text))));
        }
        for text in ["sqlite:mirror.db", "sqlite://mirror.db", "sqlite:///a/", "sqlite:///a?m=1"] {
            assert!(read(mirror, text).is_err(), "{text}");
        }
        for text in ["None", "mysql://h/d", "postgres:d", "/var/lib/mirror.db"] {
            assert!(read(mirror, text).is_err(), "{text}");
        }
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
