//! One step of a run: a program with its arguments, started in the root of the project, shown before it runs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a step says when it fails: a sentence for the person who ran it, or nothing if all is said already.
pub(crate) type Result<T> = std::result::Result<T, String>;

/// The root of the project.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// A program to be run in the root of the project, without standard input.
pub(crate) fn program(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(name);
    command
        .args(arguments)
        .current_dir(root())
        .stdin(Stdio::null());
    command
}

/// Cargo, the same that runs this.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    program(&cargo, arguments)
}

/// Shows a program and runs it; a failure is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    announce(command);
    let shown = show(command);
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{shown}` failed: {status}")),
        Err(error) => Err(format!("`{shown}` didn't start: {error}")),
    }
}

/// Says what runs next.
pub(crate) fn announce(command: &Command) {
    println!("==> {}", show(command));
}

/// The program as one would type it.
pub(crate) fn show(command: &Command) -> String {
    let name = Path::new(command.get_program())
        .file_name()
        .unwrap_or_default();
    let mut text = name.to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}
