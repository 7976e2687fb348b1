//! Which messages an operator means: the predicate is asked with what is in memory first, and with what is on the disk where
//! that decides.

use crate::Rooms;
use crate::router::{No, message_id};
use bridgehead_find::{Facts, Predicate, ReadFacts};
use bridgehead_mail::{MessageId, Timestamp};
use bridgehead_management_api::Selection;
use bridgehead_mime::read_headers;
use bridgehead_queue::Queue;
use bridgehead_queue::view::{MessagePicture, PartPicture, Summary};
use std::collections::BTreeSet;

/// Messages looked at in one go: mail is held up for that long only.
const CHUNK: usize = 500;

/// Reads which messages are meant.
pub(crate) enum Meant {
    Those(Predicate),
    These(BTreeSet<MessageId>),
}

/// A message that is meant.
pub(crate) struct Match {
    pub(crate) summary: Summary,
    /// Only some of its recipients are meant.
    pub(crate) partly: bool,
}

/// What was selected.
#[derive(Default)]
pub(crate) struct Selected {
    pub(crate) matches: Vec<Match>,
    /// Nobody knows whether these are meant.
    pub(crate) unreadable: Vec<MessageId>,
}

impl Meant {
    pub(crate) fn read(selection: &Selection) -> Result<Self, No> {
        match (&selection.predicate, selection.ids.as_slice()) {
            (Some(text), []) => Predicate::parse(text)
                .map(Self::Those)
                .map_err(|error| No::bad(&format!("\"{text}\": {error}"))),
            (None, [_, ..]) => {
                let ids = selection.ids.iter().map(|id| message_id(id));
                ids.collect::<Result<_, No>>().map(Self::These)
            }
            _ => Err(No::bad(
                &"say which messages: either a predicate or ids, for example `all`",
            )),
        }
    }

    /// The messages that are meant, the oldest first, some at a time. `wanted` says which come into question at all.
    pub(crate) fn each(
        &self,
        rooms: &Rooms,
        wanted: impl Fn(&Summary) -> bool,
        mut take: impl FnMut(Selected),
    ) -> Result<(), No> {
        // An answer about some of the messages would be taken for one about all of them.
        No::unless_read(&rooms.queue)?;
        let ids = match self {
            Self::Those(_) => rooms.queue.ids(),
            Self::These(ids) => {
                let ids: Vec<MessageId> = ids.iter().copied().collect();
                check_all_are_there(&rooms.queue, &ids)?;
                ids
            }
        };
        let now = rooms.explain.now();
        for chunk in ids.chunks(CHUNK) {
            let mut selected = Selected::default();
            for summary in rooms.queue.summaries(chunk) {
                if wanted(&summary) {
                    self.select(&rooms.queue, summary, now, &mut selected);
                }
            }
            take(selected);
        }
        Ok(())
    }

    fn select(&self, queue: &Queue, summary: Summary, now: Timestamp, selected: &mut Selected) {
        let Self::Those(predicate) = self else {
            selected.matches.push(Match {
                summary,
                partly: false,
            });
            return;
        };
        let mut parts = meant_parts(predicate, &summary, None, now);
        if parts.iter().any(Option::is_none) {
            match queue.show(summary.id) {
                Ok(Some(picture)) => {
                    parts = meant_parts(predicate, &summary, Some(&picture), now);
                }
                // It left meanwhile.
                Ok(None) => return,
                Err(error) => {
                    tracing::error!(id = %summary.id, %error, "a queued message can't be read");
                    selected.unreadable.push(summary.id);
                    return;
                }
            }
        }
        let meant = parts.iter().filter(|part| **part == Some(true)).count();
        if meant > 0 {
            let partly = meant < parts.len();
            selected.matches.push(Match { summary, partly });
        }
    }
}

fn check_all_are_there(queue: &Queue, ids: &[MessageId]) -> Result<(), No> {
    let found = queue.summaries(ids);
    let there: BTreeSet<MessageId> = found.iter().map(|summary| summary.id).collect();
    match ids.iter().find(|id| !there.contains(id)) {
        Some(id) => Err(No::not_found(&format!("message {id} isn't in the queue"))),
        None => Ok(()),
    }
}

/// Whether each part of a message is meant; the message as a whole, if it has none.
fn meant_parts(
    predicate: &Predicate,
    summary: &Summary,
    picture: Option<&MessagePicture>,
    now: Timestamp,
) -> Vec<Option<bool>> {
    // The header is read once, whatever the number of parts.
    let mut read = picture.map(read_facts);
    if summary.parts.is_empty() {
        return vec![predicate.test(&facts(summary, None, read.as_ref(), now))];
    }
    let parts = summary.parts.iter().enumerate();
    let tested = parts.map(|(number, part)| {
        // Its addressees, if the message hasn't moved on since.
        let shown = picture.and_then(|picture| picture.summary.parts.get(number));
        if let (Some(read), Some(shown)) = (&mut read, shown) {
            let addressees = shown.addressees.iter();
            read.to = addressees.map(|one| one.address.to_string()).collect();
        }
        predicate.test(&facts(summary, Some(part), read.as_ref(), now))
    });
    tested.collect()
}

fn facts<'a>(
    summary: &'a Summary,
    part: Option<&'a PartPicture>,
    read: Option<&'a ReadFacts>,
    now: Timestamp,
) -> Facts<'a> {
    Facts {
        id: summary.id,
        phase: part.map_or(summary.phase, |part| part.phase),
        link: part.map(|part| part.link.as_str()),
        domain: part.map(|part| &*part.domain),
        size: summary.size,
        age: now.since(summary.accepted),
        attempts: part.map_or(0, |part| part.attempts),
        error: part.and_then(|part| part.last_failure.as_deref()),
        priority: summary.priority,
        read,
    }
}

/// What of a message is on the disk only, with all recipients that are left.
pub(crate) fn read_facts(picture: &MessagePicture) -> ReadFacts {
    let (envelope, origin) = (&picture.envelope, &picture.envelope.origin);
    let sender = envelope.reverse_path.address();
    let mut to: Vec<String> = picture
        .left
        .iter()
        .map(|one| one.address.to_string())
        .collect();
    if to.is_empty() {
        let recipients = envelope.recipients.iter();
        to = recipients.map(|one| one.address.to_string()).collect();
    }
    // A header that can't be read has no subject; the rest of the facts still counts.
    let subject = read_headers(&*picture.content)
        .ok()
        .and_then(|headers| headers.first("subject"));
    ReadFacts {
        from: sender.map(ToString::to_string).unwrap_or_default(),
        to,
        subject: subject.unwrap_or_default().trim().to_owned(),
        user: origin.user.as_deref().unwrap_or_default().to_owned(),
        client: origin
            .client
            .map(|client| client.to_string())
            .unwrap_or_default(),
        via: origin.virtual_server.to_string(),
    }
}
