//! A disk whose every sync takes longer than it does: the real binary under strace, which delays the end of these calls.

use super::{Cell, Scenario, load, passing_on, started};
use crate::tools;
use std::path::Path;
use std::time::Duration;

/// Messages per second from 50 sessions while each sync takes so much longer.
///
/// # Errors
/// If strace isn't there.
pub fn slow_disk(binary: &Path, longer: Duration, messages: u64) -> Result<f64, &'static str> {
    if !tools::is_there("/usr/bin/strace") {
        return Err("strace isn't installed");
    }
    let inject = format!("inject=fdatasync,fsync:delay_exit={}", longer.as_micros());
    let wrapper = [
        "/usr/bin/strace",
        "-f",
        // Other calls aren't stopped at.
        "--seccomp-bpf",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "trace=fdatasync,fsync",
        "-e",
        &inject,
    ];
    let server = started(binary, &passing_on(tools::nobody()), &wrapper);
    let cell = Cell::new(Scenario::Accept, 50, 1024, messages);
    Ok(load(&[server.inbound()], &cell).messages_per_second)
}
