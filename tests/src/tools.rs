//! Programs that others wrote, run to their end with a bound on their time.

use crate::wait;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// What a program said.
#[derive(Debug)]
pub struct Said {
    pub success: bool,
    pub code: Option<i32>,
    /// Standard output and standard error, one after the other.
    pub text: String,
}

impl Said {
    /// Panics with its words if the program failed.
    #[track_caller]
    pub fn good(self) -> String {
        assert!(self.success, "failed ({:?}): {}", self.code, self.text);
        self.text
    }
}

/// swaks with these arguments against a server.
pub fn swaks(server: SocketAddr, arguments: &[&str]) -> Said {
    let mut command = Command::new("swaks");
    command
        .args(["--server", &server.ip().to_string()])
        .args(["--port", &server.port().to_string()])
        .args(["--timeout", "60s"])
        .args(arguments);
    run(command, b"")
}

/// A script for Python, with the server's host and port and further arguments behind it.
pub fn python(script: &str, server: SocketAddr, arguments: &[&str]) -> Said {
    let mut command = Command::new("python3");
    command
        .arg("-c")
        .arg(script)
        .arg(server.ip().to_string())
        .arg(server.port().to_string())
        .args(arguments);
    run(command, b"")
}

/// Postfix's generator of load.
pub fn smtp_source(server: SocketAddr, arguments: &[&str]) -> Said {
    let mut command = Command::new(sbin("smtp-source"));
    command.args(arguments).arg(format!("inet:{server}"));
    run(command, b"")
}

/// Postfix's programs are where an ordinary user doesn't look.
pub fn sbin(name: &str) -> String {
    format!("/usr/sbin/{name}")
}

/// Whether a program is there.
pub fn is_there(path: &str) -> bool {
    std::path::Path::new(path).is_file()
}

/// Runs a program to its end; one that takes too long is killed.
pub fn run(command: Command, input: &[u8]) -> Said {
    run_within(command, input, wait::LONG * 3)
}

/// The same with another bound on its time.
pub fn run_within(mut command: Command, input: &[u8], patience: Duration) -> Said {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?} doesn't start: {error}"));
    if let Some(mut to) = child.stdin.take() {
        // A program that doesn't read its input is free to do so.
        let _ = to.write_all(input);
    }
    let output = finish(child, patience);
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Said {
        success: output.status.success(),
        code: output.status.code(),
        text,
    }
}

fn finish(mut child: Child, patience: Duration) -> Output {
    let mut out = child.stdout.take().unwrap();
    let mut err = child.stderr.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut octets = Vec::new();
        let _ = out.read_to_end(&mut octets);
        octets
    });
    let errors = std::thread::spawn(move || {
        let mut octets = Vec::new();
        let _ = err.read_to_end(&mut octets);
        octets
    });
    let status = wait::try_until(patience, || child.try_wait().unwrap()).unwrap_or_else(|| {
        let _ = child.kill();
        child.wait().unwrap()
    });
    Output {
        status,
        stdout: reader.join().unwrap(),
        stderr: errors.join().unwrap(),
    }
}

/// A port that is free now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// An address that refuses connections until the test listens there: of loopback, but one that nobody else uses, so that no other test
/// and no connection gets its port meanwhile.
pub fn nobody() -> SocketAddr {
    let [a, b, c, _] = rand::random::<u32>().to_ne_bytes();
    (Ipv4Addr::new(127, 64 | a >> 2, b, c | 1), free_port()).into()
}
