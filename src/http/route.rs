//! Which host a request connects to first: the server's, or that of a proxy.
//!
//! Decided by the very code that decides it inside the HTTP library, from the same settings; for
//! a command that wants to tell an operator. Shows neither user name nor password of a proxy.

use std::fmt;

use hyper::Uri;
use hyper_util::client::proxy::matcher::Matcher;

use url::Url;

use crate::config::{Environment, ServerConfig};

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
    /// The key, or the variable of the environment, that names it.
    pub named_by: &'static str,
}

impl fmt::Display for Route {
    /// `127.0.0.1:8080`, or `proxy:3128, the http proxy that HTTPS_PROXY names`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, proxy } = self;
        if host.contains(':') {
            write!(f, "[{host}]:{port}")?;
        } else {
            write!(f, "{host}:{port}")?;
        }
        match proxy {
            None => Ok(()),
            Some(ProxyUsed { scheme, named_by }) => {
                write!(f, ", the {scheme} proxy that {named_by} names")
            }
        }
    }
}

/// What decides on the way of a request, made once for many.
#[derive(Debug, Default)]
pub struct Router(Vec<Candidate>);

/// Something that may name a proxy.
#[derive(Debug)]
struct Candidate {
    /// The key, or the variable of the environment.
    name: &'static str,
    /// The scheme that it is for; `None`: for all.
    scheme: Option<&'static str>,
    matcher: Matcher,
}

impl Router {
    /// For requests with these settings in this environment.
    pub fn new(server: &ServerConfig, environment: &Environment) -> Self {
        if server.no_proxy.iter().any(|host| host.trim() == "*") {
            return Self::default();
        }
        // The first that is set counts, be it to nothing.
        let first = |names: [&'static str; 2]| {
            let value = |name| environment.get(name).and_then(|value| value.to_str());
            names.into_iter().find_map(|name| Some((name, value(name)?)))
        };
        let exceptions = first(["NO_PROXY", "no_proxy"]).map_or("", |(_, value)| value);
        let candidate = |name, scheme, proxy: &str, no: &str| Candidate {
            name,
            scheme,
            matcher: Matcher::builder().all(proxy).no(no).build(),
        };
        if let Some(proxy) = &server.proxy {
            let own = server.no_proxy.join(",");
            let no = if own.is_empty() { exceptions } else { &own };
            return Self(vec![candidate("server.proxy", None, proxy.expose(), no)]);
        }
        // A program that a web server runs has these from its caller.
        if environment.get("REQUEST_METHOD").is_some() {
            return Self::default();
        }
        let variables = [
            (["HTTP_PROXY", "http_proxy"], Some("http")),
            (["HTTPS_PROXY", "https_proxy"], Some("https")),
            (["ALL_PROXY", "all_proxy"], None),
        ];
        let set = variables.into_iter().filter_map(|(names, scheme)| {
            first(names).map(|(name, proxy)| candidate(name, scheme, proxy, exceptions))
        });
        Self(set.collect())
    }

    /// The way to a target; `None` where an address has no host or an unknown port.
    pub fn route(&self, target: &Url) -> Option<Route> {
        let uri: Uri = target.as_str().parse().ok()?;
        let intercepts = |it: &Candidate| {
            let meant = it.scheme.is_none_or(|scheme| scheme == target.scheme());
            meant.then(|| it.matcher.intercept(&uri)).flatten().map(|proxy| (it.name, proxy))
        };
        let Some((named_by, proxy)) = self.0.iter().find_map(intercepts) else {
            let host = bare(target.host_str()?);
            return Some(Route { host, port: target.port_or_known_default()?, proxy: None });
        };
        let scheme = proxy.uri().scheme_str().unwrap_or("http").to_owned();
        let port = proxy.uri().port_u16().or(match scheme.as_str() {
            "http" => Some(80),
            "https" => Some(443),
            "socks4" | "socks4a" | "socks5" | "socks5h" => Some(1080),
            _ => None,
        })?;
        let host = bare(proxy.uri().host()?);
        Some(Route { host, port, proxy: Some(ProxyUsed { scheme, named_by }) })
    }
}

/// The route to a server; `None` where an address has no host or an unknown port.
pub fn route(server: &ServerConfig, environment: &Environment) -> Option<Route> {
    Router::new(server, environment).route(&server.url)
}

/// A host as a lookup takes it: an IPv6 address without its brackets.
fn bare(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches(']').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_text;

    /// The route in words.
    fn routed(url: &str, server: &str, variables: &[(&str, &str)]) -> String {
        let toml = format!(
            "[server]\nurl = '{url}'\n{server}\n[login]\nusername = 'u'\n[[repository]]\nid = 1\n"
        );
        let environment = Environment::from_pairs([("EWMIRROR_LOGIN__PASSWORD", "p")]);
        let config = load_text(&toml, "test", &environment).unwrap().config;
        let environment = Environment::from_pairs(variables.iter().copied());
        route(&config.server, &environment).unwrap().to_string()
    }

    #[test]
    fn a_configured_proxy_is_used_unless_its_exceptions_name_the_server() {
        let (pim, proxy) = ("https://pim.example.com/x", "proxy = 'http://a:b@proxy:3128'");
        let direct = "pim.example.com:443";
        let through = "proxy:3128, the http proxy that server.proxy names";
        assert_eq!(routed(pim, proxy, &[("HTTPS_PROXY", "http://other:1")]), through);
        assert_eq!(routed(pim, proxy, &[("NO_PROXY", "example.com")]), direct);
        let exempt = format!("{proxy}\nno_proxy = ['.example.com']");
        assert_eq!(routed(pim, &exempt, &[]), direct);
        let others = format!("{proxy}\nno_proxy = ['other.com']");
        assert_eq!(routed(pim, &others, &[("no_proxy", "example.com")]), through);
        let star = format!("{proxy}\nno_proxy = ['*']");
        assert_eq!(routed(pim, &star, &[]), direct);
        let socks = "[::1]:1080, the socks5 proxy that server.proxy names";
        assert_eq!(routed("http://pim", "proxy = 'socks5://[::1]'", &[]), socks);
        assert_eq!(routed("http://[::1]:81", "no_proxy = ['*']", &[]), "[::1]:81");
    }

    #[test]
    fn the_variable_that_names_the_proxy_is_told() {
        let (plain, secured) = ("http://pim:81", "https://pim");
        let by = |name: &str| format!("proxy:3128, the http proxy that {name} names");
        let proxy = "http://a:b@proxy:3128";
        for (url, variables, way) in [
            (plain, vec![("http_proxy", proxy)], by("http_proxy")),
            (plain, vec![("HTTP_PROXY", proxy), ("ALL_PROXY", "http://x:1")], by("HTTP_PROXY")),
            (plain, vec![("HTTPS_PROXY", proxy)], "pim:81".to_owned()),
            (plain, vec![("HTTP_PROXY", ""), ("all_proxy", proxy)], by("all_proxy")),
            (
                secured,
                vec![("HTTP_PROXY", "http://x:1"), ("HTTPS_PROXY", proxy)],
                by("HTTPS_PROXY"),
            ),
            (secured, vec![("ALL_PROXY", proxy), ("NO_PROXY", "pim")], "pim:443".to_owned()),
            (secured, vec![("ALL_PROXY", proxy), ("REQUEST_METHOD", "GET")], "pim:443".to_owned()),
        ] {
            assert_eq!(routed(url, "", &variables), way, "{url} {variables:?}");
        }
    }
}
