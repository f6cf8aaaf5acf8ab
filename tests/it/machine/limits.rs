//! Limits of the process: files, memory; and clients of the status endpoint that use them up.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use ewmirror::simulator::Options;

use crate::support::machine::{self, Cage};
use crate::support::oracle::{self, Fold};
use crate::support::sim::{free_port, request};
use crate::support::{Daemon, Kept, Setup, Sim, repositories};

/// What the unit may be given, in bytes.
const MEMORY: u64 = 128 << 20;

/// How many files a process has open.
fn open_files(daemon: &Daemon) -> usize {
    let folder = format!("/proc/{}/fd", daemon.process());
    fs::read_dir(folder).map_or(0, Iterator::count)
}

/// The most memory that a process has had, in bytes.
fn most_memory(daemon: &Daemon) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.process()));
    let status = status.expect("the daemon runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.expect("the kernel tells of memory") << 10
}

/// Sets how many files a running daemon may have open.
fn limit_files(daemon: &Daemon, most: usize) {
    let (process, limit) = (format!("--pid={}", daemon.process()), format!("--nofile={most}:4096"));
    machine::system(&["prlimit", &process, &limit]).expect("prlimit may lower and raise it");
}

/// Clients of the status endpoint, who say no more than this.
fn clients(port: u16, count: usize, words: &str) -> Vec<TcpStream> {
    let client = |_| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the endpoint listens");
        // One that was shown out early has said enough.
        drop(stream.write_all(words.as_bytes()));
        stream
    };
    (0..count).map(client).collect()
}

/// Pass after pass, and an endpoint.
fn watched(kept: &Kept, port: u16) -> Setup {
    let mut setup = kept.setup();
    setup.paging = setup.paging.replace("'1h'", "'1ms'");
    setup.status = format!("listen = '127.0.0.1:{port}'");
    setup
}

#[test]
fn files_that_run_out_are_told_of_and_waited_for() {
    let options = Options { latency: Duration::from_millis(5), ..repositories(&[(1, 500)]) };
    let sim = Sim::start(options);
    let kept = Kept::new(&sim);
    let port = free_port();
    let daemon = Daemon::run(&watched(&kept, port));
    daemon.wait_for_pass(1, 1);
    let mark = daemon.mark();
    // None is left, by whoever has used them up; and then the connection is lost.
    limit_files(&daemon, 4);
    sim.fault("search", "drop", 0, 1);
    let told = |it: &crate::support::Event| {
        it.is("request failed") && it.text("error").contains("Too many open files")
    };
    daemon.wait_from(mark, told);
    // Those who ask for the status meanwhile are not answered, and cost nothing.
    let idle = clients(port, 100, "GET /status HTTP/1.1\r\n");
    limit_files(&daemon, 1024);
    daemon.wait_from(mark, |it| it.is("reconnected") && it.field("repository").is_some());
    oracle::wait_for_certified_pass(&daemon, 1);
    assert_eq!(request(([127, 0, 0, 1], port).into(), "GET", "/healthz", "").0, 200);
    drop(idle);
    daemon.stop();
    Fold::default().check(&kept, &[1]);
    oracle::equals_server(&kept, &sim, 1);
    kept.assert_sound();
}

#[test]
fn hundreds_of_clients_that_read_nothing_hold_up_nobody_and_cost_little() {
    let sim = Sim::start(repositories(&[(1, 500)]));
    let kept = Kept::new(&sim);
    let port = free_port();
    let daemon = Daemon::run(&watched(&kept, port));
    daemon.wait_for_pass(1, 1);
    let (files, memory) = (open_files(&daemon), most_memory(&daemon));
    // Some have asked and do not read, some never ask.
    let _deaf = clients(port, 300, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let _idle = clients(port, 300, "GET /metrics");
    for _ in 0..3 {
        assert_eq!(request(([127, 0, 0, 1], port).into(), "GET", "/status", "").0, 200);
        assert!(open_files(&daemon) <= files + 64, "{} after {files}", open_files(&daemon));
    }
    let mark = daemon.mark();
    daemon.wait_from(mark, |it| it.is_of("pass complete", 1));
    let more = most_memory(&daemon) - memory;
    assert!(more < 16 << 20, "{more} bytes more");
    daemon.stop();
    oracle::equals_server(&kept, &sim, 1);
}

#[test]
fn a_hundred_thousand_items_of_two_kilobytes_fit_into_128_mebibytes() {
    // At 1000 a page an answer has 2 MB; at 5000, 10 MB.
    for (items, page_size) in [(100_000, 1000), (20_000, 5000)] {
        let what = format!("{items} items of 2 KB at {page_size} a page");
        let sim = Sim::start(repositories(&[(1, items)]));
        let kept = Kept::new(&sim);
        let mut setup = kept.setup();
        setup.paging =
            format!("page_size = {page_size}\npage_interval = '0s'\npass_interval = '1ms'");
        let cage = Cage::of_memory(&what, MEMORY);
        let daemon = cage.as_ref().map_or_else(|| Daemon::run(&setup), |it| it.run(&setup));
        // One pass that takes everything, and one that finds nothing new.
        daemon.wait_for_pass(1, 2);
        let most = most_memory(&daemon);
        println!("{what}: at most {} KiB resident", most >> 10);
        assert!(most < MEMORY, "{most}");
        assert!(daemon.stop().status.success());
    }
}
