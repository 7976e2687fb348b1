//! Next hops by DNS (RFC 5321 §5.1): preference, several addresses, no MX, null MX, loops, trouble.

use crate::{message, send};
use bridgehead_testkit::dns::{Answer, DnsServer};
use bridgehead_testkit::sink::{ALL_EXTENSIONS, Sink};
use bridgehead_tests::organization::Organization;
use bridgehead_tests::{Server, tools, wait};
use std::net::{Ipv4Addr, SocketAddr};

/// An address of loopback; every one of them has the same port in a test, because MX names no port.
const fn loopback(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 1, last)
}

fn sink_at(last: u8, port: u16) -> Sink {
    let address = SocketAddr::from((loopback(last), port));
    Sink::start_at(address, ALL_EXTENSIONS, Box::new(|_| None)).unwrap()
}

fn organization(dns: &DnsServer, port: u16) -> Organization {
    Organization::new()
        .server("retry-schedule = [\"1s\"]\nexpire-after = \"1h\"")
        .with(&format!(
            "[[connector]]\nname = \"internet\"\naddress-space = [{{ pattern = \"*\", cost = 10 }}]\n\
             next-hop = \"mx\"\nport = {port}\nnameservers = [\"{}\"]\nconnect-timeout = \"5s\"\n",
            dns.address()
        ))
}

#[test]
fn the_preferred_exchanger_gets_it() {
    let port = tools::free_port();
    let (first, second) = (sink_at(1, port), sink_at(2, port));
    let dns = DnsServer::start().unwrap();
    dns.mx(
        "example.net",
        &[(20, "second.example.net"), (10, "first.example.net")],
    );
    dns.a("first.example.net", loopback(1));
    dns.a("second.example.net", loopback(2));
    let server = Server::start(&organization(&dns, port));
    send(
        server.inbound(),
        "a@example.org",
        &["b@example.net"],
        &message("mx"),
    );
    wait::until("it at the first", || (first.count() == 1).then_some(()));
    assert_eq!(second.count(), 0);
}

#[test]
fn the_next_one_stands_in() {
    let port = tools::free_port();
    let second = sink_at(2, port);
    let dns = DnsServer::start().unwrap();
    dns.mx(
        "example.net",
        &[(10, "first.example.net"), (20, "second.example.net")],
    );
    dns.a("first.example.net", loopback(1));
    dns.a("second.example.net", loopback(2));
    let server = Server::start(&organization(&dns, port));
    send(
        server.inbound(),
        "a@example.org",
        &["b@example.net"],
        &message("mx"),
    );
    wait::until("it at the second", || (second.count() == 1).then_some(()));
}

#[test]
fn another_address_of_the_same_host_stands_in() {
    let port = tools::free_port();
    let sink = sink_at(2, port);
    let dns = DnsServer::start().unwrap();
    dns.mx("example.net", &[(10, "mx.example.net")]);
    dns.know("mx.example.net", Answer::A(vec![loopback(1), loopback(2)]));
    let server = Server::start(&organization(&dns, port));
    send(
        server.inbound(),
        "a@example.org",
        &["b@example.net"],
        &message("mx"),
    );
    wait::until("it at the second address", || {
        (sink.count() == 1).then_some(())
    });
}

#[test]
fn without_mx_the_address_counts() {
    let port = tools::free_port();
    let sink = sink_at(1, port);
    let dns = DnsServer::start().unwrap();
    dns.a("example.net", loopback(1));
    let server = Server::start(&organization(&dns, port));
    send(
        server.inbound(),
        "a@example.org",
        &["b@example.net"],
        &message("a"),
    );
    wait::until("it at the host", || (sink.count() == 1).then_some(()));
}

/// The report that arrives for a message to a domain.
fn report(server: &Server, to: &str) -> String {
    send(
        server.inbound(),
        "bob@example.test",
        &[to],
        &message("dead end"),
    );
    String::from_utf8(server.mailbox("bob", 1).remove(0)).unwrap()
}

#[test]
fn a_null_mx_takes_no_mail() {
    let dns = DnsServer::start().unwrap();
    dns.mx("example.net", &[(0, ".")]);
    dns.a("example.net", loopback(1));
    let server = Server::start(&organization(&dns, tools::free_port()));
    // RFC 7505 §4.2.
    let report = report(&server, "b@example.net");
    assert!(report.contains("5.1.10"), "{report}");
}

#[test]
fn a_domain_that_does_not_exist_is_reported_at_once() {
    let dns = DnsServer::start().unwrap();
    let server = Server::start(&organization(&dns, tools::free_port()));
    let report = report(&server, "b@nowhere.example");
    assert!(report.contains("5.1.2"), "{report}");
}

#[test]
fn trouble_of_the_name_server_is_waited_out() {
    let port = tools::free_port();
    let sink = sink_at(1, port);
    let dns = DnsServer::start().unwrap();
    dns.know("example.net", Answer::Trouble);
    let server = Server::start(&organization(&dns, port));
    send(
        server.inbound(),
        "bob@example.test",
        &["b@example.net"],
        &message("sick"),
    );
    wait::until("a reason in the queue", || {
        let list = server.ask(&["queue", "list"]);
        list["groups"][0]["last-error"].is_string().then_some(())
    });
    assert!(server.uids("bob").is_empty(), "no report for what may pass");
    let dns_address = dns.address();
    drop(dns);
    assert_eq!(
        server.queued(),
        1,
        "{dns_address} is silent now, and that is no end either"
    );
    assert_eq!(sink.count(), 0);
}

#[test]
fn a_loop_to_oneself_is_seen() {
    let dns = DnsServer::start().unwrap();
    let port = tools::free_port();
    dns.mx("example.net", &[(10, "us.example.net")]);
    dns.a("us.example.net", Ipv4Addr::LOCALHOST);
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let server = Server::start(&organization(&dns, port).listen(listen));
    let report = report(&server, "b@example.net");
    assert!(report.contains("5.4.6"), "{report}");
}
