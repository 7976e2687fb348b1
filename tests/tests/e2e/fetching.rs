//! Mail that waits at another server and is fetched from there, by ETRN and by ATRN: two servers, one with a line that is there only
//! at times.

use crate::{id_in, message, send};
use bridgehead_tests::organization::{Organization, PASSWORD};
use bridgehead_tests::{Server, wait};
use std::net::SocketAddr;

/// The branch office, with this connector to its provider.
fn branch(provider: &str) -> Organization {
    Organization::new().with(&format!(
        "[[accepted-domain]]\nname = \"branch.test\"\n\
         [[mailbox]]\nname = \"carol\"\naddresses = [\"carol@branch.test\"]\n\
         [[connector]]\nname = \"provider\"\nrouting-group = \"main\"\n{provider}\n"
    ))
}

fn atrn(provider: SocketAddr, password: &str) -> Organization {
    branch(&format!(
        "tls = \"required\"\nusername = \"bob@example.test\"\npassword = \"{password}\"\n\
         fetch = {{ host = \"{provider}\", by = \"atrn\", domains = [\"branch.test\"], every = \"1h\" }}"
    ))
}

/// The provider, where the mail of the branch office waits.
fn provider(lines: &str) -> Organization {
    Organization::new().with(&format!(
        "[[connector]]\nname = \"branch\"\nrouting-group = \"main\"\n\
         address-space = [{{ pattern = \"branch.test\", cost = 1 }}]\n{lines}\n"
    ))
}

fn leave(server: &Server, subject: &str) {
    let to = ["carol@branch.test"];
    let said = send(
        server.inbound(),
        "alice@example.test",
        &to,
        &message(subject),
    );
    let id = id_in(&said);
    wait::until("it waits to be asked for", || {
        let why = server.ask(&["message", "why", &id]).to_string();
        why.contains("until it is asked for").then_some(())
    });
}

/// What a server says that can't fetch.
fn refused(server: &Server) -> String {
    let output = server.command(&["link", "fetch", "provider"]);
    assert!(!output.status.success());
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[test]
fn one_server_fetches_its_mail_from_the_other_by_atrn() {
    let provider = Server::start(&provider("asked-by = [\"bob\"]"));
    let mut branch = Server::start(&atrn(provider.submission(), PASSWORD));
    let none = branch.ask(&["link", "fetch", "provider"]);
    assert_eq!(none["said"][0]["asked"], "ATRN branch.test");
    let reply = none["said"][0]["reply"].as_str().unwrap();
    assert!(reply.starts_with("453 "), "{none}");
    leave(&provider, "the first");
    leave(&provider, "the second");
    let came = branch.ask(&["link", "fetch", "provider"]);
    assert_eq!(
        (&came["messages"], &came["worked"]),
        (&2.into(), &true.into()),
        "{came}"
    );
    let mail = branch.mailbox("carol", 2);
    let text = String::from_utf8(mail[0].clone()).unwrap();
    assert!(
        text.contains("with ESMTPS") && text.contains("Subject: the first"),
        "{text}"
    );
    provider.await_empty_queue();
    let list = branch.ask(&["link", "list"]);
    let state = &list["fetches"][0];
    assert_eq!(
        (&state["by"], &state["failures"]),
        (&"ATRN".into(), &0.into()),
        "{list}"
    );
    assert_eq!(state["last"]["messages"], 2);
    // With the wrong password nothing comes, and nothing is lost.
    leave(&provider, "the third");
    branch.apply(&atrn(provider.submission(), "wrong"));
    let said = refused(&branch);
    assert!(said.contains("535 5.7.8"), "{said}");
    assert_eq!(branch.ask(&["link", "list"])["fetches"][0]["failures"], 1);
    assert_eq!(provider.queued(), 1);
    branch.apply(&atrn(provider.submission(), PASSWORD));
    let came = branch.ask(&["link", "fetch", "provider"]);
    assert_eq!(came["messages"], 1, "{came}");
    branch.mailbox("carol", 3);
    provider.await_empty_queue();
    let output = branch.command(&["link", "fetch", "nobody"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("no mail is asked for with a connector of that name"),
        "{said}"
    );
}

#[test]
fn what_the_own_rules_refuse_goes_back_to_its_sender() {
    let provider = Server::start(&provider("asked-by = [\"bob\"]"));
    let branch = Server::start(&atrn(provider.submission(), PASSWORD));
    let to = ["nobody@branch.test"];
    send(provider.inbound(), "alice@example.test", &to, &message("x"));
    leave(&provider, "for somebody");
    let came = branch.ask(&["link", "fetch", "provider"]);
    assert_eq!(came["messages"], 1, "{came}");
    provider.await_empty_queue();
    let report = String::from_utf8(provider.mailbox("alice", 1).remove(0)).unwrap();
    assert!(
        report.contains("550 5.1.1 No such mailbox here"),
        "{report}"
    );
}

#[test]
fn one_server_has_its_mail_sent_by_the_other_by_etrn() {
    let mut branch = Server::start(&Organization::new());
    let lines = format!(
        "smart-hosts = [\"{}\"]\nwait-for-etrn = true",
        branch.inbound()
    );
    let provider = Server::start(&provider(&lines));
    leave(&provider, "sent");
    let asking = |domains: &str| {
        self::branch(&format!(
            "fetch = {{ host = \"{}\", by = \"etrn\", domains = [{domains}] }}",
            provider.inbound()
        ))
    };
    branch.apply(&asking("\"branch.test\""));
    // Nobody has to say so.
    branch.mailbox("carol", 1);
    provider.await_empty_queue();
    let said = wait::until("it is told what came of it", || {
        let list = branch.ask(&["link", "list"]);
        let said = list["fetches"][0]["last"]["said"][0]["reply"].as_str();
        said.map(str::to_owned)
    });
    assert!(
        said.starts_with("253 ") && said.contains("1 pending"),
        "{said}"
    );
    let again = branch.ask(&["link", "fetch", "provider"]);
    let said = again["said"][0]["reply"].as_str().unwrap();
    assert!(said.starts_with("251 "), "{again}");
    branch.apply(&asking("\"branch.test\", \"example.test\""));
    let said = refused(&branch);
    assert!(
        said.contains("ETRN branch.test: 25") && said.contains("ETRN example.test: 459"),
        "{said}"
    );
    branch.apply(&Organization::new());
    assert!(branch.ask(&["link", "list"])["fetches"].is_null());
}
