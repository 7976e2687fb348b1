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
    Address, BodyKind, DsnText, Envelope, Handling, Notify, Orcpt, Origin, Recipient, Ret,
    ReversePath, Timestamp,
};
use bridgehead_management_api::{CarriedEnvelope, CarriedRecipient, Imported};
use bridgehead_queue::view::MessagePicture;
use std::borrow::Cow;

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
        notify: notify.words(),
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
        body: envelope.body.as_str().to_owned(),
        smtputf8: envelope.smtputf8,
        ret: envelope.ret.map(|ret| ret.as_str().to_owned()),
        envid: envelope.envid.as_ref().map(|id| id.as_str().to_owned()),
        level: envelope.handling.level,
        accepted: envelope.accepted.as_millis(),
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
    let binary = envelope.body == BodyKind::BinaryMime;
    let content = if binary {
        content.into()
    } else {
        with_line_ends(content)
    };
    draft.write(&content).map_err(|error| No::broken(&error))?;
    let committed = draft.commit(envelope).await;
    let id = committed.map_err(|error| No::broken(&error))?.id();
    tracing::info!(%id, by = crate::OPERATOR, "a message was imported");
    Ok(Json(Imported { id: id.to_string() }))
}

/// Content with CRLF at the end of each line, as SMTP needs it: a CR or LF that stands alone, as editors write it, must not reach a
/// next hop (RFC 5321 §2.3.8).
fn with_line_ends(content: &[u8]) -> Cow<'_, [u8]> {
    let mut whole = Vec::with_capacity(content.len());
    let mut last = 0;
    for (place, octet) in content.iter().enumerate() {
        let next = content.get(place + 1);
        match octet {
            b'\n' if last != b'\r' => whole.extend_from_slice(b"\r\n"),
            b'\r' if next != Some(&b'\n') => whole.extend_from_slice(b"\r\n"),
            octet => whole.push(*octet),
        }
        last = *octet;
    }
    match whole.len() == content.len() {
        true => Cow::Borrowed(content),
        false => Cow::Owned(whole),
    }
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
    let body = Some(carried.body.as_str()).filter(|body| !body.is_empty());
    // What isn't said may hold any octets, as most mail does.
    let body = word(body, BodyKind::parse)?.unwrap_or(BodyKind::EightBitMime);
    Ok(Envelope {
        reverse_path: match carried.from.as_str() {
            "" => ReversePath::Null,
            from => ReversePath::Address(address(from)?),
        },
        recipients: recipients.collect::<Result<_, String>>()?,
        body,
        smtputf8: carried.smtputf8,
        ret: word(carried.ret.as_deref(), Ret::parse)?,
        envid: carried.envid.as_deref().map(text).transpose()?,
        handling: Handling {
            level: carried.level.clamp(-9, 9),
            ..Handling::default()
        },
        origin: Origin::of_room(IMPORT),
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
        notify: word(carried.notify.as_deref(), Notify::parse)?.unwrap_or(Notify::Unsaid),
        orcpt: orcpt.transpose()?,
    })
}

/// A word that may be missing, and mustn't be another one.
fn word<T>(said: Option<&str>, parse: fn(&str) -> Option<T>) -> Result<Option<T>, String> {
    let read = |said| parse(said).ok_or_else(|| format!("\"{said}\" can't be understood"));
    said.map(read).transpose()
}

fn address(text: &str) -> Result<Address, String> {
    Address::parse(text).map_err(|error| format!("\"{text}\" is no address: {error}"))
}

fn text(text: &str) -> Result<DsnText, String> {
    DsnText::new(text).map_err(|error| format!("\"{text}\": {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_end_otherwise_end_as_smtp_needs_it() {
        for (content, expected) in [
            ("a\r\nb\r\n", "a\r\nb\r\n"),
            ("a\nb\n", "a\r\nb\r\n"),
            ("a\rb", "a\r\nb"),
            ("a\r\r\n", "a\r\n\r\n"),
            ("a\n.\nMAIL FROM:<x>\n", "a\r\n.\r\nMAIL FROM:<x>\r\n"),
            ("\n\r", "\r\n\r\n"),
            ("", ""),
        ] {
            let whole = with_line_ends(content.as_bytes());
            assert_eq!(whole, expected.as_bytes(), "{content:?}");
        }
    }

    #[test]
    fn words_that_arent_understood_are_refused() {
        let of = |json: &str| {
            let said = Said {
                envelope: Some(json.to_owned()),
                ..Said::default()
            };
            envelope(&said, Timestamp::EPOCH).map(|envelope| envelope.recipients)
        };
        let to = |more: &str| format!(r#"{{"recipients":[{{"address":"a@b.example"{more}}}]}}"#);
        assert!(of(&to("")).is_ok());
        assert!(of(&to(r#","notify":"NEVER""#)).is_ok());
        for bad in [
            to(r#","notify":"SOMETIMES""#),
            r#"{"body":"9BIT","recipients":[{"address":"a@b.example"}]}"#.to_owned(),
            r#"{"ret":"ALL","recipients":[{"address":"a@b.example"}]}"#.to_owned(),
            r#"{"recipients":[]}"#.to_owned(),
            r#"{"recipients":[{"address":"nobody"}]}"#.to_owned(),
            "{".to_owned(),
        ] {
            assert!(of(&bad).is_err(), "{bad}");
        }
    }
}
