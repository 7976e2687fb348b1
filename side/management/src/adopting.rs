//! Taking over the queue of a server that is gone.

use crate::drive::blocking;
use crate::router::No;
use crate::{OPERATOR, Rooms};
use axum::Json;
use axum::extract::State;
use bridgehead_mail::{Event, EventKind, MessageId, Track};
use bridgehead_management_api::{AdoptAnswer, AdoptRequest};
use bridgehead_queue::{AdoptError, Adopted, Queue};
use std::path::{Path, PathBuf};

pub(crate) async fn adopt(
    State(rooms): State<Rooms>,
    Json(request): Json<AdoptRequest>,
) -> Result<Json<AdoptAnswer>, No> {
    let home = PathBuf::from(&request.folder);
    if !home.is_absolute() {
        return Err(No::bad(
            &"the folder of the other queue must be an absolute path",
        ));
    }
    let queue = rooms.queue.clone();
    let lost = request.lost;
    let adopted = blocking(move || {
        No::unless_read(&queue)?;
        match lost {
            true => abandon(&queue, &home),
            false => queue.adopt(&home).map_err(|error| refused(&error)),
        }
    });
    let adopted = adopted.await??;
    tracing::warn!(
        folder = request.folder,
        messages = adopted.messages.len(),
        known = adopted.known,
        lost,
        by = OPERATOR,
        "another server's queue was taken over"
    );
    for fault in &adopted.damage {
        tracing::error!(
            fault,
            folder = request.folder,
            "a queue that was taken over is damaged"
        );
    }
    for id in &adopted.messages {
        track(&rooms, *id);
    }
    Ok(Json(AdoptAnswer {
        messages: adopted.messages.len() as u64,
        known: adopted.known,
        damage: adopted.damage,
    }))
}

/// The other queue is gone for good: what was copied of it before is let go.
fn abandon(queue: &Queue, home: &Path) -> Result<Adopted, No> {
    if home.exists() {
        return Err(No::bad(&format!(
            "{} is there: adopt it without --lost, and it is finished properly",
            home.display()
        )));
    }
    let is_meant = |home: &Path, known: &str| Path::new(known) == home;
    let mut adoptions = queue.adoptions().into_iter();
    let Some(adoption) = adoptions.find(|known| is_meant(home, &known.home)) else {
        let home = home.display();
        return Err(No::not_found(&format!(
            "nothing stands still here of {home}"
        )));
    };
    let messages = queue
        .abandon(&adoption)
        .map_err(|error| No::broken(&error))?;
    Ok(Adopted {
        messages,
        ..Adopted::default()
    })
}

fn refused(error: &AdoptError) -> No {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(deeper) = cause {
        text += &format!(": {deeper}");
        cause = deeper.source();
    }
    let again = "what was copied stands still here; to try it again is safe";
    No::bad(&format!("{text} ({again})"))
}

fn track(rooms: &Rooms, message: MessageId) {
    rooms.tracker.track(Event {
        at: rooms.explain.now(),
        message,
        session: None,
        kind: EventKind::Controlled {
            action: "adopt",
            by: OPERATOR.into(),
        },
    });
}
