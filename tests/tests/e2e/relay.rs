//! Outbound: next hops that work, that are away, that say no.

use crate::{client, id_in, message, send, trace_fields};
use bridgehead_testkit::sink::{ALL_EXTENSIONS, Moment, Sink};
use bridgehead_tests::measure::SmtpSink;
use bridgehead_tests::organization::Organization;
use bridgehead_tests::{Server, tools, wait};
use std::sync::atomic::{AtomicU32, Ordering};

#[test]
fn content_arrives_with_one_more_received() {
    let sink = Sink::start().unwrap();
    let server = Server::start(&Organization::new().smart_host("out", "*", sink.address()));
    let content = message("relay");
    send(
        server.inbound(),
        "a@example.org",
        &["b@example.net"],
        &content,
    );
    wait::until("it at the next hop", || (sink.count() == 1).then_some(()));
    let arrived = &sink.received()[0];
    let front = trace_fields("relay", &arrived.content, &content);
    assert_eq!(front.matches("Received:").count(), 1, "{front}");
    assert!(!front.contains("Return-Path"), "{front}");
    assert!(arrived.mail.starts_with("<a@example.org>"), "{arrived:?}");
    server.await_empty_queue();
}

#[test]
fn many_recipients_share_a_transaction_and_many_messages_a_connection() {
    let sink = Sink::start().unwrap();
    let server = Server::start(&Organization::new().smart_host("out", "*", sink.address()));
    let recipients: Vec<String> = (0..50).map(|n| format!("r{n}@example.net")).collect();
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    send(
        server.inbound(),
        "a@example.org",
        &recipients,
        &message("many"),
    );
    wait::until("one transaction", || (sink.count() == 1).then_some(()));
    assert_eq!(sink.received()[0].rcpts.len(), 50);
    tools::smtp_source(
        server.inbound(),
        &[
            "-d",
            "-s",
            "1",
            "-m",
            "20",
            "-f",
            "a@example.org",
            "-t",
            "b@example.net",
        ],
    )
    .good();
    wait::until("20 more", || (sink.count() == 21).then_some(()));
    assert!(sink.connections() < 21, "connections are used again");
}

#[test]
fn smtp_sink_gets_what_smtp_source_sends() {
    let sink = SmtpSink::start();
    let server = Server::start(&Organization::new().smart_host("out", "*", sink.address()));
    tools::smtp_source(
        server.inbound(),
        &[
            "-s",
            "10",
            "-m",
            "200",
            "-l",
            "5000",
            "-f",
            "a@example.org",
            "-t",
            "b@example.net",
        ],
    )
    .good();
    wait::until("all at smtp-sink", || (sink.count() == 200).then_some(()));
    server.await_empty_queue();
}

#[test]
fn a_temporary_refusal_is_tried_again() {
    let times = AtomicU32::new(0);
    let script = move |moment: Moment<'_>| match moment {
        Moment::Rcpt(_) if times.fetch_add(1, Ordering::SeqCst) < 2 => {
            Some("450 4.2.1 not now".to_owned())
        }
        _ => None,
    };
    let sink = Sink::start_with(ALL_EXTENSIONS, Box::new(script)).unwrap();
    let organization = Organization::new()
        .server("retry-schedule = [\"1s\"]")
        .smart_host("out", "*", sink.address());
    let server = Server::start(&organization);
    let reply = send(
        server.inbound(),
        "a@example.org",
        &["b@example.net"],
        &message("later"),
    );
    wait::until("it at the next hop", || (sink.count() == 1).then_some(()));
    let trace = server.ask(&["message", "trace", &id_in(&reply)]);
    let steps = trace["steps"].as_array().unwrap();
    let deferred = steps.iter().filter(|step| step["step"] == "deferred");
    assert_eq!(deferred.count(), 2, "{trace:#}");
}

#[test]
fn a_next_hop_that_was_away_gets_it_when_it_is_back() {
    let address = tools::nobody();
    let organization = Organization::new()
        .server("retry-schedule = [\"1h\"]")
        .smart_host("out", "*", address);
    let server = Server::start(&organization);
    let reply = send(
        server.inbound(),
        "a@example.org",
        &["b@example.net"],
        &message("away"),
    );
    let id = id_in(&reply);
    let detail = wait::until("a reason in the queue", || {
        let detail = server.ask(&["queue", "show", &id]);
        detail["parts"][0]["last-error"]
            .is_string()
            .then_some(detail)
    });
    assert_eq!(detail["parts"][0]["phase"], "retry", "{detail:#}");
    let list = server.ask(&["queue", "list"]);
    assert!(list["groups"][0]["last-error"].is_string(), "{list:#}");
    let sink = Sink::start_at(address, ALL_EXTENSIONS, Box::new(|_| None)).unwrap();
    server.ask(&["queue", "retry", &id]);
    wait::until("it at the next hop", || (sink.count() == 1).then_some(()));
    server.await_empty_queue();
}

#[test]
fn the_second_smart_host_stands_in_for_the_first() {
    let sink = Sink::start().unwrap();
    let organization = Organization::new().with(&format!(
        "[[connector]]\nname = \"out\"\nrouting-group = \"main\"\n\
         address-space = [{{ pattern = \"*\", cost = 10 }}]\nsmart-hosts = [\"{}\", \"{}\"]\n",
        tools::nobody(),
        sink.address()
    ));
    let server = Server::start(&organization);
    send(
        server.inbound(),
        "a@example.org",
        &["b@example.net"],
        &message("second"),
    );
    wait::until("it at the second", || (sink.count() == 1).then_some(()));
}

#[test]
fn the_most_specific_address_space_wins() {
    let (all, some) = (Sink::start().unwrap(), Sink::start().unwrap());
    let organization = Organization::new()
        .smart_host("all", "*", all.address())
        .smart_host("some", "*.example.net", some.address());
    let server = Server::start(&organization);
    send(
        server.inbound(),
        "a@example.org",
        &["b@sub.example.net", "c@example.com"],
        &message("split"),
    );
    wait::until("one at each", || {
        (all.count() == 1 && some.count() == 1).then_some(())
    });
    let explained = server.ask(&["route", "explain", "b@sub.example.net"]);
    let link = explained["routes"][0]["link"].as_str().unwrap();
    assert!(link.starts_with("some/"), "{explained:#}");
}

#[test]
fn a_next_hop_without_extensions_gets_it_too() {
    let sink = Sink::start_with(&[], Box::new(|_| None)).unwrap();
    let server = Server::start(&Organization::new().smart_host("out", "*", sink.address()));
    let content = message("plain");
    send(
        server.inbound(),
        "a@example.org",
        &["b@example.net"],
        &content,
    );
    wait::until("it at the next hop", || (sink.count() == 1).then_some(()));
    trace_fields("plain", &sink.received()[0].content, &content);
}

#[test]
fn a_loop_ends() {
    // Two names of one server: it sends to itself over and over until the Received fields are too many.
    let sink = Sink::start().unwrap();
    let mut server = Server::start(&Organization::new().smart_host("out", "*", sink.address()));
    let looped = Organization::new()
        .listen(server.inbound())
        .server("max-hops = 5")
        .smart_host("out", "*", server.inbound());
    server.apply(&looped);
    send(
        server.inbound(),
        "bob@example.test",
        &["b@example.net"],
        &message("loop"),
    );
    let report = &server.mailbox("bob", 1)[0];
    let text = String::from_utf8_lossy(report).into_owned();
    assert!(text.contains("5.4.6") || text.contains("5.4.14"), "{text}");
    server.await_empty_queue();
}

#[test]
fn a_null_sender_goes_out_as_such() {
    let sink = Sink::start().unwrap();
    let server = Server::start(&Organization::new().smart_host("out", "*", sink.address()));
    let mut client = client(server.inbound());
    let reply = client
        .send("", &["b@example.net"], &message("null"))
        .unwrap();
    assert_eq!(reply.code, 250);
    wait::until("it at the next hop", || (sink.count() == 1).then_some(()));
    assert!(sink.received()[0].mail.starts_with("<>"));
}
