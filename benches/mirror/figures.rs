//! The figures: what is measured, against what, and what it should come to.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use crate::programs::{self, Ours, Server, Taken};
use crate::{Arguments, Fallible, postgres};

/// Items of the main measurement.
pub(crate) const ITEMS: usize = 100_000;
/// Items of the measurement with a slow server: enough pages for the first and the last ones not
/// to matter.
const LATENCY_ITEMS: usize = 20_000;
/// How long the slow server thinks.
const LATENCY: Duration = Duration::from_millis(50);
pub(crate) const PAGE_SIZE: usize = 1000;
const LATENCY_PAGE_SIZE: usize = 100;
const REPETITIONS: usize = 3;
/// Passes after which memory must be what it was in the beginning.
const PASSES: usize = 10;
/// Memory that two looks at the same process may differ by, in MiB: the allocator keeps some more
/// or less at hand.
const MEMORY_NOISE: f64 = 4.0;
/// Unchanged passes of one daemon, after its first.
const REPEATED: usize = 4;

/// Measures everything and prints it.
pub(crate) fn measure(arguments: &Arguments) -> Fallible<()> {
    let quick = arguments.has("--quick");
    let items = arguments.number_or("--items", if quick { ITEMS / 10 } else { ITEMS })?;
    let repetitions =
        arguments.number_or("--repetitions", if quick { 1 } else { REPETITIONS })?.max(1);
    let shuffled = arguments.has("--shuffled");
    let order = if shuffled { "in no order" } else { "by ascending id" };
    let in_flight = arguments.number_or("--in-flight", 1)?;
    println!(
        "{items} items of 2 KB {order}, page size {PAGE_SIZE}, {in_flight} in flight, median of {repetitions}\n"
    );

    let server = Server::start(items, Duration::ZERO, shuffled)?;
    let runs: Vec<Run> =
        (0..repetitions).map(|_| Run::measure(&server, in_flight)).collect::<Fallible<_>>()?;
    print_programs(&runs, items);

    println!("\n{:<54} {:>9} {:>9}", "figure", "measured", "target");
    compare(&runs);
    let folder = folder()?;
    let ours = |folder| Ours { in_flight, ..ours(&server, folder) };
    let daemon = ours(folder.path()).passes(PASSES)?;
    // Not what it has just now: the allocator gives back more of it or less.
    if let [first, .., last] = daemon.peaks[..] {
        let name = format!("peak memory at pass {PASSES} above that at pass 1, MiB");
        at_most(&name, last - first, MEMORY_NOISE);
    }
    at_most("peak memory of the daemon over these passes, MiB", daemon.peak, 64.0);
    let limit_s = median(runs.iter().map(|run| pass_seconds(&run.compare)));
    let running_s = running(&ours(folder.path()), items, limit_s)?;
    let fetch_s = median(runs.iter().map(|run| pass_seconds(&run.fetch)));
    at_least("the same, as a part of fetching alone", fetch_s / running_s, 0.5);
    export(&server, folder.path(), items)?;
    postgres::figures(&server, items, repetitions)?;
    drop(server);

    side_by_side(LATENCY_ITEMS, repetitions)
}

/// One repetition: every program once, in turns.
struct Run {
    fetch: Taken,
    split: Taken,
    insert: Taken,
    compare: Taken,
    digest: Taken,
    rows: Taken,
    first: Taken,
    unchanged: Taken,
}

impl Run {
    fn measure(server: &Server, in_flight: usize) -> Fallible<Self> {
        let folder = folder()?;
        let limit = |work| programs::limit(work, server, PAGE_SIZE, in_flight, folder.path());
        let ours = Ours { in_flight, ..ours(server, folder.path()) };
        // The first time it keeps the digests.
        limit("digest")?;
        Ok(Self {
            first: ours.command(&["once"])?,
            insert: limit("insert")?,
            rows: programs::rows(server, PAGE_SIZE, folder.path())?,
            unchanged: ours.command(&["once"])?,
            digest: limit("digest")?,
            compare: limit("compare")?,
            split: limit("split")?,
            fetch: limit("fetch")?,
        })
    }
}

pub(crate) fn ours<'a>(server: &'a Server, folder: &'a Path) -> Ours<'a> {
    Ours {
        server,
        folder,
        page_size: PAGE_SIZE,
        in_flight: 1,
        rest: "0s",
        mirror: None,
        repositories: 1,
    }
}

/// Of a repetition one program.
type One = fn(&Run) -> &Taken;

fn print_programs(runs: &[Run], items: usize) {
    println!(
        "{:<28} {:>10} {:>10} {:>13} {:>10}",
        "program", "items/s", "in a pass", "CPU us/item", "peak MiB"
    );
    let programs: [(&str, One); 7] = [
        ("limit: fetch", |run| &run.fetch),
        ("limit: fetch, split, hash", |run| &run.split),
        ("limit: ... and insert", |run| &run.insert),
        ("limit: ... and compare", |run| &run.compare),
        ("limit: ... a digest a page", |run| &run.digest),
        ("ewmirror, first pass", |run| &run.first),
        ("ewmirror, unchanged pass", |run| &run.unchanged),
    ];
    let items = items as f64;
    for (name, taken) in programs {
        let median_of =
            |what: &dyn Fn(&Taken) -> f64| median(runs.iter().map(|it| what(taken(it))));
        println!(
            "{name:<28} {:>10.0} {:>10.0} {:>13.1} {:>10.1}",
            items / median_of(&|it| it.wall.as_secs_f64()),
            items / median_of(&|it| pass_seconds(it)),
            median_of(&|it| it.cpu.as_secs_f64() * 1e6) / items,
            median_of(&|it| it.peak),
        );
    }
}

/// Of a repetition a limit program and what it is the limit of.
type Pair = fn(&Run) -> (&Taken, &Taken);

fn compare(runs: &[Run]) {
    let ratio = |of: Pair, what: fn(&Taken) -> f64| {
        median(runs.iter().map(|run| {
            let (limit, ours) = of(run);
            what(limit) / what(ours)
        }))
    };
    let first: Pair = |run| (&run.insert, &run.first);
    let unchanged: Pair = |run| (&run.compare, &run.unchanged);
    let digest: Pair = |run| (&run.digest, &run.unchanged);
    let wall: fn(&Taken) -> f64 = |taken| taken.wall.as_secs_f64();
    let cpu: fn(&Taken) -> f64 = |taken| taken.cpu.as_secs_f64();
    at_least("first pass, speed as a part of the limit's", ratio(first, wall), 2.0);
    told("the same, the passes alone", ratio(first, pass_seconds));
    told("the same, the limit's CPU time as a part of ours", ratio(first, cpu));
    let floor: Pair = |run| (&run.rows, &run.first);
    told("first pass, speed as a part of its rows' alone", ratio(floor, pass_seconds));
    let most: Pair = |run| (&run.insert, &run.rows);
    told("its rows alone, speed as a part of the limit's pass", ratio(most, pass_seconds));
    at_least("unchanged pass of a new process, against a digest a page", ratio(digest, wall), 1.2);
    told("the same, the passes alone", ratio(digest, pass_seconds));
    told("unchanged pass of a new process, against each compared", ratio(unchanged, wall));
    told("the same, the passes alone", ratio(unchanged, pass_seconds));
    told("the same, the limit's CPU time as a part of ours", ratio(unchanged, cpu));
    let peak = runs.iter().map(|run| run.first.peak.max(run.unchanged.peak)).fold(0.0, f64::max);
    at_most("peak memory of one pass, MiB", peak, 64.0);
}

/// Unchanged passes of a running daemon, which knows what the pages were like the last time: those
/// from the second on; what one takes, in seconds. `limit_s` is what the limit's pass took.
pub(crate) fn running(ours: &Ours<'_>, items: usize, limit_s: f64) -> Fallible<f64> {
    let (short, long) = (ours.passes(1)?, ours.passes(1 + REPEATED)?);
    let seconds = median(long.passes_ms.iter().skip(1).map(|took| took / 1e3));
    at_least("unchanged pass of a running daemon, the same ratio", limit_s / seconds, 0.9);
    told("unchanged pass of a running daemon, items/s", items as f64 / seconds);
    let cpu = long.cpu.saturating_sub(short.cpu).as_secs_f64();
    let per_item = cpu * 1e6 / (items * REPEATED) as f64;
    at_most("unchanged pass of a running daemon, CPU us/item", per_item, 4.0);
    at_most("unchanged passes of a running daemon, peak, MiB", long.peak, 128.0);
    Ok(seconds)
}

/// Both formats of an export.
pub(crate) fn export(server: &Server, folder: &Path, items: usize) -> Fallible<()> {
    let mut took = Vec::new();
    for format in ["ndjson", "csv"] {
        let taken =
            ours(server, folder).command(&["export", "--repository", "1", "--format", format])?;
        if format == "ndjson" && taken.lines != items {
            return Err(format!("{} of {items} items were exported", taken.lines).into());
        }
        told(&format!("export as {format}, items/s"), items as f64 / taken.wall.as_secs_f64());
        at_most(&format!("export as {format}, peak memory, MiB"), taken.peak, 64.0);
        took.push(taken.wall.as_secs_f64());
    }
    if let [ndjson, csv] = took[..] {
        at_least("export as csv, speed as a part of ndjson's", ndjson / csv, 0.5);
    }
    Ok(())
}

/// Eight requests in flight against one, with a server that is far away.
fn side_by_side(items: usize, repetitions: usize) -> Fallible<()> {
    let server = Server::start(items, LATENCY, false)?;
    let (mut first, mut unchanged) = (Vec::new(), Vec::new());
    for _ in 0..repetitions {
        let measure = |in_flight| -> Fallible<[f64; 2]> {
            let folder = folder()?;
            let ours =
                Ours { in_flight, page_size: LATENCY_PAGE_SIZE, ..ours(&server, folder.path()) };
            Ok([pass_seconds(&ours.command(&["once"])?), pass_seconds(&ours.command(&["once"])?)])
        };
        let (one, eight) = (measure(1)?, measure(8)?);
        first.push(one[0] / eight[0]);
        unchanged.push(one[1] / eight[1]);
    }
    let name = format!("8 in flight against 1 at {LATENCY:?}, {items} items");
    at_least(&format!("{name}, unchanged"), median(unchanged), 7.0);
    told(&format!("{name}, first pass"), median(first));
    Ok(())
}

/// On the disk of the build, since `/tmp` may be none.
pub(crate) fn folder() -> Fallible<TempDir> {
    Ok(TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?)
}

/// What the passes of a process took by its own account.
pub(crate) fn pass_seconds(taken: &Taken) -> f64 {
    taken.passes_ms.iter().sum::<f64>() / 1e3
}

pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

pub(crate) fn told(name: &str, measured: f64) {
    println!("{name:<54} {measured:>9.2}");
}

pub(crate) fn at_least(name: &str, measured: f64, target: f64) {
    let verdict = if measured >= target { "ok" } else { "below" };
    println!("{name:<54} {measured:>9.2} {:>9} {verdict}", format!(">= {target}"));
}

pub(crate) fn at_most(name: &str, measured: f64, target: f64) {
    let verdict = if measured <= target { "ok" } else { "above" };
    println!("{name:<54} {measured:>9.2} {:>9} {verdict}", format!("<= {target}"));
}
