//! What the system knows of this process: time, memory, open files; and who else has a port.
//!
//! Read from `/proc`, small files without a disk behind them. What cannot be read is left
//! out, as in a sandbox that hides it.

use std::net::SocketAddr;

use procfs::net::TcpState;
use procfs::process::{FDTarget, LimitValue, Process};

/// This process, as far as is known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ProcessStatistics {
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
pub(super) fn statistics() -> ProcessStatistics {
    let Ok(process) = Process::myself() else { return ProcessStatistics::default() };
    let stat = process.stat().ok();
    let ticks = procfs::ticks_per_second() as f64;
    let limit = process.limits().ok().map(|limits| limits.max_open_files.soft_limit);
    ProcessStatistics {
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

/// Who listens at an address, or in its way: the account, and the process where we may see it. Takes
/// as long as there are processes to look at, and so belongs to a thread that may block.
pub(super) fn listener(address: SocketAddr) -> Option<String> {
    let us = Process::myself().ok()?;
    let sockets = us.tcp().unwrap_or_default().into_iter().chain(us.tcp6().unwrap_or_default());
    let socket = sockets.filter(|it| it.state == TcpState::Listen).find(|it| {
        let theirs = it.local_address;
        theirs.port() == address.port()
            && (theirs.ip().to_canonical() == address.ip().to_canonical()
                || theirs.ip().is_unspecified()
                || address.ip().is_unspecified())
    })?;
    let user = format!("user {}", socket.uid);
    let has_it = |process: &Process| {
        process.fd().is_ok_and(|mut files| {
            files.any(|file| file.is_ok_and(|it| it.target == FDTarget::Socket(socket.inode)))
        })
    };
    let processes = procfs::process::all_processes().ok();
    let found = processes.and_then(|all| all.flatten().find(has_it));
    Some(match found {
        Some(process) => {
            let name = process.stat().map(|stat| stat.comm).unwrap_or_default();
            // Anybody may call a process anything.
            let name: String = name.chars().filter(char::is_ascii_graphic).take(16).collect();
            format!("process {} ({name}), {user}", process.pid)
        }
        None => user,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_a_port_is_told() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let told = super::listener(address).unwrap();
        assert!(told.starts_with(&format!("process {} (", std::process::id())), "{told}");
        drop(listener);
        assert_eq!(super::listener(address), None);
    }

    #[test]
    fn this_process_has_memory_and_open_files() {
        let figures = statistics();
        assert!(figures.cpu_seconds.unwrap() >= 0.0);
        assert!(figures.resident_bytes.unwrap() > 1 << 20);
        assert!(figures.virtual_bytes.unwrap() >= figures.resident_bytes.unwrap());
        assert!(figures.open_fds.unwrap() >= 3);
    }
}
