//! How soon changes are found: measured by the time that items say, and held against a goal.

use ewmirror::simulator::{ConditionTreatment, Options, SimulatedCondition};
use serde_json::{Value, json};

use crate::support::{Daemon, Kept, Setup, Sim, eventually, is_so, repositories, sim};

const ITEMS: usize = 300;

/// Conditions that the look-alike knows by different names: one that it obeys, and one that it refuses.
const OBEYED: &str = "modifiedSince";
const REFUSED: &str = "changedAfter";

struct Measured {
    sim: Sim,
    daemon: Daemon,
    setup: Setup,
    port: u16,
    _kept: Kept,
}

fn repository(condition: &str, goal: &str) -> String {
    format!(
        "id = 1\nfreshness = '{goal}'\nincremental = {{ interval = '500ms', mode = 'since', \
         search = {{ {condition} = '{{since}}' }}, cursor = '/modifiedOn', lookback = '5s', \
         since_format = 'rfc3339' }}"
    )
}

impl Measured {
    fn start(condition: &str, goal: &str) -> Self {
        let conditions = [
            (SimulatedCondition::Since, ConditionTreatment::Works),
            (SimulatedCondition::SinceEpoch, ConditionTreatment::Refused),
        ];
        let conditions = conditions.into_iter().collect();
        let sim = Sim::start(Options { conditions, ..repositories(&[(1, ITEMS)]) });
        let (kept, port) = (Kept::new(&sim), sim::free_port());
        let mut setup = kept.setup();
        setup.status = format!("listen = '127.0.0.1:{port}'");
        setup.repositories = vec![repository(condition, goal)];
        let daemon = Daemon::run(&setup);
        daemon.wait_for_pass(1, 1);
        Self { sim, daemon, setup, port, _kept: kept }
    }

    fn get(&self, path: &str) -> (u16, String) {
        sim::request(([127, 0, 0, 1], self.port).into(), "GET", path, "")
    }

    fn document(&self) -> Value {
        serde_json::from_str(&self.get("/status").1).expect("the document is JSON")
    }

    /// The repository, once it stands like this.
    fn await_repository(&self, stands: impl Fn(&Value) -> bool) -> Value {
        eventually(|| {
            let repository = self.document()["repositories"][0].clone();
            is_so(stands(&repository), || repository.to_string()).map(|()| repository)
        })
    }
}

#[test]
fn each_change_after_the_first_pass_is_measured_once_whichever_pass_finds_it() {
    let measured = Measured::start(OBEYED, "1h");
    measured.daemon.wait_for(|it| it.is_of("incremental pass complete", 1));
    assert_eq!(measured.document()["repositories"][0]["change_delay"], Value::Null);
    let ids: Vec<u64> = (measured.sim.items(1).iter().take(5))
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["itemId"].as_u64())
        .map(|id| id.expect("items have an id"))
        .collect();
    measured.sim.door("edit", &json!({"repository": 1, "update": ids, "insert": 3}));
    let repository = measured.await_repository(|it| it["change_delay"]["changes"] == 8);
    let delay = &repository["change_delay"];
    let (p50, p99) = (delay["p50_ms"].as_u64().unwrap(), delay["p99_ms"].as_u64().unwrap());
    // The changes are of this minute, and so is whoever looks.
    assert!(p50 <= p99 && p99 < 120_000, "{repository}");
    assert_eq!(repository["freshness"], json!({"goal_ms": 3_600_000, "missed": null}));
    // A whole pass that comes later finds nothing of it again.
    let mark = measured.daemon.mark();
    measured.daemon.signal("USR1");
    measured.daemon.wait_from(mark, |it| it.is_of("pass complete", 1));
    let metrics = measured.get("/metrics").1;
    for line in [
        "ewmirror_change_delay_seconds_count{repository=\"1\"} 8",
        "ewmirror_freshness_goal_seconds{repository=\"1\"} 3600.0",
        "ewmirror_freshness_missed{repository=\"1\"} 0",
    ] {
        assert!(metrics.lines().any(|it| it == line), "{line}\n{metrics}");
    }
    assert_eq!(measured.get("/readyz").0, 200);
    measured.daemon.stop();
}

#[test]
fn a_goal_that_is_missed_is_a_problem_with_its_cause_until_it_is_met_again() {
    let measured = Measured::start(REFUSED, "2s");
    measured.await_repository(|it| it["freshness"]["missed"] == "conditions");
    let document = measured.document();
    let problems = document["problems"].as_array().expect("a document has its problems");
    let missed = |it: &&Value| it["error"].as_str().is_some_and(|it| it.starts_with("freshness"));
    let problem = problems.iter().find(missed).unwrap_or_else(|| panic!("{document}"));
    assert_eq!((&problem["scope"], &problem["repository"]), (&json!("repository"), &json!(1)));
    assert!(problem["remedy"].as_str().unwrap().contains("incremental"), "{problem}");
    let (status, words) = measured.get("/readyz");
    assert_eq!((status, words.as_str()), (503, "1: freshness of 2s is missed: conditions\n"));

    // Another condition, which is obeyed; and a goal that a busy machine meets.
    let mended = Setup { repositories: vec![repository(OBEYED, "1h")], ..measured.setup.clone() };
    measured.daemon.reload(&mended);
    measured
        .await_repository(|it| it["freshness"] == json!({"goal_ms": 3_600_000, "missed": null}));
    eventually(|| {
        let (status, words) = measured.get("/readyz");
        is_so(status == 200, || words)
    });
    measured.daemon.stop();
}
