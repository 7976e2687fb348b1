//! Submission by our own users: TLS, authentication, nobody else (RFC 6409).

use crate::{client, message, trace_fields};
use bridgehead_testkit::sink::Sink;
use bridgehead_tests::organization::{Organization, PASSWORD};
use bridgehead_tests::{Server, tools, wait};

#[test]
fn swaks_authenticates_both_ways_under_tls() {
    let sink = Sink::start().unwrap();
    let server = Server::start(&Organization::new().smart_host("out", "*", sink.address()));
    for way in ["PLAIN", "LOGIN"] {
        let said = tools::swaks(
            server.submission(),
            &[
                "--tls",
                "--auth",
                way,
                "--auth-user",
                "alice",
                "--auth-password",
                PASSWORD,
                "--from",
                "alice@example.test",
                "--to",
                "b@example.net",
            ],
        )
        .good();
        assert!(said.contains("TLS started"), "{said}");
        assert!(said.contains("235 2.7.0"), "{said}");
    }
    wait::until("both at the next hop", || (sink.count() == 2).then_some(()));
    let arrived = &sink.received()[0];
    let text = String::from_utf8_lossy(&arrived.content).into_owned();
    assert!(text.contains("with ESMTPSA"), "{text}");
}

#[test]
fn a_wrong_password_is_refused() {
    let server = Server::start(&Organization::new());
    for (user, password) in [("alice", "wrong"), ("nobody", PASSWORD), ("alice", "")] {
        let said = tools::swaks(
            server.submission(),
            &[
                "--tls",
                "--auth",
                "PLAIN",
                "--auth-user",
                user,
                "--auth-password",
                password,
                "--from",
                "alice@example.test",
                "--to",
                "bob@example.test",
            ],
        );
        assert!(!said.success, "{user}: {}", said.text);
        assert!(
            said.text.contains("535 5.7.8") || said.text.contains(" 501 "),
            "{user}: {}",
            said.text
        );
    }
    assert!(server.uids("bob").is_empty());
}

#[test]
fn nobody_sends_without_authentication() {
    let server = Server::start(&Organization::new());
    let mut client = client(server.submission());
    let hello = client.ehlo("client.example.org").unwrap().lines;
    assert!(
        !hello.iter().any(|line| line.starts_with("AUTH")),
        "{hello:?}"
    );
    let reply = client.send("alice@example.test", &["bob@example.test"], &message("x"));
    let reply = reply.unwrap();
    assert_eq!(reply.code, 530, "{reply:?}");
    let reply = client.command("AUTH PLAIN AGFsaWNlAHg=").unwrap();
    assert_eq!(reply.code / 100, 5, "never outside TLS: {reply:?}");
}

#[test]
fn users_send_under_their_own_name_only() {
    let server = Server::start(&Organization::new());
    let said = tools::swaks(
        server.submission(),
        &[
            "--tls",
            "--auth",
            "PLAIN",
            "--auth-user",
            "alice",
            "--auth-password",
            PASSWORD,
            "--from",
            "bob@example.test",
            "--to",
            "alice@example.test",
        ],
    );
    assert!(!said.success, "{}", said.text);
    assert!(said.text.contains("5.7.1"), "{}", said.text);
}

#[test]
fn python_submits_under_tls() {
    let server = Server::start(&Organization::new());
    let script = r#"
import smtplib, ssl, sys
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
s = smtplib.SMTP(sys.argv[1], int(sys.argv[2]), timeout=60)
s.starttls(context=context)
s.login("alice", sys.argv[3])
refused = s.sendmail("alice@example.test", ["bob@example.test"], b"Subject: x\r\n\r\n.\r\nb\r\n")
assert refused == {}, refused
s.quit()
"#;
    tools::python(script, server.submission(), &[PASSWORD]).good();
    let messages = server.mailbox("bob", 1);
    let front = trace_fields("python", &messages[0], b"Subject: x\r\n\r\n.\r\nb\r\n");
    assert!(
        front.contains("Return-Path: <alice@example.test>"),
        "{front}"
    );
}

#[test]
fn an_app_password_is_as_good_as_the_password_and_is_taken_back_alone() {
    let carol = |apps: &str| {
        Organization::new().with(&format!(
            "[[mailbox]]\nname = \"carol\"\naddresses = [\"carol@example.test\"]\n\
             password = \"main password\"\napp-passwords = [{apps}]\n"
        ))
    };
    let mut server = Server::start(&carol("\"for the phone\", \"for the laptop\""));
    let login = |server: &Server, password: &str| {
        let arguments = [
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
            "bob@example.test",
        ];
        tools::swaks(server.submission(), &arguments).success
    };
    for password in ["main password", "for the phone", "for the laptop"] {
        assert!(login(&server, password), "{password}");
    }
    assert!(!login(&server, "for the fridge"));
    let again = server.apply(&carol("\"for the phone\", \"for the laptop\""));
    assert_eq!(again["changed"], serde_json::json!([]), "{again:#}");
    server.apply(&carol("\"for the phone\""));
    assert!(login(&server, "for the phone"));
    assert!(!login(&server, "for the laptop"), "it was taken back");
}

#[test]
fn guessing_is_slowed_down_for_the_guesser_and_not_for_the_user() {
    let server = Server::start(&Organization::new());
    let script = r#"
import smtplib, ssl, sys
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
codes = []
def attempt(source, user, password):
    s = smtplib.SMTP(sys.argv[1], int(sys.argv[2]), timeout=60, source_address=(source, 0))
    s.starttls(context=context)
    s.ehlo()
    try:
        s.login(user, password)
        return 235
    except smtplib.SMTPAuthenticationError as e:
        return e.smtp_code
    finally:
        s.close()
assert attempt("127.0.0.2", "bob", sys.argv[3]) == 235
codes = [attempt("127.0.0.2", "alice", "wrong") for _ in range(12)]
assert 535 in codes and codes[-1] == 454, codes
# bob has logged in from there before; alice isn't locked out elsewhere.
assert attempt("127.0.0.2", "bob", sys.argv[3]) == 235
assert attempt("127.0.0.3", "alice", sys.argv[3]) == 235
"#;
    tools::python(script, server.submission(), &[PASSWORD]).good();
}
