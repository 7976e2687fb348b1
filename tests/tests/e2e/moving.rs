//! Mailboxes that move to another server of the organisation while their mail is under way: three sites, the one in the middle is
//! the only way between the others.

use crate::{message, send};
use bridgehead_tests::{Server, binary, tools, wait};
use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};

const SITES: [&str; 3] = ["a", "hub", "b"];

struct Organisation {
    servers: Vec<Server>,
    addresses: Vec<SocketAddr>,
    keys: Vec<String>,
}

impl Organisation {
    /// Bob's mailbox is on the server of this site.
    fn start(home: &str) -> Self {
        let mut servers: Vec<Server> = SITES
            .iter()
            .map(|site| Server::prepare_named(&format!("{site}1"), binary::bridgehead(), ""))
            .collect();
        let mut keys = Vec::new();
        for server in &mut servers {
            server.run(&[]);
            let key = server.command(&["member", "key"]);
            keys.push(String::from_utf8(key.stdout).unwrap().trim().to_owned());
        }
        let port = |_: &&str| SocketAddr::from((Ipv4Addr::LOCALHOST, tools::free_port()));
        let mut organisation = Self {
            servers,
            addresses: SITES.iter().map(port).collect(),
            keys,
        };
        for place in 0..SITES.len() {
            organisation.tell(place, home);
        }
        organisation
    }

    /// Tells one server where bob's mailbox is.
    fn tell(&mut self, place: usize, home: &str) {
        let text = self.text(home);
        self.servers[place].apply_text(&text);
    }

    fn text(&self, home: &str) -> String {
        let mut text = String::from(
            "[organization]\nname = \"Moving\"\npostmaster = \"alice@example.test\"\n\n\
             [[accepted-domain]]\nname = \"example.test\"\nkind = \"authoritative\"\n",
        );
        for ((site, address), key) in SITES.iter().zip(&self.addresses).zip(&self.keys) {
            write!(
                text,
                "\n[[routing-group]]\nname = \"{site}\"\n\
                 \n[[server]]\nname = \"{site}1\"\nrouting-group = \"{site}\"\nmember-address = [\"{address}\"]\nmember-keys = [\"{key}\"]\n\
                 \n[[virtual-server]]\nname = \"inbound-{site}\"\nserver = \"{site}1\"\nlisten = [\"{address}\"]\nrelay-from = [\"127.0.0.0/8\"]\n"
            )
            .unwrap();
        }
        for (from, to) in [("a", "hub"), ("hub", "a"), ("b", "hub"), ("hub", "b")] {
            write!(
                text,
                "\n[[connector]]\nname = \"{from}-{to}\"\nrouting-group = \"{from}\"\ntarget-group = \"{to}\"\ncost = 10\n"
            )
            .unwrap();
        }
        for (mailbox, home) in [("alice", "hub1"), ("bob", home)] {
            write!(
                text,
                "\n[[mailbox]]\nname = \"{mailbox}\"\naddresses = [\"{mailbox}@example.test\"]\nserver = \"{home}\"\n"
            )
            .unwrap();
        }
        text
    }

    fn send(&self, place: usize, subject: &str) {
        let content = message(subject);
        send(
            self.addresses[place],
            "x@example.org",
            &["bob@example.test"],
            &content,
        );
    }
}

#[test]
fn mail_that_waits_at_the_former_home_goes_on_to_the_new_one_also_back_over_the_hub() {
    let mut organisation = Organisation::start("b1");
    organisation.send(0, "first");
    organisation.servers[2].mailbox("bob", 1);
    // What comes now waits for the store.
    organisation.servers[2].ask(&["link", "freeze", "local"]);
    organisation.send(0, "second");
    wait::until("mail for the store of b1", || {
        (organisation.servers[2].queued() == 1).then_some(())
    });
    // The mailbox moves to where that mail came from. The way back is the way that it came.
    for place in [0, 1, 2] {
        organisation.tell(place, "a1");
    }
    let arrived = organisation.servers[0].mailbox("bob", 1);
    let text = String::from_utf8(arrived[0].clone()).unwrap();
    assert!(text.contains("Subject: second"), "{text}");
    // From the client, and then a1, hub1, b1, hub1, a1.
    assert_eq!(text.matches("\nReceived:").count(), 5, "{text}");
    for server in &organisation.servers {
        server.await_empty_queue();
    }
    assert_eq!(organisation.servers[2].uids("bob").len(), 1);
}

#[test]
fn mail_for_a_server_that_lost_the_mailbox_is_sent_on_from_there() {
    let mut organisation = Organisation::start("b1");
    // Only the former home knows yet that the mailbox is in the middle now.
    organisation.tell(2, "hub1");
    organisation.send(0, "to the former home");
    // It comes back to the hub, which still believes otherwise: it doesn't go round.
    wait::until("mail that waits", || {
        let waits = organisation.servers.iter().map(Server::queued).sum::<u64>();
        (waits == 1).then_some(())
    });
    organisation.tell(1, "hub1");
    organisation.servers[1].mailbox("bob", 1);
    for server in &organisation.servers {
        server.await_empty_queue();
    }
    assert!(organisation.servers[2].uids("bob").is_empty());
}
