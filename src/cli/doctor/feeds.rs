//! Whether each feed can deliver: the folder of a file, the way to a webhook and its certificate. It delivers
//! nothing.

use std::fs;
use std::path::Path;

use rustix::fs::{Access, access};

use super::readable_config::ReadableConfig;
use super::report::DoctorReport;
#[cfg(feature = "kafka")]
use crate::config::Config;
use crate::config::{Environment, FeedConfig, FeedType};
#[cfg(feature = "kafka")]
use crate::domain::RepositoryId;
use crate::feed::{FeedSettings, WebhookReceiver};
#[cfg(feature = "kafka")]
use crate::feed::{KafkaTopics, TopicState};

/// What is said to root, who may write anywhere: the daemon has another user, and a unit that shuts it in.
const UNSEEN_BY_ROOT: &str = "; whether the daemon may write there, root cannot see: status tells of a feed that does not deliver";

/// Looks at all of them.
pub(super) async fn check(
    report: &mut DoctorReport,
    known: &ReadableConfig,
    environment: &Environment,
) {
    let ReadableConfig::All(config) = known else { return };
    for feed in &config.feeds {
        let check = format!("feed {}", feed.name);
        match feed.feed_type {
            FeedType::File => file(report, &check, feed.path.as_deref().unwrap_or(Path::new(""))),
            #[cfg(feature = "kafka")]
            FeedType::Kafka => {
                let settings = FeedSettings::new(feed, (&config.server, environment), &[]);
                kafka(report, &check, config, &settings).await;
            }
            // No configuration of such a build holds one.
            #[cfg(not(feature = "kafka"))]
            FeedType::Kafka => {}
            FeedType::Webhook => {
                let settings = FeedSettings::new(feed, (&config.server, environment), &[]);
                webhook(report, &check, feed, &settings).await;
            }
        }
    }
}

fn file(report: &mut DoctorReport, check: &str, path: &Path) {
    let (shown, folder) = (path.display(), path.parent().unwrap_or(Path::new("/")));
    if let Err(error) = access(folder, Access::EXISTS | Access::WRITE_OK | Access::EXEC_OK) {
        let found = format!("{}: {error}", folder.display());
        let remedy = "make the folder, give it to the daemon's user, and name it in ReadWritePaths= of \
                      the unit";
        report.fail(check, &found, remedy);
        return;
    }
    let unseen = if rustix::process::geteuid().is_root() { UNSEEN_BY_ROOT } else { "" };
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() => {
            report.ok(check, &format!("{shown}, {} bytes{unseen}", found.len()));
        }
        Ok(_) => {
            let remedy = "move it away, or name another path";
            report.fail(check, &format!("{shown} is no regular file"), remedy);
        }
        Err(_) => report.ok(check, &format!("{shown} is not there yet{unseen}")),
    }
}

/// Whether brokers answer, whether the login works, and what of each topic.
#[cfg(feature = "kafka")]
async fn kafka(report: &mut DoctorReport, check: &str, config: &Config, settings: &FeedSettings) {
    // Nothing is delivered, so that nobody needs to be refused for it.
    let made = settings.kafka("doctor");
    let listed = config.repositories.iter().map(|it| it.id).filter(|id| *id != RepositoryId::EVERY);
    let mut repositories: Vec<_> = match &settings.config.repositories {
        Some(wanted) => wanted.iter().copied().collect(),
        None => listed.collect(),
    };
    if repositories.is_empty() {
        // One is asked for, so that the brokers say anything; it is not made.
        repositories.push(RepositoryId(0));
    }
    let is_asked_for = repositories != [RepositoryId(0)];
    let asked = match made {
        Ok(made) => KafkaTopics::ask(made, repositories).await,
        Err(why) => Err(why),
    };
    let KafkaTopics { brokers, topics } = match asked {
        Ok(answer) => answer,
        Err(why) => {
            let remedy = "check bootstrap.servers, security.protocol, the login and its secret, the CA in \
                          ssl.ca.location, and firewalls";
            report.fail(check, &format!("no broker answers: {why}"), remedy);
            return;
        }
    };
    report.ok(check, &format!("{brokers} brokers answer, and let the feed in"));
    for (topic, state) in topics.into_iter().filter(|_| is_asked_for) {
        match state {
            TopicState::There(partitions) => {
                report.ok(check, &format!("topic {topic} has {partitions} partitions"));
            }
            TopicState::Missing if settings.config.create_topics => {
                report.ok(check, &format!("topic {topic} is not there yet; the feed makes it"));
            }
            TopicState::Missing => {
                let remedy = "make it, or set create_topics = true";
                report.fail(check, &format!("topic {topic} is not there"), remedy);
            }
            TopicState::Unknown(why) => {
                let remedy = "let the feed's user describe the topic, and write to it";
                report.fail(check, &format!("topic {topic}: {why}"), remedy);
            }
        }
    }
}

async fn webhook(
    report: &mut DoctorReport,
    check: &str,
    feed: &FeedConfig,
    settings: &FeedSettings,
) {
    let made = settings.webhook().and_then(|webhook| {
        let kinds = webhook.keys.kinds().join(" and ");
        Ok((WebhookReceiver::new(webhook)?, kinds))
    });
    let (receiver, kinds) = match made {
        Ok(made) => made,
        Err(why) => {
            report.fail(check, &why, "correct its section");
            return;
        }
    };
    if let Err(why) = settings.verify_signature().await {
        report.fail(check, &why, "check its secret, and that programs may connect to 127.0.0.1");
        return;
    }
    let url = feed.url.as_ref().map(ToString::to_string).unwrap_or_default();
    match receiver.probe().await {
        // Few receivers take HEAD; that one answered at all is what is to be known.
        Ok(status) => {
            let trust = if url.starts_with("https") { ", its certificate is trusted" } else { "" };
            let found =
                format!("{url} answers (status {status}){trust}; signs as {kinds}, verified");
            report.ok(check, &found);
        }
        Err(why) => {
            let remedy = "check the URL, the CA in ca_file, allow_addresses, and firewalls";
            report.fail(check, &format!("{url} {why}"), remedy);
        }
    }
}
