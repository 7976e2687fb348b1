//! Builds, tests and measures the project: cargo xtask test, bench, crash-test, map, tidy.

fn main() {}
