//! The keys of a feed: the rows of the table of all keys that belong to `[[feed]]`.
//!
//! The texts are those of the commented file and of the manual page as well, as in `table`.

#![expect(clippy::doc_markdown, reason = "a commented file and a manual page have no Markdown")]

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::address::PROXY_URL;
use super::feed_kafka::{KAFKA_PROPERTIES, KAFKA_TOPIC, KafkaProperties, KafkaTopic};
use super::feed_values::{
    FEED_ATTRIBUTES, FEED_BATCH, FEED_FILE, FEED_NAME, FEED_NETWORKS, FEED_OPERATIONS,
    FEED_REPOSITORIES, FEED_START, FEED_TYPE, FEED_URL, FeedStart, FeedType,
};
use super::numbers::{AGE, RESPONSE_SIZE};
use super::words::{FLAG, READABLE_FILE};
use crate::domain::{FeedName, Op, RepositoryId};
use crate::settings::masked_url::MaskedUrl;
use crate::settings::parser::{ParseResult, Parser};
use crate::settings::schema::{ConfigKey, OnReload, Requirement, SectionSchema};
use crate::settings::secret::Secret;
use crate::settings::secrets::{SECRET, SECRET_FILE};
use crate::settings::section::{differ, section, shown_field};

section! {
    /// What is delivered to others: one section for each feed. It follows the log of changes from where it
    /// is, delivers in order, at least once, and holds up nobody.
    pub list "feed" => FeedConfig;
    fields {
        /// What it is called; what it has delivered is known by this name.
        name: FeedName = FEED_NAME, Required("shop", "write a name, such as \"shop\""), Live;
        /// What it delivers to: a "file" of lines of JSON, a "webhook": a URL that gets signed batches, or
        /// topics of "kafka", which takes the package ewmirror-kafka.
        feed_type as "type": FeedType =
            FEED_TYPE, Required("file", "write \"file\", \"kafka\" or \"webhook\""), Live;
        /// The repositories that it is about, by their numbers. Not set: all.
        repositories: Option<BTreeSet<RepositoryId>> =
            FEED_REPOSITORIES, Optional([10149]), Live;
        /// Where it begins as long as it has delivered nothing: "start", with an r for each item that there
        /// is, and then the changes; "now"; or behind a sequence.
        from: FeedStart = FEED_START, Default("start"), Live;
        /// Members are called by the names of their attributes, as far as these are known.
        names: bool = FLAG, Default(false), Live;
        /// Updates name the attributes that they change, in a member "changed".
        changed: bool = FLAG, Default(false), Live;
        /// Ids and operations only: "before" and "after" are null.
        thin: bool = FLAG, Default(false), Live;
        /// Only these operations, as in the log: "r", "c", "u", "d". Not set: all.
        operations: Option<Vec<Op>> = FEED_OPERATIONS, Optional(["c", "u", "d"]), Live;
        /// Of updates only those that change one of these attributes, by name or field id. Not set: all.
        attributes: Option<Vec<String>> = FEED_ATTRIBUTES, Optional(["Price"]), Live;
        /// How many changes are delivered at once, at most. Not set: 1000 to a webhook, and
        /// 10000 to others.
        batch: Option<NonZeroU32> = FEED_BATCH, Optional(1000), Live;
        /// So long the log keeps what this feed has not delivered, although changes.keep would drop it.
        hold: Duration = AGE, Default("7d"), Live;
        /// Of a file: where it is; it must be in a folder that the daemon may write; as a service, that is
        /// /var/lib/ewmirror, or what ReadWritePaths= of a drop-in names.
        path: Option<PathBuf> = FEED_FILE, Optional("/var/lib/ewmirror/products.ndjson"), Live;
        /// Before the file gets larger than this, it is renamed after the time, compressed, and a new one
        /// is begun.
        max_size: u64 = RESPONSE_SIZE, Default("256MiB"), Live;
        /// The same where it is older than this when something is to be appended. Not set: whatever its
        /// age.
        max_age: Option<Duration> = AGE, Optional("1d"), Live;
        /// Of a webhook: where batches are sent, by https, or by http on this machine. Only its host is
        /// ever shown.
        url: Option<MaskedUrl> =
            FEED_URL, Optional("https://shop.example.com/hooks/products"), Live;
        /// What signs: whsec_ or whsk_ and base64, as Standard Webhooks 1.0 has it; while it changes the new
        /// one and the old one, with a space between them. The systemd credential "feed-NAME", or the file
        /// below.
        secret: Option<Secret> = SECRET, Optional("***"), Live;
        /// A file with the secret alone.
        secret_file: Option<PathBuf> = SECRET_FILE, Optional("/etc/ewmirror/shop.secret"), Live;
        /// A PEM file with the CA of the URL's certificate.
        ca_file: Option<PathBuf> = READABLE_FILE, Optional("/etc/ewmirror/shop-ca.pem"), Live;
        /// The proxy to it, as in server.proxy.
        proxy: Option<Secret> = PROXY_URL, Optional("http://proxy.example.com:3128"), Live;
        /// Networks that are not public and that its name may lead to.
        allow_addresses: Option<Vec<IpNet>> = FEED_NETWORKS, Optional(["10.1.0.0/16"]), Live;
        /// Of Kafka: properties of librdkafka, of which docs/feeds.md lists those that are passed through. The
        /// password of a login is in no file that is shown: it is the systemd credential "feed-NAME", or in
        /// secret_file.
        properties: Option<KafkaProperties> =
            KAFKA_PROPERTIES, Optional({ "bootstrap.servers" = "kafka.example.com:9092" }), Live;
        /// The topic; {repository} stands for the number of the repository.
        topic: KafkaTopic = KAFKA_TOPIC, Default("ewmirror.{repository}"), Live;
        /// Behind the message of a deletion a second one of the same key, without a value, by which a
        /// compacted topic forgets the item.
        tombstones: bool = FLAG, Default(false), Live;
        /// Topics that are missing are made, with as many partitions and replicas as the brokers give them.
        create_topics: bool = FLAG, Default(false), Live;
    }
}
