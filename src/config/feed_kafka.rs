//! What the keys of a feed to Kafka can be.
//!
//! Properties are librdkafka's own, by an allow-list: none that loads code, starts a program, logs secrets or
//! is one, and none that would take from a feed what it promises (order, and that nothing is lost).

use std::collections::BTreeMap;
use std::path::Path;

use config::ValueKind;
use toml::Value;

use crate::settings::codec::{Codec, InvalidValue, Parsed, invalid};
use crate::settings::error::quoted;
use crate::settings::sensitivity::type_name;
use crate::settings::similarity::nearest;

/// The longest name of a topic that Kafka takes, in bytes.
const LONGEST_TOPIC: usize = 249;

/// What stands for the number of a repository in the name of a topic.
pub const REPOSITORY: &str = "{repository}";

/// As long as the longest number of a repository.
const LONGEST_NUMBER: &str = "18446744073709551615";

/// The longest text of a property, in bytes.
const LONGEST_TEXT: usize = 4096;

/// What the value of a property is.
#[derive(Clone, Copy, Debug)]
enum PropertyKind {
    /// Text of one line.
    Text,
    /// The whole path of a file.
    File,
    /// True or false.
    Flag,
    /// A whole number between these.
    Number(i64, i64),
    /// One of these.
    Word(&'static [&'static str]),
}

use PropertyKind::{File, Flag, Number, Text, Word};

/// The longest of all times, in milliseconds.
const HOUR_MS: i64 = 3_600_000;

/// The properties that are passed through.
const ALLOWED: &[(&str, PropertyKind)] = &[
    ("batch.num.messages", Number(1, 1_000_000)),
    ("batch.size", Number(1, 1_000_000_000)),
    (BROKERS, Text),
    ("broker.address.family", Word(&["any", "v4", "v6"])),
    ("broker.address.ttl", Number(0, 86_400_000)),
    ("client.dns.lookup", Word(&["use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"])),
    ("client.id", Text),
    ("client.rack", Text),
    ("compression.level", Number(-1, 12)),
    ("compression.type", Word(&["none", "snappy", "lz4"])),
    ("connections.max.idle.ms", Number(0, HOUR_MS)),
    ("linger.ms", Number(0, 1000)),
    ("message.max.bytes", Number(1000, 1_000_000_000)),
    ("metadata.max.age.ms", Number(1, 86_400_000)),
    ("partitioner", Word(&["murmur2_random", "consistent_random", "fnv1a_random"])),
    ("reconnect.backoff.max.ms", Number(0, HOUR_MS)),
    ("reconnect.backoff.ms", Number(0, HOUR_MS)),
    ("request.timeout.ms", Number(1, 300_000)),
    ("retry.backoff.max.ms", Number(1, 300_000)),
    ("retry.backoff.ms", Number(1, 300_000)),
    (MECHANISM, Word(&["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])),
    (USERNAME, Text),
    (PROTOCOL, Word(&["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"])),
    ("socket.connection.setup.timeout.ms", Number(1000, 300_000)),
    ("socket.keepalive.enable", Flag),
    ("socket.timeout.ms", Number(10, 300_000)),
    ("ssl.ca.location", File),
    ("ssl.certificate.location", File),
    ("ssl.cipher.suites", Text),
    ("ssl.crl.location", File),
    ("ssl.key.location", File),
    ("topic.metadata.refresh.interval.ms", Number(1000, HOUR_MS)),
    ("transaction.timeout.ms", Number(10_000, 300_000)),
];

/// Where the brokers are.
const BROKERS: &str = "bootstrap.servers";
/// How they are spoken to.
const PROTOCOL: &str = "security.protocol";
/// How the login is done.
const MECHANISM: &str = "sasl.mechanism";
/// Who logs in.
const USERNAME: &str = "sasl.username";

/// Properties of librdkafka, each with its value as librdkafka reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KafkaProperties(BTreeMap<String, String>);

impl KafkaProperties {
    /// These, whatever they are.
    #[cfg(all(test, feature = "kafka"))]
    pub fn of(properties: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self(properties.iter().map(owned).collect())
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// One.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The files that are named.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let is_file = |name: &str| matches!(kind(name), Some(File));
        self.iter().filter(move |(name, _)| is_file(name)).map(|(_, value)| Path::new(value))
    }

    /// Whether somebody logs in.
    pub fn logs_in(&self) -> bool {
        self.get(PROTOCOL).is_some_and(|protocol| protocol.starts_with("sasl_"))
    }

    /// Whether the password goes over the network for all to read.
    pub fn shows_password(&self) -> bool {
        self.get(PROTOCOL) == Some("sasl_plaintext") && self.get(MECHANISM) == Some("PLAIN")
    }

    /// Whether something is said of TLS, and there is none.
    pub fn has_idle_tls(&self) -> bool {
        let is_tls = self.get(PROTOCOL).is_some_and(|protocol| protocol.ends_with("ssl"));
        !is_tls && self.iter().any(|(name, _)| name.starts_with("ssl."))
    }
}

/// The name of a topic, in which the number of a repository may have its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaTopic(String);

impl KafkaTopic {
    /// One of this name.
    #[cfg(all(test, feature = "kafka"))]
    pub fn named(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The topic of a repository.
    #[cfg(feature = "kafka")]
    pub fn of(&self, repository: u64) -> String {
        self.0.replace(REPOSITORY, &repository.to_string())
    }
}

/// The properties of a feed.
pub(super) const KAFKA_PROPERTIES: Codec<KafkaProperties> = Codec::new(
    |input| {
        const HINT: &str = "write a table, such as { \"bootstrap.servers\" = \"kafka:9092\" }";
        let ValueKind::Table(table) = input.kind else { return input.is_not("a table", HINT) };
        let mut properties = BTreeMap::new();
        let mut faults = Vec::new();
        let mut names: Vec<_> = table.keys().collect();
        names.sort();
        for name in names {
            match table.get(name).map(|value| property(name, &value.kind)) {
                Some(Ok(value)) => drop(properties.insert(name.clone(), value)),
                Some(Err(fault)) => faults.push(fault),
                None => {}
            }
        }
        if faults.is_empty() {
            return whole(KafkaProperties(properties));
        }
        let joined = |part: fn(&InvalidValue) -> &str| {
            faults.iter().map(part).collect::<Vec<_>>().join("; ")
        };
        invalid(joined(|fault| &fault.error), joined(|fault| &fault.hint))
    },
    |properties| {
        let shown = |(name, value): (&str, &str)| {
            let as_written = match kind(name) {
                Some(Number(..)) => value.parse().ok().map(Value::Integer),
                Some(Flag) => value.parse().ok().map(Value::Boolean),
                _ => None,
            };
            (name.to_owned(), as_written.unwrap_or_else(|| Value::from(value)))
        };
        Value::Table(properties.iter().map(shown).collect())
    },
);

/// The topic of a feed.
pub(super) const KAFKA_TOPIC: Codec<KafkaTopic> = Codec::new(
    |input| {
        const HINT: &str = "write a name of letters, digits, \".\", \"_\" and \"-\", with {repository} where \
                            the number of the repository is to stand, such as \"ewmirror.{repository}\"";
        let text = input.text("\"ewmirror.{repository}\"")?;
        let longest = text.replace(REPOSITORY, LONGEST_NUMBER);
        let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !longest.bytes().all(is_fit) || longest == "." || longest == ".." {
            return invalid("is no name of a topic", HINT);
        }
        if longest.len() > LONGEST_TOPIC {
            return invalid(format!("may get longer than {LONGEST_TOPIC} characters"), HINT);
        }
        Ok(KafkaTopic(text.to_owned()))
    },
    |topic| topic.as_str().into(),
);

fn kind(name: &str) -> Option<PropertyKind> {
    ALLOWED.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
}

/// The value of a property as librdkafka reads it. No fault repeats the value: where a property is wrong it
/// may be a password.
fn property(name: &str, value: &ValueKind) -> Parsed<String> {
    let Some(kind) = kind(name) else { return Err(unknown(name)) };
    let name = quoted(name);
    let is_not = |what: &str| {
        let found = format!("{name} is {}, not {what}", type_name(value));
        invalid(found, format!("write {what} for {name}"))
    };
    match (kind, value) {
        (Text | File | Word(_), ValueKind::String(text))
            if text.is_empty() || text.len() > LONGEST_TEXT || text.contains(char::is_control) =>
        {
            invalid(
                format!("{name} is empty, too long, or more than a line"),
                format!("write one line of text for {name}, or take it out"),
            )
        }
        (Text, ValueKind::String(text)) => Ok(text.clone()),
        (File, ValueKind::String(text)) if Path::new(text).is_absolute() => Ok(text.clone()),
        (File, ValueKind::String(_)) => {
            invalid(format!("{name} is no whole path"), format!("write a whole path for {name}"))
        }
        (Word(words), ValueKind::String(text)) if words.contains(&text.as_str()) => {
            Ok(text.clone())
        }
        (Word(words), ValueKind::String(_)) => {
            let known = words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(", ");
            invalid(format!("{name} is none of {known}"), format!("write one of these for {name}"))
        }
        (Flag, ValueKind::Boolean(flag)) => Ok(flag.to_string()),
        (Number(least, most), ValueKind::I64(number)) if (least..=most).contains(number) => {
            Ok(number.to_string())
        }
        (Number(least, most), ValueKind::I64(_)) => invalid(
            format!("{name} is not between {least} and {most}"),
            format!("write a whole number from {least} to {most} for {name}"),
        ),
        (Text | File | Word(_), _) => is_not("text"),
        (Flag, _) => is_not("true or false, unquoted"),
        (Number(..), _) => is_not("a whole number, unquoted"),
    }
}

/// What is said of a property that is not passed through.
fn unknown(name: &str) -> InvalidValue {
    let shown = quoted(name);
    if ["password", ".pem", "secret"].iter().any(|word| name.contains(word)) {
        let error = format!("{shown} is a secret, which no configuration holds");
        let hint = "give the login's password as the credential feed-NAME or by secret_file, and name the \
                    file of a key that has no password in ssl.key.location";
        return InvalidValue::new(error, hint);
    }
    let known = ALLOWED.iter().map(|(known, _)| *known);
    let hint = match nearest(name, known) {
        Some(near) => format!("did you mean {}? Or take {shown} out", quoted(near)),
        None => format!("take {shown} out; docs/feeds.md lists those that are"),
    };
    InvalidValue::new(format!("{shown} is no property that is passed through"), hint)
}

/// Properties with which a client can be made.
fn whole(properties: KafkaProperties) -> Parsed<KafkaProperties> {
    if properties.get(BROKERS).is_none() {
        return invalid(
            format!("has no {}", quoted(BROKERS)),
            "name the brokers, such as { \"bootstrap.servers\" = \"kafka-1:9093,kafka-2:9093\" }",
        );
    }
    for needed in [MECHANISM, USERNAME] {
        if properties.logs_in() && properties.get(needed).is_none() {
            return invalid(
                format!("has no {}, which {} needs", quoted(needed), quoted(PROTOCOL)),
                format!("write {} as well, or another {}", quoted(needed), quoted(PROTOCOL)),
            );
        }
        if !properties.logs_in() && properties.get(needed).is_some() {
            return invalid(
                format!("has {}, and nobody logs in", quoted(needed)),
                format!("write \"sasl_ssl\" for {}, or take it out", quoted(PROTOCOL)),
            );
        }
    }
    let has = |name: &str| properties.get(name).is_some();
    if has("ssl.certificate.location") != has("ssl.key.location") {
        return invalid(
            "has a certificate without its key, or a key without its certificate",
            "name both, in \"ssl.certificate.location\" and \"ssl.key.location\"",
        );
    }
    let number = |name: &str, default: u64| {
        properties.get(name).and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    // What librdkafka refuses when it makes a client; where they are not set, the first adapts to the second.
    for (lower, upper, default) in [
        ("socket.timeout.ms", "transaction.timeout.ms", 60_000),
        ("reconnect.backoff.ms", "reconnect.backoff.max.ms", 10_000),
    ] {
        if number(lower, 0) > number(upper, default) {
            return invalid(
                format!("has a {} that is larger than {}", quoted(lower), quoted(upper)),
                format!("write a smaller {}, or a larger {}", quoted(lower), quoted(upper)),
            );
        }
    }
    Ok(properties)
}
