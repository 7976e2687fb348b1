//! Finds the binary under test; builds it first if nobody said which.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Names the binary; `cargo xtask test` sets it.
const VARIABLE: &str = "BRIDGEHEAD_BIN";

/// The binary under test.
pub fn bridgehead() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os(VARIABLE) {
        Some(path) => PathBuf::from(path),
        None => build(),
    })
}

/// Builds it, so that a test never runs an old one, and tells where cargo put it: beside the folder of this program.
fn build() -> PathBuf {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--package", "bridgehead"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap())
        .stdin(Stdio::null())
        .status()
        .expect("cargo starts");
    assert!(status.success(), "the binary under test doesn't build");
    let own = std::env::current_exe().expect("the path of this program");
    let profile = own
        .ancestors()
        .find(|dir| dir.join("bridgehead").is_file())
        .expect("a binary beside this program");
    profile.join("bridgehead")
}
