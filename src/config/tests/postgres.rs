//! `mirror.url` of a PostgreSQL: what is taken, what is refused, and that no password is ever shown.

use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;
use url::Host;

use super::*;
use crate::settings::sensitivity::Sensitivity;

/// What is wrong with a configuration.
fn faults_of(toml: &str) -> String {
    load_text(toml, "test.toml", &environment(&[])).unwrap_err().to_string()
}

/// What is wrong with a URL and what would be right; neither repeats any of it.
fn refused(text: &str) -> String {
    let found = PostgresUrl::of(text).expect_err(text);
    format!("{}; {}", found.error, found.hint)
}

fn url(text: &str) -> PostgresUrl {
    PostgresUrl::of(text).unwrap_or_else(|found| panic!("{text}: {}", found.error))
}

fn tcp(name: &str, port: u16) -> PostgresHost {
    PostgresHost::Tcp(Host::parse(name).unwrap(), port)
}

fn socket(folder: &str, port: u16) -> PostgresHost {
    PostgresHost::Socket(PathBuf::from(folder), port)
}

#[test]
fn a_url_names_hosts_user_and_database() {
    let one = url("postgres://u%40x@db.example.com/d%2Fe");
    assert_eq!(one.hosts, [tcp("db.example.com", 5432)]);
    assert_eq!((one.user.as_deref(), one.database.as_deref()), (Some("u@x"), Some("d/e")));
    assert_eq!((one.ssl_mode, one.target), (SslMode::VerifyFull, TargetSession::Any));
    assert_eq!(one.application_name, "ewmirror");
    assert_eq!(one.connect_timeout, Duration::from_secs(10));
    let several = url("postgresql://u@h1:5433,[::1]:5434,192.0.2.1/d?sslmode=require");
    assert_eq!(several.hosts, [tcp("h1", 5433), tcp("[::1]", 5434), tcp("192.0.2.1", 5432)]);
    assert_eq!((several.ssl_mode, several.target), (SslMode::Require, TargetSession::ReadWrite));
    let escaped = url("postgresql://u@%2Fvar%2Frun%2Fpostgresql:5433/d");
    assert_eq!(escaped.hosts, [socket("/var/run/postgresql", 5433)]);
    assert_eq!(url("postgresql://u@/d?host=/var/run/postgresql&port=5433"), escaped);
    let lists = url("postgresql:///?host=h1,/run/x&port=1,2&user=u&dbname=d");
    assert_eq!(lists.hosts, [tcp("h1", 1), socket("/run/x", 2)]);
    assert_eq!((lists.user.as_deref(), lists.database.as_deref()), (Some("u"), Some("d")));
    let all =
        url("postgres://h?target_session_attrs=read-only&application_name=a&connect_timeout=3");
    assert_eq!((all.user, all.database), (None, None));
    assert_eq!((all.target, all.application_name.as_str()), (TargetSession::ReadOnly, "a"));
    assert_eq!(all.connect_timeout, Duration::from_secs(3));
    assert_eq!(all.channel_binding, ChannelBinding::Prefer);
    let bound = url("postgresql://h/d?channel_binding=require");
    assert_eq!(bound.channel_binding, ChannelBinding::Require);
    assert!(bound.to_string().ends_with("&channel_binding=require"), "{bound}");
}

#[test]
fn a_url_that_says_less_or_more_than_it_should_is_refused() {
    for (text, expected) in [
        ("postgresql://", "names no host"),
        ("postgresql:///d", "names no host"),
        ("postgresql://h,/d", "names no host"),
        ("postgresql://h:x/d", "a port that is none"),
        ("postgresql://h:0/d", "a port that is none"),
        ("postgresql://h:65536/d", "a port that is none"),
        ("postgresql://::1/d", "neither a name nor an address"),
        ("postgresql://a b/d", "neither a name nor an address"),
        ("postgresql://h/d#x", "holds a #"),
        ("postgresql://h/d%00", "holds a control character"),
        ("postgresql://h/d%ff", "is not UTF-8"),
        ("postgresql://h/d?host=x", "names hosts twice"),
        ("postgresql://h/d?port=1", "names a port without a host"),
        ("postgresql:///d?host=a,b,c&port=1,2", "another number of ports than of hosts"),
        ("postgresql://h/d?dbname=e", "names the database twice"),
        ("postgresql://u@h/d?user=v", "names the user twice"),
        ("postgresql://h/d?sslmode=disable&sslmode=require", "names the sslmode twice"),
        ("postgresql://h/d?sslmode=allow", "the choices are disable, prefer, require, verify-ca"),
        ("postgresql://h/d?sslmode", "has nothing for sslmode"),
        ("postgresql://h/d?channel_binding=yes", "the choices are disable, prefer, require"),
        ("postgresql://h/d?channel_binding=require&sslmode=disable", "where there is no TLS"),
        ("postgresql:///d?host=/run&channel_binding=require", "where there is no TLS"),
        ("postgresql://h/d?sslmod=disable", "did you mean sslmode?"),
        ("postgresql://h/d?conect_timeout=3", "did you mean connect_timeout?"),
        ("postgresql://h/d?options=-csearch_path%3Dx", "the parameters are sslmode, "),
        ("postgresql://h/d?sslrootcert=/ca.pem", "mirror.ca_file"),
        ("postgresql://h/d?connect_timeout=10s", "without a unit"),
        ("postgresql://h/d?connect_timeout=0", "a connect_timeout that is none"),
        (&format!("postgresql://{}@h/d", "u".repeat(64)), "has a user of more than 63 bytes"),
        (&format!("postgresql:///d?host=/{}", "x".repeat(90)), "that no socket fits in"),
        (&format!("postgresql://{}/d", ["h"; 17].join(",")), "more than 16 hosts"),
    ] {
        let told = refused(text);
        assert!(told.contains(expected), "{text}: {told}");
    }
}

#[test]
fn a_password_in_the_url_is_refused_with_the_places_where_it_belongs() {
    for text in ["postgres://u:1/hunter2@h/d", "postgres://u:1?user=hunter2@h/d"] {
        assert!(refused(text).contains("write %40 in its place, and no password"), "{text}");
    }
    for text in [
        "postgres://u:hunter2@h/d",
        "postgres://u:hunter2@x:y@h/d",
        "postgres://:hunter2@h/d",
        "postgres://u@h/d?password=hunter2",
        "postgres://u@h/d?sslmode=require&sslpassword=hunter2",
        "postgres://u@h/d?passfile=/hunter2",
    ] {
        let told = refused(text);
        assert!(told.starts_with("holds a password; "), "{text}: {told}");
        for place in ["\"mirror-password\"", "mirror.password_file", "EWMIRROR_MIRROR__PASSWORD"] {
            assert!(told.contains(place), "{text}: {told}");
        }
        let toml = format!("{LEAST}\n[mirror]\nurl = '{text}'");
        let told = faults_of(&toml);
        assert!(told.contains("holds a password") && !told.contains("hunter2"), "{text}: {told}");
    }
}

#[test]
fn the_password_has_the_three_places_of_every_secret() {
    let toml =
        format!("{LEAST}\n[mirror]\nurl = 'postgresql://u@h/d'\nschema = 'Mein \"Spiegel\"'");
    assert_eq!(config(&toml, &[]).mirror.password, None);
    let variable = [("EWMIRROR_MIRROR__PASSWORD", "hunter2")];
    let config = config(&toml, &variable);
    assert_eq!(config.mirror.password, Some(Secret::new("hunter2")));
    assert_eq!(config.mirror.schema, "Mein \"Spiegel\"");
    let effective = config.effective();
    assert!(
        effective.contains("url = \"postgresql://u@h/d?sslmode=verify-full\"\n"),
        "{effective}"
    );
    assert!(!effective.contains("hunter2") && !format!("{config:?}").contains("hunter2"));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mirror-password"), "hunter3\n").unwrap();
    let directory = folder.path().to_str().unwrap();
    let both = [variable[0], ("CREDENTIALS_DIRECTORY", directory)];
    let loaded = loaded(&toml, &environment(&both));
    assert_eq!(loaded.config.mirror.password, Some(Secret::new("hunter3")));
    let told = loaded.warnings.iter().map(ToString::to_string).collect::<String>();
    assert!(told.contains("the systemd credential \"mirror-password\" comes first"), "{told}");
}

#[test]
fn a_password_for_no_database_is_ignored_and_told() {
    let loaded = loaded(LEAST, &environment(&[("EWMIRROR_MIRROR__PASSWORD", "hunter2")]));
    assert_eq!(loaded.config.mirror.password, None);
    let told = loaded.warnings.iter().map(ToString::to_string).collect::<String>();
    assert!(told.contains("mirror.password: is ignored") && !told.contains("hunter2"), "{told}");
}

#[test]
fn an_encryption_that_can_be_got_round_is_warned_of() {
    let warned = |url: &str| {
        let toml = format!("{LEAST}\n[mirror]\nurl = '{url}'");
        let warnings = loaded(&toml, &environment(&[])).warnings;
        warnings.iter().any(|warning| warning.key == "mirror.url")
    };
    for mode in ["disable", "prefer", "require", "verify-ca"] {
        assert!(warned(&format!("postgresql://h/d?sslmode={mode}")), "{mode}");
        assert!(!warned(&format!("postgresql:///d?host=/run&sslmode={mode}")), "{mode}");
    }
    assert!(!warned("postgresql://h/d"));
}

#[test]
fn names_of_schemas_and_daemons_are_such_that_can_be_used() {
    let of = |key: &str, value: &str| {
        let (section, name) = key.split_once('.').unwrap();
        let value = serde_json::to_string(value).unwrap();
        faults_of(&format!("{LEAST}\n[{section}]\n{name} = {value}"))
    };
    assert!(of("mirror.schema", "pg_mirror").contains("keeps for itself"));
    assert!(of("mirror.schema", "information_schema").contains("keeps for itself"));
    assert!(of("mirror.schema", "a\u{1}").contains("a control character"));
    assert!(of("mirror.schema", &"é".repeat(32)).contains("longer than 63 bytes"));
    assert!(of("instance.name", "a\nb").contains("a control character"));
    assert!(of("instance.lease_ttl", "4s").contains("is too short"));
    assert!(of("instance.lease_ttl", "2h").contains("is too long"));
}

/// A URL as somebody might write it, right or wrong, with a password or without.
fn any_url() -> impl Strategy<Value = String> {
    let part = "[a-zA-Z0-9%@:/?#\\[\\],=&. ü-]{0,12}";
    let list = "(host|port|user|dbname|sslmode|passwrd|connect_timeout)=[a-z0-9%/,]{0,8}";
    prop_oneof![
        (part, part, part).prop_map(|(a, b, c)| format!("postgresql://{a}@{b}/{c}")),
        (part, list, list).prop_map(|(a, b, c)| format!("postgres://{a}?{b}&{c}")),
        any::<String>().prop_map(|text| format!("postgres://{text}")),
    ]
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_and_what_is_shown_is_read_as_the_same(text in any_url()) {
        if let Ok(url) = PostgresUrl::of(&text) {
            let shown = url.to_string();
            prop_assert_eq!(PostgresUrl::of(&shown), Ok(url), "{}", shown);
        }
    }

    #[test]
    fn whatever_stands_around_a_password_it_is_not_shown(
        before in "[a-z0-9%@:/?#,]{0,6}", after in "[a-z0-9%@:/?#,]{0,6}", rest in "[a-z0-9%@:/?#&=,]{0,9}",
    ) {
        let text = format!("postgresql://u:{before}HUNTER2{after}@h/d{rest}");
        let told = match PostgresUrl::of(&text) {
            Ok(url) => format!("{url} {url:?}"),
            Err(found) => format!("{} {}", found.error, found.hint),
        };
        prop_assert!(!told.contains("HUNTER2"), "{}", told);
        let kind = config::ValueKind::from(text.as_str());
        let shown = Sensitivity::Url.shown(&kind).unwrap_or_default();
        prop_assert!(!shown.contains("HUNTER2"), "{}", shown);
    }
}
