//! Rules about source files that the compiler doesn't know.
//!
//! Every file opens by saying what it is; no file grows beyond reading; nothing is left to do; names say something; in
//! the product, only the drivers know the runtime and the clock.

use crate::spec;
use crate::step::{self, Result};
use std::fs;
use std::path::{Path, PathBuf};

const LINES_SOFT: usize = 500;
const LINES_HARD: usize = 800;
const BANNED_NAMES: &[&str] = &[
    "utils", "util", "common", "helpers", "helper", "manager", "misc",
];
/// Put together so that this file keeps its own rules.
const LEFTOVERS: &[&str] = &[
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("db", "g!("),
];
const CLOCKS: &[&str] = &[
    "Instant::now(",
    "SystemTime::now(",
    "Timestamp::now(",
    "Zoned::now(",
    "thread::sleep(",
];
/// The rooms; what stands outside them may know clock and runtime.
const ROOMS: &[&str] = &["wire", "path", "side"];

/// One broken rule.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    line: usize,
    reason: String,
    warning: bool,
}

/// Checks every source file.
pub(crate) fn run() -> Result<()> {
    println!("==> tidy");
    let root = step::root();
    let mut files = Vec::new();
    for dir in [
        "wire", "path", "side", "bin", "dev", "tests", "fuzz", "examples",
    ] {
        collect(&root.join(dir), &mut files);
    }
    files.sort();
    let mut broken = 0;
    for file in &files {
        let text = fs::read_to_string(file)
            .map_err(|error| format!("can't read {}: {error}", file.display()))?;
        let name = file.strip_prefix(&root).unwrap_or(file);
        for fault in check(name, &text) {
            let kind = if fault.warning { "warning" } else { "error" };
            println!(
                "{kind}: {}:{}: {}",
                name.display(),
                fault.line,
                fault.reason
            );
            broken += usize::from(!fault.warning);
        }
    }
    if broken == 0 {
        spec::run()
    } else {
        Err(format!("{broken} rules broken in {} files", files.len()))
    }
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            if !path.ends_with("target") {
                collect(&path, files);
            }
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
}

fn check(name: &Path, text: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    check_shape(name, text, &mut faults);
    let is_room = name
        .components()
        .next()
        .is_some_and(|first| ROOMS.iter().any(|room| first.as_os_str() == *room));
    let is_core = is_room && !is_driver(name) && !is_test(name);
    let mut in_tests = false;
    let mut before = "";
    for (number, line) in text.lines().enumerate() {
        let code = line.split_once("//").map_or(line, |(code, _)| code);
        in_tests |= before.trim() == "#[cfg(test)]" && code.trim_start().starts_with("mod ");
        before = line;
        for leftover in LEFTOVERS.iter().filter(|word| code.contains(**word)) {
            faults.push(error(number + 1, format!("`{leftover}` is left")));
        }
        if is_core && !in_tests {
            check_core(number + 1, code, &mut faults);
        }
    }
    faults
}

/// What holds for a file as a whole.
fn check_shape(name: &Path, text: &str, faults: &mut Vec<Fault>) {
    if !text.starts_with("//!") {
        faults.push(error(
            1,
            "opens without a `//!` line that says what it is".to_owned(),
        ));
    }
    let stem = name.file_stem().unwrap_or_default();
    let folder = name.parent().and_then(Path::file_name).unwrap_or_default();
    if BANNED_NAMES.iter().any(|banned| stem == *banned)
        || (stem == "mod" && BANNED_NAMES.iter().any(|banned| folder == *banned))
    {
        faults.push(error(1, "a name that says nothing".to_owned()));
    }
    if stem == folder {
        faults.push(error(1, "named like its folder".to_owned()));
    }
    let lines = text.lines().count();
    if lines > LINES_HARD {
        faults.push(error(
            lines,
            format!("{lines} lines; {LINES_HARD} is the bound, {LINES_SOFT} the aim"),
        ));
    } else if lines > LINES_SOFT {
        faults.push(Fault {
            line: lines,
            reason: format!("{lines} lines; {LINES_SOFT} is the aim"),
            warning: true,
        });
    }
}

/// What holds for a line of a room outside its driver.
fn check_core(number: usize, code: &str, faults: &mut Vec<Fault>) {
    // Channels and locks of the runtime are no input or output: an async method may wait on them.
    let runtime = code.replace("tokio::sync", "");
    if runtime.contains("tokio::") || runtime.contains("tokio_") {
        faults.push(error(number, "the runtime outside a driver".to_owned()));
    }
    for clock in CLOCKS.iter().filter(|clock| code.contains(**clock)) {
        faults.push(error(number, format!("`{clock}..)` outside a driver")));
    }
}

/// `drive.rs`, or in a folder `drive`.
fn is_driver(name: &Path) -> bool {
    name.file_stem().is_some_and(|stem| stem == "drive")
        || name.components().any(|part| part.as_os_str() == "drive")
}

fn is_test(name: &Path) -> bool {
    name.file_stem().is_some_and(|stem| stem == "tests")
        || name.components().any(|part| {
            ["tests", "examples", "benches"]
                .iter()
                .any(|dir| part.as_os_str() == *dir)
        })
}

const fn error(line: usize, reason: String) -> Fault {
    Fault {
        line,
        reason,
        warning: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons(name: &str, text: &str) -> Vec<String> {
        check(Path::new(name), text)
            .into_iter()
            .map(|fault| fault.reason)
            .collect()
    }

    #[test]
    fn a_file_says_what_it_is() {
        assert!(reasons("wire/mail/src/id.rs", "//! Ids.\n").is_empty());
        assert_eq!(reasons("wire/mail/src/id.rs", "use std::fmt;\n").len(), 1);
    }

    #[test]
    fn the_clock_and_the_runtime_stay_in_drivers() {
        let text = "//! X.\nlet now = Instant::now();\ntokio::spawn(x);\n";
        assert_eq!(reasons("path/queue/src/state.rs", text).len(), 2);
        assert!(reasons("path/queue/src/drive.rs", text).is_empty());
        assert!(reasons("path/queue/src/drive/timer.rs", text).is_empty());
        assert!(reasons("path/queue/tests/life.rs", text).is_empty());
        assert!(reasons("bin/bridgehead/src/serve.rs", text).is_empty());
    }

    #[test]
    fn tests_inside_a_file_are_free() {
        let text = "//! X.\n#[cfg(test)]\nmod tests {\n    Instant::now();\n}\n";
        assert!(reasons("path/queue/src/state.rs", text).is_empty());
    }

    #[test]
    fn names_and_lengths_have_bounds() {
        assert_eq!(reasons("dev/x/src/utils.rs", "//! X.\n").len(), 1);
        assert_eq!(reasons("dev/x/src/helpers/mod.rs", "//! X.\n").len(), 1);
        assert_eq!(reasons("dev/x/src/spool/spool.rs", "//! X.\n").len(), 1);
        let long = "//! X.\n".repeat(LINES_HARD + 1);
        assert_eq!(reasons("dev/x/src/a.rs", &long).len(), 1);
    }

    #[test]
    fn leftovers_are_found_but_not_in_comments() {
        let word = LEFTOVERS[0];
        assert_eq!(
            reasons("dev/x/src/a.rs", &format!("//! X.\n{word});\n")).len(),
            1
        );
        assert!(reasons("dev/x/src/a.rs", &format!("//! X.\n// {word}\n")).is_empty());
    }
}
