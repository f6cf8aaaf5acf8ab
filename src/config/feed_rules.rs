//! What holds between feeds, and between a feed and the rest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::feed_kafka::{KAFKA_PROPERTIES, KafkaProperties};
use super::feed_table::FeedConfig;
use super::feed_values::{FEED_FILE, FEED_NAME, FEED_REPOSITORIES, FEED_TYPE, FeedType};
use super::numbers::REPOSITORY_ID;
use super::table::{MirrorConfig, RepositoryConfig};
use crate::domain::RepositoryId;
use crate::mirror_url::{MIRROR_URL, MirrorUrl};
use crate::settings::codec::InvalidValue;
use crate::settings::environment::Environment;
use crate::settings::error::quoted;
use crate::settings::parser::Parser;
use crate::settings::secrets::{ElementSecret, SECRET};
use crate::settings::section::ConfigSection as _;
use crate::settings::signing_keys::SigningKeys;

/// What belongs to one type of feed, and to no other.
const OF_FILE: [&str; 3] = ["path", "max_size", "max_age"];
const OF_WEBHOOK: [&str; 4] = ["url", "ca_file", "proxy", "allow_addresses"];
const OF_KAFKA: [&str; 4] = ["properties", "topic", "tombstones", "create_topics"];
/// What a webhook has, and Kafka where somebody logs in.
const SECRETS: [&str; 2] = ["secret", "secret_file"];

/// Finds the secrets of those feeds that sign or log in.
pub(super) fn find_secrets(parser: &mut Parser, environment: &Environment) {
    for path in parser.elements(FeedConfig::SCHEMA.name) {
        let key = FeedConfig::key("secret");
        let written = format!("{path}.{}", key.name());
        if parser.is_set(&written) {
            let found = InvalidValue::new(
                "stands in a file that is shown and copied",
                "put it into a file of its own and name that in secret_file, or use a credential",
            );
            parser.report(&written, None, found);
            parser.remove(&written);
            parser.mark_reported(&written);
            continue;
        }
        let feed_type = parser.peek(&path, FeedConfig::key("type"), &FEED_TYPE);
        let name = parser.peek(&path, FeedConfig::key("name"), &FEED_NAME);
        let has_secret = match feed_type {
            Some(FeedType::Webhook) => true,
            Some(FeedType::Kafka) => {
                let key = FeedConfig::key("properties");
                parser.peek(&path, key, &KAFKA_PROPERTIES).is_some_and(|it| it.logs_in())
            }
            Some(FeedType::File) | None => false,
        };
        if let Some(name) = name.filter(|_| has_secret) {
            let credential = format!("feed-{name}");
            let file = FeedConfig::key("secret_file");
            ElementSecret { key, file, element: &path, credential: &credential }
                .resolve(parser, environment);
        }
    }
}

/// Has it not be reported that secrets are missing: who asks a mirror needs none, and may read none.
pub(super) fn leave_out_secrets(parser: &mut Parser) {
    for path in parser.elements(FeedConfig::SCHEMA.name) {
        parser.mark_reported(&format!("{path}.secret"));
    }
}

/// Reports what a feed of its type lacks, and warns of what it has no use for.
fn check_type(parser: &mut Parser, path: &str) {
    let Some(feed_type) = parser.peek(path, FeedConfig::key("type"), &FEED_TYPE) else { return };
    let properties = parser.peek(path, FeedConfig::key("properties"), &KAFKA_PROPERTIES);
    let logs_in = properties.as_ref().is_some_and(KafkaProperties::logs_in);
    let (own, other, word): (Vec<&str>, Vec<&[&str]>, _) = match feed_type {
        FeedType::File => (vec!["path"], vec![&OF_WEBHOOK, &SECRETS, &OF_KAFKA], "file"),
        FeedType::Webhook => (vec!["url", "secret"], vec![&OF_FILE, &OF_KAFKA], "webhook"),
        FeedType::Kafka if logs_in => {
            (vec!["properties", "secret"], vec![&OF_FILE, &OF_WEBHOOK], "feed to Kafka")
        }
        FeedType::Kafka => {
            let other: Vec<&[&str]> = vec![&OF_FILE, &OF_WEBHOOK, &SECRETS];
            (vec!["properties"], other, "feed to Kafka without a login")
        }
    };
    for name in own {
        let hint = match name {
            "path" => {
                "write the whole path of a file, such as \"/var/lib/ewmirror/products.ndjson\""
            }
            "url" => "write the URL that batches are sent to",
            "properties" => {
                "name the brokers, such as { \"bootstrap.servers\" = \"kafka.example.com:9092\" }"
            }
            _ => "name a file with it in secret_file, or hand it over as the credential feed-NAME",
        };
        let key = format!("{path}.{name}");
        if parser.get(&key).is_none() {
            parser.report_missing(&key, hint);
        }
    }
    for name in other.into_iter().flatten() {
        let key = format!("{path}.{name}");
        if parser.is_set(&key) {
            parser.warn(&key, format!("is ignored, because the feed is a {word}"));
        }
    }
    if feed_type == FeedType::Kafka {
        if let Some(properties) = properties {
            check_properties(parser, path, &properties);
        }
        return;
    }
    let secret = parser.peek(path, FeedConfig::key("secret"), &SECRET);
    if let Some(Err(fault)) = secret.map(|secret| SigningKeys::read(&secret)) {
        let found = InvalidValue::new(
            fault.to_string(),
            "write whsec_ or whsk_ and base64, as the receiver hands it out, and nothing else",
        );
        parser.report(&format!("{path}.secret"), None, found);
    }
}

/// Warns of properties that work but should be known.
fn check_properties(parser: &mut Parser, path: &str, properties: &KafkaProperties) {
    let key = format!("{path}.properties");
    if properties.shows_password() {
        let message = "sends the password so that the network can read it: sasl_ssl, or SCRAM-SHA-512, hides it";
        parser.warn(&key, message);
    }
    if properties.has_idle_tls() {
        let message = "says something of TLS, and security.protocol is neither ssl nor sasl_ssl";
        parser.warn(&key, message);
    }
}

/// A file, by whatever way to its folder it is named.
fn place(file: &Path) -> PathBuf {
    let folder = file.parent().and_then(|folder| folder.canonicalize().ok());
    match (folder, file.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => file.to_owned(),
    }
}

/// Reports what is wrong.
pub(super) fn check(parser: &mut Parser) {
    let feeds = parser.elements(FeedConfig::SCHEMA.name);
    let mirror = parser.peek("mirror", MirrorConfig::key("url"), &MIRROR_URL);
    let database = mirror.as_ref().and_then(MirrorUrl::local_file).map(place);
    let is_of_mirror = |file: &Path| {
        let (Some(database), Some(file)) = (&database, file.to_str()) else { return false };
        let rest = database.to_str().and_then(|database| file.strip_prefix(database));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.']))
    };
    let (mut names, mut files) = (BTreeMap::new(), BTreeMap::new());
    for path in &feeds {
        check_type(parser, path);
        if let Some(name) = parser.peek(path, FeedConfig::key("name"), &FEED_NAME) {
            if let Some(first) = names.get(&name) {
                let error = format!("is also the name of {first}");
                let hint = "give each feed a name of its own: its cursor is kept by it";
                let shown = Some(quoted(name.as_str()));
                parser.report(&format!("{path}.name"), shown, InvalidValue::new(error, hint));
            } else {
                names.insert(name, path);
            }
        }
        let is_file = parser.peek(path, FeedConfig::key("type"), &FEED_TYPE);
        let file = parser.peek(path, FeedConfig::key("path"), &FEED_FILE);
        if let Some(file) = file.filter(|_| is_file == Some(FeedType::File)) {
            let place = place(&file);
            let error = match files.get(&place) {
                Some(first) => Some(format!("is also the file of {first}")),
                None => is_of_mirror(&place).then(|| "is a file of the mirror".to_owned()),
            };
            if let Some(error) = error {
                let shown = Some(quoted(&file.display().to_string()));
                let found = InvalidValue::new(error, "give each feed a file of its own");
                parser.report(&format!("{path}.path"), shown, found);
            } else {
                files.insert(place, path);
            }
        }
    }
    if let (Some(first), Some(MirrorUrl::None)) = (feeds.first(), mirror) {
        let error = "has no log to deliver from, because mirror.url is \"none\"";
        let found = InvalidValue::new(error, "take the feeds out, or keep a mirror");
        parser.report(first, None, found);
    }
}

/// Warns of what works but should be known.
pub(super) fn warn(parser: &mut Parser) {
    let repositories = parser.elements(RepositoryConfig::SCHEMA.name).into_iter();
    let id = RepositoryConfig::key("id");
    let known: Vec<_> =
        repositories.filter_map(|path| parser.peek(&path, id, &REPOSITORY_ID)).collect();
    if known.contains(&RepositoryId::EVERY) {
        return;
    }
    for path in parser.elements(FeedConfig::SCHEMA.name) {
        let key = FeedConfig::key("repositories");
        let Some(wanted) = parser.peek(&path, key, &FEED_REPOSITORIES) else { continue };
        for id in wanted.into_iter().filter(|id| !known.contains(id)) {
            let message = format!("names repository {id}, which has no section of its own");
            parser.warn(&format!("{path}.repositories"), message);
        }
    }
}
