//! Messages as files: out of the queue with their envelopes, and into it again.

use crate::Rooms;
use crate::drive::blocking;
use crate::router::{No, message_id};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use bridgehead_mail::Recipient;
use bridgehead_management_api::Imported;
use bridgehead_mime::{carried_lines, read_carried};
use bridgehead_queue::view::MessagePicture;

/// Larger messages aren't carried in one piece of memory.
const CONTENT_OCTETS_MAX: u64 = 60 * 1024 * 1024;
/// How the room that made it is called in the envelope.
const IMPORT: &str = "import";

/// A message as a file.
pub(crate) async fn export(
    State(rooms): State<Rooms>,
    Path(id): Path<String>,
) -> Result<Response, No> {
    let id = message_id(&id)?;
    let octets = blocking(move || -> Result<Vec<u8>, No> {
        let shown = rooms.queue.show(id).map_err(|error| No::broken(&error))?;
        let shown =
            shown.ok_or_else(|| No::not_found(&format!("message {id} isn't in the queue")))?;
        if shown.content.size() > CONTENT_OCTETS_MAX {
            return Err(No::bad(&"the message is larger than 60 MiB"));
        }
        let lines = carried_lines(id, &shown.envelope, &left(&shown));
        let mut octets = lines.map_err(|error| No::broken(&error))?.into_bytes();
        let size = usize::try_from(shown.content.size()).unwrap_or(0);
        let mut content = vec![0; size];
        let read = shown.content.read_at(0, &mut content);
        let count = read.map_err(|error| No::broken(&error))?;
        if count < size {
            return Err(No::broken(&"its content ends too early"));
        }
        octets.extend_from_slice(&content);
        Ok(octets)
    });
    let mut response = Response::new(Body::from(octets.await??));
    let kind = axum::http::HeaderValue::from_static("message/rfc822");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

/// The recipients that are left; all of them where none was found out yet.
fn left(message: &MessagePicture) -> Vec<Recipient> {
    let left: Vec<Recipient> = message.left.iter().map(Recipient::from).collect();
    match left.is_empty() {
        true => message.envelope.recipients.clone(),
        false => left,
    }
}

/// Takes a file into the queue, as a new message.
pub(crate) async fn import(
    State(rooms): State<Rooms>,
    octets: Bytes,
) -> Result<Json<Imported>, No> {
    let now = rooms.explain.now();
    let (envelope, content) = read_carried(&octets, IMPORT, now).map_err(|why| No::bad(&why))?;
    let inlet = rooms.queue.inlet();
    let draft = inlet.begin(now, Some(content.len() as u64));
    let mut draft = draft.map_err(|error| No::broken(&error))?;
    draft.write(&content).map_err(|error| No::broken(&error))?;
    let committed = draft.commit(envelope).await;
    let id = committed.map_err(|error| No::broken(&error))?.id();
    tracing::info!(%id, by = crate::OPERATOR, "a message was imported");
    Ok(Json(Imported { id: id.to_string() }))
}
