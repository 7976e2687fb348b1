//! `cargo xtask test`: everything that a change must pass, cheapest first.
//!
//! Tests run with the debug profile. The last line is the total of all test binaries.

use crate::step::{self, Result, cargo};
use crate::tally::Tally;
use crate::{map, packages, tidy};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Where a test that can't do its work on this machine writes its name and the reason.
const SKIPS: &str = "BRIDGEHEAD_TEST_SKIPS";
/// The binary that the end-to-end tests start.
const BINARY: &str = "BRIDGEHEAD_BIN";

/// Runs all of it.
pub(crate) fn run() -> Result<()> {
    packages::ensure()?;
    step::run(&mut cargo(&["fmt", "--all", "--check"]))?;
    tidy::run()?;
    map::run()?;
    step::run(&mut cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))?;
    if packages::kerberos().is_ok() {
        let only = [
            "clippy",
            "--package",
            "bridgehead-ldap-directory",
            "--features",
            "gssapi",
        ];
        step::run(&mut cargo(&[&only[..], &["--", "-D", "warnings"]].concat()))?;
    }
    fuzz_targets_build()?;
    step::run(&mut cargo(&["build", "--package", "bridgehead"]))?;
    tests()
}

/// The fuzz targets are a workspace of their own, and are run elsewhere: here they have to build.
fn fuzz_targets_build() -> Result<()> {
    let there = |compiler: &str| {
        let mut command = step::program(compiler, &["--version"]);
        let output = command.output();
        output.is_ok_and(|output| output.status.success())
    };
    if !there("c++") {
        println!("the fuzz targets aren't built: there is no C++ compiler for their library");
        return Ok(());
    }
    step::run(&mut cargo(&["check", "--manifest-path", "fuzz/Cargo.toml"]))
}

fn tests() -> Result<()> {
    let skips = target_dir().join("skipped-tests");
    let _ = std::fs::remove_file(&skips);
    let mut tally = Tally::default();
    let mut good = tests_of(&["--workspace", "--no-fail-fast"], &skips, &mut tally)?;
    match packages::kerberos() {
        Ok(()) => {
            let only = ["--package", "bridgehead-tests", "--features", "gssapi"];
            good &= tests_of(
                &[&only[..], &["--test", "kerberos"]].concat(),
                &skips,
                &mut tally,
            )?;
        }
        Err(reason) => {
            println!("SKIPPED a_server_logs_in_by_kerberos: {reason}");
            tally.skip(1);
        }
    }
    let skipped = std::fs::read_to_string(&skips).unwrap_or_default();
    for line in skipped.lines() {
        println!("SKIPPED {line}");
        tally.skip(1);
    }
    tally.ended(good);
    // The very last line, whatever the end.
    println!("{tally}");
    if good && tally.is_good() {
        Ok(())
    } else {
        Err(String::new())
    }
}

/// Runs some of the tests; false if one fails.
fn tests_of(which: &[&str], skips: &Path, tally: &mut Tally) -> Result<bool> {
    let mut command = cargo(&["test"]);
    command
        .args(which)
        .env(SKIPS, skips)
        .env(BINARY, target_dir().join("debug/bridgehead"))
        .stdout(Stdio::piped());
    step::announce(&command);
    let mut child = command
        .spawn()
        .map_err(|error| format!("cargo test didn't start: {error}"))?;
    if let Some(output) = child.stdout.take() {
        echo(BufReader::new(output), tally);
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    if !status.success() {
        println!("`cargo test` failed: {status}");
    }
    Ok(status.success())
}

/// Shows the output as it comes, and adds up its summaries.
fn echo(mut from: impl BufRead, tally: &mut Tally) {
    let mut line = Vec::new();
    while from
        .read_until(b'\n', &mut line)
        .is_ok_and(|octets| octets > 0)
    {
        tally.take(&String::from_utf8_lossy(&line));
        // Output that nobody reads is no reason to stop.
        let _ = std::io::stdout().write_all(&line);
        line.clear();
    }
}

/// Where cargo builds: what the environment says, else `target` in the root.
pub(crate) fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| step::root().join("target"), |dir| step::root().join(dir))
}
