//! Made-up messages, and what a categorizer would find out about them.

use bridgehead_mail::{
    Address, Addressee, BodyKind, Destination, DsnText, Envelope, Failure, NextHop, Notify, Orcpt,
    Origin, Protocol, Recipient, RemoteReply, Ret, ReversePath, StatusCode, Timestamp,
};
use bridgehead_queue::{Part, Work};
use rand::Rng;
use rand::rngs::StdRng;

/// Domains that there are; `local.example` is ours.
const DOMAINS: [&str; 4] = [
    "local.example",
    "one.example",
    "two.example",
    "three.example",
];

pub(crate) fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// Content with a recognisable beginning, so that a mix-up shows.
pub(crate) fn content(random: &mut StdRng, most: usize) -> Vec<u8> {
    let size = match random.random_range(0..10) {
        0 => 0,
        1..=6 => random.random_range(1..=most.min(300)),
        _ => random.random_range(0..=most),
    };
    let mark: u64 = random.random();
    let pattern = mark.to_le_bytes();
    pattern.iter().copied().cycle().take(size).collect()
}

pub(crate) fn envelope(random: &mut StdRng, accepted: Timestamp) -> Envelope {
    let count = match random.random_range(0..12) {
        0 => random.random_range(5..30),
        _ => random.random_range(1..5),
    };
    let recipients = (0..count).map(|number| recipient(random, number)).collect();
    let secure = random.random();
    Envelope {
        handling: bridgehead_mail::Handling::default(),
        reverse_path: match random.random_range(0..5) {
            0 => ReversePath::Null,
            _ => ReversePath::Address(address("alice@sender.example")),
        },
        recipients,
        body: [
            BodyKind::SevenBit,
            BodyKind::EightBitMime,
            BodyKind::BinaryMime,
        ][random.random_range(0..3)],
        smtputf8: random.random(),
        ret: [None, Some(Ret::Full), Some(Ret::Headers)][random.random_range(0..3)],
        envid: random
            .random::<bool>()
            .then(|| DsnText::new("envelope-7").unwrap()),
        origin: Origin {
            virtual_server: "inbound".into(),
            client: [
                None,
                Some("127.0.0.1".parse().unwrap()),
                Some("::1".parse().unwrap()),
            ][random.random_range(0..3)],
            helo: "client.example".into(),
            protocol: Protocol {
                extended: true,
                tls: secure,
                authenticated: random.random(),
                utf8: random.random(),
            },
            tls: secure.then(|| "TLSv1.3".into()),
            user: random.random::<bool>().then(|| "alice".into()),
        },
        accepted,
        journey: None,
    }
}

fn recipient(random: &mut StdRng, number: usize) -> Recipient {
    let domain = DOMAINS[random.random_range(0..DOMAINS.len())];
    let kind = if random.random_range(0..8) == 0 {
        "group"
    } else {
        "user"
    };
    Recipient {
        address: address(&format!("{kind}{number}@{domain}")),
        notify: match random.random_range(0..3) {
            0 => Notify::Never,
            1 => Notify::Unsaid,
            _ => Notify::On {
                success: random.random(),
                failure: true,
                delay: random.random(),
            },
        },
        orcpt: random.random::<bool>().then(|| Orcpt {
            kind: DsnText::new("rfc822").unwrap(),
            address: DsnText::new("first@place.example").unwrap(),
        }),
    }
}

/// Who the recipients are: a group has two members, anybody else is one addressee.
pub(crate) fn resolve(recipients: &[Recipient]) -> Vec<Addressee> {
    let mut all = Vec::new();
    for recipient in recipients {
        let text = recipient.address.to_string();
        let (local, domain) = text.split_once('@').unwrap();
        let names = if local.starts_with("group") && !local.contains('-') {
            vec![
                format!("{local}-a@{domain}"),
                format!("{local}-b@two.example"),
            ]
        } else {
            vec![text.clone()]
        };
        all.extend(names.iter().map(|name| Addressee {
            address: address(name),
            destination: if name.ends_with("@local.example") {
                Destination::Mailbox(name.as_str().into())
            } else {
                Destination::Remote
            },
            notify: recipient.notify,
            orcpt: recipient.orcpt.clone(),
        }));
    }
    all
}

pub(crate) fn categorize(envelope: &Envelope) -> Vec<Addressee> {
    resolve(&envelope.recipients)
}

/// Whom a work concerns.
pub(crate) fn concerned(work: &Work, envelope: &Envelope) -> Vec<Addressee> {
    match work {
        Work::Categorize => categorize(envelope),
        Work::Route(addressees) => addressees.clone(),
        Work::Again { left, .. } => left.clone(),
        Work::Return(recipients, _) => resolve(recipients),
    }
}

/// The parts for these addressees: one for each next hop. `way` changes the next hops, as a new routing does.
pub(crate) fn parts(addressees: Vec<Addressee>, way: u64) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for addressee in addressees {
        let hop = match addressee.destination {
            Destination::Mailbox(_) => NextHop::Local,
            // Now and then there is no way at all.
            Destination::Remote if way % 4 == 3 => NextHop::Unreachable {
                goal: addressee.address.domain().as_str().into(),
                why: "no connector leads there".into(),
            },
            Destination::Remote => NextHop::Mx {
                connector: format!("way-{way}").into(),
                domain: addressee.address.domain().clone(),
            },
        };
        match parts.iter_mut().find(|part| part.hop == hop) {
            Some(part) => part.addressees.push(addressee),
            None => parts.push(Part {
                hop,
                addressees: vec![addressee],
            }),
        }
    }
    parts
}

pub(crate) fn failure(random: &mut StdRng) -> Failure {
    Failure {
        status: StatusCode::transient(4, random.random_range(0..8)),
        text: "the next hop is busy".into(),
        remote: random.random::<bool>().then(|| RemoteReply {
            host: "mx.example".into(),
            code: 451,
            text: "4.3.0 later".into(),
        }),
        cause: None,
    }
}
