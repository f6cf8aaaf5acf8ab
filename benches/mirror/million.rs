//! A million items: the unchanged pass against its limit, memory, export, the log of changes, how
//! soon the first page is asked for, and how soon after a kill in the middle of a pass.

use std::time::Duration;

use crate::figures::{
    PAGE_SIZE, at_least, at_most, export, folder, median, ours, pass_seconds, running, told,
};
use crate::programs::{self, Ours, Server, Taken};
use crate::{Arguments, Fallible};

const ITEMS: usize = 1_000_000;
const REPETITIONS: usize = 3;
/// What a start or a resume may take, in milliseconds.
const START_MS: f64 = 200.0;

/// Measures and prints it.
pub(crate) fn measure(arguments: &Arguments) -> Fallible<()> {
    let items = arguments.number_or("--items", ITEMS)?;
    let repetitions = arguments.number_or("--repetitions", REPETITIONS)?.max(1);
    println!("{items} items of 2 KB, page size {PAGE_SIZE}, median of {repetitions}\n");
    let server = Server::start(items, Duration::ZERO, arguments.has("--shuffled"))?;
    let folder = folder()?;
    let limit = |work| programs::limit(work, &server, PAGE_SIZE, 1, folder.path());
    let ours = ours(&server, folder.path());
    println!("{:<54} {:>9} {:>9}", "figure", "measured", "target");

    let (insert, first) = (limit("insert")?, ours.command(&["once"])?);
    let [insert_s, first_s] = [&insert, &first].map(pass_seconds);
    at_least("first pass, speed as a part of the limit's", insert_s / first_s, 0.9);
    cpu("first pass", &first, items);
    at_most("first pass, peak memory, MiB", first.peak, 128.0);

    let (mut ratios, mut runs) = (Vec::new(), Vec::new());
    for _ in 0..repetitions {
        let (compare, unchanged) = (limit("compare")?, ours.command(&["once"])?);
        ratios.push(pass_seconds(&compare) / pass_seconds(&unchanged));
        runs.push((compare, unchanged));
    }
    at_least("unchanged pass, speed as a part of the limit's", median(ratios), 0.9);
    let per_item = |taken: &Taken| taken.cpu.as_secs_f64() * 1e6 / items as f64;
    told("limit's unchanged pass, CPU us/item", median(runs.iter().map(|run| per_item(&run.0))));
    let unchanged = median(runs.iter().map(|run| per_item(&run.1)));
    at_most("unchanged pass, CPU us/item, whole process", unchanged, 4.0);
    let speed = |taken: &Taken| items as f64 / pass_seconds(taken);
    told("unchanged pass, items/s", median(runs.iter().map(|run| speed(&run.1))));
    let peak = median(runs.iter().map(|run| run.1.peak));
    at_most("unchanged pass, peak memory, MiB", peak, 128.0);
    running(&ours, items, median(runs.iter().map(|run| pass_seconds(&run.0))))?;
    if arguments.has("--unchanged") {
        return Ok(());
    }

    starts("start-up", runs.iter().map(|run| &run.1));
    resume(&ours, items, repetitions)?;
    server.change()?;
    let (update, changed) = (limit("update")?, ours.command(&["once"])?);
    let ratio = pass_seconds(&update) / pass_seconds(&changed);
    at_least("1 % changed, speed as a part of the limit's", ratio, 0.9);
    cpu("1 % changed", &changed, items);
    export(&server, folder.path(), items)?;
    let log = ours.command(&["changes"])?;
    told("changes, a second", log.lines as f64 / log.wall.as_secs_f64());
    at_most("changes, peak memory, MiB", log.peak, 64.0);
    Ok(())
}

fn cpu(name: &str, taken: &Taken, items: usize) {
    let per_item = taken.cpu.as_secs_f64() * 1e6 / items as f64;
    told(&format!("{name}, CPU us/item, whole process"), per_item);
}

/// Kills the daemon in the middle of a pass, and sees how soon the next one goes on.
fn resume(ours: &Ours<'_>, items: usize, repetitions: usize) -> Fallible<()> {
    let middle = (items / PAGE_SIZE / 2) as u64;
    let mut resumed = Vec::new();
    for _ in 0..repetitions {
        ours.killed_at(middle)?;
        let taken = ours.command(&["once"])?;
        let page = taken.first_search.map_or(0, |(_, page)| page);
        if page < middle {
            return Err(format!("it resumed at page {page}, before {middle}").into());
        }
        resumed.push(taken);
    }
    starts("resume in the middle", resumed.iter());
    Ok(())
}

/// How soon the first page was asked for, and where the time went.
fn starts<'a>(name: &str, runs: impl Iterator<Item = &'a Taken> + Clone) {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let first = runs.clone().filter_map(|run| run.first_search).map(|(time, _)| ms(time));
    at_most(&format!("{name}, to the first page asked for, ms"), median(first), START_MS);
    if let Some(last) = runs.last() {
        for (time, message) in &last.first_events {
            told(&format!("    the last of them, to \"{message}\", ms"), ms(*time));
        }
    }
}
