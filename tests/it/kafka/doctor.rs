//! What `doctor` says of a feed to Kafka, by the built binary.

use std::fs;

use tempfile::TempDir;

use super::broker::Broker;
use super::{spiteful, tansu};
use crate::support::daemon::{config_file, ewmirror, output};
use crate::support::sim::free_port;
use crate::support::{Setup, Sim, repositories, write_secret};

/// Its lines about the feed of this section.
fn lines(sim: &Sim, feed: &str) -> Vec<String> {
    let directory = TempDir::new().expect("a directory for the test");
    let file = config_file(directory.path());
    let mut setup = Setup::new(sim.url());
    let mirror = directory.path().join("mirror.db");
    setup.mirror = format!("url = 'sqlite://{}'\n{feed}", mirror.display());
    fs::write(&file, setup.toml()).expect("the configuration can be written");
    let doctor = output(&mut ewmirror(["doctor", "--config", file.to_str().expect("plain")]));
    let said = String::from_utf8(doctor.stdout).expect("text");
    let found: Vec<String> =
        said.lines().filter(|line| line.contains(" feed s")).map(Into::into).collect();
    assert!(!found.is_empty(), "{said}{}", String::from_utf8_lossy(&doctor.stderr));
    found
}

fn section(port: u16, more: &str) -> String {
    format!(
        "[[feed]]\nname = 'shop'\ntype = 'kafka'\n{more}\n\
         properties = {{ 'bootstrap.servers' = '127.0.0.1:{port}' }}"
    )
}

#[test]
fn it_says_whether_brokers_answer_and_topics_are_there() {
    let Some(program) = tansu("what doctor says of Kafka") else { return };
    let broker = Broker::start(&program);
    let sim = Sim::start(repositories(&[(1, 10)]));
    let made = lines(&sim, &section(broker.port, "create_topics = true"));
    assert!(made[0].starts_with("ok ") && made[0].contains("1 brokers answer"), "{made:#?}");
    assert!(made[1].starts_with("ok ") && made[1].contains("the feed makes it"), "{made:#?}");
    let missing = lines(&sim, &section(broker.port, ""));
    assert!(!missing[1].starts_with("ok ") && missing[1].contains("is not there"), "{missing:#?}");
}

#[test]
fn it_says_that_no_broker_answers_or_lets_the_feed_in() {
    let sim = Sim::start(repositories(&[(1, 10)]));
    let nobody = lines(&sim, &section(free_port(), ""));
    assert!(nobody[0].contains("no broker answers"), "{nobody:#?}");
    let directory = TempDir::new().expect("a directory for the test");
    let secret = directory.path().join("secret");
    write_secret(&secret, "Plover-Chicory");
    let refused = lines(&sim, &spiteful::feed(&secret));
    let words = ["refused :heron:***, ***", "see that sasl.username"];
    assert!(words.iter().all(|word| refused[0].contains(word)), "{refused:#?}");
}
