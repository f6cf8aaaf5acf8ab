//! Which host a request connects to first: the server's, or that of a proxy.
//!
//! Decided by the very code that decides it inside the HTTP library, from the same settings; for
//! whoever wants to tell an operator. Shows neither user name nor password of a proxy.

use hyper::Uri;
use hyper_util::client::proxy::matcher::Matcher;

use crate::config::ServerConfig;

/// Where requests connect to first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// A name, or an address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Whether that is a proxy, and how it was chosen.
    pub proxy: Option<ProxyUsed>,
}

/// A proxy that requests go through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyUsed {
    /// Its scheme, such as `http` or `socks5`.
    pub scheme: String,
    /// Whether `server.proxy` names it; otherwise the environment does.
    pub configured: bool,
}

/// The route to a server; `no_proxy` is that of the environment, which holds for a configured proxy
/// without `server.no_proxy`. `None` where an address has no host or an unknown port.
pub fn route(server: &ServerConfig, no_proxy: &str) -> Option<Route> {
    let direct = || {
        let host = server.url.host_str()?;
        let port = server.url.port_or_known_default()?;
        Some(Route { host: bare(host), port, proxy: None })
    };
    if server.no_proxy.iter().any(|host| host.trim() == "*") {
        return direct();
    }
    let matcher = match &server.proxy {
        None => Matcher::from_env(),
        Some(proxy) if server.no_proxy.is_empty() => {
            Matcher::builder().all(proxy.expose()).no(no_proxy).build()
        }
        Some(proxy) => Matcher::builder().all(proxy.expose()).no(server.no_proxy.join(",")).build(),
    };
    let target: Uri = server.url.as_str().parse().ok()?;
    let Some(proxy) = matcher.intercept(&target) else { return direct() };
    let scheme = proxy.uri().scheme_str().unwrap_or("http").to_owned();
    let port = proxy.uri().port_u16().or(match scheme.as_str() {
        "http" => Some(80),
        "https" => Some(443),
        "socks4" | "socks4a" | "socks5" | "socks5h" => Some(1080),
        _ => None,
    })?;
    let host = bare(proxy.uri().host()?);
    let configured = server.proxy.is_some();
    Some(Route { host, port, proxy: Some(ProxyUsed { scheme, configured }) })
}

/// A host as a lookup takes it: an IPv6 address without its brackets.
fn bare(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches(']').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, load_text};

    fn routed(url: &str, server: &str, no_proxy: &str) -> (String, u16, Option<String>) {
        let toml = format!(
            "[server]\nurl = '{url}'\n{server}\n[login]\nusername = 'u'\n[[repository]]\nid = 1\n"
        );
        let environment = Environment::from_pairs([("EWMIRROR_LOGIN__PASSWORD", "p")]);
        let config = load_text(&toml, "test", &environment).unwrap().config;
        let Route { host, port, proxy } = route(&config.server, no_proxy).unwrap();
        (host, port, proxy.map(|proxy| proxy.scheme))
    }

    #[test]
    fn a_configured_proxy_is_used_unless_its_exceptions_name_the_server() {
        let (pim, proxy) = ("https://pim.example.com/x", "proxy = 'http://a:b@proxy:3128'");
        let direct = ("pim.example.com".to_owned(), 443, None);
        let through = ("proxy".to_owned(), 3128, Some("http".to_owned()));
        assert_eq!(routed(pim, proxy, ""), through);
        assert_eq!(routed(pim, proxy, "example.com"), direct);
        let exempt = format!("{proxy}\nno_proxy = ['.example.com']");
        assert_eq!(routed(pim, &exempt, ""), direct);
        let others = format!("{proxy}\nno_proxy = ['other.com']");
        assert_eq!(routed(pim, &others, "example.com"), through);
        let star = format!("{proxy}\nno_proxy = ['*']");
        assert_eq!(routed(pim, &star, ""), direct);
        let socks = ("::1".to_owned(), 1080, Some("socks5".to_owned()));
        assert_eq!(routed("http://pim", "proxy = 'socks5://[::1]'", ""), socks);
        assert_eq!(routed("http://[::1]:81", "no_proxy = ['*']", ""), ("::1".to_owned(), 81, None));
    }
}
