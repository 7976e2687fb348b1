//! Configuration changes while it runs: servers come and go, keys are revoked.

use crate::network::{Network, down, roster, secret, triangle, until};
use bridgehead_linkstate::Topology;
use std::sync::Arc;

#[tokio::test]
async fn a_server_that_left_rests_until_it_is_in_the_topology_again() {
    let network = Network::start(&triangle());
    let mut without = triangle();
    without.servers.retain(|server| server.name != "b2");
    let smaller = Arc::new(Topology::build(&without).unwrap());
    assert!(network.gossip(&without, "b2").is_err());
    for gossip in network.all() {
        gossip.replace(Arc::clone(&smaller), roster(&[]));
    }
    let b2 = network.of("b2");
    assert!(!b2.view().is_member);
    assert!(b2.receive("b1", 1, "ONLY", 0, b"x").is_err());
    // Its routing sees the configuration, nothing else.
    let picture = b2.picture().borrow().clone();
    assert_eq!(*picture.topology, *smaller);
    assert!(picture.links.is_calm());
    let names = |name: &str| {
        let neighbours = network.of(name).view().neighbours.into_iter();
        neighbours
            .map(|neighbour| neighbour.name.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(names("a1"), ["b1", "c1"]);
    // The others go on, with other numbers.
    network.cut("b1", "c1");
    network.of("b1").note_use(Some("b-c"), "c1", false);
    until("a1 knows that b-c is out", || {
        down(&network.of("a1")).contains(&"b-c".to_owned())
    })
    .await;
    let all = Arc::new(Topology::build(&triangle()).unwrap());
    for gossip in network.all() {
        gossip.replace(Arc::clone(&all), roster(&[]));
    }
    assert!(b2.view().is_member);
    assert_eq!(names("a1"), ["b1", "b2", "c1"]);
    until("b2 hears again", || {
        let view = b2.view();
        view.records.iter().any(|said| &*said.origin == "b1")
    })
    .await;
    // b-c has another source now, which says nothing against it.
    until("b-c isn't out any more", || {
        network
            .all()
            .iter()
            .all(|gossip| !down(gossip).contains(&"b-c".to_owned()))
    })
    .await;
}

#[tokio::test]
async fn what_was_said_goes_with_the_key() {
    let network = Network::start(&triangle());
    let b1 = network.of("b1");
    network.cut("b1", "c1");
    b1.note_use(Some("b-c"), "c1", false);
    let knows = |name: &str| {
        let view = network.of(name).view();
        view.records.iter().any(|said| &*said.origin == "b1")
    };
    let others = ["a1", "b2", "c1"];
    until("all know", || others.iter().all(|name| knows(name))).await;
    let topology = Arc::new(Topology::build(&triangle()).unwrap());
    for name in others {
        network
            .of(name)
            .replace(Arc::clone(&topology), roster(&["b1"]));
    }
    assert!(!others.iter().any(|name| knows(name)));
    // It goes on sending, and isn't heard.
    network.heal();
    let sent = || network.captured("b1", "a1").len();
    let before = sent();
    until("b1 has sent more", || sent() > before + 3).await;
    assert!(!others.iter().any(|name| knows(name)));
    // Another key in the topology is another server.
    let mut plan = triangle();
    for server in &mut plan.servers {
        if server.name == "c1" {
            server.key = secret("other").to_le_bytes().to_vec();
        }
    }
    let other = Arc::new(Topology::build(&plan).unwrap());
    let c1 = network.of("c1");
    network.cut("c1", "a1");
    c1.note_use(Some("c-a"), "a1", false);
    let said = || {
        let view = network.of("b2").view();
        view.records.iter().any(|said| &*said.origin == "c1")
    };
    until("b2 knows from c1", said).await;
    network.of("b2").replace(other, roster(&["b1"]));
    assert!(!said());
}
