//! The mirror in PostgreSQL, by the built binary: what befalls the database, the way to it, and the
//! daemons that share it.

mod cable;
mod commands;
mod denials;
mod failover;
mod faults;
mod feeds;
mod judge;
mod kill;
mod moving;
mod proxy;
mod rounds;
mod schema;
mod spread;
mod standby;
mod tls;

use std::path::Path;

use crate::support::cluster::{Cluster, url_at};
use crate::support::{Setup, Sim, postgres, skipped};

/// What is as durable as a test needs it: nothing of it outlives the machine.
const HASTY: [&str; 2] = ["fsync=off", "max_connections=60"];

/// A server of its own; `None`, and said so, where PostgreSQL is not installed.
fn cluster(check: &str, settings: &[&str]) -> Option<Cluster> {
    cluster_in(check, &std::env::temp_dir(), settings)
}

/// One whose files are in this folder.
fn cluster_in(check: &str, folder: &Path, settings: &[&str]) -> Option<Cluster> {
    let cluster = Cluster::start(folder, &[&HASTY, settings].concat());
    if cluster.is_none() {
        skipped(check, "PostgreSQL is not installed");
    }
    cluster
}

/// A daemon of this name whose way to the database leads over these ports.
fn setup(sim: &Sim, ports: &[u16], name: &str) -> Setup {
    let mut setup = Setup::new(sim.url());
    setup.mirror = format!(
        "url = '{}&target_session_attrs=read-write'\n[instance]\nname = '{name}'\n\
         lease_ttl = '5s'\n[deletes]\nmax_fraction = 1.0",
        url_at(ports)
    );
    setup
}

#[test]
fn a_configuration_can_name_a_schema_that_nobody_else_has() {
    let (Some(one), Some(other)) = (postgres::schema(), postgres::schema()) else { return };
    assert_ne!(one.mirror(), other.mirror());
}
