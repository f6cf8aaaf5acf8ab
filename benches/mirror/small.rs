//! Very many small items: what is kept of each in memory.

use crate::figures::{at_most, folder, ours, pass_seconds, told};
use crate::programs::Server;
use crate::{Arguments, Fallible};

const ITEMS: usize = 10_000_000;
/// Memory, with everything that is known of so many.
const MOST_MIB: f64 = 512.0;
/// Unchanged passes of one process, after its first.
const REPEATED: usize = 2;

/// Measures and prints it.
pub(crate) fn measure(arguments: &Arguments) -> Fallible<()> {
    let items = arguments.number_or("--items", ITEMS)?;
    println!("{items} items of one attribute\n");
    println!("{:<54} {:>9} {:>9}", "figure", "measured", "target");
    let server = Server::of_small(items)?;
    let folder = folder()?;
    let ours = ours(&server, folder.path());
    for (name, passes) in [("first pass", 1), ("passes of a new process", 1 + REPEATED)] {
        let taken = ours.passes(passes)?;
        let seconds = pass_seconds(&taken) / passes as f64;
        told(&format!("{name}, items/s"), items as f64 / seconds);
        at_most(&format!("{name}, peak memory, MiB"), taken.peak, MOST_MIB);
    }
    Ok(())
}
