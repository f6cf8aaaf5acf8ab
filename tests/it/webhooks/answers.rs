//! A receiver that fails in each way that there is: each is told plainly, shows nothing of the URL but its
//! host, and costs no change.

use std::fs;
use std::sync::atomic::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::rogue::{Misdeed, Rogue, authority, secured, tunnel};
use super::site::Site;
use crate::support::{Daemon, sim};

/// Long enough for every answer that comes, on any machine.
const PATIENT: &str = "connect_timeout = '20s'\nrequest_timeout = '20s'";

/// For answers that never come, or have no end.
const IMPATIENT: &str = "connect_timeout = '20s'\nrequest_timeout = '3s'";

/// What must not be seen anywhere.
const HIDDEN: [&str; 3] = ["T0PSECRET", "MfKQ9r8", "BITTERN7"];

/// A feed, and how the first thing that befalls it is told.
struct Case {
    name: String,
    keys: String,
    told: String,
    /// At least so many milliseconds are waited, and at most so many.
    wait: Option<(u64, u64)>,
    /// Whether it delivers at the next try.
    recovers: bool,
}

impl Case {
    fn new(name: &str, port: u16, told: &str) -> Self {
        Self::at(name, &format!("http://127.0.0.1:{port}"), "", told)
    }

    fn at(name: &str, url: &str, keys: &str, told: &str) -> Self {
        Self {
            name: name.to_owned(),
            keys: format!("url = '{url}/hooks/T0PSECRET'\n{keys}"),
            told: told.to_owned(),
            wait: None,
            recovers: true,
        }
    }

    fn hopeless(self) -> Self {
        Self { recovers: false, ..self }
    }

    fn waits(self, least: u64, most: u64) -> Self {
        Self { wait: Some((least, most)), recovers: false, ..self }
    }
}

/// Has all these feeds run in one daemon with these keys of `[server]`, and sees what each tells.
fn hold(site: &Site, server: &str, cases: &[Case]) {
    let mut setup = site.setup("");
    let mirror = site.kept.setup().mirror;
    let secret = site.secret().display().to_string();
    let feeds = cases.iter().map(|Case { name, keys, .. }| {
        format!(
            "\n[[feed]]\nname = '{name}'\ntype = 'webhook'\nfrom = 0\nsecret_file = '{secret}'\n{keys}"
        )
    });
    setup.mirror = mirror + &feeds.collect::<String>();
    server.clone_into(&mut setup.server);
    let daemon = Daemon::run(&setup);
    for Case { name, told, wait, recovers, .. } in cases {
        let of_it = |it: &crate::support::Event, message| it.is(message) && it.text("feed") == name;
        if !told.is_empty() {
            let failed = daemon.wait_for(|it| of_it(it, "feed failed"));
            assert!(failed.text("error").contains(told), "{name}: {told}: {}", failed.line);
            if let Some((least, most)) = wait {
                let wait = failed.number("retry_in_ms");
                assert!((*least..=*most).contains(&wait), "{name}: {}", failed.line);
            }
        }
        if *recovers {
            let done = if told.is_empty() { "feed delivered" } else { "feed delivers again" };
            daemon.wait_for(|it| of_it(it, done));
        }
    }
    let ended = daemon.stop();
    let feeds = site.kept.lines(&["feeds", "--json"]).concat();
    let log: String = ended.events.iter().map(|event| event.line.as_str()).collect();
    for hidden in HIDDEN {
        assert!(!log.contains(hidden) && !feeds.contains(hidden), "{hidden} is shown");
    }
    for Case { name, recovers, .. } in cases.iter().filter(|case| case.recovers) {
        let lines = site.kept.lines(&["feeds", "--json"]);
        let line = lines.iter().find(|it| it.contains(&format!("\"{name}\""))).expect("it is kept");
        assert!(*recovers && line.contains("\"delivered\":5"), "{line}");
    }
}

/// Has a feed for each of these receivers, and for these besides.
fn hold_rogues(server: &str, misdeeds: &[(&str, Misdeed, &str)], others: Vec<Case>) {
    let site = Site::new(5);
    let rogues: Vec<_> =
        misdeeds.iter().map(|(_, it, _)| Rogue::start(Some(it.clone()), None)).collect();
    let all = misdeeds.iter().zip(&rogues);
    let mut cases: Vec<_> =
        all.map(|((name, _, told), it)| Case::new(name, it.port, told)).collect();
    cases.extend(others);
    hold(&site, server, &cases);
    // The answer that had no end was an answer: it was not asked again.
    for (case, rogue) in cases.iter().zip(&rogues).filter(|(case, _)| case.told.is_empty()) {
        assert_eq!(rogue.connections.load(Ordering::SeqCst), 1, "{}", case.name);
    }
}

#[test]
fn each_failure_of_a_connection_is_told_and_nothing_is_lost() {
    let says = |words: &str| Misdeed::Says(words.to_owned());
    let misdeeds = [
        ("reset", Misdeed::Reset, "is not reached: "),
        ("half-closed", Misdeed::HalfClosed, "the connection ended before the answer"),
        ("half-a-head", says("HTTP/1.1 20"), "is not reached: "),
        ("no-http", says("220 mail.example.com ESMTP\r\n"), "is not reached: "),
        ("endless-head", Misdeed::Pours("HTTP/1.1 200 OK\r\nx-huge:"), "is not reached: "),
        (
            "endless-refusal",
            Misdeed::Pours(
                "HTTP/1.1 500 No\r\ncontent-length: 99999999999\r\n\r\n/hooks/T0PSECRET",
            ),
            "answered with status 500: ***",
        ),
        // What it says in an answer that takes everything is nobody's business.
        ("endless-answer", Misdeed::Pours("HTTP/1.1 200 OK\r\n\r\n"), ""),
    ];
    let refused = Case::new("refused", sim::free_port(), "no connection").hopeless();
    hold_rogues(PATIENT, &misdeeds, vec![refused]);
}

#[test]
fn an_answer_that_does_not_come_in_time_is_told_and_nothing_is_lost() {
    let misdeeds = [
        ("silent", Misdeed::Silent, "no answer in time"),
        ("slow-head", Misdeed::Drips("HTTP/1.1 200 OK\r\nx-slow:"), "no answer in time"),
        (
            "slow-refusal",
            Misdeed::Drips("HTTP/1.1 503 No\r\ncontent-length: 1000000\r\n\r\n"),
            "answered with status 503",
        ),
        ("slow-answer", Misdeed::Drips("HTTP/1.1 200 OK\r\ncontent-length: 90000\r\n\r\n"), ""),
    ];
    hold_rogues(IMPATIENT, &misdeeds, Vec::new());
}

#[test]
fn each_status_that_is_no_delivery_is_told_and_tried_again_when_it_may_be() {
    let site = Site::new(5);
    let bystander = Rogue::start(None, None);
    let mut cases = Vec::new();
    for status in [401, 403, 407, 408, 425, 429, 500, 502, 503, 504, 599] {
        let words =
            format!("HTTP/1.1 {status} No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        let rogue = Rogue::start(Some(Misdeed::Says(words)), None);
        let told = format!("answered with status {status}");
        cases.push(Case::new(&format!("status-{status}"), rogue.port, &told));
    }
    for status in [301, 302, 303, 307, 308] {
        let words = format!(
            "HTTP/1.1 {status} Moved\r\nlocation: http://127.0.0.1:{}/hooks/T0PSECRET\r\n\
             content-length: 0\r\nconnection: close\r\n\r\n",
            bystander.port
        );
        let rogue = Rogue::start(Some(Misdeed::Says(words)), None);
        let told = format!("redirect to 127.0.0.1 (status {status}); none is followed");
        cases.push(Case::new(&format!("status-{status}"), rogue.port, &told));
    }
    let date = httpdate(200);
    for (name, value, least, most) in [
        ("after-seconds", "100", 100_000, 100_000),
        // Some of it has passed by then.
        ("after-date", date.as_str(), 60_000, 200_000),
        ("after-a-year", "31536000", 300_000, 300_000),
    ] {
        for status in [429, 503] {
            let words = format!(
                "HTTP/1.1 {status} No\r\nretry-after: {value}\r\ncontent-length: 0\r\n\
                 connection: close\r\n\r\n"
            );
            let rogue = Rogue::start(Some(Misdeed::Says(words)), None);
            let told = format!("answered with status {status}");
            let case = Case::new(&format!("{name}-{status}"), rogue.port, &told);
            cases.push(case.waits(least, most));
        }
    }
    hold(&site, PATIENT, &cases);
    assert_eq!(bystander.connections.load(Ordering::SeqCst), 0, "a redirect was followed");
}

/// The time in so many seconds, as HTTP writes it.
fn httpdate(seconds: u32) -> String {
    let mut date = std::process::Command::new("date");
    date.env_clear().env("LC_ALL", "C").args(["-u", "-d", &format!("{seconds} seconds")]);
    let date = date.arg("+%a, %d %b %Y %H:%M:%S GMT").output().expect("date is everywhere");
    String::from_utf8(date.stdout).expect("text").trim().to_owned()
}

#[test]
fn a_certificate_an_address_and_a_proxy_are_looked_at_before_anything_is_sent() {
    let site = Site::new(5);
    let (own, other) = (authority(), authority());
    let ca = site.folder.path().join("ca.pem");
    fs::write(&ca, own.pem()).unwrap();
    let ca = format!("ca_file = '{}'", ca.display());
    let tls = |authority, host, until| Rogue::start(None, Some(secured(authority, host, until)));
    let https = |rogue: &Rogue| format!("https://127.0.0.1:{}", rogue.port);
    let right = tls(&own, "127.0.0.1", 2100);
    let [wrong, old, strange] = [
        tls(&own, "other.example", 2100),
        tls(&own, "127.0.0.1", 2020),
        tls(&other, "127.0.0.1", 2100),
    ];
    let plain = Rogue::start(None, None);
    let denied = "HTTP/1.1 407 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let proxy = Rogue::start(Some(Misdeed::Says(denied.to_owned())), None);
    let proxy = format!("proxy = 'http://user:BITTERN7@127.0.0.1:{}'", proxy.port);
    let nobody = "issued by nobody trusted";
    let far = "https://shop.invalid";
    // What holds for the server is nothing to a webhook.
    let server = format!("{PATIENT}\naccept_invalid_certificates = true");
    hold(
        &site,
        &server,
        &[
            Case::at("own-ca", &https(&right), &ca, ""),
            Case::at("no-ca", &https(&right), "", nobody).hopeless(),
            Case::at("other-ca", &https(&strange), &ca, nobody).hopeless(),
            Case::at("other-name", &https(&wrong), &ca, "is for another host name").hopeless(),
            Case::at("expired", &https(&old), &ca, "is not valid at this time").hopeless(),
            Case::at("no-tls", &https(&plain), &ca, "is not reached: ").hopeless(),
            Case::at("metadata", "https://169.254.169.254", "", "allow_addresses").hopeless(),
            Case::at("private", "https://10.1.2.3", "", "allow_addresses").hopeless(),
            Case::at("mapped", "https://[::ffff:192.168.0.1]", "", "allow_addresses").hopeless(),
            Case::at("nowhere", far, "", "is not reached: ").hopeless(),
            Case::at("by-proxy", far, &proxy, "is not reached: ").hopeless(),
        ],
    );
    for (keys, told) in [
        (
            "url = 'http://shop.example.com/hooks/T0PSECRET'",
            "is http, and leads to another machine",
        ),
        ("url = 'ftp://shop.example.com/hooks/T0PSECRET'", "is neither http nor https"),
        ("url = 'https://shop.example.com/hooks/T0PSECRET#x'", "holds a fragment"),
    ] {
        let mut setup = site.setup("");
        let own = format!("url = 'http://127.0.0.1:{}/hooks/T0PSECRET'", site.shop.port);
        setup.mirror = setup.mirror.replace(&own, keys);
        let ended = Daemon::start(&["run"], &setup).finish();
        let said: String = ended.events.iter().map(|event| event.line.as_str()).collect();
        assert_eq!(ended.status.code(), Some(2), "{said}");
        assert!(said.contains(told) && !said.contains("T0PSECRET"), "{said}");
    }
}

#[test]
fn a_proxy_leads_to_the_receiver_and_sees_nothing_of_what_is_sent() {
    let site = Site::new(5);
    let own = authority();
    let ca = site.folder.path().join("ca.pem");
    fs::write(&ca, own.pem()).unwrap();
    // A name that nobody but the proxy knows.
    let shop = Rogue::start(None, Some(secured(&own, "shop.invalid", 2100)));
    let (port, asked) = tunnel(shop.port);
    let keys =
        format!("ca_file = '{}'\nproxy = 'http://user:BITTERN7@127.0.0.1:{port}'", ca.display());
    hold(&site, PATIENT, &[Case::at("by-proxy", "https://shop.invalid", &keys, "")]);
    let asked = asked.lock().unwrap();
    assert!(!asked.is_empty() && shop.connections.load(Ordering::SeqCst) > 0);
    for asked in &*asked {
        assert!(asked.starts_with("CONNECT shop.invalid:443 HTTP/1.1\r\n"), "{asked}");
        let password = STANDARD.encode("user:BITTERN7");
        let authorization = format!("proxy-authorization: basic {password}");
        assert!(asked.to_lowercase().contains(&authorization.to_lowercase()), "{asked}");
        assert!(!asked.contains("hooks") && !asked.contains("webhook-"), "{asked}");
    }
}
