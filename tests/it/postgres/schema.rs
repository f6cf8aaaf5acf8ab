//! A schema that this version cannot write: told, and left as it is, however late it is found.

use ewmirror::simulator::Options;

use super::{cluster, setup};
use crate::support::cluster::Cluster;
use crate::support::{Daemon, Ended, Sim, repositories};

/// What a daemon of a later version does to a schema.
const MIGRATED_BY_A_LATER_VERSION: &str = "
    INSERT INTO ewmirror.migration (version, checksum, program) VALUES (99, '', '99');
    UPDATE ewmirror.lease SET owner = '', since = clock_timestamp();
    DELETE FROM ewmirror.instance";

fn server() -> Sim {
    Sim::start(Options { ..repositories(&[(1, 300)]) })
}

/// It has ended with these words, as at the start.
fn refused(ended: &Ended, words: &[&str]) {
    assert_eq!(ended.status.code(), Some(1), "{:?}", ended.events);
    let last = &ended.events.last().expect("it says why").line;
    assert!(words.iter().all(|word| last.contains(word)), "{words:?}: {last}");
    let said = ended.events.iter().filter(|it| it.line.contains(words[0])).count();
    assert_eq!(said, 1, "it is said once: {:?}", ended.events);
}

/// How a daemon ends that has started while the database was away, which then comes.
fn late_start(cluster: &mut Cluster, sim: &Sim) -> Ended {
    cluster.stop("INT");
    let daemon = Daemon::run(&setup(sim, &[cluster.port()], "a"));
    daemon.wait_for(|it| it.is("request failed") && it.text("endpoint") == "leases");
    cluster.resume();
    daemon.finish()
}

#[test]
fn a_schema_of_a_later_version_that_comes_late_is_refused_as_at_the_start() {
    let Some(mut cluster) = cluster("a later version comes late", &[]) else { return };
    let sim = server();
    let daemon = Daemon::run(&setup(&sim, &[cluster.port()], "a"));
    let opened = daemon.wait_for(|it| it.is("mirror opened"));
    assert_eq!(opened.text("schema"), "ewmirror", "{}", opened.line);
    assert!(opened.text("url").starts_with("postgresql://postgres@127.0.0.1:"), "{}", opened.line);
    daemon.wait_for_pass(1, 1);
    assert_eq!(daemon.stop().all("mirror opened").len(), 1);
    cluster.sql(MIGRATED_BY_A_LATER_VERSION).expect("an answer");
    let words = ["is of version 99", "or a later one"];
    refused(&Daemon::run(&setup(&sim, &[cluster.port()], "a")).finish(), &words);
    refused(&late_start(&mut cluster, &sim), &words);
    assert_eq!(cluster.sql("SELECT count(*) FROM ewmirror.instance").unwrap(), "0");
}

#[test]
fn a_schema_of_another_program_that_comes_late_is_refused_as_at_the_start() {
    let Some(mut cluster) = cluster("another program's schema comes late", &[]) else { return };
    cluster.sql("CREATE SCHEMA ewmirror; CREATE TABLE ewmirror.shop (id integer)").unwrap();
    let sim = server();
    let words = ["holds tables, and none of a mirror", "mirror.schema"];
    refused(&Daemon::run(&setup(&sim, &[cluster.port()], "a")).finish(), &words);
    refused(&late_start(&mut cluster, &sim), &words);
}

#[test]
fn a_daemon_ends_when_a_later_version_has_migrated_its_schema() {
    let Some(cluster) = cluster("migrated by a later version", &[]) else { return };
    let sim = server();
    let leader = Daemon::run(&setup(&sim, &[cluster.port()], "a"));
    leader.wait_for_pass(1, 1);
    let standby = Daemon::run(&setup(&sim, &[cluster.port()], "b"));
    standby.wait_for(|it| it.is("standing by"));
    cluster.sql(MIGRATED_BY_A_LATER_VERSION).expect("an answer");
    let rows = "SELECT md5(string_agg(l::text, ' ')) FROM ewmirror.lease AS l";
    let before = cluster.sql(rows).expect("an answer");
    for daemon in [leader, standby] {
        refused(&daemon.finish(), &["is of version 99", "or a later one"]);
    }
    assert_eq!(cluster.sql(rows).expect("an answer"), before, "nothing is touched");
    assert_eq!(cluster.sql("SELECT count(*) FROM ewmirror.instance").unwrap(), "0");
}
