//! Orders for messages: found, shown, carried out, tracked.

use crate::drive::blocking;
use crate::router::No;
use crate::selection::{Match, Meant, read_facts};
use crate::{OPERATOR, Rooms};
use axum::Json;
use axum::extract::State;
use bridgehead_mail::{Event, EventKind, MessageId, Priority, Track};
use bridgehead_management_api::{
    ControlRequest, Controlled, FindRequest, Found, FoundMessage, MessageOrder,
};
use bridgehead_queue::view::Summary;
use bridgehead_queue::{Decision, Effect, Order};
use std::collections::BTreeSet;
use std::time::Duration;

/// Far below what tracking takes without a pause.
const TRACKED_AT_ONCE: u64 = 20_000;

pub(crate) async fn find(
    State(rooms): State<Rooms>,
    Json(request): Json<FindRequest>,
) -> Result<Json<Found>, No> {
    let meant = Meant::read(&request.selection)?;
    let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
    let found = blocking(move || -> Result<Found, No> {
        let mut found = Found::default();
        meant.each(
            &rooms,
            |_| true,
            |selected| {
                let unreadable = selected.unreadable.iter();
                found.unreadable.extend(unreadable.map(ToString::to_string));
                for one in selected.matches {
                    found.matched += 1;
                    found.octets += one.summary.size;
                    found.partly += u64::from(one.partly);
                    if found.messages.len() < limit {
                        found.messages.extend(shown(&rooms, &one.summary));
                    }
                }
            },
        )?;
        Ok(found)
    });
    found.await?.map(Json)
}

/// A message as it is listed; none if it left meanwhile.
fn shown(rooms: &Rooms, summary: &Summary) -> Option<FoundMessage> {
    let picture = match rooms.queue.show(summary.id) {
        Ok(picture) => Some(picture?),
        Err(_) => None,
    };
    let read = picture.map(|picture| read_facts(&picture));
    let read = read.unwrap_or_default();
    let mut failures = summary
        .parts
        .iter()
        .filter_map(|part| part.last_failure.as_ref());
    Some(FoundMessage {
        id: summary.id.to_string(),
        phase: summary.phase.to_string(),
        size: summary.size,
        accepted: summary.accepted.as_millis(),
        priority: summary.priority.to_string(),
        from: read.from,
        to: read.to,
        subject: read.subject,
        links: summary
            .parts
            .iter()
            .map(|part| part.link.to_string())
            .collect(),
        last_error: failures.next_back().map(ToString::to_string),
    })
}

pub(crate) async fn control(
    State(rooms): State<Rooms>,
    Json(request): Json<ControlRequest>,
) -> Result<Json<Controlled>, No> {
    let meant = Meant::read(&request.selection)?;
    let decision = Decision {
        by: OPERATOR.into(),
        at: rooms.explain.now(),
    };
    let order = order(&rooms, &request.order, &decision)?;
    let dry_run = request.dry_run;
    if request.outside_schedule && order != Order::Retry {
        return Err(No::bad(
            &"only what is tried again can go outside the schedule",
        ));
    }
    let (there, word) = (rooms.clone(), order.as_str());
    let asked = request.clone();
    let answer = blocking(move || obey(&there, &meant, &order, &decision, &asked)).await??;
    tracing::info!(order = ?request.order, selection = ?request.selection, ?answer, by = OPERATOR, "{word}");
    if !dry_run {
        // Answered only when a crash can't take it back.
        let synced = rooms.queue.synced().await;
        synced.map_err(|error| No::broken(&format!("it is done, but not yet on disk: {error}")))?;
    }
    Ok(Json(answer))
}

/// What the queue is to do.
fn order(rooms: &Rooms, order: &MessageOrder, decision: &Decision) -> Result<Order, No> {
    Ok(match order {
        MessageOrder::Freeze => Order::Freeze,
        MessageOrder::Thaw => Order::Thaw,
        MessageOrder::Retry => Order::Retry,
        MessageOrder::Resubmit => Order::Resubmit,
        MessageOrder::Restore => Order::Restore,
        MessageOrder::Delete { report, now } => {
            let window = match now {
                true => Duration::ZERO,
                false => rooms.queue.undo_window(),
            };
            Order::Delete {
                until: decision.at.after(window),
                report: *report,
            }
        }
        MessageOrder::Redirect { connector } => {
            let unknown = |connector: &&String| !rooms.explain.knows_connector(connector);
            if let Some(connector) = connector.as_ref().filter(unknown) {
                let why = format!("this server has no connector \"{connector}\"");
                return Err(No::bad(&why));
            }
            Order::Redirect(connector.as_deref().map(Box::from))
        }
        MessageOrder::Prioritize { priority } => {
            let known = Priority::parse(priority);
            Order::Prioritize(known.ok_or_else(|| {
                No::bad(&format!("\"{priority}\" isn't one of high, normal, low"))
            })?)
        }
        MessageOrder::Expire { seconds } => {
            Order::Expire(decision.at.after(Duration::from_secs(*seconds)))
        }
    })
}

fn obey(
    rooms: &Rooms,
    meant: &Meant,
    order: &Order,
    decision: &Decision,
    asked: &ControlRequest,
) -> Result<Controlled, No> {
    let dry_run = asked.dry_run;
    let mut answer = Controlled {
        dry_run,
        undo_until: match order {
            Order::Delete { until, .. } => Some(until.as_millis()),
            _ => None,
        },
        ..Controlled::default()
    };
    // What was deleted is out of reach, but for those who want it back or gone at once.
    let at_once = |until| until <= decision.at;
    let wanted = |summary: &Summary| match (order, summary.control.deleted.is_some()) {
        (Order::Restore, deleted) => deleted,
        (Order::Delete { until, .. }, true) => at_once(*until),
        (_, deleted) => !deleted,
    };
    let mut links = BTreeSet::new();
    meant.each(rooms, wanted, |selected| {
        if *order == Order::Retry {
            let parts = selected.matches.iter().flat_map(|one| &one.summary.parts);
            links.extend(parts.map(|part| part.link.clone()));
        }
        let unreadable = selected.unreadable.iter();
        answer
            .unreadable
            .extend(unreadable.map(ToString::to_string));
        answer.matched += selected.matches.len() as u64;
        let mut concerned = selected.matches;
        let partly = concerned.iter().filter(|one| one.partly).count() as u64;
        if decides_for_all(order) && !asked.whole_messages {
            answer.left_alone += partly;
            concerned.retain(|one| !one.partly);
        } else {
            answer.partly += partly;
        }
        if !dry_run {
            let before = answer.changed / TRACKED_AT_ONCE;
            carry_out(rooms, &concerned, order, decision, &mut answer);
            if answer.changed / TRACKED_AT_ONCE > before {
                // Tracking drops what it can't take: an order waits for it instead.
                rooms.tracker.flush();
            }
        }
    })?;
    if !dry_run {
        for link in links {
            rooms.queue.release_link(&link);
            if asked.outside_schedule && rooms.queue.let_through(&link) {
                answer.let_through.push(link.to_string());
            }
        }
    }
    Ok(answer)
}

/// Whether an order decides what becomes of a message, so that recipients on links nobody meant would lose or find something else.
const fn decides_for_all(order: &Order) -> bool {
    matches!(
        order,
        Order::Delete { .. } | Order::Redirect(Some(_)) | Order::Expire(_)
    )
}

fn carry_out(
    rooms: &Rooms,
    matches: &[Match],
    order: &Order,
    decision: &Decision,
    answer: &mut Controlled,
) {
    let ids: Vec<MessageId> = matches.iter().map(|one| one.summary.id).collect();
    let effects = rooms.queue.control(&ids, order, decision);
    for (id, effect) in ids.iter().zip(effects) {
        match effect {
            Effect::Changed => {
                answer.changed += 1;
                track(rooms, *id, order, decision);
            }
            Effect::Already => answer.already += 1,
            Effect::Gone => answer.gone += 1,
            Effect::Busy => answer.busy += 1,
        }
    }
}

/// What an operator did is tracked with the message.
fn track(rooms: &Rooms, message: MessageId, order: &Order, decision: &Decision) {
    rooms.tracker.track(Event {
        at: decision.at,
        message,
        session: None,
        kind: EventKind::Controlled {
            action: order.as_str(),
            by: decision.by.clone(),
        },
    });
}
