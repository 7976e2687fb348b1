//! End-to-end tests: the built binary, and programs that others wrote on both sides of it. One test binary, one module
//! for each thing that must work.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod aborted;
mod asked;
mod badmail;
mod configuring;
mod controls;
mod corpus;
mod durability;
mod exchangers;
mod fetching;
mod harness;
mod history;
mod killed;
mod lab;
mod load;
mod local;
mod members;
mod moving;
mod operating;
mod pace;
mod pressure;
mod receiving;
mod relay;
mod reports;
mod restrictions;
mod spools;
mod submission;
mod trust;
mod turned;
mod wishes;
mod with_postfix;

use bridgehead_testkit::client::{Client, Reply};
use std::net::SocketAddr;

/// A client that has said EHLO.
fn client(server: SocketAddr) -> Client {
    let mut client = Client::connect(server).unwrap();
    assert_eq!(client.greeting.code, 220);
    let hello = client.ehlo("client.example.org").unwrap();
    assert_eq!(hello.code, 250);
    client
}

/// Sends one message and gives the reply, which must be 250.
fn send(server: SocketAddr, from: &str, to: &[&str], content: &[u8]) -> Reply {
    let mut client = client(server);
    let reply = client.send(from, to, content).unwrap();
    assert_eq!(reply.code, 250, "{reply:?}");
    client.quit().unwrap();
    reply
}

/// The message id in the reply to an accepted message: `250 2.0.0 Accepted as ID`.
fn id_in(reply: &Reply) -> String {
    let text = reply.text();
    let id = text.split_whitespace().last().unwrap_or_default();
    assert_eq!(id.len(), 26, "no message id in {text:?}");
    id.to_owned()
}

/// What a server put in front of `content`; panics if the content isn't there octet for octet, or if anything but
/// trace fields is in front of it.
#[track_caller]
fn trace_fields(name: &str, arrived: &[u8], content: &[u8]) -> String {
    assert!(
        arrived.ends_with(content),
        "{name}: changed on its way; sent {} octets, got {}",
        content.len(),
        arrived.len()
    );
    let front = &arrived[..arrived.len() - content.len()];
    let front = String::from_utf8(front.to_vec()).expect("trace fields are text");
    for line in front.split_terminator("\r\n") {
        let is_trace = ["Received:", "Return-Path:", " ", "\t"]
            .iter()
            .any(|start| line.starts_with(start));
        assert!(is_trace, "{name}: in front of it stands {line:?}");
    }
    assert!(front.is_empty() || front.ends_with("\r\n"), "{name}");
    front
}

/// A small message.
fn message(subject: &str) -> Vec<u8> {
    format!("From: a@example.org\r\nSubject: {subject}\r\n\r\nbody\r\n").into_bytes()
}
