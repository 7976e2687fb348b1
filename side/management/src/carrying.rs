//! Messages as files: out of the queue with their envelopes, and into it again.
//!
//! The first lines of such a file carry the envelope, as in the pickup folder of the original: `X-Sender` and a line of
//! `X-Receiver` for each recipient; and `X-Envelope` with the rest of it. The content follows as it is.

use crate::Rooms;
use crate::drive::blocking;
use crate::router::{No, message_id};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use bridgehead_mail::{
    Address, BodyKind, DsnText, Envelope, Handling, Notify, Orcpt, Origin, Protocol, Recipient,
    Ret, ReversePath, Timestamp,
};
use bridgehead_management_api::{CarriedEnvelope, CarriedRecipient, Imported};
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
        let mut octets = lines(&carried(&shown))?.into_bytes();
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

fn lines(envelope: &CarriedEnvelope) -> Result<String, No> {
    let all = serde_json::to_string(envelope).map_err(|error| No::broken(&error))?;
    let mut lines = format!("X-Sender: {}\r\n", envelope.from);
    for recipient in &envelope.recipients {
        lines.push_str(&format!("X-Receiver: {}\r\n", recipient.address));
    }
    lines.push_str(&format!("X-Envelope: {all}\r\n"));
    Ok(lines)
}

/// The envelope of what is left of a message.
fn carried(message: &MessagePicture) -> CarriedEnvelope {
    let envelope = &message.envelope;
    let one = |address: &Address, notify: Notify, orcpt: Option<&Orcpt>| CarriedRecipient {
        address: address.to_string(),
        notify: notify_word(notify),
        orcpt: orcpt.map(|orcpt| {
            let kind = orcpt.kind.as_str();
            format!("{kind};{}", orcpt.address.as_str())
        }),
    };
    let left = message.left.iter();
    let mut recipients: Vec<CarriedRecipient> = left
        .map(|left| one(&left.address, left.notify, left.orcpt.as_ref()))
        .collect();
    if recipients.is_empty() {
        let all = envelope.recipients.iter();
        recipients = all
            .map(|all| one(&all.address, all.notify, all.orcpt.as_ref()))
            .collect();
    }
    let from = envelope.reverse_path.address();
    CarriedEnvelope {
        id: message.summary.id.to_string(),
        from: from.map(ToString::to_string).unwrap_or_default(),
        recipients,
        body: match envelope.body {
            BodyKind::SevenBit => "7BIT",
            BodyKind::EightBitMime => "8BITMIME",
            BodyKind::BinaryMime => "BINARYMIME",
        }
        .to_owned(),
        smtputf8: envelope.smtputf8,
        ret: envelope.ret.map(|ret| {
            match ret {
                Ret::Full => "FULL",
                Ret::Headers => "HDRS",
            }
            .to_owned()
        }),
        envid: envelope.envid.as_ref().map(|id| id.as_str().to_owned()),
        level: envelope.handling.level,
        accepted: envelope.accepted.as_millis(),
    }
}

fn notify_word(notify: Notify) -> Option<String> {
    match notify {
        Notify::Unsaid => None,
        Notify::Never => Some("NEVER".to_owned()),
        Notify::On {
            success,
            failure,
            delay,
        } => {
            let words = [(success, "SUCCESS"), (failure, "FAILURE"), (delay, "DELAY")];
            let said = words.iter().filter(|(said, _)| *said);
            let said: Vec<&str> = said.map(|(_, word)| *word).collect();
            Some(said.join(","))
        }
    }
}

/// Takes a file into the queue, as a new message.
pub(crate) async fn import(
    State(rooms): State<Rooms>,
    octets: Bytes,
) -> Result<Json<Imported>, No> {
    let (said, content) = split(&octets);
    let envelope = envelope(&said, rooms.explain.now()).map_err(|why| No::bad(&why))?;
    let inlet = rooms.queue.inlet();
    let now = rooms.explain.now();
    let draft = inlet.begin(now, Some(content.len() as u64));
    let mut draft = draft.map_err(|error| No::broken(&error))?;
    draft.write(content).map_err(|error| No::broken(&error))?;
    let committed = draft.commit(envelope).await;
    let id = committed.map_err(|error| No::broken(&error))?.id();
    tracing::info!(%id, by = crate::OPERATOR, "a message was imported");
    Ok(Json(Imported { id: id.to_string() }))
}

/// What the first lines say.
#[derive(Default)]
struct Said {
    sender: Option<String>,
    receivers: Vec<String>,
    envelope: Option<String>,
}

/// The lines of the envelope, and the content behind them.
fn split(octets: &[u8]) -> (Said, &[u8]) {
    let mut said = Said::default();
    let mut rest = octets;
    while let Some(end) = rest.iter().position(|octet| *octet == b'\n') {
        let (line, after) = rest.split_at(end + 1);
        let line = String::from_utf8_lossy(line);
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        let value = value.trim().to_owned();
        match name.to_ascii_lowercase().as_str() {
            "x-sender" => said.sender = Some(value),
            "x-receiver" => said.receivers.push(value),
            "x-envelope" => said.envelope = Some(value),
            _ => break,
        }
        rest = after;
    }
    (said, rest)
}

fn envelope(said: &Said, now: Timestamp) -> Result<Envelope, String> {
    let carried = match (&said.envelope, &said.sender) {
        (Some(text), _) => serde_json::from_str(text)
            .map_err(|error| format!("X-Envelope can't be understood: {error}"))?,
        (None, Some(sender)) => CarriedEnvelope {
            from: bare(sender).to_owned(),
            recipients: said.receivers.iter().map(|to| plain(to)).collect(),
            ..CarriedEnvelope::default()
        },
        (None, None) => {
            return Err("the file begins neither with X-Envelope nor with X-Sender".to_owned());
        }
    };
    if carried.recipients.is_empty() {
        return Err("the file names no recipient".to_owned());
    }
    let recipients = carried.recipients.iter().map(recipient);
    Ok(Envelope {
        reverse_path: match carried.from.as_str() {
            "" => ReversePath::Null,
            from => ReversePath::Address(address(from)?),
        },
        recipients: recipients.collect::<Result<_, String>>()?,
        body: match carried.body.as_str() {
            "7BIT" => BodyKind::SevenBit,
            "BINARYMIME" => BodyKind::BinaryMime,
            _ => BodyKind::EightBitMime,
        },
        smtputf8: carried.smtputf8,
        ret: match carried.ret.as_deref() {
            Some("FULL") => Some(Ret::Full),
            Some("HDRS") => Some(Ret::Headers),
            _ => None,
        },
        envid: carried.envid.as_deref().map(text).transpose()?,
        handling: Handling {
            level: carried.level.clamp(-9, 9),
            ..Handling::default()
        },
        origin: Origin {
            virtual_server: IMPORT.into(),
            client: None,
            helo: Box::default(),
            protocol: Protocol {
                extended: true,
                tls: false,
                authenticated: false,
                utf8: carried.smtputf8,
            },
            tls: None,
            user: None,
        },
        accepted: now,
    })
}

fn plain(address: &str) -> CarriedRecipient {
    CarriedRecipient {
        address: bare(address).to_owned(),
        ..CarriedRecipient::default()
    }
}

/// An address without its brackets.
fn bare(address: &str) -> &str {
    let inside = address
        .strip_prefix('<')
        .and_then(|rest| rest.strip_suffix('>'));
    inside.unwrap_or(address)
}

fn recipient(carried: &CarriedRecipient) -> Result<Recipient, String> {
    let orcpt = carried.orcpt.as_deref().map(|orcpt| {
        let (kind, address) = orcpt.split_once(';').unwrap_or(("rfc822", orcpt));
        Ok::<Orcpt, String>(Orcpt {
            kind: text(kind)?,
            address: text(address)?,
        })
    });
    Ok(Recipient {
        address: address(&carried.address)?,
        notify: match carried.notify.as_deref() {
            None => Notify::Unsaid,
            Some("NEVER") => Notify::Never,
            Some(words) => {
                let says = |word: &str| words.split(',').any(|said| said == word);
                Notify::On {
                    success: says("SUCCESS"),
                    failure: says("FAILURE"),
                    delay: says("DELAY"),
                }
            }
        },
        orcpt: orcpt.transpose()?,
    })
}

fn address(text: &str) -> Result<Address, String> {
    Address::parse(text).map_err(|error| format!("\"{text}\" is no address: {error}"))
}

fn text(text: &str) -> Result<DsnText, String> {
    DsnText::new(text).map_err(|error| format!("\"{text}\": {error}"))
}
