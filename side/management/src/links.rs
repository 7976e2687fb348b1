//! Links: what the queue says of what waits on them, and delivery of their pace, in one picture.

use crate::Rooms;
use crate::drive::blocking;
use crate::fetching::shown as fetch;
use crate::queue::{closed as in_words, held};
use crate::router::No;
use axum::Json;
use axum::extract::State;
use bridgehead_delivery::view::LinkPace;
use bridgehead_management_api::{Link, LinkList, Pace, Slowed};
use bridgehead_queue::view::Group;
use std::collections::BTreeMap;

pub(crate) async fn list(State(rooms): State<Rooms>) -> Result<Json<LinkList>, No> {
    blocking(move || LinkList {
        fetches: rooms.delivery.fetches().into_iter().map(fetch).collect(),
        ..picture(rooms.queue.picture().groups, rooms.delivery.links())
    })
    .await
    .map(Json)
}

fn picture(groups: Vec<Group>, paces: Vec<LinkPace>) -> LinkList {
    let mut links: BTreeMap<String, Link> = BTreeMap::new();
    for group in groups {
        let Some(name) = group.link.as_ref().map(ToString::to_string) else {
            continue;
        };
        let link = links.entry(name.clone()).or_insert_with(|| Link {
            link: name,
            ..Link::default()
        });
        add(link, &group);
    }
    for pace in paces {
        let name = pace.link.to_string();
        let link = links.entry(name.clone()).or_insert_with(|| Link {
            link: name,
            ..Link::default()
        });
        if let Some(why) = &pace.resting {
            say(link, why.to_string());
        }
        link.pace = Some(shown(pace));
    }
    LinkList {
        links: links.into_values().collect(),
        fetches: Vec::new(),
    }
}

/// What waits for one final domain.
fn add(link: &mut Link, group: &Group) {
    link.count += group.count;
    link.active += group.active;
    for (phase, count) in &group.phases {
        *link.phases.entry(phase.to_string()).or_insert(0) += count;
    }
    let next = group.next_try.map(|at| at.as_millis());
    link.next_try = match (link.next_try, next) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    if let Some(decision) = &group.frozen {
        link.frozen = Some(held(decision));
        say(link, format!("it is frozen by {}", decision.by));
    }
    if let Some(closed) = &group.closed {
        say(link, in_words(closed));
    }
    if let Some(failure) = &group.last_failure {
        say(link, failure.to_string());
    }
}

/// Each reason once.
fn say(link: &mut Link, why: String) {
    if !link.waits.contains(&why) {
        link.waits.push(why);
    }
}

fn shown(pace: LinkPace) -> Pace {
    Pace {
        connections: pace.connections as u64,
        couriers: pace.couriers as u64,
        window: pace.window as u64,
        bound: pace.bound as u64,
        rates: pace.rates,
        limit: pace.limit.map(Into::into),
        failures: pace.failures,
        slowed: pace.slowed.map(|slowed| Slowed {
            at: slowed.at.as_millis(),
            host: slowed.said.host.to_string(),
            said: slowed.said.to_string(),
            means: slowed.means.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bridgehead_mail::{LinkName, Phase, Timestamp};
    use bridgehead_queue::view::Closed;

    #[test]
    fn domains_of_one_link_are_one_and_links_without_mail_show_their_pace() {
        let group = |domain: &str, next: u64| Group {
            link: Some(LinkName::new("out/a")),
            domain: domain.to_owned(),
            count: 2,
            phases: [(Phase::Deferred, 2)].into(),
            next_try: Some(Timestamp::from_millis(next)),
            closed: Some(Closed {
                until: Timestamp::from_millis(next),
                why: "its limit is used up".into(),
                by_schedule: false,
            }),
            ..Group::default()
        };
        let pace = |link: &str| LinkPace {
            link: LinkName::new(link),
            connections: 1,
            couriers: 0,
            window: 2,
            bound: 10,
            rates: Vec::new(),
            limit: None,
            failures: 0,
            resting: Some("its limit is used up".into()),
            slowed: None,
        };
        let nowhere = Group {
            count: 9,
            ..Group::default()
        };
        let list = picture(
            vec![nowhere, group("b.example", 70), group("c.example", 60)],
            vec![pace("out/a"), pace("out/z")],
        );
        let names: Vec<&str> = list.links.iter().map(|link| link.link.as_str()).collect();
        assert_eq!(names, ["out/a", "out/z"]);
        let [a, z] = list.links.as_slice() else {
            panic!("two links");
        };
        assert_eq!(
            (a.count, a.phases["deferred"], a.next_try),
            (4, 4, Some(60))
        );
        assert_eq!(a.waits, ["its limit is used up"]);
        assert_eq!(
            (z.count, z.pace.as_ref().map(|pace| pace.bound)),
            (0, Some(10))
        );
    }
}
