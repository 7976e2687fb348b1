//! Mail that its receiver fetches over a connection of his own (ATRN, RFC 2645): from the server that keeps it.

use crate::{id_in, message, send};
use bridgehead_testkit::sink::Sink;
use bridgehead_tests::organization::{Organization, PASSWORD};
use bridgehead_tests::{Server, wait};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

type Secured = BufReader<StreamOwned<ClientConnection, TcpStream>>;

/// A branch office that can't be reached: it fetches its mail.
struct Customer(Secured);

fn tls(server: &Server) -> Arc<ClientConfig> {
    let file = server.data().join("certificates/mail1.crt");
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(file).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = builder.unwrap().with_root_certificates(roots);
    Arc::new(config.with_no_client_auth())
}

fn read_reply(stream: &mut impl BufRead) -> String {
    let mut reply = String::new();
    loop {
        let start = reply.len();
        if stream.read_line(&mut reply).unwrap() == 0 || reply.as_bytes()[start + 3] == b' ' {
            return reply;
        }
    }
}

impl Customer {
    /// Inside TLS, with what was offered.
    fn connect(server: &Server, address: SocketAddr) -> (Self, String) {
        let stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let mut clear = BufReader::new(stream);
        read_reply(&mut clear);
        for line in ["EHLO branch.example\r\n", "STARTTLS\r\n"] {
            clear.get_mut().write_all(line.as_bytes()).unwrap();
            read_reply(&mut clear);
        }
        let name = ServerName::try_from("mail1").unwrap();
        let connection = ClientConnection::new(tls(server), name).unwrap();
        let stream = StreamOwned::new(connection, clear.into_inner());
        let mut customer = Self(BufReader::new(stream));
        let offers = customer.say("EHLO branch.example");
        (customer, offers)
    }

    /// One that has authenticated.
    fn login(server: &Server, user: &str) -> Self {
        let (mut customer, _) = Self::connect(server, server.submission());
        assert!(customer.say("AUTH LOGIN").starts_with("334 "));
        assert!(customer.say(&base64(user)).starts_with("334 "));
        let said = customer.say(&base64(PASSWORD));
        assert!(said.starts_with("235 "), "{said}");
        customer
    }

    fn send(&mut self, octets: &[u8]) {
        self.0.get_mut().write_all(octets).unwrap();
    }

    fn say(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n").as_bytes());
        read_reply(&mut self.0)
    }

    /// A line of the server that has become the client; nothing if it has closed the connection.
    fn line(&mut self) -> String {
        let mut line = String::new();
        if let Err(error) = self.0.read_line(&mut line) {
            let kind = error.kind();
            let closed = [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset];
            assert!(closed.contains(&kind), "{error}");
        }
        line
    }

    fn ask(&mut self, command: &str) {
        let said = self.say(command);
        assert!(said.starts_with("250 2.0.0 "), "{said}");
    }

    /// Is a server that says yes to all until it has said that the content may come.
    fn serve_up_to_content(&mut self) {
        self.send(b"220 branch.example ready\r\n");
        while !self.line().starts_with("DATA") {
            self.send(b"250 ok\r\n");
        }
        self.send(b"354 go\r\n");
    }

    /// Is a server until the other side has enough: answers as told, else with yes. Returns what it took.
    fn serve(&mut self, script: impl Fn(&str) -> Option<&'static str>) -> Vec<String> {
        self.send(b"220 branch.example ready\r\n");
        let mut taken = Vec::new();
        loop {
            let line = self.line();
            let usual = match line.get(..4).unwrap_or_default() {
                "" => return taken,
                "QUIT" => "221 bye",
                "DATA" => "354 go",
                _ => "250 ok",
            };
            let reply = script(&line).unwrap_or(usual);
            self.send(format!("{reply}\r\n").as_bytes());
            if line.starts_with("QUIT") {
                return taken;
            }
            if reply.starts_with("354 ") {
                let mut content = String::new();
                while !content.ends_with("\r\n.\r\n") {
                    let line = self.line();
                    assert!(!line.is_empty(), "cut off in the middle: {content}");
                    content.push_str(&line);
                }
                let reply = script("CONTENT").unwrap_or("250 kept");
                self.send(format!("{reply}\r\n").as_bytes());
                if reply.starts_with('2') {
                    taken.push(content);
                }
            }
        }
    }
}

fn base64(text: &str) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let groups = text.as_bytes().chunks(3).map(|group| {
        let mut bits = 0;
        for place in 0..3 {
            bits = bits << 8 | u32::from(group.get(place).copied().unwrap_or(0));
        }
        let digits = (0..4).map(|place| match place <= group.len() {
            true => char::from(DIGITS[(bits >> (18 - 6 * place) & 63) as usize]),
            false => '=',
        });
        digits.collect::<String>()
    });
    groups.collect()
}

/// A connector of a branch office whose mail bob may fetch; these lines are in it as well.
fn keeping(lines: &str) -> Organization {
    Organization::new().with(&format!(
        "[[connector]]\nname = \"branch\"\nrouting-group = \"main\"\n\
         address-space = [{{ pattern = \"branch.example\", cost = 1 }}, {{ pattern = \"*.branch.example\", cost = 1 }}]\n\
         asked-by = [\"Bob\"]\n{lines}\n"
    ))
}

/// Has a message wait for the branch office. Returns its id.
fn leave(server: &Server, subject: &str) -> String {
    let said = send(
        server.inbound(),
        "alice@example.test",
        &["a@branch.example"],
        &message(subject),
    );
    let id = id_in(&said);
    wait::until("it waits to be asked for", || {
        let why = server.ask(&["message", "why", &id]).to_string();
        why.contains("until it is asked for (ATRN)").then_some(())
    });
    id
}

#[test]
fn mail_comes_over_the_connection_of_who_asks_and_may_have_it() {
    let server = Server::start(&keeping(""));
    let explained = server.ask(&["route", "explain", "a@branch.example"]);
    assert!(
        explained.to_string().contains("asks for it (ATRN)"),
        "{explained}"
    );
    // Where nobody can authenticate it isn't offered.
    let (mut stranger, offers) = Customer::connect(&server, server.inbound());
    assert!(!offers.contains("ATRN"), "{offers}");
    assert!(stranger.say("ATRN").starts_with("502 5.5.1 "));
    let (mut stranger, offers) = Customer::connect(&server, server.submission());
    assert!(offers.contains("250-ATRN\r\n"), "{offers}");
    assert!(stranger.say("ATRN").starts_with("530 5.7.0 "));
    let mut bob = Customer::login(&server, "bob@example.test");
    assert!(bob.say("ATRN").starts_with("453 "));
    leave(&server, "the first");
    leave(&server, "the second");
    let mut alice = Customer::login(&server, "alice");
    for line in ["ATRN", "ATRN branch.example"] {
        let said = alice.say(line);
        assert!(said.starts_with("450 4.7.1 "), "{said}");
    }
    let said = bob.say("ATRN branch.example,elsewhere.example");
    assert!(said.starts_with("450 4.7.1 "), "{said}");
    assert_eq!(server.queued(), 2);
    bob.ask("ATRN branch.example");
    let taken = bob.serve(|_| None);
    assert_eq!(taken.len(), 2, "{taken:?}");
    assert!(taken[0].contains("Subject: the first") && taken[1].contains("Subject: the second"));
    server.await_empty_queue();
    let mut bob = Customer::login(&server, "bob");
    assert!(bob.say("ATRN").starts_with("453 "));
    // The next time without a name, and what is below the domain waits as well.
    leave(&server, "the third");
    bob.ask("ATRN");
    assert_eq!(bob.serve(|_| None).len(), 1);
    server.await_empty_queue();
}

#[test]
fn what_is_said_behind_the_question_ends_the_connection() {
    let server = Server::start(&keeping(""));
    leave(&server, "not for everybody");
    let mut bob = Customer::login(&server, "bob");
    bob.send(b"ATRN\r\n220 branch.example ready\r\n");
    let said = read_reply(&mut bob.0);
    assert!(said.starts_with("554 5.5.1 "), "{said}");
    let mut more = Vec::new();
    let _ = bob.0.read_to_end(&mut more);
    assert_eq!(more, b"");
    assert_eq!(server.queued(), 1);
}

#[test]
fn what_is_not_taken_waits_again_and_nothing_comes_twice() {
    let server = Server::start(&keeping("command-timeout = \"2s\"\ndata-timeout = \"2s\""));
    leave(&server, "once");
    let waits_again = || {
        wait::until("it waits again", || {
            let list = server.ask(&["queue", "list"]);
            let active = list["groups"][0]["active"].as_u64().unwrap();
            (active == 0).then_some(())
        });
        assert_eq!(server.queued(), 1);
    };
    // Garbage instead of a greeting.
    let mut bob = Customer::login(&server, "bob");
    bob.ask("ATRN");
    bob.send(b"HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(bob.line(), "");
    waits_again();
    // No greeting at all.
    let mut bob = Customer::login(&server, "bob");
    bob.ask("ATRN");
    assert_eq!(bob.line(), "", "nothing is said before the greeting");
    waits_again();
    // It isn't a server after all.
    let mut bob = Customer::login(&server, "bob");
    bob.ask("ATRN");
    bob.send(b"554 no service here\r\n");
    assert_eq!(bob.line(), "QUIT\r\n");
    waits_again();
    // Not now.
    let mut bob = Customer::login(&server, "bob");
    bob.ask("ATRN");
    let taken = bob.serve(|line| line.starts_with("RCPT").then_some("451 4.2.0 later"));
    assert_eq!(taken.len(), 0);
    waits_again();
    // Gone in the middle of the content.
    let mut bob = Customer::login(&server, "bob");
    bob.ask("ATRN");
    bob.serve_up_to_content();
    bob.line();
    drop(bob);
    waits_again();
    // Silent in the middle of the content.
    let mut bob = Customer::login(&server, "bob");
    bob.ask("ATRN");
    bob.serve_up_to_content();
    while !bob.line().is_empty() {}
    waits_again();
    // However often it failed, who asks gets it at once.
    let mut bob = Customer::login(&server, "bob");
    bob.ask("ATRN");
    let taken = bob.serve(|_| None);
    assert_eq!(taken.len(), 1, "{taken:?}");
    server.await_empty_queue();
}

#[test]
fn a_refusal_for_good_is_reported_and_the_rest_goes_on() {
    let server = Server::start(&keeping(""));
    leave(&server, "refused");
    leave(&server, "taken");
    let mut bob = Customer::login(&server, "bob");
    bob.ask("ATRN");
    let refused = std::cell::Cell::new(false);
    let taken = bob.serve(|line| {
        let first = line == "CONTENT" && !refused.replace(true);
        first.then_some("550 5.7.1 not that one")
    });
    assert_eq!(taken.len(), 1);
    assert!(taken[0].contains("Subject: taken"), "{taken:?}");
    server.await_empty_queue();
    let report = String::from_utf8(server.mailbox("alice", 1).remove(0)).unwrap();
    assert!(
        report.contains("not that one") && report.contains("branch.example"),
        "{report}"
    );
}

#[test]
fn a_stop_in_the_middle_loses_nothing_and_repeats_nothing() {
    let mut server = Server::start(&keeping(""));
    leave(&server, "the first");
    leave(&server, "the second");
    let mut bob = Customer::login(&server, "bob");
    bob.ask("ATRN");
    let (process, told) = (server.process_id().to_string(), std::cell::Cell::new(false));
    let mut taken = bob.serve(|line| {
        if line == "CONTENT" && !told.replace(true) {
            let killed = Command::new("kill").args(["-TERM", &process]).status();
            assert!(killed.unwrap().success());
            wait::until("it is stopping", || {
                server.log().contains("stopping").then_some(())
            });
        }
        None
    });
    assert!(server.stop().success());
    assert!(taken[0].contains("Subject: the first"), "{taken:?}");
    server.run(&[]);
    server.learn_addresses();
    assert_eq!(server.queued(), 2 - taken.len() as u64);
    let mut bob = Customer::login(&server, "bob");
    if taken.len() == 1 {
        bob.ask("ATRN");
        taken.extend(bob.serve(|_| None));
    }
    assert_eq!(taken.len(), 2);
    assert!(taken[1].contains("Subject: the second"), "{taken:?}");
    server.await_empty_queue();
    // Who asks and then says nothing doesn't hold a stop up.
    leave(&server, "the third");
    let mut bob = Customer::login(&server, "bob");
    bob.ask("ATRN");
    assert!(server.stop().success());
    let log = server.log();
    assert!(!log.contains("didn't end in time"), "{log}");
}

#[test]
fn who_asks_by_atrn_has_no_connection_made_and_who_asks_by_etrn_must_be_known() {
    let sink = Sink::start().unwrap();
    let lines = format!(
        "smart-hosts = [\"{}\"]\nwait-for-etrn = true",
        sink.address()
    );
    let server = Server::start(&keeping(&lines));
    let id = {
        let said = send(
            server.inbound(),
            "alice@example.test",
            &["a@branch.example"],
            &message("fetched"),
        );
        id_in(&said)
    };
    wait::until("it waits to be asked for", || {
        let why = server.ask(&["message", "why", &id]).to_string();
        why.contains("until it is asked for (ETRN or ATRN)")
            .then_some(())
    });
    let mut bob = Customer::login(&server, "bob");
    bob.ask("ATRN");
    assert_eq!(bob.serve(|_| None).len(), 1);
    server.await_empty_queue();
    assert_eq!(sink.connections(), 0);
    let said = send(
        server.inbound(),
        "alice@example.test",
        &["a@branch.example"],
        &message("sent"),
    );
    let id = id_in(&said);
    wait::until("it waits to be asked for", || {
        let why = server.ask(&["message", "why", &id]).to_string();
        why.contains("until it is asked for").then_some(())
    });
    let (mut stranger, _) = Customer::connect(&server, server.inbound());
    assert!(stranger.say("ETRN branch.example").starts_with("459 "));
    let mut alice = Customer::login(&server, "alice");
    assert!(alice.say("ETRN branch.example").starts_with("459 "));
    let mut bob = Customer::login(&server, "bob");
    assert!(bob.say("ETRN branch.example").starts_with("253 "));
    server.await_empty_queue();
    assert_eq!(sink.count(), 1);
}
