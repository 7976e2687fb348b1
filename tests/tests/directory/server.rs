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
    prepared_named("mail1", slapd, "")
}

/// The same with another name and further lines for `[ldap]`.
fn prepared_named(name: &str, slapd: &Slapd, more: &str) -> Server {
    let lines = format!(
        "directory = \"ldap\"\n[ldap]\nservers = [\"{}\"]\nbase = \"{BASE}\"\nuser = \"{ADMIN}\"\n\
         password-file = \"ldap.password\"\nca-file = \"{}\"\npoll = \"1s\"\n{more}",
        slapd.tls_url(),
        slapd.ca_file().display()
    );
    let server = Server::prepare_named(name, binary::bridgehead(), &lines);
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

/// Waits until a server at this port calls itself that.
fn until_greeted(port: u16, greeting: &str) {
    wait::until(greeting, || {
        let client = Client::connect(([127, 0, 0, 1], port).into()).ok()?;
        let greeted = format!("{:?}", client.greeting);
        greeted.contains(greeting).then_some(())
    });
}

/// The line of a server's object that names its key.
fn member_keys(server: &Server) -> String {
    let said = server.command(&["member", "key"]);
    let key = String::from_utf8(said.stdout).unwrap();
    format!("member-keys = [\"{}\"]", key.trim())
}

/// Where the organisation is shared nobody has to carry keys about.
#[test]
fn each_server_puts_its_key_into_the_directory_that_they_share() {
    if let Err(reason) = Slapd::is_possible() {
        return skip::skip("each_server_puts_its_key_into_the_directory", reason);
    }
    const SHARED: &str = "shared-organization = true\nconfiguration-base = \"cn=mail,ou=bridgehead,dc=lab,dc=test\"\n";
    let slapd = Slapd::start(&added(&carol()));
    let mut one = prepared_named("mail1", &slapd, SHARED);
    let mut two = prepared_named("mail2", &slapd, SHARED);
    for server in [&mut one, &mut two] {
        server.run(&[]);
    }
    let other = "[[server]]\nname = \"mail2\"\nrouting-group = \"main\"\n";
    one.apply(&Organization::new().with(other));
    let named = [&one, &two].map(member_keys);
    for server in [&one, &two] {
        wait::until("both keys are in force", || {
            let text = server.ask(&["export"])["text"]
                .to_string()
                .replace("\\\"", "\"");
            named.iter().all(|line| text.contains(line)).then_some(())
        });
    }
}

/// Nobody has to change anything so that it is put there after all.
#[test]
fn a_key_that_cant_be_put_into_the_directory_gets_there_later() {
    if let Err(reason) = Slapd::is_possible() {
        return skip::skip("a_key_that_cant_be_put_into_the_directory", reason);
    }
    const SHARED: &str = "shared-organization = true\nconfiguration-base = \"cn=mail,ou=bridgehead,dc=lab,dc=test\"\n";
    let mut slapd = Slapd::start(&added(&carol()));
    let mut one = prepared_named("mail1", &slapd, SHARED);
    let mut two = prepared_named("mail2", &slapd, SHARED);
    one.run(&[]);
    let other = "[[server]]\nname = \"mail2\"\nrouting-group = \"main\"\n";
    one.apply(&Organization::new().with(other));
    let names = |server: &Server, line: &str| {
        let text = server.ask(&["export"])["text"].to_string();
        text.replace("\\\"", "\"").contains(line)
    };
    let own = member_keys(&one);
    wait::until("the first key", || names(&one, &own).then_some(()));
    slapd.set_read_only(true);
    two.run(&[]);
    let refused = "this server's key can't be put into the directory";
    wait::until("the refusal", || two.log().contains(refused).then_some(()));
    slapd.set_read_only(false);
    let its = member_keys(&two);
    wait::until("the other key", || names(&one, &its).then_some(()));
    let log = two.log();
    assert_eq!(log.matches(refused).count(), 1, "{log}");
}

/// What is applied on one server is in force on another that has never seen a file.
#[test]
fn two_servers_share_their_organisation() {
    if let Err(reason) = Slapd::is_possible() {
        return skip::skip("two_servers_share_their_organisation", reason);
    }
    const SHARED: &str = "shared-organization = true\nconfiguration-base = \"cn=mail,ou=bridgehead,dc=lab,dc=test\"\n";
    let slapd = Slapd::start(&added(&carol()));
    let port = tools::free_port();
    let mut one = prepared_named("mail1", &slapd, SHARED);
    let mut two = prepared_named("mail2", &slapd, SHARED);
    for server in [&mut one, &mut two] {
        server.run(&[]);
    }
    // With their keys in it they have nothing of their own to put there.
    let keys = [&one, &two].map(member_keys);
    let organization = |greeting: &str| {
        let [own, other] = &keys;
        Organization::new().server(own).with(&format!(
            "[[server]]\nname = \"mail2\"\nrouting-group = \"main\"\nhostname = \"{greeting}\"\n{other}\n\
             [[virtual-server]]\nname = \"other\"\nserver = \"mail2\"\nrole = \"mx\"\n\
             listen = [\"127.0.0.1:{port}\"]\n"
        ))
    };
    one.apply(&organization("two.example.test"));
    let greeted = |greeting: &str| until_greeted(port, greeting);
    greeted("two.example.test");

    // Tried on the one, asked for on the other.
    let file = one.folder().join("trial.toml");
    fs::write(&file, organization("trial.example.test").text()).unwrap();
    let file = file.to_str().unwrap();
    let tried = one.ask(&[
        "apply",
        "-f",
        file,
        "--try-on",
        "mail2",
        "--why",
        "a new name",
    ]);
    assert_eq!(tried["tried-on"], serde_json::json!(["mail2"]));
    greeted("trial.example.test");
    until_status(&one, "a trial", |status| status["shared"]["trial"] == 2);
    assert_eq!(one.ask(&["directory", "status"])["version"], 1);
    assert_eq!(two.ask(&["config", "withdraw"])["version"], 1);
    greeted("two.example.test");
    one.ask(&["apply", "-f", file, "--try-on", "mail2"]);
    assert_eq!(one.ask(&["config", "promote"])["version"], 3);
    greeted("trial.example.test");
    until_status(&one, "the version for all", |status| status["version"] == 3);
    let text = |server: &Server| server.ask(&["export"])["text"].clone();
    assert_eq!(text(&one), text(&two));

    // The way back, from the other side; and the reason it was done.
    let back = two.ask(&[
        "config",
        "rollback",
        "1",
        "--why",
        "the old name was better",
    ]);
    assert_eq!(back["version"], 4);
    greeted("two.example.test");
    until_status(&one, "the way back", |status| status["version"] == 4);
    let history = one.ask(&["config", "history"]);
    assert_eq!(
        history["changes"][0]["why"],
        "back to version 1: the old name was better"
    );
    let unknown = one.command(&["config", "rollback", "2"]);
    let unknown = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(
        unknown.contains("no change that led to version 2"),
        "{unknown}"
    );
}

#[test]
fn who_has_an_organisation_alone_cant_try_a_change() {
    let server = Server::start(&Organization::new());
    let file = server.folder().join("org.toml");
    let tried = server.command(&["apply", "-f", file.to_str().unwrap(), "--try-on", "mail1"]);
    let said = String::from_utf8_lossy(&tried.stderr).into_owned();
    assert!(
        !tried.status.success() && said.contains("shared-organization"),
        "{said}"
    );
}
