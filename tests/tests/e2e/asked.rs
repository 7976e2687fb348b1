//! Mail that waits until its next hop asks for it (ETRN, RFC 1985).

use crate::{id_in, message, send};
use bridgehead_testkit::client::Client;
use bridgehead_testkit::sink::Sink;
use bridgehead_tests::organization::Organization;
use bridgehead_tests::{Server, wait};

fn ask(server: &Server, domain: &str) -> String {
    let mut client = Client::connect(server.inbound()).unwrap();
    let hello = client.ehlo("branch.example").unwrap();
    assert!(hello.lines.iter().any(|line| line == "ETRN"), "{hello:?}");
    let reply = client.command(&format!("ETRN {domain}")).unwrap();
    format!("{} {}", reply.code, reply.text())
}

#[test]
fn mail_waits_until_it_is_asked_for() {
    let branch = Sink::start().unwrap();
    let other = Sink::start().unwrap();
    let organization = Organization::new()
        .smart_host("other", "*", other.address())
        .with(&format!(
            "[[connector]]\nname = \"branch\"\nrouting-group = \"main\"\n\
             address-space = [{{ pattern = \"branch.example\", cost = 1 }}]\n\
             smart-hosts = [\"{}\"]\nwait-for-etrn = true\n",
            branch.address()
        ));
    let server = Server::start(&organization);
    let said = ask(&server, "branch.example");
    assert!(said.starts_with("251 "), "{said}");
    let to = |to: &str| {
        send(
            server.inbound(),
            "bob@example.test",
            &[to],
            &message("to a branch office"),
        )
    };
    let id = id_in(&to("a@branch.example"));
    to("b@elsewhere.example");
    wait::until("other mail is through", || {
        (other.count() == 1).then_some(())
    });
    wait::until("it waits to be asked for", || {
        let why = server.ask(&["message", "why", &id]).to_string();
        why.contains("until it is asked for (ETRN)").then_some(())
    });
    assert_eq!(branch.count(), 0);
    let said = ask(&server, "elsewhere.example");
    assert!(said.starts_with("459 "), "{said}");
    assert_eq!(branch.count(), 0);
    let said = ask(&server, "@branch.example");
    assert!(
        said.starts_with("253 ") && said.contains("1 pending"),
        "{said}"
    );
    wait::until("it is through", || (branch.count() == 1).then_some(()));
    // For a while more mail goes without being asked for.
    to("c@branch.example");
    wait::until("another is through", || (branch.count() == 2).then_some(()));
    server.await_empty_queue();
}
