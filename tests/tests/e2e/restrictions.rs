//! Who may send to whom, sizes, moderated groups and journals, through the whole server.

use crate::{message, send};
use bridgehead_testkit::client::Client;
use bridgehead_testkit::sink::{ALL_EXTENSIONS, Moment, Sink};
use bridgehead_tests::organization::{Organization, PASSWORD};
use bridgehead_tests::{Server, tools};

const OBJECTS: &str = "\
[[mailbox]]
name = \"chief\"
addresses = [\"chief@example.test\"]
accept-from = [\"alice\"]

[[mailbox]]
name = \"small\"
addresses = [\"small@example.test\"]
max-receive-size = \"2 KiB\"

[[mailbox]]
name = \"archive\"
addresses = [\"archive@example.test\"]

[[group]]
name = \"staff\"
addresses = [\"staff@example.test\"]
members = [\"alice\", \"bob\", \"bob\"]

[[journal-rule]]
name = \"bobs\"
members = [\"bob\"]
journal-to = \"archive@example.test\"
";

fn rcpt(server: &Server, mail: &str, to: &str) -> String {
    let mut client = Client::connect(server.strict()).unwrap();
    client.ehlo("client.example.org").unwrap();
    client.command(mail).unwrap();
    format!("{:?}", client.command(&format!("RCPT TO:<{to}>")).unwrap())
}

#[test]
fn a_restricted_mailbox_refuses_strangers_at_once_and_takes_its_users_mail() {
    let server = Server::start(&Organization::new().with(OBJECTS));
    for from in [
        "MAIL FROM:<x@example.org>",
        "MAIL FROM:<alice@example.test>",
    ] {
        let reply = rcpt(&server, from, "chief@example.test");
        assert!(reply.contains("550") && reply.contains("5.7.1"), "{reply}");
    }
    let submit = |user: &str| {
        let from = format!("{user}@example.test");
        tools::swaks(
            server.submission(),
            &[
                "--tls",
                "--auth",
                "PLAIN",
                "--auth-user",
                user,
                "--auth-password",
                PASSWORD,
                "--from",
                &from,
                "--to",
                "chief@example.test",
            ],
        )
    };
    submit("alice").good();
    server.mailbox("chief", 1);
    let refused = submit("bob");
    assert!(
        !refused.success && refused.text.contains("5.7.1"),
        "{}",
        refused.text
    );
    let explained = server.ask(&[
        "recipient",
        "explain",
        "chief@example.test",
        "--from",
        "bob@example.test",
    ]);
    assert!(
        explained.to_string().contains("mailbox chief"),
        "{explained:#}"
    );
    assert!(explained.to_string().contains("5.7.1"), "{explained:#}");
}

#[test]
fn too_large_a_message_is_refused_as_soon_as_its_size_is_known() {
    let server = Server::start(&Organization::new().with(OBJECTS));
    let reply = rcpt(
        &server,
        "MAIL FROM:<x@example.org> SIZE=4000",
        "small@example.test",
    );
    assert!(reply.contains("552") && reply.contains("5.2.3"), "{reply}");
    // One that doesn't say so comes back.
    let long = [message("long"), "x\r\n".repeat(1500).into_bytes()].concat();
    send(
        server.strict(),
        "alice@example.test",
        &["small@example.test"],
        &long,
    );
    let report = String::from_utf8(server.mailbox("alice", 1).remove(0)).unwrap();
    assert!(
        report.contains("5.2.3") && report.contains("2 KiB"),
        "{report}"
    );
}

#[test]
fn a_message_is_journaled_once_with_all_who_get_it() {
    let server = Server::start(&Organization::new().with(OBJECTS));
    send(
        server.strict(),
        "x@example.org",
        &["staff@example.test", "bob@example.test"],
        &message("to be kept"),
    );
    send(
        server.strict(),
        "x@example.org",
        &["alice@example.test"],
        &message("not"),
    );
    server.mailbox("alice", 2);
    server.mailbox("bob", 1);
    let report = String::from_utf8(server.mailbox("archive", 1).remove(0)).unwrap();
    for part in [
        "Sender: x@example.org\r\n",
        "Recipient: alice@example.test, Expanded: staff@example.test\r\n",
        "Recipient: bob@example.test\r\n",
        "Content-Type: message/rfc822\r\n",
        "to be kept",
    ] {
        assert!(report.contains(part), "{part} in {report}");
    }
}

#[test]
fn failures_of_members_are_told_to_the_owner_and_hidden_members_to_nobody() {
    let script = |moment: Moment<'_>| match moment {
        Moment::Rcpt(line) if line.contains("gone@") => Some("550 5.1.1 gone".to_owned()),
        _ => None,
    };
    let sink = Sink::start_with(ALL_EXTENSIONS, Box::new(script)).unwrap();
    let more = format!(
        "[[group]]\nname = \"owned\"\naddresses = [\"owned@example.test\"]\nowner = \"alice\"\n\
         report-to = \"owner\"\nmembers = [\"gone@example.net\", \"bob\"]\n\
         [[group]]\nname = \"hidden\"\naddresses = [\"hidden@example.test\"]\nhidden-members = true\n\
         members = [\"member@example.net\", \"bob\"]\n\
         [[mailbox]]\nname = \"sender\"\naddresses = [\"sender@example.test\"]\n\
         [[connector]]\nname = \"out\"\naddress-space = [{{ pattern = \"example.net\", cost = 1 }}]\n\
         smart-hosts = [\"{}\"]\n",
        sink.address()
    );
    let server = Server::start(&Organization::new().with(&more));
    let content = message("for the group");
    send(
        server.strict(),
        "sender@example.test",
        &["owned@example.test"],
        &content,
    );
    let report = String::from_utf8(server.mailbox("alice", 1).remove(0)).unwrap();
    assert!(report.contains("gone@example.net"), "{report}");
    let copy = String::from_utf8(server.mailbox("bob", 1).remove(0)).unwrap();
    assert!(
        copy.starts_with("Return-Path: <alice@example.test>\r\n"),
        "{copy}"
    );
    assert!(
        copy.ends_with(std::str::from_utf8(&content).unwrap()),
        "{copy}"
    );

    send(
        server.strict(),
        "sender@example.test",
        &["hidden@example.test"],
        &content,
    );
    server.mailbox("bob", 2);
    let passed = bridgehead_tests::wait::until("the next hop has it", || sink.received().pop());
    assert!(passed.mail.contains("<>"), "{passed:?}");
    // The sender has heard of nothing.
    let status = server.ask(&["mailbox", "list"]);
    let of_sender = status["mailboxes"].as_array().unwrap().iter();
    let of_sender = of_sender.filter(|one| one["name"] == "sender" && one["messages"] != 0);
    assert_eq!(of_sender.count(), 0, "{status:#}");
}

#[test]
fn a_user_may_send_so_much_and_is_told_at_once_where_the_size_is_declared() {
    let dora = "[[mailbox]]\nname = \"dora\"\naddresses = [\"dora@example.test\"]\n\
                password = \"dora's own\"\nmax-send-size = \"2 KiB\"\nmax-send-recipients = 1\n";
    let server = Server::start(&Organization::new().with(dora));
    let script = r#"
import smtplib, ssl, sys
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
s = smtplib.SMTP(sys.argv[1], int(sys.argv[2]), timeout=60)
s.starttls(context=context)
s.login("dora", "dora's own")
code, text = s.mail("dora@example.test", ["SIZE=4000"])
assert code == 552, (code, text)
code, text = s.mail("dora@example.test", ["SIZE=1000"])
assert code == 250, (code, text)
s.rset()
s.sendmail("dora@example.test", ["bob@example.test", "alice@example.test"], b"Subject: two\r\n\r\nx\r\n")
s.quit()
"#;
    tools::python(script, server.submission(), &[]).good();
    let report = String::from_utf8(server.mailbox("dora", 1).remove(0)).unwrap();
    assert!(
        report.contains("5.5.3") && report.contains("up to 1 recipients"),
        "{report}"
    );
    assert!(report.contains("bob@example.test") && report.contains("alice@example.test"));
}
