//! The queue and its messages: pictures, controls, traces.

use crate::Rooms;
use crate::drive::blocking;
use crate::router::{No, message_id};
use axum::Json;
use axum::extract::{Path, State};
use bridgehead_mail::{Event, EventKind, LinkName, MessageId, Track};
use bridgehead_management_api::{
    MessageDetail, MessageEnvelope, PartDetail, QueueGroup, QueueList, RetryRequest, Touched,
    Trace, TraceStep,
};
use bridgehead_queue::view::{Group, MessagePicture, PartPicture};

pub(crate) async fn list(State(rooms): State<Rooms>) -> Json<QueueList> {
    Json(picture(&rooms))
}

fn picture(rooms: &Rooms) -> QueueList {
    let picture = rooms.queue.picture();
    QueueList {
        messages: picture.messages,
        octets: picture.octets,
        refusing: picture.refusing,
        groups: picture.groups.into_iter().map(group).collect(),
    }
}

fn group(group: Group) -> QueueGroup {
    let link = group.link.map(|link| link.to_string());
    QueueGroup {
        link: link.unwrap_or_else(|| "(submission)".to_owned()),
        domain: group.domain,
        count: group.count,
        octets: group.octets,
        active: group.active,
        deferred: group.deferred,
        oldest: group.oldest.map(|at| at.as_millis()),
        next_try: group.next_try.map(|at| at.as_millis()),
        last_error: group.last_failure.map(|failure| failure.to_string()),
    }
}

pub(crate) async fn retry(
    State(rooms): State<Rooms>,
    Json(request): Json<RetryRequest>,
) -> Result<Json<Touched>, No> {
    let messages = match (&request.message, &request.link, request.all) {
        (Some(id), None, false) => {
            let id = message_id(id)?;
            if !rooms.queue.retry_message(id) {
                return Err(not_waiting(id));
            }
            controlled(&rooms, id, "retry");
            1
        }
        (None, Some(link), false) => rooms.queue.retry_link(&LinkName::new(link)),
        (None, None, true) => rooms.queue.retry_all(),
        _ => return Err(No::bad(&"say one of a message, a link, or all")),
    };
    tracing::info!(messages, request = ?request, "an operator asked to retry");
    Ok(Json(Touched { messages }))
}

fn not_waiting(id: MessageId) -> No {
    No::not_found(&format!("message {id} isn't waiting in the queue"))
}

/// What an operator did is tracked with the message.
fn controlled(rooms: &Rooms, message: MessageId, action: &'static str) {
    rooms.tracker.track(Event {
        at: rooms.explain.now(),
        message,
        session: None,
        kind: EventKind::Controlled {
            action,
            by: "administrator at the admin socket".into(),
        },
    });
}

pub(crate) async fn resume(State(rooms): State<Rooms>) -> Result<Json<QueueList>, No> {
    let queue = rooms.queue.clone();
    match blocking(move || queue.resume()).await? {
        None => {
            tracing::info!("an operator resumed storing");
            Ok(Json(picture(&rooms)))
        }
        Some(why) => Err(No::broken(&format!("mail is still refused: {why}"))),
    }
}

pub(crate) async fn show(
    State(rooms): State<Rooms>,
    Path(id): Path<String>,
) -> Result<Json<MessageDetail>, No> {
    let id = message_id(&id)?;
    let shown = rooms.queue.show(id).map_err(|error| No::broken(&error))?;
    let message =
        shown.ok_or_else(|| No::not_found(&format!("message {id} isn't in the queue")))?;
    Ok(Json(detail(message)))
}

fn detail(message: MessagePicture) -> MessageDetail {
    let envelope = &message.envelope;
    let from = envelope.reverse_path.address();
    let expires = message.expires.as_millis();
    MessageDetail {
        id: message.id.to_string(),
        phase: message.phase.to_owned(),
        size: message.size,
        accepted: envelope.accepted.as_millis(),
        expires: (expires != u64::MAX).then_some(expires),
        envelope: MessageEnvelope {
            from: from.map(ToString::to_string).unwrap_or_default(),
            recipients: envelope
                .recipients
                .iter()
                .map(|recipient| recipient.address.to_string())
                .collect(),
            virtual_server: envelope.origin.virtual_server.to_string(),
            client: envelope.origin.client.map(|client| client.to_string()),
            user: envelope.origin.user.as_ref().map(ToString::to_string),
        },
        parts: message.parts.into_iter().map(part).collect(),
    }
}

fn part(part: PartPicture) -> PartDetail {
    let addressees = part.addressees.iter();
    PartDetail {
        link: part.link.to_string(),
        phase: part.phase.to_owned(),
        recipients: addressees.map(|one| one.address.to_string()).collect(),
        attempts: part.attempts,
        next_try: part.next_try.map(|at| at.as_millis()),
        last_error: part.last_failure.map(|failure| failure.to_string()),
    }
}

pub(crate) async fn remove(
    State(rooms): State<Rooms>,
    Path(id): Path<String>,
) -> Result<Json<Touched>, No> {
    let id = message_id(&id)?;
    if !rooms.queue.delete(id) {
        return Err(No::not_found(&format!("message {id} isn't in the queue")));
    }
    controlled(&rooms, id, "delete");
    // Answered only when a crash can't bring it back.
    let synced = rooms.queue.synced().await;
    synced.map_err(|error| No::broken(&format!("it is deleted, but not yet on disk: {error}")))?;
    Ok(Json(Touched { messages: 1 }))
}

pub(crate) async fn trace(
    State(rooms): State<Rooms>,
    Path(id): Path<String>,
) -> Result<Json<Trace>, No> {
    let id = message_id(&id)?;
    let tracker = rooms.tracker.clone();
    let found = blocking(move || tracker.trace(id)).await?;
    let lines = found.map_err(|error| No::broken(&error))?;
    if lines.is_empty() {
        return Err(No::not_found(&format!("nothing is known of message {id}")));
    }
    let steps = lines.into_iter().map(|line| TraceStep {
        at: line.at,
        step: line.step,
        text: line.text,
    });
    Ok(Json(Trace {
        id: id.to_string(),
        steps: steps.collect(),
    }))
}
