//! Which hosts a request may name.
//!
//! There is no password: every client that reaches the endpoint can read it. A web page is not to be among
//! them: a page can have its own name resolve to any address (DNS rebinding) and would then be
//! allowed to read the answer. So over TCP a name must be one that nobody else can point anywhere:
//! an IP address, `localhost`, or this machine's own. A request that names none at all is from no
//! browser. A socket is reached by no browser either, but by proxies, which say what they like.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::net::IpAddr;

use hyper::header::HOST;
use hyper::http::uri::Authority;
use hyper::{Request, StatusCode};
use url::Host;

/// More than a file of names has; what follows is not read.
const LARGEST_FILE: u64 = 64 << 10;

/// The names of this machine.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct OwnHosts {
    /// Those that this machine resolves by itself, whatever the network says.
    own: BTreeSet<String>,
    /// Those that a name server may know it by: good for an address that others reach, too, and
    /// not for loopback, which no name server has to lead to.
    known: BTreeSet<String>,
}

impl OwnHosts {
    /// The machine's, as they are now.
    pub(super) fn of_machine() -> Self {
        let name = rustix::system::uname();
        let name = name.nodename().to_string_lossy();
        Self::new(&name, &text("/etc/hosts"), &text("/etc/resolv.conf"))
    }

    fn new(name: &str, hosts: &str, resolver: &str) -> Self {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if name.is_empty() || name == "(none)" {
            return Self::default();
        }
        let short = name.split('.').next().unwrap_or_default().to_owned();
        let words = |line: &str| {
            let line = line.split('#').next().unwrap_or_default();
            line.split_ascii_whitespace().map(str::to_ascii_lowercase).collect::<Vec<_>>()
        };
        let below = |long: &String| {
            long.strip_prefix(&short).is_some_and(|rest| rest.starts_with('.') && rest.len() > 1)
        };
        let own = hosts.lines().flat_map(|line| words(line).into_iter().skip(1)).filter(below);
        let own = own.chain([name]).collect();
        let domains = resolver.lines().map(words).flat_map(|words| {
            let is_domain = matches!(words.first().map(String::as_str), Some("search" | "domain"));
            words.into_iter().skip(1).filter(move |_| is_domain)
        });
        let domains = domains.map(|domain| domain.trim_matches('.').to_owned());
        let known = domains.filter(|domain| !domain.is_empty());
        let known = known.map(|domain| format!("{short}.{domain}"));
        Self { own, known: known.chain([short.clone()]).collect() }
    }

    fn has(&self, name: &str, met: IpAddr) -> bool {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        name == "localhost"
            || self.own.contains(&name)
            || (!met.is_loopback() && self.known.contains(&name))
    }
}

/// What a request is to be refused with; `None`: it may be answered. `met` is the address that it
/// came to; `None`: a socket.
pub(super) fn refusal<B>(
    request: &Request<B>,
    met: Option<IpAddr>,
    names: &OwnHosts,
) -> Option<(StatusCode, &'static str)> {
    const MISDIRECTED: (StatusCode, &str) = (
        StatusCode::MISDIRECTED_REQUEST,
        "no such host here: ask by the IP address, by localhost or by this machine's own name\n",
    );
    // `GET http://host/status`, as a proxy is asked, which this is not.
    if request.uri().authority().is_some() || request.uri().scheme().is_some() {
        return Some(MISDIRECTED);
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = hosts.next()?;
    if hosts.next().is_some() {
        return Some((StatusCode::BAD_REQUEST, "more than one Host\n"));
    }
    let met = met?;
    let ours = host.to_str().is_ok_and(|host| is_ours(host, met, names));
    (!ours).then_some(MISDIRECTED)
}

fn is_ours(host: &str, met: IpAddr, names: &OwnHosts) -> bool {
    if host.contains('@') {
        return false;
    }
    let Ok(authority) = host.parse::<Authority>() else { return false };
    match Host::parse(authority.host()) {
        Ok(Host::Domain(name)) => names.has(&name, met),
        Ok(Host::Ipv4(_) | Host::Ipv6(_)) => true,
        Err(_) => false,
    }
}

/// A file's text, as far as it is to be read; nothing where it cannot be.
fn text(path: &str) -> String {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST_FILE).read_to_end(&mut bytes));
    if read.is_err() {
        return String::new();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const LAN: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 1, 2, 3));

    fn names() -> OwnHosts {
        let hosts = "127.0.0.1 localhost\n127.0.1.1 web1.corp.example web1 # web1.old.example\n\
                     ::1 web10.corp.example web1.\n";
        OwnHosts::new("Web1", hosts, "nameserver 10.0.0.1\nsearch lab.example. corp.example\n")
    }

    #[test]
    fn names_that_nobody_can_point_elsewhere_are_ours() {
        for met in [LOOPBACK, LAN] {
            for ours in [
                "localhost",
                "LOCALHOST:9464",
                "localhost.",
                "127.0.0.1:9464",
                "[::1]:9464",
                "10.1.2.3",
                "web1:9464",
                "WEB1.corp.example",
            ] {
                assert!(is_ours(ours, met, &names()), "{ours} at {met}");
            }
            for theirs in [
                "evil.example",
                "localhost.evil.example:9464",
                "127.0.0.1.evil.example",
                "web1.evil.example",
                "web1.old.example",
                "web10.corp.example",
                "me@127.0.0.1",
                "a b",
                "",
            ] {
                assert!(!is_ours(theirs, met, &names()), "{theirs} at {met}");
            }
        }
    }

    #[test]
    fn what_a_name_server_calls_this_machine_leads_to_no_loopback() {
        assert!(is_ours("web1.lab.example", LAN, &names()));
        assert!(!is_ours("web1.lab.example", LOOPBACK, &names()));
    }

    #[test]
    fn a_machine_without_a_name_has_none() {
        for nameless in ["", "(none)"] {
            assert_eq!(OwnHosts::new(nameless, "", "search corp.example"), OwnHosts::default());
        }
    }
}
