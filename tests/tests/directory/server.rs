//! The whole server with its recipients in OpenLDAP.

use crate::backend::{Person, What, added, place};
use bridgehead_testkit::client::Client;
use bridgehead_tests::organization::Organization;
use bridgehead_tests::slapd::{ADMIN, BASE, SECRET, Slapd};
use bridgehead_tests::{Server, binary, skip, tools, wait};
use std::fs;

fn carol() -> Person {
    Person::new(
        "carol",
        &["carol@example.test", "c@example.test"],
        What::Mailbox,
    )
}

/// A server that isn't running yet, and follows this slapd.
fn prepared(slapd: &Slapd) -> Server {
    let lines = format!(
        "directory = \"ldap\"\n[ldap]\nservers = [\"{}\"]\nbase = \"{BASE}\"\nuser = \"{ADMIN}\"\n\
         password-file = \"ldap.password\"\nca-file = \"{}\"\npoll = \"1s\"\n",
        slapd.tls_url(),
        slapd.ca_file().display()
    );
    let server = Server::prepare(binary::bridgehead(), &lines);
    fs::write(server.folder().join("ldap.password"), format!("{SECRET}\n")).unwrap();
    server
}

fn started(slapd: &Slapd) -> Server {
    let mut server = prepared(slapd);
    server.run(&[]);
    server.apply(&Organization::new());
    server
}

fn rcpt(server: &Server, to: &str) -> String {
    let mut client = Client::connect(server.strict()).unwrap();
    client.ehlo("client.example.org").unwrap();
    client.command("MAIL FROM:<a@example.org>").unwrap();
    let reply = client.command(&format!("RCPT TO:<{to}>")).unwrap();
    format!("{reply:?}")
}

fn until_status(server: &Server, what: &str, holds: impl Fn(&serde_json::Value) -> bool) {
    wait::until(what, || {
        holds(&server.ask(&["directory", "status"])).then_some(())
    });
}

#[test]
fn mail_reaches_people_of_the_directory_and_flows_on_when_it_is_away() {
    const TEST: &str = "mail_reaches_people_of_the_directory_and_flows_on_when_it_is_away";
    if let Err(reason) = Slapd::is_possible() {
        return skip::skip(TEST, reason);
    }
    let staff = Person::new(
        "staff",
        &["staff@example.test"],
        What::Group {
            members: vec!["carol"],
        },
    );
    let mut slapd = Slapd::start(&(added(&carol()) + &added(&staff)));
    let mut server = started(&slapd);
    until_status(&server, "a whole copy", |status| status["complete"] == true);
    let send = |server: &Server, to: &str| {
        let mut client = Client::connect(server.strict()).unwrap();
        client.ehlo("client.example.org").unwrap();
        let sent = client.send("a@example.org", &[to], b"Subject: x\r\n\r\nx\r\n");
        assert!(sent.unwrap().is_good());
    };
    send(&server, "c@example.test");
    send(&server, "staff@example.test");
    server.mailbox("carol", 2);
    assert!(rcpt(&server, "zoe@example.test").contains("550"));

    // Her password is the directory's.
    let login = |password: &str| {
        tools::swaks(
            server.submission(),
            &[
                "--tls",
                "--auth",
                "PLAIN",
                "--auth-user",
                "carol",
                "--auth-password",
                password,
                "--from",
                "carol@example.test",
                "--to",
                "alice@example.test",
            ],
        )
    };
    login(SECRET).good();
    let wrong = login("wrong");
    assert!(
        !wrong.success && wrong.text.contains("5.7.8"),
        "{}",
        wrong.text
    );

    slapd.stop();
    until_status(&server, "the directory is away", |status| {
        status["followed"]["connected"] == false && status["followed"]["trouble"].is_string()
    });
    send(&server, "staff@example.test");
    server.mailbox("carol", 3);
    // Right a moment ago is right; a wrong one can't be checked, which is no 535.
    login(SECRET).good();
    let unchecked = login("wrong");
    assert!(unchecked.text.contains("454 4.7.0"), "{}", unchecked.text);
    server.stop();
    server.run(&[]);
    assert!(rcpt(&server, "zoe@example.test").contains("550"));
    assert!(rcpt(&server, "carol@example.test").contains("250"));
}

#[test]
fn a_new_server_without_the_directory_refuses_for_now() {
    if let Err(reason) = Slapd::is_possible() {
        return skip::skip("a_new_server_without_the_directory_refuses_for_now", reason);
    }
    let mut slapd = Slapd::start(&added(&carol()));
    slapd.stop();
    let server = started(&slapd);
    let reply = rcpt(&server, "carol@example.test");
    assert!(reply.contains("451") && reply.contains("4.4.3"), "{reply}");
    // alice is of the embedded directory.
    assert!(rcpt(&server, "alice@example.test").contains("250"));
    slapd.run();
    until_status(&server, "a whole copy", |status| status["complete"] == true);
    assert!(rcpt(&server, "carol@example.test").contains("250"));
}

#[test]
fn an_address_of_two_is_refused_and_both_are_named_to_the_operator() {
    const TEST: &str = "an_address_of_two_is_refused_and_both_are_named_to_the_operator";
    if let Err(reason) = Slapd::is_possible() {
        return skip::skip(TEST, reason);
    }
    let twin = Person::new(
        "carla",
        &["carla@example.test", "c@example.test"],
        What::Mailbox,
    );
    let slapd = Slapd::start(&(added(&carol()) + &added(&twin)));
    let server = started(&slapd);
    until_status(&server, "a whole copy", |status| status["complete"] == true);
    let reply = rcpt(&server, "c@example.test");
    assert!(reply.contains("550") && reply.contains("5.1.4"), "{reply}");
    let explained = server
        .ask(&["recipient", "explain", "c@example.test"])
        .to_string();
    assert!(
        explained.contains("carol") && explained.contains("carla"),
        "{explained}"
    );
    slapd.change(&format!(
        "dn: {}\nchangetype: modify\ndelete: bridgeheadAddress\nbridgeheadAddress: c@example.test\n",
        place("carla")
    ));
    wait::until("the address is carol's alone", || {
        rcpt(&server, "c@example.test")
            .contains("250")
            .then_some(())
    });
}

#[test]
fn a_faulty_ldap_table_is_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.toml");
    let check = |text: &str| {
        fs::write(&file, text).unwrap();
        let mut command = std::process::Command::new(binary::bridgehead());
        command
            .args(["check", "server.toml"])
            .current_dir(folder.path());
        tools::run(command, b"")
    };
    let head = "name = \"mail1\"\ndata = \"data\"\ndirectory = \"ldap\"\n";
    let missing = check(head);
    assert!(missing.text.contains("server.toml:3:"), "{}", missing.text);
    let odd = check(&format!(
        "{head}[ldap]\nservers = [\"http://x\"]\nuser = \"u\"\npassword-file = \"p\"\n"
    ));
    assert!(odd.text.contains("server.toml:5:"), "{}", odd.text);
    assert!(odd.text.contains("a server is expected"), "{}", odd.text);
    let unused = check(
        "name = \"m\"\ndata = \"d\"\n[ldap]\ndomain = \"x.test\"\nuser = \"u\"\npassword-file = \"p\"\n",
    );
    assert!(!unused.success, "{}", unused.text);
}
