//! Link state: what this server knows of the organisation's links.

use crate::Rooms;
use axum::Json;
use axum::extract::State;
use bridgehead_gossip::view;
use bridgehead_management_api::{
    LinkSaid, LinkState, LinkWatched, Neighbour, PartlyDown, Surcharge, Word,
};
use std::time::Duration;

pub(crate) async fn show(State(rooms): State<Rooms>) -> Json<LinkState> {
    let gossip = rooms.gossip.borrow().clone();
    Json(gossip.map_or_else(LinkState::default, |gossip| picture(gossip.view())))
}

fn picture(view: view::View) -> LinkState {
    let (servers, groups, connectors) = view.objects;
    let names = |names: Vec<Box<str>>| names.into_iter().map(String::from).collect();
    let dearer = view.surcharges.into_iter();
    let partly = view.partly.into_iter();
    LinkState {
        takes_part: view.is_member,
        server: view.server.into(),
        servers: servers as u64,
        groups: groups as u64,
        connectors: connectors as u64,
        topology: format!("{:016x}", view.fingerprint),
        version: view.version,
        down: names(view.down),
        partly: partly
            .map(|(connector, servers)| PartlyDown {
                connector: connector.into(),
                servers: names(servers),
            })
            .collect(),
        dearer: dearer
            .map(|(connector, surcharge)| Surcharge {
                connector: connector.into(),
                surcharge,
            })
            .collect(),
        out: names(view.out),
        links: view.links.into_iter().map(watched).collect(),
        neighbours: view.neighbours.into_iter().map(neighbour).collect(),
        said: view.records.into_iter().map(word).collect(),
        untold: view.untold,
    }
}

fn kind(kind: view::Kind) -> String {
    match kind {
        view::Kind::Connector => "connector",
        view::Kind::Server => "server",
    }
    .to_owned()
}

fn watched(link: view::OwnLink) -> LinkWatched {
    let seconds = |time: Option<Duration>| time.map(|time| time.as_secs());
    let state = match link.state {
        view::State::Works => "works",
        view::State::Suspected => "suspected",
        view::State::Down => "down",
        view::State::Held => "held",
    };
    LinkWatched {
        kind: kind(link.kind),
        name: link.name.into(),
        state: state.to_owned(),
        since: seconds(link.age),
        next_try: seconds(link.next_probe),
        held_for: seconds(link.held_for),
        queued: link.queued,
        oldest: link.delay.as_secs(),
        surcharge: link.surcharge,
    }
}

fn neighbour(neighbour: view::Neighbour) -> Neighbour {
    Neighbour {
        name: neighbour.name.into(),
        answers: !neighbour.is_away,
        unanswered: neighbour.unanswered as u64,
        waiting: neighbour.waiting as u64,
        carried: neighbour.carried,
        failed: neighbour.failed,
        dropped: neighbour.dropped,
        failure: neighbour.failure,
    }
}

fn word(said: view::Said) -> Word {
    let (epoch, sequence) = said.version;
    let links = said.entries.into_iter();
    Word {
        origin: said.origin.into(),
        age: said.age.as_secs(),
        left: said.left.as_secs(),
        version: format!("{epoch}.{sequence}"),
        links: links
            .map(|entry| LinkSaid {
                kind: kind(entry.kind),
                name: entry.name.into(),
                down: entry.is_down,
                surcharge: entry.surcharge,
                queued: entry.queued,
                oldest: entry.delay.as_secs(),
            })
            .collect(),
    }
}
