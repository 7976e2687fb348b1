//! One message: where it is, why, and what happened to it.

use crate::Rooms;
use crate::drive::blocking;
use crate::router::{No, message_id};
use crate::why;
use axum::Json;
use axum::extract::{Path, State};
use bridgehead_mail::{MessageId, Timestamp};
use bridgehead_management_api::{
    MessageDetail, MessageEnvelope, PartDetail, Trace, TraceStep, Why,
};
use bridgehead_queue::view::{MessagePicture, PartPicture};

pub(crate) async fn show(
    State(rooms): State<Rooms>,
    Path(id): Path<String>,
) -> Result<Json<MessageDetail>, No> {
    let id = message_id(&id)?;
    let shown = picture(&rooms, id).await?;
    let message =
        shown.ok_or_else(|| No::not_found(&format!("message {id} isn't in the queue")))?;
    Ok(Json(detail(&message)))
}

async fn picture(rooms: &Rooms, id: MessageId) -> Result<Option<MessagePicture>, No> {
    let queue = rooms.queue.clone();
    let shown = blocking(move || {
        No::unless_read(&queue)?;
        queue.show(id).map_err(|error| No::broken(&error))
    });
    shown.await?
}

fn detail(message: &MessagePicture) -> MessageDetail {
    let (summary, envelope) = (&message.summary, &message.envelope);
    let from = envelope.reverse_path.address();
    let recipients = envelope.recipients.iter();
    MessageDetail {
        id: summary.id.to_string(),
        phase: summary.phase.to_string(),
        priority: summary.priority.to_string(),
        size: summary.size,
        accepted: envelope.accepted.as_millis(),
        decided: why::decided(&summary.control),
        expires: (summary.expires != Timestamp::NEVER).then_some(summary.expires.as_millis()),
        envelope: MessageEnvelope {
            from: from.map(ToString::to_string).unwrap_or_default(),
            recipients: recipients.map(|one| one.address.to_string()).collect(),
            virtual_server: envelope.origin.virtual_server.to_string(),
            client: envelope.origin.client.map(|client| client.to_string()),
            user: envelope.origin.user.as_ref().map(ToString::to_string),
        },
        parts: summary.parts.iter().map(part).collect(),
    }
}

fn part(part: &PartPicture) -> PartDetail {
    let addressees = part.addressees.iter();
    PartDetail {
        link: part.link.to_string(),
        phase: part.phase.to_string(),
        active: part.active,
        recipients: addressees.map(|one| one.address.to_string()).collect(),
        attempts: part.attempts,
        next_try: part.next_try.map(|at| at.as_millis()),
        last_error: part.last_failure.as_ref().map(ToString::to_string),
    }
}

pub(crate) async fn trace(
    State(rooms): State<Rooms>,
    Path(id): Path<String>,
) -> Result<Json<Trace>, No> {
    let id = message_id(&id)?;
    let steps = steps(&rooms, id).await?;
    if steps.is_empty() {
        return Err(No::not_found(&format!("nothing is known of message {id}")));
    }
    Ok(Json(Trace {
        id: id.to_string(),
        steps,
    }))
}

async fn steps(rooms: &Rooms, id: MessageId) -> Result<Vec<TraceStep>, No> {
    let tracker = rooms.tracker.clone();
    let found = blocking(move || tracker.trace(id)).await?;
    let lines = found.map_err(|error| No::broken(&error))?;
    let steps = lines.into_iter().map(|line| TraceStep {
        at: line.at,
        step: line.step,
        text: line.text,
    });
    Ok(steps.collect())
}

pub(crate) async fn why(
    State(rooms): State<Rooms>,
    Path(id): Path<String>,
) -> Result<Json<Why>, No> {
    let id = message_id(&id)?;
    let shown = picture(&rooms, id).await?;
    let steps = steps(&rooms, id).await?;
    if shown.is_none() && steps.is_empty() {
        return Err(No::not_found(&format!("nothing is known of message {id}")));
    }
    let facts = why::Facts {
        steering: rooms.queue.steering(),
        refusing: rooms.queue.refusing(),
        directory_complete: rooms.explain.directory_is_complete(),
        now: rooms.explain.now(),
    };
    let summary = shown.as_ref().map(|shown| &shown.summary);
    let mut answer = why::why(summary, &steps, &facts);
    answer.message = shown.as_ref().map(detail);
    Ok(Json(answer))
}
