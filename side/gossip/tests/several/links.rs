//! What delivery and probes show of links is soon known everywhere, and nobody waits for who doesn't answer.

use crate::network::{Network, down, triangle, until};
use bridgehead_gossip::view::{Kind, State};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_is_cut_is_known_everywhere_and_so_is_its_return() {
    let network = Network::start(&triangle());
    let a1 = network.of("a1");
    let mut picture = a1.picture();
    let version = picture.borrow_and_update().version;
    network.cut("a1", "c1");
    a1.note_use(Some("a-c"), "c1", false);
    until("all know", || {
        network.all().iter().all(|gossip| {
            let down = down(gossip);
            down.contains(&"a-c".to_owned())
        })
    })
    .await;
    let changed = picture.borrow_and_update().clone();
    assert!(changed.version > version);
    let id = changed.topology.connector_of_name("a-c").unwrap();
    assert!(changed.links.is_down(id));
    let view = a1.view();
    let link = view.links.iter().find(|link| &*link.name == "a-c").unwrap();
    assert_eq!((link.kind, link.state), (Kind::Connector, State::Down));
    assert!(link.age.is_some());
    let record = view.records.iter().find(|said| &*said.origin == "a1");
    assert!(record.unwrap().entries.iter().any(|entry| entry.is_down));
    network.heal();
    until("all is well", || {
        network.all().iter().all(|gossip| {
            let view = gossip.view();
            view.down.is_empty() && view.neighbours.iter().all(|neighbour| !neighbour.is_away)
        })
    })
    .await;
    assert!(
        !a1.view()
            .records
            .iter()
            .any(|said| !said.entries.is_empty())
    );
    // What waits for it needn't wait any longer.
    assert!(network.is_told("a1: a-c"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_doubt_is_enough_to_find_out_that_a_line_is_dead() {
    let network = Network::start(&triangle());
    let a1 = network.of("a1");
    network.cut("a1", "c1");
    a1.note_doubt(Some("a-c"), "c1");
    until("all know", || {
        network
            .all()
            .iter()
            .all(|gossip| down(gossip).contains(&"a-c".to_owned()))
    })
    .await;
    // One about a line that is well changes nothing.
    a1.note_doubt(Some("a-b"), "b1");
    until("it was tried", || network.is_told("a1: a-b")).await;
    assert!(!down(&a1).contains(&"a-b".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_swallows_everything_delays_nobody() {
    let network = Network::start(&triangle());
    for from in ["a1", "b1", "b2"] {
        network.swallow(from, "c1");
        network.swallow("c1", from);
    }
    let a1 = network.of("a1");
    until("c1 doesn't answer a1", || {
        let view = a1.view();
        view.neighbours
            .iter()
            .any(|neighbour| &*neighbour.name == "c1" && neighbour.is_away)
    })
    .await;
    // Its neighbours find out by themselves, and tell each other meanwhile.
    until("b1 knows from a1 that a-c is out", || {
        let view = network.of("b1").view();
        let mut records = view.records.iter();
        let said = records.find(|said| &*said.origin == "a1");
        said.is_some_and(|said| said.entries.iter().any(|entry| &*entry.name == "a-c"))
    })
    .await;
    network.heal();
    // What hangs is broken off only after its time.
    until("c1 answers again", || {
        let view = a1.view();
        view.down.is_empty() && view.neighbours.iter().all(|neighbour| !neighbour.is_away)
    })
    .await;
}

#[tokio::test]
async fn a_connector_is_suspected_only_when_all_its_targets_have_failed() {
    let network = Network::start(&triangle());
    let a1 = network.of("a1");
    for _ in 0..5 {
        a1.note_use(Some("a-b"), "b1", false);
    }
    a1.note_use(Some("a-b"), "b2", true);
    a1.note_use(Some("a-b"), "b2", false);
    // Neither does it know these.
    a1.note_use(Some("a-b"), "c1", false);
    a1.note_use(Some("b-c"), "c1", false);
    a1.note_use(Some("x"), "y", false);
    a1.note_use(None, "c1", false);
    assert_eq!((a1.view().links, network.probed("b1")), (Vec::new(), 0));
    a1.note_use(Some("a-b"), "b1", false);
    until("it was tried and works", || {
        network.probed("b1") > 0
            && a1
                .view()
                .links
                .iter()
                .all(|link| link.state == State::Works)
    })
    .await;
    assert_eq!(down(&a1), Vec::<String>::new());
    // One of the own group counts at once.
    let b1 = network.of("b1");
    network.cut("b1", "b2");
    b1.note_use(None, "b2", false);
    until("b2 is down for b1", || {
        let links = b1.view().links;
        let mut links = links.iter().filter(|link| link.kind == Kind::Server);
        links.any(|link| &*link.name == "b2" && link.state == State::Down)
    })
    .await;
}

#[tokio::test]
async fn load_makes_a_connector_dearer_everywhere() {
    let network = Network::start(&triangle());
    let a1 = network.of("a1");
    a1.note_load("a-c", 7, Duration::from_secs(90));
    until("all know", || {
        network.all().iter().all(|gossip| {
            let view = gossip.view();
            view.surcharges == [("a-c".into(), 5)]
        })
    })
    .await;
    let links = a1.view().links;
    assert_eq!((links[0].queued, links[0].surcharge), (7, 5));
}

#[tokio::test]
async fn who_has_stopped_says_nothing_and_takes_nothing() {
    let network = Network::start(&triangle());
    let c1 = network.of("c1");
    c1.stop().await;
    c1.stop().await;
    assert!(c1.receive("a1", 1, "ONLY", 0, b"x").is_err());
    assert!(!c1.view().is_member);
    let sent = network.captured("c1", "a1").len();
    let a1 = network.of("a1");
    until("a1 misses it", || {
        let view = a1.view();
        view.neighbours
            .iter()
            .any(|neighbour| &*neighbour.name == "c1" && neighbour.is_away)
    })
    .await;
    assert_eq!(network.captured("c1", "a1").len(), sent);
}
