//! The picture for management, by names.

use crate::core::{Core, name_of};
use crate::view::{Kind, Neighbour, OwnLink, Said, SaidLink, State, View};
use bridgehead_linkstate::{Entry, Held, Node, ServerId, Settings, Subject, Target, Time, Watch};
use std::time::Duration;

/// What the core knows now.
pub(super) fn look(core: &Core, now: Time) -> View {
    let mut view = View {
        server: core.server.clone(),
        version: core.version(),
        ..View::default()
    };
    let Some(node) = &core.node else {
        return view;
    };
    let topology = node.topology();
    view.is_member = true;
    view.objects = (
        topology.servers().len(),
        topology.groups().len(),
        topology.connectors().len(),
    );
    view.fingerprint = topology.fingerprint();
    view.untold = node.untold();
    for id in topology.connector_ids() {
        let Some(connector) = topology.connector(id) else {
            continue;
        };
        match node.links().cost(topology, id) {
            None => view.down.push(connector.name.clone()),
            Some(cost) if cost > connector.cost => {
                let surcharge = cost - connector.cost;
                view.surcharges.push((connector.name.clone(), surcharge));
            }
            Some(_) => {}
        }
        let cut = node.links().down_at().filter(|(of, _)| *of == id);
        let cut: Vec<Box<str>> = cut.map(|(_, source)| name(node, source)).collect();
        if !cut.is_empty() && !node.links().is_down(id) {
            view.partly.push((connector.name.clone(), cut));
        }
    }
    view.out = node.links().out().map(|id| name(node, id)).collect();
    let watches = node.watches();
    let links =
        watches.filter_map(|(target, watch)| own_link(node, (target, watch), now, &core.protocol));
    view.links = links.collect();
    view.neighbours = neighbours(core, node);
    let records = node.records();
    let records = records.map(|(id, held)| said(name(node, id), held, now, &core.protocol));
    view.records = records.collect();
    view
}

fn name(node: &Node, id: ServerId) -> Box<str> {
    let server = node.topology().server(id);
    server.map(|server| server.name.clone()).unwrap_or_default()
}

fn own_link(
    node: &Node,
    (target, watch): (Target, &Watch),
    now: Time,
    settings: &Settings,
) -> Option<OwnLink> {
    let (kind, name) = name_of(node.topology(), target)?;
    let state = match (watch.is_lost(), watch.is_suspected()) {
        (true, _) => State::Down,
        (_, true) => State::Suspected,
        _ if watch.clone().is_down(now, settings) => State::Held,
        _ => State::Works,
    };
    let (since, probe, all) = (watch.since(), watch.next_probe(), watch.deadline(settings));
    let until = |time: Time| (time != Time::NEVER).then(|| time.since(now));
    let load = watch.load();
    Some(OwnLink {
        kind,
        name,
        state,
        // When the suspicion began is not kept.
        age: (since != Time::START && state != State::Suspected).then(|| now.since(since)),
        next_probe: until(probe),
        held_for: until(all).filter(|_| state == State::Held),
        queued: load.queued,
        delay: Duration::from_secs(u64::from(load.delay)),
        surcharge: load.surcharge,
    })
}

fn neighbours(core: &Core, node: &Node) -> Vec<Neighbour> {
    let sessions = node.sessions();
    let all = sessions.map(|(id, session)| {
        let name = name(node, id);
        let line = core.lines.get(&name);
        Neighbour {
            is_away: session.is_away(),
            unanswered: session.unanswered(),
            waiting: line.map_or(0, |line| line.len()),
            carried: line.map_or(0, |line| line.carried),
            failed: line.map_or(0, |line| line.failed),
            dropped: line.map_or(0, |line| line.dropped),
            failure: line.and_then(|line| line.failure.clone()),
            name,
        }
    });
    all.collect()
}

fn said(origin: Box<str>, held: &Held, now: Time, settings: &Settings) -> Said {
    let statement = held.record.statement();
    let age = held.age(now, settings.max_age);
    Said {
        origin,
        age: Duration::from_millis(u64::from(age)),
        left: held.expires.since(now),
        version: (statement.version.epoch, statement.version.sequence),
        entries: statement.entries.iter().map(said_link).collect(),
    }
}

fn said_link(entry: &Entry) -> SaidLink {
    SaidLink {
        kind: match entry.subject {
            Subject::Connector => Kind::Connector,
            Subject::Peer => Kind::Server,
        },
        name: entry.name.clone(),
        is_down: entry.down,
        surcharge: entry.surcharge,
        queued: entry.queued,
        delay: Duration::from_secs(u64::from(entry.delay)),
    }
}
