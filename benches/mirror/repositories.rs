//! Many small repositories against a single one with as many items: memory, and what each costs beside its items.

use crate::figures::{PAGE_SIZE, at_most, folder, median, ours, told};
use crate::programs::{Ours, Server, Taken};
use crate::{Arguments, Fallible};

const REPOSITORIES: usize = 1000;
/// Items of each.
const ITEMS: usize = 500;
const REPETITIONS: usize = 3;
/// Memory, whatever the number of repositories.
const MOST_MIB: f64 = 256.0;

/// Measures and prints it.
pub(crate) fn measure(arguments: &Arguments) -> Fallible<()> {
    let repetitions = arguments.number_or("--repetitions", REPETITIONS)?.max(1);
    let items = arguments.number_or("--items", ITEMS)?;
    let all = items * REPOSITORIES;
    println!("{REPOSITORIES} repositories of {items} items of 2 KB, median of {repetitions}\n");
    println!("{:<54} {:>9} {:>9}", "figure", "measured", "target");
    let server = Server::of_many(all, REPOSITORIES)?;
    let single_server = Server::of_many(all, 1)?;
    let (mut first, mut unchanged) = (Vec::new(), Vec::new());
    for _ in 0..repetitions {
        let (many_folder, single_folder) = (folder()?, folder()?);
        let many = Ours { repositories: REPOSITORIES, ..ours(&server, many_folder.path()) };
        let single = ours(&single_server, single_folder.path());
        first.push((many.command(&["once"])?, single.command(&["once"])?));
        unchanged.push((many.command(&["once"])?, single.command(&["once"])?));
    }
    for (name, runs) in
        [("first passes", &first), ("unchanged passes of a new process", &unchanged)]
    {
        let cpu = |taken: &Taken| taken.cpu.as_secs_f64() * 1e6 / all as f64;
        told(&format!("{name}, CPU us/item"), median(runs.iter().map(|run| cpu(&run.0))));
        let ratio = median(runs.iter().map(|run| cpu(&run.0) / cpu(&run.1)));
        at_most("the same, as a multiple of a single repository's", ratio, 2.0);
        at_most("the same, peak memory, MiB", median(runs.iter().map(|run| run.0.peak)), MOST_MIB);
    }
    // Of pages as the vendor has them, and of the largest: what is in memory of a repository depends on them.
    for page_size in [200, PAGE_SIZE] {
        let folder = folder()?;
        let many = Ours {
            repositories: REPOSITORIES,
            page_size,
            in_flight: 4,
            ..ours(&server, folder.path())
        };
        let daemon = many.passes(REPOSITORIES)?;
        let name =
            format!("first passes of a daemon, pages of {page_size}, 4 in flight, peak, MiB");
        at_most(&name, daemon.peak, MOST_MIB);
    }
    Ok(())
}
