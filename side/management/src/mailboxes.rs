//! Mailboxes and what is in them.

use crate::Rooms;
use crate::drive::blocking;
use crate::router::No;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use bridgehead_management_api::{MailboxList, MailboxMessage, MailboxMessages, MailboxSummary};
use bridgehead_store::{StoreError, StoredMessage};
use std::collections::BTreeMap;

const WINDOW: usize = 64 * 1024;

fn no(error: &StoreError) -> No {
    match error {
        StoreError::Unknown(_) => No::not_found(error),
        other => No::broken(other),
    }
}

/// All mailboxes of the directory, and those that are there only in the store.
pub(crate) async fn list(State(rooms): State<Rooms>) -> Result<Json<MailboxList>, No> {
    let stored = rooms.store.mailboxes().map_err(|error| no(&error))?;
    let snapshot = rooms.directory.snapshot();
    let mut all: BTreeMap<String, MailboxSummary> = BTreeMap::new();
    for name in snapshot.mailboxes() {
        let name = name.as_str().to_owned();
        let empty = MailboxSummary {
            name: name.clone(),
            ..MailboxSummary::default()
        };
        all.insert(name, empty);
    }
    for mailbox in stored {
        let summary = MailboxSummary {
            name: mailbox.name.clone(),
            messages: mailbox.messages,
            octets: mailbox.octets,
        };
        all.insert(mailbox.name, summary);
    }
    Ok(Json(MailboxList {
        mailboxes: all.into_values().collect(),
    }))
}

fn known(rooms: &Rooms, name: &str) -> Result<(), No> {
    let stored = rooms.store.mailboxes().map_err(|error| no(&error))?;
    let snapshot = rooms.directory.snapshot();
    let there = snapshot.mailboxes().any(|known| known.as_str() == name);
    if there || stored.iter().any(|mailbox| mailbox.name == name) {
        return Ok(());
    }
    Err(No::not_found(&format!("there is no mailbox {name}")))
}

pub(crate) async fn messages(
    State(rooms): State<Rooms>,
    Path(name): Path<String>,
) -> Result<Json<MailboxMessages>, No> {
    known(&rooms, &name)?;
    let store = rooms.store.clone();
    let mailbox = name.clone();
    let listed = blocking(move || store.messages(&mailbox)).await?;
    let listed = listed.map_err(|error| no(&error))?;
    let messages = listed.into_iter().map(|message| MailboxMessage {
        uid: message.uid,
        id: message.id.to_string(),
        received: message.received.as_millis(),
        size: message.size,
        from: message.from,
        subject: message.subject,
    });
    Ok(Json(MailboxMessages {
        mailbox: name,
        messages: messages.collect(),
    }))
}

/// The octets of a message, streamed.
pub(crate) async fn read(
    State(rooms): State<Rooms>,
    Path((name, uid)): Path<(String, u64)>,
) -> Result<Response, No> {
    known(&rooms, &name)?;
    let message = rooms.store.read(&name, uid).map_err(|error| no(&error))?;
    let mut response = Response::new(Body::new(Octets { message, at: 0 }));
    let kind = axum::http::HeaderValue::from_static("message/rfc822");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

/// A message as the body of an answer: the prefix, then the content in windows.
struct Octets {
    message: StoredMessage,
    at: u64,
}

impl Octets {
    fn next_piece(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let prefix = std::mem::take(&mut self.message.prefix);
        if !prefix.is_empty() {
            return Ok(Some(prefix));
        }
        let mut window = vec![0; WINDOW];
        let count = self.message.content.read_at(self.at, &mut window)?;
        self.at += count as u64;
        window.truncate(count);
        Ok((count > 0).then_some(window))
    }
}

impl http_body::Body for Octets {
    type Data = bytes::Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        let piece = self.next_piece().transpose();
        let frame = piece.map(|piece| piece.map(|octets| http_body::Frame::data(octets.into())));
        std::task::Poll::Ready(frame)
    }
}
