//! The text of the metrics: its names, its labels, its numbers.

use std::collections::BTreeSet;

use super::*;
use crate::config::IncrementalMode;
use crate::domain::{FeedName, Iteration};
use crate::mirror::{CertifiedPass, HeldSummary, MirrorSummary, RepositorySummary};
use crate::progress::{
    FeedActivity, FreshnessCause, FreshnessProgress, IncrementalProgress, InstanceState,
    RepositoryProgress,
};
use crate::status::document::DaemonStatus;
use crate::status::process;
use crate::status::{ConfiguredRepository, DocumentInput, compose};
use crate::testing::{storage, summary};
use crate::text::CommandLine;

/// Each metric with its type and its labels, a line each.
const GOLDEN: &str = include_str!("../../../tests/it/metrics.txt");

const NOW_MS: i64 = 1_772_366_400_000;

fn document(
    progress: &Progress,
    summary: Option<Result<&MirrorSummary, String>>,
) -> StatusDocument {
    compose(DocumentInput {
        instance: None,
        now_ms: NOW_MS,
        daemon: Some(DaemonStatus::of(progress, NOW_MS)),
        mirror_url: "sqlite:///m.db",
        summary,
        repositories: vec![ConfiguredRepository {
            model_read_ms: None,
            id: RepositoryId(10149),
            name: Some("Products \"A\\B\"\n".to_owned()),
            progress: Some(RepositoryProgress {
                covered: 40,
                total: Some(50),
                in_flight: 6,
                page_interval: Duration::from_millis(1500),
                incremental: Some(IncrementalProgress {
                    mode: IncrementalMode::Since,
                    mark_ms: Some(NOW_MS),
                    passes: 3,
                    last: None,
                    held_back_ms: None,
                    obstacle: None,
                }),
                freshness: Some(FreshnessProgress {
                    goal: Duration::from_secs(30),
                    missed: Some(FreshnessCause::Budget),
                }),
                ..RepositoryProgress::START
            }),
            last_certified: None,
            delays: None,
        }],
        command: &CommandLine::DEFAULT,
        problems: Vec::new(),
        max_age: None,
        server: None,
    })
}

fn kept() -> MirrorSummary {
    let repository = RepositorySummary {
        id: RepositoryId(10149),
        items: 42,
        certified: Some(CertifiedPass { iteration: Iteration(3), ended_ms: NOW_MS - 90_500 }),
        suspects: 2,
        held: Some(HeldSummary {
            count: 7,
            iteration: None,
            since_ms: None,
            approved: 0,
            first: Vec::new(),
        }),
        passes: Vec::new(),
        incremental: Vec::new(),
    };
    MirrorSummary { storage: storage(4096, 0), repositories: vec![repository], ..summary() }
}

fn snapshot(progress: Progress, document: StatusDocument) -> MetricsInput {
    MetricsInput {
        document,
        progress: Arc::new(progress),
        counts: vec![(RepositoryId(10149), Arc::default())],
        max_age: Duration::from_secs(60),
        began_ms: NOW_MS - 1500,
        process: process::statistics(),
    }
}

fn full() -> String {
    let progress = Progress::new();
    progress.session_began(true);
    let mut instance = InstanceState::new("a");
    instance.held.insert(RepositoryId(10149), 3);
    progress.set_instance(instance);
    progress.feeds.note(FeedName::of("shop"), |feed| {
        feed.parked = 3;
        feed.behind_since_ms = Some(NOW_MS - 2500);
        feed.last_success_ms = Some(NOW_MS);
        feed.counts.changes.add(9);
        feed.counts.failed.increment();
    });
    let document = document(&progress, Some(Ok(&kept())));
    let snapshot = snapshot(progress, document);
    snapshot.counts[0].1.deleted.add(5);
    snapshot.counts[0].1.incremental.requests.add(4);
    snapshot.counts[0].1.delays.note(Duration::ZERO, Duration::from_secs(7));
    snapshot.counts[0].1.pass_took.observe(Duration::from_secs(20));
    snapshot.progress.calls.note(Call::Search, CallOutcome::Refused, Duration::from_millis(30));
    text(snapshot)
}

/// What of a text is an interface.
fn names_and_kinds(text: &str) -> String {
    let mut families = Vec::new();
    for line in text.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            families.push((family.to_owned(), BTreeSet::new()));
        } else if !line.starts_with('#')
            && let Some((_, labels)) = line.split_once('{')
        {
            let names = labels
                .split("=\"")
                .map(|part| part.rsplit([',', '{', '"']).next().unwrap_or_default().to_owned());
            let (_, known) = families.last_mut().unwrap();
            let count = labels.matches("=\"").count();
            known.extend(names.take(count));
        }
    }
    let lines = families.into_iter().map(|(family, labels)| {
        let labels: Vec<String> = labels.into_iter().collect();
        format!("{family} {}", labels.join(",")).trim_end().to_owned() + "\n"
    });
    lines.collect()
}

#[test]
fn the_metrics_are_these() {
    let found = names_and_kinds(&full());
    assert_eq!(found, GOLDEN, "the text (left) and tests/it/metrics.txt (right):\n{found}");
}

#[test]
fn what_is_not_known_has_no_sample_and_keeps_its_family() {
    let mut nothing = snapshot(Progress::new(), document(&Progress::new(), None));
    nothing.process = ProcessStatistics::default();
    nothing.counts.clear();
    let text = text(nothing);
    let types = |text: &str| -> Vec<String> {
        text.lines().filter(|line| line.starts_with("# TYPE")).map(str::to_owned).collect()
    };
    assert_eq!(types(&text), types(&full()));
    for absent in ["session_age_seconds ", "held_deletions{", "pages_total{", "readable "] {
        assert!(!text.contains(&format!("\newmirror_{absent}")), "{absent}:\n{text}");
    }
}

#[test]
fn the_numbers_are_those_of_the_counters_and_of_the_document() {
    let text = full();
    for line in [
        "ewmirror_changes_total{repository=\"10149\",op=\"delete\"} 5",
        "ewmirror_lease_generation{repository=\"10149\"} 3",
        "ewmirror_pass_duration_seconds_bucket{repository=\"10149\",le=\"10\"} 0",
        "ewmirror_pass_duration_seconds_bucket{repository=\"10149\",le=\"60\"} 1",
        "ewmirror_pass_duration_seconds_bucket{repository=\"10149\",le=\"+Inf\"} 1",
        "ewmirror_change_delay_seconds_bucket{repository=\"10149\",le=\"5\"} 0",
        "ewmirror_change_delay_seconds_bucket{repository=\"10149\",le=\"10\"} 1",
        "ewmirror_freshness_goal_seconds{repository=\"10149\"} 30.0",
        "ewmirror_freshness_missed{repository=\"10149\"} 1",
        "ewmirror_pass_duration_seconds_sum{repository=\"10149\"} 20.0",
        "ewmirror_requests_total{endpoint=\"search\",outcome=\"refused\"} 1",
        "ewmirror_requests_total{endpoint=\"logout\",outcome=\"denied\"} 0",
        "ewmirror_repository_info{repository=\"10149\",name=\"Products \\\"A\\\\B\\\"\\n\"} 1",
        "ewmirror_repository_ready{repository=\"10149\"} 0",
        "ewmirror_last_certified_pass_age_seconds{repository=\"10149\"} 90.5",
        "ewmirror_held_deletions{repository=\"10149\"} 7",
        "ewmirror_mirror_items{repository=\"10149\"} 42",
        "ewmirror_mirror_readable 1",
        "ewmirror_database_size_bytes 4096",
        "ewmirror_wal_size_bytes 0",
        "ewmirror_pass_covered_items{repository=\"10149\"} 40",
        "ewmirror_in_flight_limit{repository=\"10149\"} 6",
        "ewmirror_page_interval_seconds{repository=\"10149\"} 1.5",
        "ewmirror_feed_deliveries_total{feed=\"shop\",outcome=\"failed\"} 1",
        "ewmirror_feed_changes_total{feed=\"shop\"} 9",
        "ewmirror_feed_parked_changes{feed=\"shop\"} 3",
        "ewmirror_feed_lag_changes{feed=\"shop\"} 0",
        "ewmirror_feed_lag_seconds{feed=\"shop\"} 2.5",
    ] {
        assert!(text.lines().any(|it| it == line), "{line}\n{text}");
    }
}

#[test]
fn of_a_feed_that_another_daemon_delivers_no_figure_is_told() {
    let progress = Progress::new();
    progress.feeds.note(FeedName::of("shop"), |feed| {
        feed.activity = FeedActivity::StandingBy;
        feed.parked = 3;
        feed.behind_since_ms = Some(NOW_MS - 2500);
        feed.last_success_ms = Some(NOW_MS);
    });
    let document = document(&progress, Some(Ok(&kept())));
    let text = text(snapshot(progress, document));
    let told = text.lines().filter(|line| line.contains("{feed=\"shop\""));
    // What this process has counted is so, even if another delivers now.
    let is_gauge = |line: &&str| !line.contains("_total{");
    assert_eq!(told.filter(is_gauge).collect::<Vec<_>>(), [""; 0], "{text}");
}

#[test]
fn a_mirror_that_cannot_be_read_says_so() {
    let progress = Progress::new();
    let document = document(&progress, Some(Err("the disk is gone".to_owned())));
    let text = text(snapshot(progress, document));
    assert!(text.contains("\newmirror_mirror_readable 0\n"), "{text}");
    assert!(!text.contains("\newmirror_mirror_items{"), "{text}");
}
