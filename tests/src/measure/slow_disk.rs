//! A disk whose every sync takes longer than it does: strace delays the end of the calls of the thread that commits.
//!
//! Only that thread is traced: where a whole process is, each of its calls costs it a stop, whatever the filter says.

use super::{Cell, Scenario, load, passing_on};
use crate::process::Guarded;
use crate::server::Server;
use crate::{tools, wait};
use bridgehead_load::Pipelining;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const STRACE: &str = "/usr/bin/strace";

/// Messages per second from 50 sessions while each sync takes so much longer, without pipelining and with it.
///
/// # Errors
/// If strace isn't there, or may not trace.
pub fn slow_disk(binary: &Path, longer: Duration, messages: u64) -> Result<[f64; 2], &'static str> {
    if !tools::is_there(STRACE) {
        return Err("strace isn't installed");
    }
    let server = Server::start_binary(binary, &passing_on(tools::nobody()));
    let thread = thread_of(server.process_id(), "queue-committer");
    let calls = "fdatasync,fsync";
    let strace = Command::new(STRACE)
        .args(["-qq", "-o", "/dev/null", "-p", &thread.to_string()])
        .args(["-e", &format!("trace={calls}")])
        .args(["-e", &inject(calls, longer)])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut strace = Guarded::new(strace.map_err(|_| "strace doesn't start")?);
    let traced = wait::try_until(Duration::from_secs(10), || {
        let status = fs::read_to_string(format!("/proc/{thread}/status")).unwrap_or_default();
        let tracer = status
            .lines()
            .find_map(|line| line.strip_prefix("TracerPid:"));
        (tracer?.trim() != "0").then_some(())
    });
    traced.ok_or("strace may not trace here")?;
    let rates = [Pipelining::Off, Pipelining::Envelope].map(|pipelining| {
        let cell = Cell {
            pipelining,
            ..Cell::new(Scenario::Accept, 50, 1024, messages)
        };
        load(&[server.inbound()], &cell).messages_per_second
    });
    // It lets go of the thread.
    strace.terminate(Duration::from_secs(10));
    Ok(rates)
}

fn inject(calls: &str, longer: Duration) -> String {
    format!("inject={calls}:delay_exit={}", longer.as_micros())
}

fn thread_of(process: u32, name: &str) -> u32 {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    // The kernel keeps 15 octets of a name.
    let found = tasks.flatten().find(|task| {
        let comm = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        !comm.is_empty() && name.starts_with(comm.trim_end())
    });
    let number = found.unwrap().file_name();
    number.to_str().unwrap().parse().unwrap()
}
