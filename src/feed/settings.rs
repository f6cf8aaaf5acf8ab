//! What a feed is told by the configuration.

use std::fmt;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_128;

use super::cut::BatchLimits;
use super::file::FeedFileSettings;
#[cfg(feature = "kafka")]
use super::kafka::KafkaSettings;
use super::line::LineStyle;
use super::selection::FeedSelection;
use super::webhook::WebhookSettings;
use crate::config::{
    Environment, FeedConfig, FeedType, KafkaProperties, RepositoryConfig, ServerConfig, SigningKeys,
};
use crate::domain::{FeedName, envelope};

/// A delivery ends within it, however long requests to EnterWorks may take.
const LONGEST_REQUEST: Duration = Duration::from_secs(5 * 60);

/// The most changes of a batch, where the feed does not say.
const BATCH: usize = 1000;

/// The most bytes of envelopes in a batch: what a feed holds in memory is a few times that.
const BATCH_BYTES: usize = 4 << 20;

/// The same where nobody sees where one ends: each waits for a transaction of Kafka, or for the disk.
const LARGE_BATCH: usize = 10_000;

/// The most bytes of a file's: each batch waits twice for the disk, for the file and for the cursor.
const FILE_BATCH_BYTES: usize = 16 << 20;

/// All that it is told; where it is another, its task begins anew.
#[derive(Clone, PartialEq)]
pub struct FeedSettings {
    /// Its own section.
    pub config: FeedConfig,
    /// What the server is called.
    pub server: String,
    /// How somebody else's server is reached: as EnterWorks is, but for what is its own.
    pub connection: Option<ServerConfig>,
    /// What its files of certificates hold, as a digest: a reload reads it anew.
    pub ca_digest: Option<u128>,
    /// Proxies may stand in it.
    pub environment: Environment,
    /// What is configured of repositories, for the names of their attributes.
    pub repositories: Vec<Arc<RepositoryConfig>>,
}

impl fmt::Debug for FeedSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The path of a URL is often a secret, and the environment may hold any.
        f.debug_struct("FeedSettings").field("config", &self.config).finish_non_exhaustive()
    }
}

impl FeedSettings {
    /// Those of a section, beside the rest of the configuration.
    pub fn new(
        config: &FeedConfig,
        (server, environment): (&ServerConfig, &Environment),
        repositories: &[Arc<RepositoryConfig>],
    ) -> Self {
        let connection = config.url.as_ref().map(|url| ServerConfig {
            url: url.expose().clone(),
            ca_file: config.ca_file.clone(),
            proxy: config.proxy.clone(),
            // What goes to this machine without TLS goes by nobody else.
            no_proxy: if url.expose().scheme() == "http" {
                vec!["*".to_owned()]
            } else {
                Vec::new()
            },
            request_timeout: server.request_timeout.min(LONGEST_REQUEST),
            ..server.clone()
        });
        let ca_file = connection.as_ref().and_then(|it| it.ca_file.as_deref());
        let of_kafka = config.properties.iter().flat_map(KafkaProperties::files);
        let files = ca_file.into_iter().chain(of_kafka);
        let certificates = files.filter_map(|file| fs::read(file).ok()).reduce(|all, one| {
            // So that what moves from one file into the next is another one.
            [all, one.len().to_le_bytes().to_vec(), one].concat()
        });
        // Only names depend on them.
        let is_named = config.names || config.changed || config.attributes.is_some();
        Self {
            config: config.clone(),
            server: envelope::server_name(&server.url),
            connection,
            ca_digest: certificates.map(|bytes| xxh3_128(&bytes)),
            environment: environment.clone(),
            repositories: if is_named { repositories.to_vec() } else { Vec::new() },
        }
    }

    /// What the feed is called.
    pub fn name(&self) -> FeedName {
        self.config.name
    }

    /// What of the log belongs to it.
    pub(super) fn selection(&self) -> FeedSelection {
        FeedSelection {
            repositories: self.config.repositories.clone(),
            operations: self.config.operations.clone(),
            attributes: self.config.attributes.clone(),
        }
    }

    /// How its changes are written.
    pub(super) fn style(&self) -> LineStyle {
        LineStyle {
            server: self.server.clone(),
            is_thin: self.config.thin,
            names_changed: self.config.changed,
        }
    }

    /// How large its batches are.
    pub(super) fn limits(&self) -> BatchLimits {
        let (count, bytes) = match self.config.feed_type {
            FeedType::File => {
                // So that a file grows beyond its size by one large change alone; each has a line end.
                let size = usize::try_from(self.config.max_size).unwrap_or(usize::MAX);
                (LARGE_BATCH, FILE_BATCH_BYTES.min(size.saturating_sub(LARGE_BATCH)))
            }
            FeedType::Kafka => (LARGE_BATCH, BATCH_BYTES),
            FeedType::Webhook => (BATCH, BATCH_BYTES),
        };
        BatchLimits { count: self.config.batch.map_or(count, |batch| batch.get() as usize), bytes }
    }

    /// Where its webhooks go, and what signs them.
    pub fn webhook(&self) -> Result<WebhookSettings<'_>, String> {
        let server = self.connection.as_ref().ok_or("the feed has no url")?;
        let secret = self.config.secret.as_ref().ok_or("the feed has no secret")?;
        Ok(WebhookSettings {
            feed: self.config.name.as_str(),
            server,
            environment: &self.environment,
            allow_addresses: self.config.allow_addresses.clone().unwrap_or_default(),
            keys: SigningKeys::read(secret).map_err(|fault| format!("the secret {fault}"))?,
        })
    }

    /// Where its topics are, and who delivers: this feed of this identity, and none of another one.
    #[cfg(feature = "kafka")]
    pub fn kafka(&self, identity: &str) -> Result<KafkaSettings, String> {
        let properties = self.config.properties.clone().ok_or("the feed has no properties")?;
        let name = self.config.name.as_str();
        // Nothing of what this daemon alone is told: each that delivers the feed has the same.
        let own = xxh3_128(identity.as_bytes());
        Ok(KafkaSettings {
            feed: self.config.name,
            password: self.config.secret.clone().filter(|_| properties.logs_in()),
            properties,
            topic: self.config.topic.clone(),
            tombstones: self.config.tombstones,
            create_topics: self.config.create_topics,
            transactional_id: format!("ewmirror-{name}-{own:032x}"),
        })
    }

    /// Where its file is.
    pub(super) fn file(&self) -> FeedFileSettings {
        FeedFileSettings {
            path: self.config.path.clone().unwrap_or_default(),
            max_size: self.config.max_size,
            max_age: self.config.max_age,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_text;

    #[test]
    fn a_reload_reads_the_certificates_anew_and_no_request_outlasts_a_delivery() {
        let folder = tempfile::tempdir().unwrap();
        let [secret, certificates] = ["secret", "ca.pem"].map(|name| folder.path().join(name));
        fs::write(&secret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        let text = format!(
            "[server]\nurl = 'https://pim.example.com'\nrequest_timeout = '2h'\n\
             [login]\nusername = 'system'\n[[repository]]\nid = 1\n[[feed]]\nname = 'shop'\n\
             type = 'webhook'\nurl = 'https://a.example/'\nsecret_file = '{}'\nca_file = '{}'",
            secret.display(),
            certificates.display(),
        );
        let environment = Environment::from_pairs([("EWMIRROR_LOGIN__PASSWORD", "p")]);
        fs::write(&certificates, "one").unwrap();
        let config = load_text(&text, "test", &environment).unwrap().config;
        let settings = || FeedSettings::new(&config.feeds[0], (&config.server, &environment), &[]);
        let first = settings();
        assert_eq!(first, settings());
        fs::write(&certificates, "another").unwrap();
        assert_ne!(first, settings());
        let connection = first.connection.unwrap();
        assert_eq!(connection.request_timeout, LONGEST_REQUEST);
    }
}
