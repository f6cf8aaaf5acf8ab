//! Every page size at every latency, and what does not depend on items.
//!
//! Each cell has a server of its own and is measured by the passes alone, as the programs tell
//! them. Its items are few, so that all cells take minutes: enough pages for about a second and a
//! half.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};
use std::{fs, thread};

use procfs::process::Process;
use serde_json::Value;

use crate::figures::{at_most, export, folder, median, ours, pass_seconds, told};
use crate::programs::{self, Ours, Server, terminate};
use crate::{Arguments, Fallible};

const PAGE_SIZES: [usize; 4] = [20, 100, 200, 1000];
const LATENCIES_MS: [u32; 4] = [0, 10, 50, 100];
const IN_FLIGHT: [usize; 2] = [1, 8];

/// Time that a pass is to take where the latency decides.
const A_PASS_MS: usize = 1500;
/// Fewer pages tell nothing.
const FEWEST_PAGES: usize = 15;
/// Items where the latency does not decide.
const MOST_ITEMS: usize = 20_000;

/// Items of the daemon that rests.
const RESTING_ITEMS: usize = 10_000;
/// How long it is looked at, in seconds: one question whether the session stands is among it.
const RESTING_S: usize = 60;
/// After a pass, until it has come to rest.
const TO_REST: Duration = Duration::from_secs(3);

const MIB: f64 = 1_048_576.0;

/// Measures and prints it.
pub(crate) fn measure(arguments: &Arguments) -> Fallible<()> {
    let repetitions = arguments.number_or("--repetitions", 1)?.max(1);
    println!("items/s of a pass, and speed as a part of the limit's; median of {repetitions}\n");
    println!(
        "{:>5} {:>8} {:>7} {:>7} | {:>9} {:>6} | {:>9} {:>6} | {:>9} {:>6}",
        "size",
        "latency",
        "flight",
        "items",
        "first",
        "ratio",
        "unchanged",
        "ratio",
        "1 %",
        "ratio"
    );
    for latency in LATENCIES_MS {
        for page_size in PAGE_SIZES {
            for in_flight in IN_FLIGHT {
                cell(page_size, latency, in_flight, repetitions)?;
            }
        }
    }
    println!("\n{:<54} {:>9} {:>9}", "figure", "measured", "target");
    at_rest(arguments.number_or("--seconds", RESTING_S)?)?;
    let size = fs::metadata(env!("CARGO_BIN_EXE_ewmirror"))?.len();
    at_most("binary, stripped, MiB", size as f64 / MIB, 12.0);
    Ok(())
}

/// Items of a cell.
fn items(page_size: usize, latency_ms: u32, in_flight: usize) -> usize {
    let of_latency = (A_PASS_MS * in_flight).checked_div(latency_ms as usize).unwrap_or(MOST_ITEMS);
    (page_size * of_latency).min(MOST_ITEMS).max(page_size * FEWEST_PAGES)
}

/// Measures one cell: limit and ours take turns.
fn cell(page_size: usize, latency: u32, in_flight: usize, repetitions: usize) -> Fallible<()> {
    let items = items(page_size, latency, in_flight);
    // First, unchanged and changed: our speed, and the ratio.
    let mut figures = [const { (Vec::new(), Vec::new()) }; 3];
    for _ in 0..repetitions {
        let server = Server::start(items, Duration::from_millis(latency.into()), false)?;
        let folder = folder()?;
        let ours = Ours { page_size, in_flight, ..ours(&server, folder.path()) };
        for (work, (speeds, ratios)) in ["insert", "compare", "update"].iter().zip(&mut figures) {
            if *work == "update" {
                server.change()?;
            }
            let limit = programs::limit(work, &server, page_size, in_flight, folder.path())?;
            let pass = ours.command(&["once"])?;
            speeds.push(items as f64 / pass_seconds(&pass));
            ratios.push(pass_seconds(&limit) / pass_seconds(&pass));
        }
    }
    let columns =
        figures.map(|(speeds, ratios)| format!("{:>9.0} {:>6.2}", median(speeds), median(ratios)));
    println!(
        "{page_size:>5} {:>8} {in_flight:>7} {items:>7} | {}",
        format!("{latency} ms"),
        columns.join(" | ")
    );
    Ok(())
}

/// What a daemon costs that rests between two passes.
fn at_rest(seconds: usize) -> Fallible<()> {
    let server = Server::start(RESTING_ITEMS, Duration::ZERO, false)?;
    let folder = folder()?;
    let resting = Ours { rest: "1h", ..ours(&server, folder.path()) };
    let mut child = resting.prepare(&["run"])?.stderr(Stdio::piped()).spawn()?;
    let (tell, told_of) = mpsc::channel();
    let stderr = child.stderr.take().ok_or("no stderr")?;
    let reader = thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let event: Value = serde_json::from_str(&line).unwrap_or_default();
            if event["message"] == "pass complete" && tell.send(()).is_err() {
                return;
            }
        }
    });
    told_of.recv()?;
    let pause = |time| match told_of.recv_timeout(time) {
        Err(RecvTimeoutError::Timeout) => Ok(()),
        _ => Err("it does not rest"),
    };
    pause(TO_REST)?;
    let process = Process::new(i32::try_from(child.id())?)?;
    let (before, begun) = (cpu_time(&process)?, Instant::now());
    pause(Duration::from_secs(seconds as u64))?;
    let busy = cpu_time(&process)?.saturating_sub(before).as_secs_f64();
    let resident = process.status()?.vmrss.unwrap_or_default();
    at_most("CPU at rest, % of one", busy / begun.elapsed().as_secs_f64() * 100.0, 0.1);
    told("resident memory at rest, MiB", resident as f64 / 1024.0);
    terminate(&child)?;
    child.wait()?;
    drop(reader.join());
    export(&server, folder.path(), RESTING_ITEMS)
}

/// CPU time of all threads, to the nanosecond.
fn cpu_time(process: &Process) -> Fallible<Duration> {
    let mut time = 0;
    for task in process.tasks()? {
        let statistics =
            fs::read_to_string(format!("/proc/{}/task/{}/schedstat", process.pid, task?.tid))?;
        time += statistics.split(' ').next().unwrap_or_default().parse::<u64>()?;
    }
    Ok(Duration::from_nanos(time))
}
