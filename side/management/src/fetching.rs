//! Mail that waits at other servers: how it stands, and asking for it now.

use crate::Rooms;
use crate::router::No;
use axum::Json;
use axum::extract::State;
use bridgehead_delivery::view;
use bridgehead_management_api::{Fetch, FetchRequest, FetchSaid, Fetched};

pub(crate) async fn fetch(
    State(rooms): State<Rooms>,
    Json(request): Json<FetchRequest>,
) -> Result<Json<Fetched>, No> {
    let name = &*request.connector;
    tracing::info!(
        connector = name,
        "an operator has another server asked for mail"
    );
    match rooms.delivery.fetch_now(name).await {
        Ok(fetched) => Ok(Json(came(fetched))),
        Err(not) => Err(No::not_found(&format!("{name}: {not}"))),
    }
}

pub(crate) fn shown(picture: view::FetchPicture) -> Fetch {
    Fetch {
        connector: picture.connector.into(),
        host: picture.host.to_string(),
        by: picture.by.to_owned(),
        every: picture.every.as_secs(),
        asking: picture.asking,
        next: picture.next.map(|at| at.as_millis()),
        failures: picture.failures,
        last: picture.last.map(came),
    }
}

fn came(fetched: view::Fetched) -> Fetched {
    let worked = fetched.worked();
    let said = fetched.said.into_iter().map(|said| FetchSaid {
        asked: said.asked.into(),
        reply: said.reply.into(),
    });
    Fetched {
        at: fetched.at.as_millis(),
        worked,
        said: said.collect(),
        messages: fetched.messages,
        coming: fetched.coming,
        failure: fetched.failure.map(Into::into),
    }
}
