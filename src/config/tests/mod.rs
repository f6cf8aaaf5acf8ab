//! The configuration as a whole: what loads, what is refused, what is never shown.

mod errors;
#[cfg(feature = "kafka")]
mod feed_kafka;
mod feeds;
mod incremental;
mod postgres;
mod properties;
mod schema;
mod search;
mod secrets;
mod shipped;

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::domain::RepositoryId;

/// The least that a file must say.
pub(super) const LEAST: &str = "\
[server]
url = 'https://pim.example.com'
[login]
username = 'system'
[[repository]]
id = 10149
";

/// The password, and more variables.
pub(super) fn environment(more: &[(&str, &str)]) -> Environment {
    let password = [("EWMIRROR_LOGIN__PASSWORD", "pass")];
    Environment::from_pairs(password.iter().chain(more).copied())
}

/// What a text means, which must be right.
pub(super) fn loaded(toml: &str, environment: &Environment) -> Loaded {
    load_text(toml, "test.toml", environment).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The errors of a text, which must have some.
pub(super) fn errors(toml: &str, environment: &Environment) -> Vec<ConfigError> {
    match load_text(toml, "test.toml", environment) {
        Ok(loaded) => panic!("loaded: {loaded:?}"),
        Err(errors) => errors.into_iter().collect(),
    }
}

/// The keys of some errors.
pub(super) fn keys_of(errors: &[ConfigError]) -> Vec<&str> {
    errors.iter().map(|error| error.key.as_str()).collect()
}

fn config(toml: &str, more: &[(&str, &str)]) -> Config {
    loaded(toml, &environment(more)).config
}

fn warned(toml: &str, more: &[(&str, &str)]) -> Vec<String> {
    loaded(toml, &environment(more)).warnings.iter().map(ToString::to_string).collect()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn count(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

#[test]
fn what_nobody_sets_has_the_default_of_the_design() {
    let Config {
        server,
        login,
        session,
        every: None,
        max_requests_per_second,
        repositories,
        mirror,
        instance,
        model,
        feeds,
        changes,
        status,
        log,
    } = config(LEAST, &[])
    else {
        panic!("a section for every repository that nobody wrote");
    };
    assert_eq!(max_requests_per_second, None);
    assert_eq!(feeds, []);
    assert_eq!(
        server,
        ServerConfig {
            url: "https://pim.example.com/".parse().unwrap(),
            ca_file: None,
            client_identity_file: None,
            proxy: None,
            no_proxy: Vec::new(),
            accept_invalid_certificates: false,
            connect_timeout: seconds(5),
            request_timeout: seconds(30),
            idle_timeout: seconds(30),
            items_call: None,
            max_response_size: 64 << 20,
            page_memory: 64 << 20,
        }
    );
    assert_eq!(
        login,
        LoginConfig {
            method: LoginMethod::EnableApi,
            username: "system".to_owned(),
            password: Secret::new("pass"),
            client_id: String::new(),
            client_secret: Secret::new(""),
            oauth_credentials_in_url: false,
        }
    );
    assert_eq!(
        session,
        SessionConfig {
            transport: Transport::Headers,
            reauth_interval: seconds(60),
            max_age: seconds(23 * 3600),
        }
    );
    assert_eq!(
        repositories,
        [RepositoryConfig {
            max_repositories: None,
            id: RepositoryId(10149),
            name: None,
            item_id: "/itemId".parse().unwrap(),
            search: serde_json::Map::new(),
            incremental: None,
            freshness: None,
            ignore: None,
            names_file: None,
            paging: PagingConfig {
                page_size: AutoOr::Value(count(200)),
                page_interval: None,
                pass_interval: seconds(300),
                overlap: true,
                in_flight: AutoOr::Value(count(1)),
                max_requests_per_second: None,
                pass_deadline: seconds(24 * 3600),
                resume_within: seconds(3600),
            },
            deletes: DeletesConfig { max_fraction: 0.1, min_count: 10 },
        }]
    );
    assert_eq!(
        mirror,
        MirrorConfig {
            url: MirrorUrl::Sqlite("/var/lib/ewmirror/mirror.db".into()),
            schema: "ewmirror".to_owned(),
            ca_file: None,
            password: None,
        }
    );
    assert_eq!(instance, InstanceConfig { name: None, lease_ttl: seconds(15), spread: false });
    assert_eq!(model.refresh_interval, Refresh(Some(seconds(3600))));
    assert_eq!(changes, ChangesConfig { keep: None, hold_size: None });
    assert_eq!(
        status,
        StatusConfig {
            token: None,
            listen: StatusListen::Tcp("127.0.0.1:9464".parse().unwrap()),
            max_age: seconds(24 * 3600),
        }
    );
    assert_eq!(log, LogConfig { format: LogFormat::Auto, level: LogLevel::Info });
    assert_eq!(warned(LEAST, &[]), [""; 0]);
}

#[test]
fn the_file_is_laid_over_the_defaults_and_variables_over_the_file() {
    let toml = format!("{LEAST}[paging]\npage_size = 100\nin_flight = 2\n");
    let paging = &config(&toml, &[("EWMIRROR_PAGING__PAGE_SIZE", "50")]).repositories[0].paging;
    assert_eq!(paging.page_size, AutoOr::Value(count(50)), "the variable");
    assert_eq!(paging.in_flight, AutoOr::Value(count(2)), "the file");
    assert_eq!(paging.interval(), AutoOr::Value(seconds(1)), "the default");
}

#[test]
fn a_variable_is_read_as_what_its_key_needs() {
    let config = config(
        LEAST,
        &[
            ("EWMIRROR_SERVER__URL", "http://localhost:8090/pim"),
            ("EWMIRROR_SERVER__NO_PROXY", "localhost, .example.com"),
            ("EWMIRROR_SERVER__MAX_RESPONSE_SIZE", "1MiB"),
            ("EWMIRROR_LOGIN__USERNAME", "4711"),
            ("EWMIRROR_PAGING__OVERLAP", "false"),
            ("EWMIRROR_PAGING__IN_FLIGHT", "4"),
            ("EWMIRROR_CHANGES__KEEP", "90d"),
            ("EWMIRROR_DELETES__MAX_FRACTION", "0.25"),
            ("EWMIRROR_DELETES__MIN_COUNT", "25"),
            ("EWMIRROR_STATUS__LISTEN", "off"),
            ("EWMIRROR_STATUS__MAX_AGE", "45d"),
            ("EWMIRROR_LOG__LEVEL", "debug"),
        ],
    );
    assert_eq!(config.server.url.as_str(), "http://localhost:8090/pim/");
    assert_eq!(config.server.no_proxy, ["localhost", ".example.com"]);
    assert_eq!(config.server.max_response_size, 1 << 20);
    assert_eq!(config.login.username, "4711");
    assert!(!config.repositories[0].paging.overlap);
    assert_eq!(config.repositories[0].paging.in_flight, AutoOr::Value(count(4)));
    assert_eq!(config.changes, ChangesConfig { keep: Some(seconds(90 * 86_400)), hold_size: None });
    let deletes = DeletesConfig { max_fraction: 0.25, min_count: 25 };
    assert_eq!(config.repositories[0].deletes, deletes);
    let max_age = seconds(45 * 86_400);
    assert_eq!(config.status, StatusConfig { token: None, listen: StatusListen::Off, max_age });
    assert_eq!(config.log.level, LogLevel::Debug);
}

#[test]
fn a_variable_can_set_what_no_file_says() {
    let more = [
        ("EWMIRROR_SERVER__URL", "https://pim"),
        ("EWMIRROR_LOGIN__USERNAME", "system"),
        ("EWMIRROR_LOGIN__METHOD", "oauth"),
        ("EWMIRROR_LOGIN__CLIENT_ID", "client"),
        ("EWMIRROR_LOGIN__CLIENT_SECRET", "hush"),
    ];
    let login = config("[[repository]]\nid = 1\n", &more).login;
    assert_eq!(login.method, LoginMethod::Oauth);
    assert_eq!(login.client_id, "client");
    assert_eq!(login.client_secret, Secret::new("hush"));
}

#[test]
fn variables_of_others_are_left_alone() {
    let others = [
        ("PATH", "/bin"),
        ("EWMIRRORS_URL", "x"),
        // Made by Kubernetes for a service called ewmirror.
        ("EWMIRROR_SERVICE_HOST", "10.0.0.1"),
        ("EWMIRROR_SERVICE_PORT", "9464"),
        ("EWMIRROR_SERVICE_PORT_METRICS", "9464"),
        ("EWMIRROR_PORT", "tcp://10.0.0.1:9464"),
        ("EWMIRROR_PORT_9464_TCP_ADDR", "10.0.0.1"),
    ];
    assert_eq!(config(LEAST, &others), config(LEAST, &[]));
}

#[test]
fn every_paging_key_can_be_set_for_one_repository() {
    let toml = format!(
        "{LEAST}\
         name = 'first'\n\
         [[repository]]\n\
         id = 2\n\
         item_id = '/meta/id'\n\
         page_size = 20\n\
         page_interval = '60s'\n\
         pass_interval = '0s'\n\
         overlap = false\n\
         in_flight = 3\n\
         max_requests_per_second = 0.5\n\
         pass_deadline = '12h'\n\
         resume_within = '2h'\n\
         [paging]\n\
         page_size = 500\n"
    );
    let repositories = config(&toml, &[]).repositories;
    assert_eq!(repositories[0].name.as_deref(), Some("first"));
    assert_eq!(repositories[0].paging.page_size, AutoOr::Value(count(500)));
    assert_eq!(repositories[1].item_id.tokens(), ["meta", "id"]);
    assert_eq!(
        repositories[1].paging,
        PagingConfig {
            page_size: AutoOr::Value(count(20)),
            page_interval: Some(AutoOr::Value(seconds(60))),
            pass_interval: Duration::ZERO,
            overlap: false,
            in_flight: AutoOr::Value(count(3)),
            max_requests_per_second: Some(Rate(0.5)),
            pass_deadline: seconds(12 * 3600),
            resume_within: seconds(7200),
        }
    );
}

#[test]
fn auto_is_laid_over_a_number_and_a_number_over_auto() {
    let toml = format!(
        "{LEAST}in_flight = 3\n[[repository]]\nid = 2\npage_interval = 'auto'\n\
         [paging]\nin_flight = 'auto'\n"
    );
    let config = config(&toml, &[("EWMIRROR_PAGING__PAGE_INTERVAL", "2s")]);
    let paging =
        config.repositories.iter().map(|it| (it.paging.in_flight, it.paging.page_interval));
    let expected =
        [(AutoOr::Value(count(3)), AutoOr::Value(seconds(2))), (AutoOr::Auto, AutoOr::Auto)]
            .map(|(in_flight, interval)| (in_flight, Some(interval)));
    assert_eq!(paging.collect::<Vec<_>>(), expected);
}

#[test]
fn a_bound_on_all_requests_is_no_bound_of_each_repository() {
    let toml = format!(
        "{LEAST}[[repository]]\nid = 2\nmax_requests_per_second = 2\n\
         [paging]\nmax_requests_per_second = 5\n"
    );
    let config = config(&toml, &[]);
    assert_eq!(config.max_requests_per_second, Some(Rate(5.0)));
    let own = config.repositories.iter().map(|it| it.paging.max_requests_per_second);
    assert_eq!(own.collect::<Vec<_>>(), [None, Some(Rate(2.0))]);
}

#[test]
fn members_to_ignore_are_pointers_in_their_order() {
    let toml = format!(
        "{LEAST}ignore = ['/F_2', '/a~1b/~0', '/item', '/itemId/x']\n[[repository]]\nid = 2\n"
    );
    let repositories = config(&toml, &[]).repositories;
    let ignored: Vec<_> =
        repositories[0].ignore.iter().flat_map(|it| it.iter()).map(ToString::to_string).collect();
    assert_eq!(ignored, ["/F_2", "/a~1b/~0", "/item", "/itemId/x"]);
    assert_eq!(repositories[0].ignore.as_ref().unwrap()[1].tokens(), ["a/b", "~"]);
    assert!(repositories[1].ignore.is_none());
}

#[test]
fn changes_are_kept_for_any_time_or_for_ever() {
    let keep =
        |text: &str| config(&format!("{LEAST}[changes]\nkeep = '{text}'\n"), &[]).changes.keep;
    assert_eq!(keep("1ms"), Some(Duration::from_millis(1)));
    assert_eq!(keep("30s"), Some(seconds(30)));
    assert_eq!(keep("10years"), Some(seconds(10 * 31_557_600)));
    let never = config(LEAST, &[]);
    assert!(!never.effective().contains("[changes]"), "{}", never.effective());
}

#[test]
fn what_works_but_is_doubtful_is_warned_about() {
    let about = |more: &[(&str, &str)]| warned(LEAST, more).join("\n");
    for (name, value, warning) in [
        ("EWMIRROR_SERVER__URL", "http://pim", "server.url: is plain http"),
        (
            "EWMIRROR_SERVER__ACCEPT_INVALID_CERTIFICATES",
            "true",
            "server.accept_invalid_certificates: is true",
        ),
        ("EWMIRROR_SESSION__MAX_AGE", "24h", "session.max_age: is not below 24h"),
        ("EWMIRROR_PAGING__PAGE_SIZE", "16", "paging.page_size: no window of 16 items or fewer"),
        ("EWMIRROR_LOGIN__CLIENT_ID", "me", "login.client_id: is ignored"),
    ] {
        let told = about(&[(name, value)]);
        assert!(told.starts_with(warning), "{name}={value}: {told}");
        assert!(!told.contains('\n'), "{told}");
    }
    for (name, value) in [
        ("EWMIRROR_SERVER__URL", "http://127.0.0.1:8090"),
        ("EWMIRROR_SERVER__URL", "http://localhost"),
        ("EWMIRROR_SERVER__URL", "http://[::1]"),
        ("EWMIRROR_PAGING__PAGE_SIZE", "17"),
        ("EWMIRROR_MIRROR__URL", "sqlite:///m.db"),
        ("EWMIRROR_MIRROR__URL", "none"),
    ] {
        assert_eq!(about(&[(name, value)]), "", "{name}={value}");
    }
    assert_eq!(
        about(&[("EWMIRROR_PAGING__PAGE_SIZE", "16"), ("EWMIRROR_PAGING__OVERLAP", "false")]),
        ""
    );
}

#[test]
fn a_small_page_is_warned_about_where_it_was_set() {
    let toml = format!(
        "{LEAST}[[repository]]\nid = 2\n[[repository]]\nid = 3\npage_size = 5\n[paging]\npage_size = 10\n"
    );
    let warnings = warned(&toml, &[]);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].starts_with("paging.page_size: "), "{warnings:?}");
    assert!(warnings[0].contains("position 2520"), "{warnings:?}");
    assert!(warnings[1].starts_with("repository[3].page_size: "), "{warnings:?}");
}

#[test]
fn the_effective_configuration_loads_again_to_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let pem = directory.path().join("a \"b\".pem");
    std::fs::write(&pem, "").unwrap();
    let pem = pem.to_str().unwrap();
    let toml = format!(
        "{LEAST}\
         name = \"quoted \\\" \\\\ \\u0007 ä\"\n\
         search = {{ Zeta = 7, alpha = [1.0, 'x', {{ \"a b\" = true }}], big = 9223372036854775807 }}\n\
         ignore = ['/F_1', '/\"~1']\n\
         [[repository]]\nid = 2\npage_size = 99\npass_interval = '1h 30m 5ms'\n\
         [changes]\nkeep = '90d'\n"
    );
    let more = [
        ("EWMIRROR_SERVER__CA_FILE", pem),
        ("EWMIRROR_SERVER__CLIENT_IDENTITY_FILE", pem),
        ("EWMIRROR_SERVER__PROXY", "socks5h://proxy:1080"),
        ("EWMIRROR_SERVER__NO_PROXY", "a,b"),
        ("EWMIRROR_SERVER__MAX_RESPONSE_SIZE", "65537B"),
        ("EWMIRROR_LOGIN__METHOD", "oauth"),
        ("EWMIRROR_LOGIN__CLIENT_ID", "client"),
        ("EWMIRROR_LOGIN__CLIENT_SECRET", "hush"),
        ("EWMIRROR_SESSION__TRANSPORT", "cookies"),
        ("EWMIRROR_STATUS__LISTEN", "unix:/run/s"),
        ("EWMIRROR_LOG__FORMAT", "json"),
    ];
    let first = config(&toml, &more);
    let again = config(&first.effective(), &[("EWMIRROR_LOGIN__CLIENT_SECRET", "hush")]);
    assert_eq!(first, again);
    let order: Vec<_> = again.repositories[0].search.keys().collect();
    assert_eq!(order, ["Zeta", "alpha", "big"]);
    assert_eq!(again.repositories[0].ignore.as_ref().unwrap().len(), 2);
    assert!(first.effective().contains("\n[changes]\nkeep = "), "{}", first.effective());
    assert_eq!(again.server.ca_file, Some(PathBuf::from(pem)));
}
