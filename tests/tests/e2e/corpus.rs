//! More than 300 odd but legal messages come out octet for octet, trace fields aside.

use crate::trace_fields;
use bridgehead_testkit::client::Client;
use bridgehead_testkit::corpus::{self, Sample};
use bridgehead_testkit::sink::{Received, Sink};
use bridgehead_tests::organization::Organization;
use bridgehead_tests::{Server, wait};
use std::collections::HashMap;
use std::net::SocketAddr;

/// Room for the Received fields that some of them bring along.
const HOPS: &str = "max-hops = 200";

/// Sends a sample over a session; its number is the sender, so that it is known again.
fn send(client: &mut Client, number: usize, sample: &Sample, to: &str) {
    let mut mail = format!("MAIL FROM:<n{number}@example.org>");
    if sample.is_eight_bit() {
        mail.push_str(" BODY=8BITMIME");
    }
    if sample.has_utf8_header() {
        mail.push_str(" SMTPUTF8");
    }
    for line in [mail, format!("RCPT TO:<{to}>")] {
        let reply = client.command(&line).unwrap();
        assert_eq!(reply.code, 250, "{}: {line}: {reply:?}", sample.name);
    }
    let reply = if sample.fits_data() {
        client.data(&sample.content)
    } else {
        // Two chunks, the cut somewhere inside.
        let (first, second) = sample.content.split_at(sample.content.len() / 2);
        client.bdat(first, false).unwrap();
        client.bdat(second, true)
    };
    let reply = reply.unwrap();
    assert_eq!(reply.code, 250, "{}: {reply:?}", sample.name);
}

fn send_all(server: SocketAddr, samples: &[Sample], to: &str) {
    // Several sessions, so that none is too long for its limits.
    for (session, part) in samples.chunks(50).enumerate() {
        let mut client = Client::connect(server).unwrap();
        client.ehlo("client.example.org").unwrap();
        for (number, sample) in part.iter().enumerate() {
            send(&mut client, session * 50 + number, sample, to);
        }
        client.quit().unwrap();
    }
}

fn number_of(received: &Received) -> usize {
    let path = received.mail.split_once('@').unwrap().0;
    path.trim_start_matches("<n").parse().unwrap()
}

#[test]
fn relay_changes_nothing() {
    let samples = corpus::messages();
    let sink = Sink::start().unwrap();
    let organization = Organization::new()
        .server(HOPS)
        .smart_host("out", "*", sink.address());
    let server = Server::start(&organization);
    send_all(server.inbound(), &samples, "b@example.net");
    wait::until("all at the next hop", || {
        (sink.count() >= samples.len()).then_some(())
    });
    let arrived: HashMap<usize, Received> = sink
        .received()
        .into_iter()
        .map(|one| (number_of(&one), one))
        .collect();
    assert_eq!(arrived.len(), samples.len());
    for (number, sample) in samples.iter().enumerate() {
        trace_fields(&sample.name, &arrived[&number].content, &sample.content);
        assert_eq!(
            arrived[&number].mail.contains("SMTPUTF8"),
            sample.has_utf8_header(),
            "{}",
            sample.name
        );
    }
    server.await_empty_queue();
}

#[test]
fn local_delivery_changes_nothing() {
    let samples = corpus::messages();
    let server = Server::start(&Organization::new().server(HOPS));
    send_all(server.inbound(), &samples, "alice@example.test");
    let messages = server.mailbox("alice", samples.len());
    assert_eq!(messages.len(), samples.len());
    let mut seen = vec![false; samples.len()];
    for message in &messages {
        let text = String::from_utf8_lossy(message.get(..60).unwrap_or(message));
        let number = text
            .strip_prefix("Return-Path: <n")
            .and_then(|rest| rest.split_once('@'))
            .and_then(|(number, _)| number.parse::<usize>().ok())
            .unwrap_or_else(|| panic!("no Return-Path first: {text}"));
        let sample = &samples[number];
        trace_fields(&sample.name, message, &sample.content);
        seen[number] = true;
    }
    assert!(seen.iter().all(|seen| *seen));
}

#[test]
fn a_next_hop_that_only_knows_data_gets_the_same() {
    let samples: Vec<Sample> = corpus::messages()
        .into_iter()
        .filter(|sample| sample.fits_data() && !sample.has_utf8_header())
        .collect();
    let sink = Sink::start_with(&["8BITMIME"], Box::new(|_| None)).unwrap();
    let organization = Organization::new()
        .server(HOPS)
        .smart_host("out", "*", sink.address());
    let server = Server::start(&organization);
    send_all(server.inbound(), &samples, "b@example.net");
    wait::until("all at the next hop", || {
        (sink.count() >= samples.len()).then_some(())
    });
    for one in sink.received() {
        let sample = &samples[number_of(&one)];
        trace_fields(&sample.name, &one.content, &sample.content);
    }
}
