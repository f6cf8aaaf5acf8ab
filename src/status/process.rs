//! What the system knows of this process: time, memory, open files.
//!
//! Read from `/proc`, a few small files without a disk behind them. What cannot be read is left
//! out, as in a sandbox that hides it.

use procfs::process::{LimitValue, Process};

/// This process, as far as is known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ProcessFigures {
    /// Time on the processors, in user and in kernel mode.
    pub(super) cpu_seconds: Option<f64>,
    /// Memory that is in use.
    pub(super) resident_bytes: Option<u64>,
    /// Memory that could be.
    pub(super) virtual_bytes: Option<u64>,
    /// Files and sockets that are open.
    pub(super) open_fds: Option<u64>,
    /// How many may be; `None` also where there is no limit.
    pub(super) max_fds: Option<u64>,
}

/// How it stands now.
pub(super) fn figures() -> ProcessFigures {
    let Ok(process) = Process::myself() else { return ProcessFigures::default() };
    let stat = process.stat().ok();
    let ticks = procfs::ticks_per_second() as f64;
    let limit = process.limits().ok().map(|limits| limits.max_open_files.soft_limit);
    ProcessFigures {
        cpu_seconds: stat.as_ref().map(|stat| (stat.utime + stat.stime) as f64 / ticks),
        resident_bytes: stat.as_ref().map(|stat| stat.rss * procfs::page_size()),
        virtual_bytes: stat.map(|stat| stat.vsize),
        open_fds: process.fd_count().ok().map(|count| count as u64),
        max_fds: match limit {
            Some(LimitValue::Value(most)) => Some(most),
            Some(LimitValue::Unlimited) | None => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_open_files() {
        let figures = figures();
        assert!(figures.cpu_seconds.unwrap() >= 0.0);
        assert!(figures.resident_bytes.unwrap() > 1 << 20);
        assert!(figures.virtual_bytes.unwrap() >= figures.resident_bytes.unwrap());
        assert!(figures.open_fds.unwrap() >= 3);
    }
}
