//! Which request goes where, and how no is said.

use crate::drive::{READ_PATIENCE, await_read};
use crate::{
    From, Rooms, adopting, badmail, carrying, changes, controls, directory, fetching, link_state,
    links, mailboxes, messages, queue,
};
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bridgehead_mail::{Address, MessageId, Priority};
use bridgehead_management_api::{
    PATH_PREFIX, Problem, RecipientExplanation, RouteExplanation, RouteTable, Status,
};
use bridgehead_queue::Queue;
use serde::Deserialize;

/// An organisation file of 100,000 objects is far below this.
const BODY_OCTETS_MAX: usize = 64 * 1024 * 1024;

/// The paths of the interface.
pub(crate) fn router(rooms: Rooms) -> Router {
    let paths = Router::new()
        .route("/status", get(status))
        .route("/links", get(links::list))
        .route("/links/state", get(link_state::show))
        .route("/links/fetch", post(fetching::fetch))
        .route("/queue", get(queue::list))
        .route("/queue/find", post(controls::find))
        .route("/queue/control", post(controls::control))
        .route("/queue/hold", post(queue::hold))
        .route("/queue/resume", post(queue::resume))
        .route("/queue/adopt", post(adopting::adopt))
        .route("/messages/{id}", get(messages::show))
        .route("/messages/{id}/export", get(carrying::export))
        .route("/queue/import", post(carrying::import))
        .route("/messages/{id}/trace", get(messages::trace))
        .route("/messages/{id}/why", get(messages::why))
        .route("/badmail", get(badmail::list))
        .route("/badmail/{name}", get(badmail::show))
        .route("/badmail/delete", post(badmail::delete))
        .route("/routes/explain", get(route))
        .route("/routes/table", get(route_table))
        .route("/recipients/explain", get(recipient))
        .route("/mailboxes", get(mailboxes::list))
        .route("/mailboxes/{name}/messages", get(mailboxes::messages))
        .route("/mailboxes/{name}/messages/{uid}", get(mailboxes::read))
        .route(
            "/organization",
            get(changes::export).merge(post(changes::apply)),
        )
        .route("/organization/trial", post(changes::end_trial))
        .route("/organization/history", get(directory::history))
        .route("/organization/history/{version}", get(directory::show))
        .route("/organization/rollback", post(directory::rollback))
        .route("/directory", get(directory::status))
        .fallback(unknown)
        .layer(DefaultBodyLimit::max(BODY_OCTETS_MAX))
        .with_state(rooms);
    Router::new().nest(PATH_PREFIX, paths)
}

/// A request that can't be served: the status and a sentence.
pub(crate) struct No(pub(crate) StatusCode, pub(crate) String);

impl IntoResponse for No {
    fn into_response(self) -> Response {
        (self.0, Json(Problem { reason: self.1 })).into_response()
    }
}

impl No {
    pub(crate) fn not_found(what: &impl std::fmt::Display) -> Self {
        Self(StatusCode::NOT_FOUND, what.to_string())
    }

    pub(crate) fn bad(why: &impl std::fmt::Display) -> Self {
        Self(StatusCode::BAD_REQUEST, why.to_string())
    }

    /// Nobody can say anything about all messages, or that one isn't there, before the queue is read. Waits for that a while.
    pub(crate) fn unless_read(queue: &Queue) -> Result<(), Self> {
        await_read(queue, READ_PATIENCE);
        let Some((read, all)) = queue.reading() else {
            return Ok(());
        };
        let why = format!(
            "the queue is still being read after a start ({read} of {all} segments); mail flows, try again in a moment"
        );
        Err(Self(StatusCode::SERVICE_UNAVAILABLE, why))
    }

    pub(crate) fn broken(why: &impl std::fmt::Display) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, why.to_string())
    }
}

/// A message id from a path.
pub(crate) fn message_id(text: &str) -> Result<MessageId, No> {
    text.parse()
        .map_err(|error| No::bad(&format!("\"{text}\" is {error}")))
}

async fn unknown() -> No {
    No::not_found(&"there is no such path in this interface")
}

async fn status(State(rooms): State<Rooms>) -> Json<Status> {
    Json(rooms.explain.status())
}

/// The address that is asked about.
#[derive(Deserialize)]
struct About {
    address: String,
}

impl About {
    fn parsed(&self) -> Result<Address, No> {
        Address::parse(&self.address)
            .map_err(|error| No::bad(&format!("\"{}\" is no address: {error}", self.address)))
    }
}

async fn route(
    State(rooms): State<Rooms>,
    Query(about): Query<About>,
    Query(sender): Query<FromWords>,
) -> Result<Json<RouteExplanation>, No> {
    let priority = sender
        .priority
        .as_deref()
        .map_or(Ok(Priority::Normal), |word| {
            let known = Priority::parse(word);
            known.ok_or_else(|| No::bad(&format!("\"{word}\": low, normal or high is expected")))
        })?;
    let from = sender.parsed()?;
    let explained = rooms.explain.route(&about.parsed()?, &from, priority);
    Ok(Json(explained))
}

async fn route_table(State(rooms): State<Rooms>) -> Json<RouteTable> {
    Json(rooms.explain.route_table())
}

async fn recipient(
    State(rooms): State<Rooms>,
    Query(about): Query<About>,
    Query(sender): Query<FromWords>,
) -> Result<Json<RecipientExplanation>, No> {
    let from = sender.parsed()?;
    Ok(Json(rooms.explain.recipient(&about.parsed()?, &from)))
}

#[derive(Deserialize)]
struct FromWords {
    from: Option<String>,
    #[serde(default)]
    stranger: bool,
    size: Option<u64>,
    priority: Option<String>,
}

impl FromWords {
    fn parsed(&self) -> Result<From, No> {
        let address = self.from.as_deref().map(|text| {
            Address::parse(text)
                .map_err(|error| No::bad(&format!("\"{text}\" is no address: {error}")))
        });
        Ok(From {
            address: address.transpose()?,
            stranger: self.stranger,
            size: self.size,
        })
    }
}
