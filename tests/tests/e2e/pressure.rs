//! Back pressure: new mail is slowed down and then refused, and what is there goes on.

use crate::{client, message, send};
use bridgehead_testkit::sink::{ALL_EXTENSIONS, Sink};
use bridgehead_tests::organization::Organization;
use bridgehead_tests::{Server, tools, wait};

/// The code that MAIL is answered with now.
fn answer(server: &Server) -> u16 {
    let mut client = client(server.inbound());
    let reply = client.command("MAIL FROM:<bob@example.test>").unwrap();
    reply.code
}

fn pressure(server: &Server) -> String {
    let list = server.ask(&["queue", "list"]);
    list["pressure"].as_str().unwrap().to_owned()
}

#[test]
fn a_full_queue_refuses_new_mail_until_there_is_room_again() {
    let address = tools::nobody();
    let organization = Organization::new()
        .server("retry-schedule = [\"1h\"]\nmax-queued-messages = 10")
        .smart_host("out", "*", address);
    let server = Server::start(&organization);
    assert_eq!(pressure(&server), "normal");
    for _ in 0..8 {
        send(
            server.inbound(),
            "bob@example.test",
            &["b@example.net"],
            &message("one of many"),
        );
    }
    wait::until("it slow", || (pressure(&server) == "slow").then_some(()));
    let list = server.command(&["queue", "list"]);
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    assert!(list.contains("REPLIES TO NEW MAIL ARE DELAYED"), "{list}");
    for _ in 0..2 {
        send(
            server.inbound(),
            "bob@example.test",
            &["b@example.net"],
            &message("still taken"),
        );
    }
    wait::until("mail refused", || (answer(&server) == 452).then_some(()));
    // What is there goes out, and then there is room.
    let sink = Sink::start_at(address, ALL_EXTENSIONS, Box::new(|_| None)).unwrap();
    server.ask(&["queue", "retry", "--all"]);
    wait::until("all at the next hop", || (sink.count() == 10).then_some(()));
    wait::until("mail taken", || (answer(&server) == 250).then_some(()));
    assert_eq!(pressure(&server), "normal");
    assert!(server.log().contains("back pressure changes"));
}
