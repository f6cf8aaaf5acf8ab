//! The metrics, the alerts and the dashboard, by Prometheus's own tool where it is installed:
//! Debian's package `prometheus`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::{Daemon, Setup, Sim, repositories, sim, skipped};

const PROMTOOL: &str = "/usr/bin/promtool";

/// The names of all metrics, as a unit test finds them in the text.
const METRICS: &str = include_str!("metrics.txt");

const DASHBOARD: &str = include_str!("../../config/grafana-dashboard.json");
const ALERTS: &str = include_str!("../../config/prometheus-alerts.yml");
const ALERTS_TEST: &str = include_str!("../../config/prometheus-alerts.test.yml");

/// What the tool says to this; `None` where there is no tool.
fn promtool(arguments: &[&str], input: &str) -> Option<String> {
    if !Path::new(PROMTOOL).exists() {
        let check = format!("promtool {}", arguments.join(" "));
        skipped(&check, &format!("there is no {PROMTOOL}"));
        return None;
    }
    let mut child = Command::new(PROMTOOL)
        .args(arguments)
        .current_dir(config())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool runs");
    let mut stdin = child.stdin.take().expect("it was piped");
    stdin.write_all(input.as_bytes()).expect("promtool reads");
    drop(stdin);
    let output = child.wait_with_output().expect("promtool ends");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).expect("promtool says text");
    assert!(output.status.success(), "promtool {}: {said}", arguments.join(" "));
    Some(said)
}

fn config() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config")
}

#[test]
fn promtool_has_no_remark_on_the_metrics_of_a_running_daemon() {
    let directory = TempDir::new().unwrap();
    let mirror = format!("sqlite://{}/mirror.db", directory.path().display());
    for mirror in ["none".to_owned(), mirror] {
        let listen = format!("127.0.0.1:{}", sim::free_port());
        let sim = Sim::start(repositories(&[(1, 250), (2, 10)]));
        let setup = Setup {
            repositories: vec!["id = 1\nname = 'a \"b\" \\c'".to_owned(), "id = 2".to_owned()],
            ..Setup::new(sim.url())
        };
        let daemon = Daemon::start_with(&["run"], &setup, |command| {
            command.env("EWMIRROR_STATUS__LISTEN", &listen).env("EWMIRROR_MIRROR__URL", &mirror);
        });
        daemon.wait_for_pass(1, 1);
        daemon.wait_for_pass(2, 1);
        let address = listen.parse().unwrap();
        let (status, text) = sim::request(address, "GET", "/metrics", "");
        assert_eq!(status, 200, "{text}");
        for line in [
            "ewmirror_passes_total{repository=\"1\",certified=\"true\"} 1",
            // The last one twice: the second page looks beyond the end of the list.
            "ewmirror_items_read_total{repository=\"2\"} 11",
            "ewmirror_requests_total{endpoint=\"login\",outcome=\"ok\"} 1",
            "ewmirror_repository_ready{repository=\"1\"} 1",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
        assert_eq!(sim::request(address, "GET", "/readyz", ""), (200, "ready\n".to_owned()));
        let remarks = promtool(&["check", "metrics"], &text);
        assert_eq!(remarks.unwrap_or_default(), "", "{text}");
        daemon.stop();
    }
}

#[test]
fn a_restart_knows_the_certified_passes_of_before() {
    let directory = TempDir::new().unwrap();
    let mirror = format!("sqlite://{}/mirror.db", directory.path().display());
    let listen = format!("127.0.0.1:{}", sim::free_port());
    let address = listen.parse().unwrap();
    let sim = Sim::start(repositories(&[(1, 250)]));
    let run = |setup: &Setup| {
        Daemon::start_with(&["run"], setup, |command| {
            command.env("EWMIRROR_STATUS__LISTEN", &listen).env("EWMIRROR_MIRROR__URL", &mirror);
        })
    };
    let first = run(&Setup::new(sim.url()));
    first.wait_for_pass(1, 1);
    first.stop();
    // Nobody to read from, so that nothing new is certified.
    let second = run(&Setup::new("http://127.0.0.1:1"));
    second.wait_for(|it| it.is("request failed"));
    assert_eq!(sim::request(address, "GET", "/readyz", "").0, 200);
    let metrics = sim::request(address, "GET", "/metrics", "").1;
    assert!(metrics.contains("\newmirror_last_certified_pass_age_seconds{"), "{metrics}");
    assert!(metrics.contains("\newmirror_signed_in 0\n"), "{metrics}");
    second.stop();
}

#[test]
fn the_alerts_hold_and_fire_when_they_should() {
    if let Some(said) = promtool(&["check", "rules", "prometheus-alerts.yml"], "") {
        assert!(said.contains("SUCCESS"), "{said}");
    }
    promtool(&["test", "rules", "prometheus-alerts.test.yml"], "");
}

#[test]
fn each_question_of_the_dashboard_is_one_that_prometheus_understands() {
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    let targets = dashboard["panels"].as_array().unwrap().iter();
    let targets = targets.filter_map(|panel| panel["targets"].as_array()).flatten();
    let mut rules = "groups: [{name: dashboard, rules: [".to_owned();
    for target in targets {
        let question = target["expr"].as_str().unwrap().replace("$__rate_interval", "5m");
        let question = serde_json::Value::from(question);
        write!(
            rules,
            "{{record: 'question', labels: {{of: '{}'}}, expr: {question}}},",
            rules.len()
        )
        .unwrap();
    }
    rules.push_str("]}]");
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("rules.yml");
    std::fs::write(&file, rules).unwrap();
    promtool(&["check", "rules", file.to_str().unwrap()], "");
}

#[test]
fn each_alert_has_a_test_of_its_own() {
    for line in ALERTS.lines() {
        if let Some(name) = line.trim().strip_prefix("- alert: ") {
            let tested = format!("alertname: {name}\n");
            assert!(ALERTS_TEST.contains(&tested), "{name}");
        }
    }
}

#[test]
fn dashboard_and_alerts_use_only_metrics_that_there_are() {
    let mut known = BTreeSet::new();
    for line in METRICS.lines() {
        let mut words = line.split(' ');
        let (name, kind) = (words.next().unwrap(), words.next().unwrap());
        if kind == "histogram" {
            known.extend(["_bucket", "_sum", "_count"].map(|part| format!("{name}{part}")));
        } else {
            known.insert(name.to_owned());
        }
    }
    for (file, text) in [("dashboard", DASHBOARD), ("alerts", ALERTS), ("test", ALERTS_TEST)] {
        let word = |it: char| !(it.is_ascii_alphanumeric() || it == '_');
        let used: BTreeSet<&str> =
            text.split(word).filter(|it| it.starts_with("ewmirror_")).collect();
        assert!(used.len() > 5, "{file}: {used:?}");
        for name in used {
            assert!(known.contains(name), "{file}: {name}");
        }
    }
}

#[test]
fn the_dashboard_is_one_that_grafana_imports() {
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    assert_eq!(dashboard["title"], "ewmirror");
    assert_eq!(dashboard["__inputs"][0]["pluginId"], "prometheus");
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        assert!(!panel["title"].as_str().unwrap().is_empty(), "{panel}");
        if panel["type"] != "row" {
            assert!(!panel["targets"].as_array().unwrap().is_empty(), "{panel}");
        }
    }
}
