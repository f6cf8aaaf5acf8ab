//! `simulate`: a server of its own, for others' clients.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use crate::support::daemon::output;
use crate::support::{Daemon, Setup, ewmirror, sim};

#[test]
fn the_simulator_says_where_it_listens_serves_a_daemon_and_ends_on_a_signal() {
    for signal in ["TERM", "INT"] {
        let mut command =
            ewmirror(["simulate", "--port", "0", "--repository", "7:250", "--items", "3"]);
        let mut child = command.args(["--repository", "8"]).spawn().unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let url = line.trim_end().strip_prefix("listening on ").unwrap_or_default().to_owned();
        let address: SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();
        assert!(address.ip().is_loopback());

        let repositories = vec!["id = 7".to_owned(), "id = 8".to_owned()];
        let daemon = Daemon::run(&Setup { repositories, ..Setup::new(url) });
        assert_eq!(daemon.wait_for_pass(7, 1).number("items"), 250);
        assert_eq!(daemon.wait_for_pass(8, 1).number("items"), 3);
        daemon.stop();
        let (status, counts) = sim::request(address, "GET", "/simulator/counts", "");
        assert_eq!(status, 200);
        assert!(counts.contains("\"logouts\":1"), "{counts}");

        let kill = format!("kill -{signal} {}", child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn wrong_flags_of_the_simulator_are_wrong_usage() {
    let cases: [&[&str]; 8] = [
        &["--port", "99999"],
        &["--repository", "seven"],
        &["--repository", "7", "--repository", "7"],
        &["--items", "99999999999"],
        &["--session-ttl", "10"],
        &["--fault", "refuze=0.1"],
        &["--fault", "hang=2"],
        &["--order", "random"],
    ];
    for case in cases {
        let refused = output(ewmirror(["simulate"]).args(case));
        let told = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{case:?}: {told}");
        assert!(!told.is_empty() && refused.stdout.is_empty(), "{case:?}");
    }
}

#[test]
fn a_port_that_is_taken_is_a_failure() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let refused = output(&mut ewmirror(["simulate", "--port", &port]));
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains(&port));
}

#[test]
fn nobody_need_read_where_the_simulator_listens() {
    let port = sim::free_port();
    let mut command = ewmirror(["simulate", "--port", &port.to_string()]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = command.stdout(writer).stderr(Stdio::null()).spawn().unwrap();
    let url = format!("http://127.0.0.1:{port}");
    let daemon =
        Daemon::run(&Setup { repositories: vec!["id = 10149".to_owned()], ..Setup::new(url) });
    daemon.wait_for(|it| it.is("page read"));
    daemon.stop();
    child.kill().unwrap();
    child.wait().unwrap();
}
