//! The queue as a whole: its picture, what is held, and what goes on after the disk was mended.

use crate::drive::{await_read, blocking};
use crate::router::No;
use crate::{OPERATOR, Rooms};
use axum::Json;
use axum::extract::State;
use bridgehead_mail::{LinkName, Timestamp};
use bridgehead_management_api::{Held, HoldAnswer, HoldRequest, QueueGroup, QueueList};
use bridgehead_queue::view::{Closed, Group};
use bridgehead_queue::{Decision, Level};
use std::time::Duration;

/// How long a look at the queue waits for it to be read after a start.
const GLANCE: Duration = Duration::from_secs(1);

pub(crate) async fn list(State(rooms): State<Rooms>) -> Result<Json<QueueList>, No> {
    let pictured = blocking(move || {
        // A short queue is read in no time; a long one is shown as far as it is known.
        await_read(&rooms.queue, GLANCE);
        picture(&rooms)
    });
    pictured.await.map(Json)
}

fn picture(rooms: &Rooms) -> QueueList {
    let picture = rooms.queue.picture();
    let steering = rooms.queue.steering();
    let links = steering.links.iter();
    let folders = rooms.queue.folders().into_iter();
    let pressure = rooms.queue.pressure(rooms.explain.now());
    let hard = pressure.level != Level::Normal;
    QueueList {
        messages: picture.messages,
        octets: picture.octets,
        deleted: picture.deleted,
        syncs: rooms.queue.batches(),
        folders: folders.map(|folder| folder.display().to_string()).collect(),
        reading: rooms.queue.reading(),
        refusing: picture.refusing,
        pressure: pressure.level.as_str().to_owned(),
        pressure_because: hard.then_some(pressure.why),
        outbound_held: steering.outbound.as_ref().map(held),
        draining: steering.draining.as_ref().map(held),
        frozen_links: links
            .map(|(link, decision)| (link.to_string(), held(decision)))
            .collect(),
        groups: picture.groups.into_iter().map(group).collect(),
    }
}

pub(crate) fn held(decision: &Decision) -> Held {
    Held {
        by: decision.by.to_string(),
        at: decision.at.as_millis(),
    }
}

/// Why a link isn't used though nothing is wrong with it.
pub(crate) fn closed(closed: &Closed) -> String {
    match closed.by_schedule && closed.until < Timestamp::NEVER {
        true => format!("{} until {}", closed.why, closed.until.rfc3339()),
        false => closed.why.to_string(),
    }
}

fn group(group: Group) -> QueueGroup {
    let phases = group.phases.iter();
    let phases = phases.map(|(phase, count)| (phase.to_string(), *count));
    let link = group.link.map(|link| link.to_string());
    // Without a link, all are in one phase.
    let phase = group.phases.keys().next().map(|phase| format!("({phase})"));
    QueueGroup {
        link: link.or(phase).unwrap_or_default(),
        domain: group.domain,
        count: group.count,
        octets: group.octets,
        phases: phases.collect(),
        active: group.active,
        oldest: group.oldest.map(|at| at.as_millis()),
        next_try: group.next_try.map(|at| at.as_millis()),
        last_error: group.last_failure.map(|failure| failure.to_string()),
        frozen: group.frozen.as_ref().map(held),
        closed: group.closed.as_ref().map(closed),
    }
}

pub(crate) async fn resume(State(rooms): State<Rooms>) -> Result<Json<QueueList>, No> {
    let queue = rooms.queue.clone();
    match blocking(move || queue.resume()).await? {
        None => {
            tracing::info!("an operator resumed storing");
            list(State(rooms)).await
        }
        Some(why) => Err(No::broken(&format!("mail is still refused: {why}"))),
    }
}

/// Holds a link or all mail for other servers, or lets it go.
pub(crate) async fn hold(
    State(rooms): State<Rooms>,
    Json(request): Json<HoldRequest>,
) -> Result<Json<HoldAnswer>, No> {
    let decision = request.held.then(|| Decision {
        by: OPERATOR.into(),
        at: rooms.explain.now(),
    });
    let (queue, link) = (rooms.queue.clone(), request.link.clone());
    let known = |link: &String| rooms.queue.knows_link(&LinkName::new(link));
    let known = link.as_ref().is_none_or(known);
    let new_mail = request.new_mail;
    let done = blocking(move || match link {
        _ if new_mail => queue.drain(decision),
        Some(link) => queue.freeze_link(&LinkName::new(&link), decision),
        None => queue.hold_outbound(decision),
    });
    let changed = done.await?.map_err(|error| No::broken(&error))?;
    let what = match (&request.link, new_mail) {
        (_, true) => "new mail",
        (Some(link), false) => link.as_str(),
        (None, false) => "all outbound mail",
    };
    tracing::warn!(what, held = request.held, changed, by = OPERATOR, "held");
    Ok(Json(HoldAnswer { changed, known }))
}
