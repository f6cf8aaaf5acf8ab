//! The mirror in PostgreSQL, against a limit program that copies the same rows in, and against SQLite:
//! the default measurement ends with it, and `-- --postgres` measures it alone.
//!
//! The server is the bench's own, on the same disk as the build, and as PostgreSQL comes: what is
//! committed is synced.

use crate::cluster::{Cluster, url_at};
use crate::figures::{
    ITEMS, PAGE_SIZE, at_least, at_most, folder, median, ours, pass_seconds, told,
};
use crate::programs::{self, Ours, Server, Taken};
use crate::roundtrips::RoundTrips;
use crate::{Arguments, Fallible};

/// Unchanged passes of one daemon, after its first.
const REPEATED: usize = 4;

const REPETITIONS: usize = 3;

/// Measures and prints it alone.
pub(crate) fn measure(arguments: &Arguments) -> Fallible<()> {
    let quick = arguments.has("--quick");
    let items = arguments.number_or("--items", if quick { ITEMS / 10 } else { ITEMS })?;
    let repetitions =
        arguments.number_or("--repetitions", if quick { 1 } else { REPETITIONS })?.max(1);
    let server = Server::start(items, std::time::Duration::ZERO, arguments.has("--shuffled"))?;
    println!("{items} items of 2 KB, page size {PAGE_SIZE}, median of {repetitions}\n");
    println!("{:<54} {:>9} {:>9}", "figure", "measured", "target");
    figures(&server, items, repetitions)
}

/// Measures and prints it with a server that is there.
pub(crate) fn figures(server: &Server, items: usize, repetitions: usize) -> Fallible<()> {
    let files = folder()?;
    let Some(cluster) = Cluster::start(files.path(), &[]) else {
        println!("SKIPPED: PostgreSQL (it is not installed)");
        return Ok(());
    };
    let version = cluster.sql("SHOW server_version")?;
    println!("PostgreSQL {version}");
    let folder = folder()?;
    let (mut copied, mut first) = (Vec::new(), Vec::new());
    for repetition in 0..repetitions {
        let mirror = section(cluster.port(), &format!("first_{repetition}"));
        let ours = Ours { mirror: Some(&mirror), ..ours(server, folder.path()) };
        first.push(ours.command(&["once"])?);
        copied.push(programs::copy(server, PAGE_SIZE, &cluster.url())?);
        cluster.sql("CHECKPOINT")?;
    }
    let ratio = |what: fn(&Taken) -> f64| {
        median(copied.iter().zip(&first).map(|(limit, ours)| what(limit) / what(ours)))
    };
    at_least("PostgreSQL: first pass, as a part of COPY's speed", ratio(pass_seconds), 0.8);
    told("the same, the whole process", ratio(|taken| taken.wall.as_secs_f64()));
    let seconds = median(first.iter().map(pass_seconds));
    told("PostgreSQL: first pass, items/s", items as f64 / seconds);
    let peak = first.iter().map(|taken| taken.peak).fold(0.0, f64::max);
    at_most("PostgreSQL: peak memory of one pass, MiB", peak, 64.0);

    let mirror = section(cluster.port(), "first_0");
    let in_postgres = Ours { mirror: Some(&mirror), ..ours(server, folder.path()) };
    let in_sqlite = ours(server, folder.path());
    in_sqlite.command(&["once"])?;
    let (sqlite, postgres) = (in_sqlite.passes(1 + REPEATED)?, in_postgres.passes(1 + REPEATED)?);
    let unchanged = |taken: &Taken| median(taken.passes_ms.iter().skip(1).map(|it| it / 1e3));
    let of_sqlite = unchanged(&sqlite) / unchanged(&postgres);
    at_least("PostgreSQL: unchanged pass, as a part of SQLite's", of_sqlite, 0.5);
    told("PostgreSQL: unchanged pass, items/s", items as f64 / unchanged(&postgres));
    if let Some(new) = postgres.passes_ms.first().map(|it| it / 1e3) {
        told("the same of a new process, speed as a part of it", unchanged(&postgres) / new);
    }
    at_most("PostgreSQL: unchanged passes, peak, MiB", postgres.peak, 128.0);
    round_trips(server, &cluster)
}

/// How often the daemon waits for the database for a page.
fn round_trips(server: &Server, cluster: &Cluster) -> Fallible<()> {
    let folder = folder()?;
    let trips = RoundTrips::to(cluster.port())?;
    let mirror = section(trips.port(), "first_0");
    let ours = Ours { mirror: Some(&mirror), ..ours(server, folder.path()) };
    let count = |arguments: Option<&[&str]>, passes: usize| -> Fallible<f64> {
        trips.take();
        match arguments {
            Some(arguments) => drop(ours.command(arguments)?),
            None => drop(ours.passes(passes)?),
        }
        Ok(trips.take() as f64)
    };
    let (few, many) = (count(None, 1)?, count(None, 1 + REPEATED)?);
    // What a pass asks for besides, at its beginning and its end, counts as well.
    let pages = "SELECT pages FROM first_0.passes WHERE certified ORDER BY iteration DESC LIMIT 1";
    let pages: f64 = cluster.sql(pages)?.parse()?;
    let unchanged = (many - few) / (pages * REPEATED as f64);
    at_most("PostgreSQL: round trips of an unchanged page", unchanged, 1.1);
    let once = count(Some(&["once"]), 1)?;
    server.change()?;
    let changed = count(Some(&["once"]), 1)?;
    // What a start takes is in both.
    at_most(
        "PostgreSQL: round trips of a page of which 1 % changed",
        unchanged + (changed - once) / pages,
        3.0,
    );
    Ok(())
}

/// The lines of a configuration's section `mirror`.
fn section(port: u16, schema: &str) -> String {
    format!("url = '{}'\nschema = '{schema}'", url_at(&[port]))
}
