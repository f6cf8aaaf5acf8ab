//! `move`: a mirror that a daemon has written, taken to another store by the real binary.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use fastrand::Rng;
use serde_json::json;
use tempfile::TempDir;

use crate::mirror::{edit, ids, next_pass};
use crate::support::daemon::output;
use crate::support::{Daemon, Kept, Setup, Sim, ewmirror, pause, postgres, repositories, sampled};

/// How often a move is killed until it is left alone.
const KILLS: usize = 12;
/// By then it is over.
const MOST_MS: u64 = 80;

/// A mirror with some history, and what is to know it by.
struct House {
    sim: Sim,
    kept: Kept,
    folder: TempDir,
}

/// What is printed of a mirror.
const QUESTIONS: [&[&str]; 5] = [
    &["export", "--repository", "1"],
    &["export", "--repository", "2"],
    &["changes"],
    &["digest", "--repository", "1"],
    &["digest", "--repository", "2", "--as-of", "900"],
];

impl House {
    fn new() -> Self {
        let sim = Sim::start(repositories(&[(1, 800), (2, 300)]));
        let kept = Kept::new(&sim);
        let house = Self { sim, kept, folder: TempDir::new().expect("a directory for the test") };
        let daemon = Daemon::run(&house.setup(&house.kept.database()));
        daemon.wait_for_pass(1, 1);
        daemon.wait_for_pass(2, 1);
        let there = ids(&house.sim);
        edit(&house.sim, json!({"insert": 9, "delete": there[5..10], "update": there[100..200]}));
        next_pass(&daemon);
        next_pass(&daemon);
        daemon.stop();
        house
    }

    fn setup(&self, database: &Path) -> Setup {
        let mut setup = self.kept.setup();
        setup.repositories = vec!["id = 1".to_owned(), "id = 2".to_owned()];
        setup.mirror = format!("url = 'sqlite://{}'", database.display());
        setup
    }

    fn target(&self) -> PathBuf {
        self.folder.path().join("target.db")
    }

    /// The configuration of a mirror in this database.
    fn config(&self, database: &Path) -> PathBuf {
        let file = self.folder.path().join("ewmirror.toml");
        fs::write(&file, self.setup(database).toml()).expect("the configuration can be written");
        file
    }

    fn ask(&self, database: &Path, arguments: &[&str]) -> Output {
        let mut command = ewmirror(["--config"]);
        output(command.arg(self.config(database)).args(arguments))
    }

    fn printed(&self, database: &Path) -> Vec<String> {
        let answers = QUESTIONS.map(|question| {
            let answer = self.ask(database, question);
            assert!(answer.status.success(), "{question:?}: {answer:?}");
            String::from_utf8(answer.stdout).expect("our output is UTF-8")
        });
        answers.into()
    }

    fn move_to(&self, from: &Path, to: &Path) -> Output {
        self.ask(from, &["move", "--to", &format!("sqlite://{}", to.display())])
    }
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_moved_mirror_says_the_same_and_the_daemon_goes_on_there() {
    let house = House::new();
    let (from, to) = (house.kept.database(), house.target());
    let before = house.printed(&from);
    let moved = house.move_to(&from, &to);
    assert!(moved.status.success(), "{}", told(&moved));
    let report = String::from_utf8_lossy(&moved.stdout).into_owned();
    let digest = before[3].split_whitespace().next_back().expect("a digest");
    assert!(report.contains(&format!("repository 1: 804 items on both sides, digest {digest}")));
    assert!(
        report.contains(&format!("set mirror.url = \"sqlite://{}\"", to.display())),
        "{report}"
    );
    assert_eq!(house.printed(&to), before);
    assert_eq!(house.printed(&from), before, "the source is as it was");
    let daemon = Daemon::run(&house.setup(&to));
    daemon.wait_for(|it| it.is_of("pass complete", 1));
    edit(&house.sim, json!({"update": ids(&house.sim)[..3]}));
    assert_eq!(next_pass(&daemon).number("updated"), 3);
    daemon.stop();
    let changes = String::from_utf8(house.ask(&to, &["changes"]).stdout).expect("UTF-8");
    assert!(changes.starts_with(&before[2]), "the log goes on after what was moved");
    let refused = house.move_to(&from, &to);
    assert_eq!(refused.status.code(), Some(1));
    assert!(told(&refused).contains("is not empty; name another target"), "{}", told(&refused));
}

#[test]
fn a_move_that_is_killed_at_any_instant_is_taken_up() {
    let house = House::new();
    let from = house.kept.database();
    let before = house.printed(&from);
    let mut rng = Rng::with_seed(10);
    let mut refused = 0;
    for round in 0..3 {
        let to = house.folder.path().join(format!("target-{round}.db"));
        for _ in 0..KILLS {
            let mut command = ewmirror(["--config"]);
            command.arg(house.config(&from)).args(["move", "--to"]);
            command.arg(format!("sqlite://{}", to.display()));
            let mut running =
                command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
            pause(Duration::from_millis(rng.u64(..MOST_MS)));
            running.kill().expect("it can be killed");
            running.wait().expect("it ends");
            let asked = house.ask(&to, &["digest", "--repository", "1"]);
            if told(&asked).contains("is no mirror yet") {
                refused += 1;
                let run = house.ask(&to, &["once"]);
                assert!(told(&run).contains("is no mirror yet"), "{}", told(&run));
            }
        }
        let moved = house.move_to(&from, &to);
        // One of those before may have come to its end.
        assert!(moved.status.success() || told(&moved).contains("not empty"), "{}", told(&moved));
        assert_eq!(house.printed(&to), before, "round {round}");
    }
    println!("met an unfinished target {refused} times");
}

#[test]
fn a_mirror_in_use_and_a_target_with_anything_in_it_are_refused() {
    let house = House::new();
    let (from, to) = (house.kept.database(), house.target());
    let daemon = Daemon::run(&house.setup(&from));
    daemon.wait_for(|it| it.is("mirror opened"));
    let refused = house.move_to(&from, &to);
    assert_eq!(refused.status.code(), Some(1));
    assert!(told(&refused).contains("is in use by process"), "{}", told(&refused));
    daemon.stop();
    let refused = house.move_to(&from, &from);
    assert_eq!(refused.status.code(), Some(2));
    assert!(told(&refused).contains("--to is where the mirror is"), "{}", told(&refused));
    fs::write(&to, "something").expect("the file can be written");
    let refused = house.move_to(&from, &to);
    assert!(told(&refused).contains("is no SQLite database"), "{}", told(&refused));
    assert_eq!(fs::read(&to).expect("it is there"), b"something");
    for (url, words) in [("none", "nothing is kept"), ("mysql://h/d", "--to: ")] {
        let refused = house.ask(&from, &["move", "--to", url]);
        assert_eq!(refused.status.code(), Some(2), "{url}");
        assert!(told(&refused).contains(words), "{url}: {}", told(&refused));
    }
}

#[test]
fn a_mirror_goes_to_postgresql_and_back_whatever_is_killed() {
    let Some(place) = postgres::schema() else { return };
    let house = House::new();
    let from = house.kept.database();
    let before = house.printed(&from);
    let back = house.target();
    let sqlite = format!("sqlite://{}", back.display());
    let mut rng = Rng::with_seed(11);
    for (mirror, to) in [
        (format!("url = 'sqlite://{}'\nschema = '{}'", from.display(), place.schema), &place.url),
        (place.mirror(), &sqlite),
    ] {
        let mut setup = house.setup(&from);
        setup.mirror = mirror;
        let config = house.folder.path().join("moving.toml");
        fs::write(&config, setup.toml()).expect("the configuration can be written");
        let command = || {
            let mut command = ewmirror(["--config"]);
            command.arg(&config).args(["move", "--to", to]);
            command
        };
        for _ in sampled(0..KILLS, 3) {
            let mut command = command();
            let command = command.stdout(Stdio::null()).stderr(Stdio::null());
            let mut running = command.spawn().expect("it starts");
            pause(Duration::from_millis(rng.u64(..3 * MOST_MS)));
            running.kill().expect("it can be killed");
            running.wait().expect("it ends");
        }
        let moved = output(&mut command());
        // One of those before may have come to its end.
        assert!(moved.status.success() || told(&moved).contains("not empty"), "{}", told(&moved));
        let again = output(&mut command());
        assert!(told(&again).contains("is not empty"), "{}", told(&again));
    }
    assert_eq!(house.printed(&back), before);
    let daemon = Daemon::run(&house.setup(&back));
    daemon.wait_for(|it| it.is_of("pass complete", 1));
    daemon.stop();
}
