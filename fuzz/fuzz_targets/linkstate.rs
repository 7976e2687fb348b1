//! Link state: octets as one message, as the bodies of many, and in chunks. Never a panic; what is read is written back as the same
//! octets; whatever a neighbour says, a node keeps one record of each member at most and sends nothing that isn't a message.

#![no_main]

use bridgehead_linkstate::chunk::{Assembler, Chunk, Place};
use bridgehead_linkstate::codec::{MESSAGE_OCTETS_MAX, Message};
use bridgehead_linkstate::{
    Action, ConnectorPlan, Identity, KeyFault, Node, Outcome, Plan, ServerPlan, Settings, Signer,
    Time, Topology, Verifier,
};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;
use std::time::Duration;

/// Takes every seal, so that what lies behind is reached.
struct Credulous;

impl Signer for Credulous {
    fn sign(&self, _: &[u8]) -> Vec<u8> {
        vec![0; 8]
    }
}

impl Verifier for Credulous {
    fn verify(&self, _: &str, _: &[u8], _: &[u8]) -> Result<(), KeyFault> {
        Ok(())
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((mode, octets)) = input.split_first() else {
        return;
    };
    let mut node = node();
    let mut now = Time::from_millis(10_000);
    match mode % 3 {
        0 => take(&mut node, &mut now, octets),
        1 => {
            for body in pieces(octets) {
                if let Some((kind, body)) = body.split_first() {
                    take(&mut node, &mut now, &framed(*kind, body));
                }
            }
        }
        _ => chunks(&mut node, &mut now, octets),
    }
    // What was said is forgotten in the end.
    for _ in 0..3 {
        now = now.after(Duration::from_secs(1800));
        node.tick(now);
        drain(&mut node, now);
    }
});

fn take(node: &mut Node, now: &mut Time, octets: &[u8]) {
    if let Ok(message) = Message::read(octets) {
        assert_eq!(message.write(), octets);
    }
    let _ = node.receive(*now, "b1", octets);
    drain(node, *now);
    *now = now.after(Duration::from_millis(700));
    node.tick(*now);
    drain(node, *now);
}

fn drain(node: &mut Node, now: Time) {
    while let Some(action) = node.poll() {
        match action {
            Action::Send { octets, .. } => {
                assert!(octets.len() <= MESSAGE_OCTETS_MAX);
                assert!(Message::read(&octets).is_ok());
            }
            Action::Probe(target) => node.note_link(now, target, Outcome::Works),
            Action::Changed | Action::Report(_) => {}
        }
    }
    assert!(node.records().count() <= node.topology().servers().len());
}

/// Chunks as they come: an octet for the place, one for the number, then a piece.
fn chunks(node: &mut Node, now: &mut Time, octets: &[u8]) {
    let mut assembler = Assembler::default();
    for piece in pieces(octets) {
        let [place, number, octets @ ..] = piece else {
            continue;
        };
        let place = match place % 4 {
            0 => Place::Only,
            1 => Place::First,
            2 => Place::Next,
            _ => Place::Last,
        };
        let number = u32::from(*number);
        let chunk = Chunk {
            place,
            number,
            octets,
        };
        if let Ok(Some(message)) = assembler.take(&chunk) {
            assert!(message.len() <= MESSAGE_OCTETS_MAX);
            take(node, now, &message);
        }
    }
}

/// Two octets of length, lower first, then as many.
fn pieces(mut octets: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    while let [low, high, rest @ ..] = octets {
        let length = usize::from(u16::from_le_bytes([*low, *high]));
        let (piece, rest) = rest.split_at(length.min(rest.len()));
        pieces.push(piece);
        octets = rest;
    }
    pieces
}

fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut octets = b"BHLS\x01".to_vec();
    octets.push(kind);
    octets.resize(28, 0);
    octets.extend_from_slice(&u32::try_from(body.len()).unwrap_or(0).to_le_bytes());
    octets.extend_from_slice(body);
    octets
}

/// A server of a triangle of groups.
fn node() -> Node {
    let groups = ["a", "b", "c"];
    let mut plan = Plan::default();
    for group in groups {
        plan.groups.push(group.to_owned());
        for number in [1, 2] {
            plan.servers.push(ServerPlan {
                name: format!("{group}{number}"),
                group: group.to_owned(),
                key: Vec::new(),
            });
        }
        for to in groups.into_iter().filter(|to| *to != group) {
            plan.connectors.push(ConnectorPlan {
                name: format!("{group}-{to}"),
                from: group.to_owned(),
                to: to.to_owned(),
                cost: 1,
                weight: 1,
                sources: vec![format!("{group}1")],
                targets: vec![format!("{to}1")],
            });
        }
    }
    let topology = Arc::new(Topology::build(&plan).expect("the plan adds up"));
    let identity = Identity {
        server: "a1".into(),
        instance: 1,
        epoch: 1,
    };
    let keys = (Arc::new(Credulous) as Arc<_>, Arc::new(Credulous) as Arc<_>);
    Node::new(Time::START, Arc::new(Settings::default()), topology, &identity, keys)
        .expect("it is a member")
}
