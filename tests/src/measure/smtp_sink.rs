//! Postfix's sink, counting what it gets.

use crate::process::Guarded;
use crate::{tools, wait};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Postfix's sink, counting.
pub struct SmtpSink {
    address: SocketAddr,
    messages: Arc<AtomicU64>,
    _process: Guarded,
}

impl SmtpSink {
    pub fn start() -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, tools::free_port()));
        let mut command = Command::new(tools::sbin("smtp-sink"));
        if crate::skip::is_root() {
            // It refuses to stay root.
            command.args(["-u", "nobody"]);
        }
        let mut child = command
            .args(["-c", &address.to_string(), "1000"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("smtp-sink starts");
        let messages = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&messages);
        let output = child.stdout.take().unwrap();
        std::thread::spawn(move || count(output, &counter));
        wait::until("smtp-sink listens", || TcpStream::connect(address).ok());
        Self {
            address,
            messages,
            _process: Guarded::new(child),
        }
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn count(&self) -> u64 {
        self.messages.load(Ordering::SeqCst)
    }
}

/// Reads `sess=1 quit=1 mesg=1`, again and again over the same line.
fn count(mut output: impl Read, counter: &AtomicU64) {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while let Ok(octets @ 1..) = output.read(&mut buffer) {
        text.push_str(&String::from_utf8_lossy(&buffer[..octets]));
        let Some(end) = text.rfind(['\r', '\n']) else {
            continue;
        };
        let last = text[..end].rsplit_once("mesg=").map(|(_, rest)| rest);
        let number = last.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        if let Some(number) = number {
            counter.store(number, Ordering::SeqCst);
        }
        text.drain(..=end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_count_on_the_line_is_taken() {
        let counter = AtomicU64::new(0);
        count(
            &b"sess=1 quit=0 mesg=1 \rsess=2 quit=1 mesg=17 \rsess=3"[..],
            &counter,
        );
        assert_eq!(counter.load(Ordering::SeqCst), 17);
    }
}
