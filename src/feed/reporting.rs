//! What a feed's task tells: how it stands, what is wrong, and what came of its deliveries.

use std::sync::Arc;

use super::delivering::MOST_REFUSED;
use super::kept::KeptFeed;
use crate::config::FeedType;
use crate::domain::FeedName;
use crate::mirror::MirrorError;
use crate::progress::problems::{ProblemReport, Scope, Source};
use crate::progress::{DeliveryCounts, FeedActivity, Progress};
use crate::task::outage::EndedOutage;
use crate::task::retry::Retry;
use crate::telemetry::event;

/// What to do where nothing can be delivered: to a file, to Kafka, and to a URL.
const FILE_REMEDY: &str = "see that its folder is there, that the daemon may write it (a service needs \
                           ReadWritePaths= for a folder of its own), and that its disk has room";

const KAFKA_REMEDY: &str = "see that the brokers are there, and that the feed's properties, its secret and its \
                            topics are right; ewmirror doctor asks them";

const WEBHOOK_REMEDY: &str = "see that its receiver is there and answers with 2xx, and that the feed's url, \
                              secret, ca_file, proxy and allow_addresses are right";

/// Tells of one feed.
#[derive(Debug)]
pub(super) struct FeedReporting {
    name: FeedName,
    /// What to do where nothing can be delivered.
    remedy: &'static str,
    progress: Arc<Progress>,
    counts: Arc<DeliveryCounts>,
}

/// Where it is a problem that a feed does not deliver.
fn source(name: FeedName) -> Source {
    Source { scope: Scope::Feed, repository: None, what: name.as_str() }
}

/// Where it is a problem that changes were dropped before they were delivered. No feed has such a name.
fn missed(name: FeedName) -> Source {
    let what = FeedName::of(&format!("{name} missed")).as_str();
    Source { scope: Scope::Feed, repository: None, what }
}

/// Where it is a problem that a feed is told of attributes that there are not. No feed has such a name.
fn attributes(name: FeedName) -> Source {
    let what = FeedName::of(&format!("{name} attributes")).as_str();
    Source { scope: Scope::Feed, repository: None, what }
}

/// Forgets all that was told of a feed that is configured no longer.
pub fn forget(progress: &Progress, name: FeedName) {
    progress.problems.over(source(name));
    progress.problems.over(missed(name));
    progress.problems.over(attributes(name));
    progress.feeds.forget(name);
}

impl FeedReporting {
    pub(super) fn new(name: FeedName, feed_type: FeedType, progress: Arc<Progress>) -> Self {
        let remedy = match feed_type {
            FeedType::File => FILE_REMEDY,
            FeedType::Kafka => KAFKA_REMEDY,
            FeedType::Webhook => WEBHOOK_REMEDY,
        };
        let mut counts = Arc::default();
        progress.feeds.note(name, |facts| counts = Arc::clone(&facts.counts));
        Self { name, remedy, progress, counts }
    }

    pub(super) fn counts(&self) -> &DeliveryCounts {
        &self.counts
    }

    /// It gets on; `behind_since_ms` is when the first change was found that is not delivered.
    pub(super) fn stands(
        &self,
        kept: &KeptFeed,
        activity: FeedActivity,
        behind_since_ms: Option<i64>,
    ) {
        self.note(kept, activity);
        self.progress.feeds.note(self.name, |facts| facts.behind_since_ms = behind_since_ms);
        if activity == FeedActivity::Waiting {
            self.progress.problems.over(source(self.name));
        }
    }

    /// It is paused; `behind_since_ms` is as for [`FeedReporting::stands`].
    pub(super) fn stands_still(&self, kept: &KeptFeed, behind_since_ms: Option<i64>) {
        self.note(kept, FeedActivity::Paused);
        self.progress.feeds.note(self.name, |facts| facts.behind_since_ms = behind_since_ms);
        let name = self.name.as_str();
        let reason = kept.state.paused.as_deref().unwrap_or_default();
        let report = ProblemReport {
            error: format!("feed {name} is paused: {reason}"),
            remedy: format!(
                "once that is seen to: {}",
                self.progress.command.with(["feeds", "resume", name])
            ),
            retry_in: None,
            halts: false,
        };
        self.progress.problems.stands(source(self.name), report);
    }

    pub(super) fn stands_by(&self) {
        self.progress.problems.over(source(self.name));
        self.progress.problems.over(missed(self.name));
        self.progress.problems.over(attributes(self.name));
        self.progress.feeds.note(self.name, |facts| facts.activity = FeedActivity::StandingBy);
    }

    pub(super) fn store_failed(&self, error: &MirrorError, retry: Retry) {
        let report = ProblemReport {
            error: format!("feed {} cannot read or write the mirror: {error}", self.name),
            remedy: error.remedy().to_owned(),
            retry_in: Some(retry.delay),
            halts: false,
        };
        self.failed(&report, retry);
    }

    /// A delivery failed and is tried again.
    pub(super) fn refused(&self, kept: &KeptFeed, reason: &str, retry: Retry) {
        self.counts.failed.increment();
        let error = format!("feed {} does not deliver: {reason}", self.name);
        self.retries(kept, error, self.remedy.to_owned(), retry);
    }

    /// Its receiver takes nothing, so that no other change is parked.
    pub(super) fn refused_everything(&self, kept: &KeptFeed, reason: &str, retry: Retry) {
        let name = self.name.as_str();
        let error = format!(
            "feed {name} does not deliver: its receiver refuses everything, {MOST_REFUSED} changes one after \
             the other: {reason}"
        );
        let command = &self.progress.command;
        let remedy = format!(
            "see that its receiver takes what is sent, and that the feed's url is right; what is parked is \
             delivered by {}; {} has as many more parked",
            command.with(["feeds", "unpark", name]),
            command.with(["feeds", "resume", name]),
        );
        self.retries(kept, error, remedy, retry);
    }

    /// So much is parked that nothing else is looked at.
    pub(super) fn full(&self, kept: &KeptFeed, retry: Retry) {
        let name = self.name.as_str();
        let parked = kept.cursor.parked.count();
        let command = &self.progress.command;
        let remedy = format!(
            "once its receiver takes them, have them delivered: {}; or everything anew: {}",
            command.with(["feeds", "unpark", name]),
            command.with(["feeds", "replay", name]),
        );
        let error =
            format!("feed {name} stands still: {parked} changes are parked, and no more may be");
        self.retries(kept, error, remedy, retry);
    }

    /// Nobody knows where it is.
    pub(super) fn unreadable(&self, fault: &str, retry: Retry) {
        let name = self.name.as_str();
        let report = ProblemReport {
            error: format!("what feed {name} has noted of its deliveries cannot be read: {fault}"),
            remedy: format!(
                "have it deliver everything again: {}",
                self.progress.command.with(["feeds", "replay", name])
            ),
            retry_in: Some(retry.delay),
            halts: false,
        };
        self.progress.feeds.note(self.name, |facts| facts.activity = FeedActivity::Retrying);
        self.failed(&report, retry);
    }

    /// It is told of attributes that no repository of it has.
    pub(super) fn unknown_attributes(&self, unknown: &[String]) {
        let [first, ..] = unknown else {
            return self.progress.problems.over(attributes(self.name));
        };
        let report = ProblemReport {
            error: format!(
                "feed {} is to deliver updates of {}, which no repository of it has",
                self.name,
                if unknown.len() == 1 { first.clone() } else { unknown.join(", ") }
            ),
            remedy: format!(
                "see what there is: {}; and correct attributes in the feed's section",
                self.progress.command.with(["attributes"])
            ),
            retry_in: None,
            halts: false,
        };
        self.progress.problems.stands(attributes(self.name), report);
    }

    pub(super) fn delivered(&self, changes: usize, ended: Option<EndedOutage>) {
        self.counts.changes.add(changes as u64);
        self.counts.delivered.increment();
        self.progress.problems.over(source(self.name));
        if let Some(ended) = ended {
            event::feed_delivers_again(self.name, ended.duration, ended.failures);
        }
    }

    /// Its task ends: what is wrong now is not known any more.
    pub(super) fn ended(&self) {
        self.progress.problems.over(source(self.name));
        self.progress.problems.over(attributes(self.name));
    }

    fn retries(&self, kept: &KeptFeed, error: String, remedy: String, retry: Retry) {
        self.note(kept, FeedActivity::Retrying);
        let report = ProblemReport { error, remedy, retry_in: Some(retry.delay), halts: false };
        self.failed(&report, retry);
    }

    fn failed(&self, report: &ProblemReport, retry: Retry) {
        if retry.is_told {
            event::feed_failed(self.name, &report.error, retry.attempt, retry.delay);
        }
        self.progress.problems.failed(source(self.name), report.clone());
    }

    fn note(&self, kept: &KeptFeed, activity: FeedActivity) {
        let lost = kept.cursor.place.missed;
        self.progress.feeds.note(self.name, |facts| {
            facts.activity = activity;
            facts.delivered_through = kept.cursor.through;
            facts.delivered = kept.state.delivered;
            facts.parked = kept.cursor.parked.count() as u64;
            facts.missed = lost;
            facts.last_success_ms = kept.state.last_success_ms;
        });
        if lost == 0 {
            return self.progress.problems.over(missed(self.name));
        }
        let name = self.name.as_str();
        let report = ProblemReport {
            error: format!("feed {name} has missed {lost} changes, which the log has dropped"),
            remedy: format!(
                "have it deliver everything again: {}; a longer hold gives it more time",
                self.progress.command.with(["feeds", "replay", name])
            ),
            retry_in: None,
            halts: false,
        };
        self.progress.problems.stands(missed(self.name), report);
    }
}
