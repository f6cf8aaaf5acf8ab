//! The machine below a daemon: its disks, its limits, its network, as root may change them for one
//! test. What is made here goes when it is dropped, and nothing outside is touched.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::{Daemon, Setup, skipped};

/// Bytes written at once to fill a disk: a page of memory.
const BLOCK: usize = 4096;

/// Whether this is root; says so where it is not.
pub(crate) fn is_root(check: &str) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let root = status.lines().any(|line| line.starts_with("Uid:\t0\t"));
    if !root {
        skipped(check, "only root may do that to a machine");
    }
    root
}

/// Runs a program of the system; what it said where it failed.
pub(crate) fn system(words: &[&str]) -> Result<String, String> {
    let (first, others) = words.split_first().expect("there is a program");
    match Command::new(first).args(others).output() {
        Ok(done) if done.status.success() => Ok(String::from_utf8_lossy(&done.stdout).into_owned()),
        Ok(done) => {
            let stderr = String::from_utf8_lossy(&done.stderr);
            Err(format!("{}: {}", words.join(" "), stderr.trim()))
        }
        Err(error) => Err(format!("{first}: {error}")),
    }
}

/// A file system of its own, unmounted when dropped.
#[derive(Debug)]
pub(crate) struct Disk {
    folder: TempDir,
}

impl Disk {
    /// One in memory, of so many bytes; `None`, and said so, where it cannot be had.
    pub(crate) fn in_memory(check: &str, bytes: usize) -> Option<Self> {
        Self::mount(check, &["-t", "tmpfs", "-o", &format!("size={bytes},mode=0700"), "tmpfs"])
    }

    /// Mounts what `mount` is told to.
    pub(crate) fn mount(check: &str, what: &[&str]) -> Option<Self> {
        if !is_root(check) {
            return None;
        }
        let folder = TempDir::new().expect("a directory for the test");
        let disk = Self { folder };
        let words = [&["mount"], what, &[disk.name()]].concat();
        match system(&words) {
            Ok(_) => Some(disk),
            Err(why) => {
                skipped(check, &why);
                None
            }
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Mounts it again with other options.
    pub(crate) fn remount(&self, options: &str) -> Result<String, String> {
        system(&["mount", "-o", &format!("remount,{options}"), self.name()])
    }

    /// Leaves no room on it; the file that takes it all.
    pub(crate) fn fill(&self) -> PathBuf {
        let ballast = self.path().join("ballast");
        let mut file = File::create(&ballast).expect("a file can be made");
        while file.write_all(&[0; BLOCK]).is_ok() {}
        ballast
    }

    /// Leaves so much room on it.
    pub(crate) fn leave(&self, bytes: usize) {
        let told = system(&["df", "--block-size=1", "--output=avail", self.name()]);
        let told = told.expect("df knows the disk");
        let free = told.lines().last().and_then(|line| line.trim().parse::<usize>().ok());
        let more = free.expect("df tells a number").saturating_sub(bytes);
        fs::write(self.path().join("ballast"), vec![0; more]).expect("there is so much room");
    }

    fn name(&self) -> &str {
        self.folder.path().to_str().expect("the system's directory has a plain name")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: who still has a file open there is about to be killed.
        drop(system(&["umount", "--lazy", self.name()]));
    }
}

/// A group of processes that the kernel gives so much memory, and no more.
#[derive(Debug)]
pub(crate) struct Cage {
    folder: PathBuf,
}

impl Cage {
    /// One of so many bytes; `None`, and said so, where the kernel has none to give.
    pub(crate) fn of_memory(check: &str, bytes: u64) -> Option<Self> {
        let name = format!("ewmirror-test-{}-{}", std::process::id(), fastrand::u32(..));
        let root = Path::new("/sys/fs/cgroup");
        let old = root.join("memory");
        let (folder, limit) = if old.is_dir() {
            (old.join(name), "memory.limit_in_bytes")
        } else {
            (root.join(name), "memory.max")
        };
        let check = format!("{check}, held by the kernel");
        if !is_root(&check) {
            return None;
        }
        let made = fs::create_dir(&folder);
        let cage = Self { folder };
        match made.and_then(|()| fs::write(cage.folder.join(limit), bytes.to_string())) {
            Ok(()) => Some(cage),
            Err(error) => {
                skipped(&check, &format!("no control group of memory can be made: {error}"));
                None
            }
        }
    }

    /// `ewmirror run` in it.
    pub(crate) fn run(&self, setup: &Setup) -> Daemon {
        let enter = format!("echo $$ > {}/cgroup.procs && exec \"$@\"", self.folder.display());
        Daemon::run_by(&["sh", "-c", &enter, "sh"], setup)
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        drop(fs::remove_dir(&self.folder));
    }
}

/// A network of its own, which lasts as long as this.
#[derive(Debug)]
pub(crate) struct Network {
    holder: Child,
}

impl Network {
    /// One without anything in it; `None`, and said so, where the kernel gives none.
    pub(crate) fn new(check: &str) -> Option<Self> {
        if !is_root(check) {
            return None;
        }
        // `cat` waits for words that never come, and ends with the test, however that ends.
        let holder = Command::new("unshare")
            .args(["--net", "sh", "-c", "echo && exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut network = match holder {
            Ok(holder) => Self { holder },
            Err(error) => {
                skipped(check, &format!("unshare: {error}"));
                return None;
            }
        };
        let said = network.holder.stdout.as_mut().map(|stdout| stdout.read_exact(&mut [0]));
        if !matches!(said, Some(Ok(()))) {
            skipped(check, "the kernel gives no network of one's own");
            return None;
        }
        Some(network)
    }

    /// The process that holds it.
    pub(crate) fn holder(&self) -> String {
        self.holder.id().to_string()
    }

    /// What a program is to be started with for it to be in there.
    pub(crate) fn enter(&self) -> [String; 2] {
        ["nsenter".to_owned(), format!("--net=/proc/{}/ns/net", self.holder.id())]
    }

    /// Runs a line of shell in there.
    pub(crate) fn shell(&self, line: &str) -> Result<String, String> {
        let [program, network] = self.enter();
        system(&[&program, &network, "sh", "-ec", line])
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        drop(self.holder.kill());
        drop(self.holder.wait());
    }
}
