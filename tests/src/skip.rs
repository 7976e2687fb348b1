//! A test that can't do its work on this machine says so loudly, and is counted as skipped by `cargo xtask test`.

use std::fs::OpenOptions;
use std::io::Write;

/// Where skips are noted; `cargo xtask test` sets it.
const VARIABLE: &str = "BRIDGEHEAD_TEST_SKIPS";

/// Notes that a test is skipped, and why. The test returns after it.
pub fn skip(test: &str, reason: &str) {
    eprintln!("SKIPPED {test}: {reason}");
    if let Some(path) = std::env::var_os(VARIABLE) {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .expect("the list of skipped tests can be written");
        writeln!(file, "{test}: {reason}").expect("the list of skipped tests can be written");
    }
}

/// Whether this runs as root, as a private Postfix needs.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
