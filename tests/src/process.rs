//! A child process that is stopped at the end, and what the kernel knows about it.

use std::fs;
use std::process::{Child, ExitStatus};
use std::time::Duration;

use crate::wait;

/// A child that doesn't outlive its owner.
#[derive(Debug)]
pub struct Guarded {
    child: Child,
}

impl Guarded {
    pub const fn new(child: Child) -> Self {
        Self { child }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub const fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// SIGTERM; `None` if it is still there after `patience`.
    pub fn terminate(&mut self, patience: Duration) -> Option<ExitStatus> {
        self.signal(rustix::process::Signal::TERM);
        wait::try_until(patience, || self.child.try_wait().ok().flatten())
    }

    /// SIGABRT, as an abort of the program itself, and wait for the end.
    pub fn abort(&mut self) -> ExitStatus {
        self.signal(rustix::process::Signal::ABORT);
        self.child.wait().expect("an aborted child ends")
    }

    /// SIGKILL, and wait for the end.
    pub fn kill(&mut self) -> ExitStatus {
        let _ = self.child.kill();
        self.child.wait().expect("a killed child ends")
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, signal);
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if self.is_running() {
            self.kill();
        }
    }
}

/// CPU time of a process, of its children that ended, and of all its living descendants.
pub fn cpu_of_tree(root: u32) -> Duration {
    let mut ticks = 0;
    let table = process_table();
    let mut open = vec![root];
    while let Some(pid) = open.pop() {
        for entry in &table {
            if entry.pid == pid {
                ticks += entry.ticks;
            }
            if entry.parent == pid {
                open.push(entry.pid);
            }
        }
    }
    // proc(5): clock ticks of USER_HZ, which is 100 on every Linux that this runs on.
    Duration::from_millis(ticks * 10)
}

struct Entry {
    pid: u32,
    parent: u32,
    ticks: u64,
}

fn process_table() -> Vec<Entry> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            // The name in parentheses may hold anything; the fields behind it are numbers.
            let (_, fields) = stat.rsplit_once(") ")?;
            let fields: Vec<&str> = fields.split(' ').collect();
            // proc(5): ppid is field 4; utime, stime, cutime and cstime are 14 to 17; the first here is field 3.
            let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
            Some(Entry {
                pid,
                parent: u32::try_from(number(4)?).ok()?,
                ticks: number(14)? + number(15)? + number(16)? + number(17)?,
            })
        })
        .collect()
}

/// Resident memory of one process in octets.
pub fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line
        .and_then(|line| line.split_whitespace().nth(1))
        .and_then(|kib| kib.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// The most resident memory that one process ever had, in octets.
pub fn resident_peak(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line
        .and_then(|line| line.split_whitespace().nth(1))
        .and_then(|kib| kib.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
