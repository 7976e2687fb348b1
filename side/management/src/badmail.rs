//! Badmail: what is there, why, and what goes.

use crate::drive::blocking;
use crate::router::No;
use crate::{OPERATOR, Rooms};
use axum::Json;
use axum::extract::{Path, State};
use bridgehead_management_api::{
    BadmailDeleted, BadmailDeletion, BadmailDetail, BadmailList, BadmailSummary,
};

pub(crate) async fn list(State(rooms): State<Rooms>) -> Json<BadmailList> {
    let messages = rooms.badmail.list().into_iter();
    let messages: Vec<BadmailSummary> = messages
        .map(|one| BadmailSummary {
            accepted: accepted(&one.name),
            name: one.name.into(),
            octets: one.octets,
        })
        .collect();
    Json(BadmailList {
        octets: messages.iter().map(|one| one.octets).sum(),
        messages,
    })
}

/// When the message was accepted: its id says so.
fn accepted(name: &str) -> u64 {
    let id = name.split('-').next().unwrap_or_default();
    let id = id.parse::<bridgehead_mail::MessageId>();
    id.map_or(0, |id| u64::try_from(id.as_u128() >> 80).unwrap_or(0))
}

pub(crate) async fn show(
    State(rooms): State<Rooms>,
    Path(name): Path<String>,
) -> Result<Json<BadmailDetail>, No> {
    let wanted = name.clone();
    let shown = blocking(move || rooms.badmail.show(&wanted)).await?;
    let shown = shown.map_err(|error| No::broken(&error))?;
    let kept = shown.ok_or_else(|| No::not_found(&format!("there is no badmail \"{name}\"")))?;
    Ok(Json(BadmailDetail {
        name,
        octets: kept.octets,
        file: kept.file.display().to_string(),
        reason: kept.reason,
    }))
}

pub(crate) async fn delete(
    State(rooms): State<Rooms>,
    Json(request): Json<BadmailDeletion>,
) -> Result<Json<BadmailDeleted>, No> {
    let deleted = blocking(move || {
        let listed = match request.all {
            true => rooms.badmail.list(),
            false => Vec::new(),
        };
        let all = listed.iter().map(|one| &*one.name);
        let named = request.names.iter().map(String::as_str);
        let names: Vec<&str> = all.chain(named).collect();
        rooms.badmail.delete(&names)
    });
    let deleted = deleted.await?.map_err(|error| No::broken(&error))?;
    tracing::info!(deleted, by = OPERATOR, "badmail was deleted");
    Ok(Json(BadmailDeleted {
        deleted: deleted as u64,
    }))
}
