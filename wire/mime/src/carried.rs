//! Messages as files with their envelopes.
//!
//! The first lines of such a file carry the envelope, as in the pickup folder of the original: `X-Sender` and a line of
//! `X-Receiver` for each recipient; and `X-Envelope` with the rest of it, as JSON. The content follows as it is. May refuse: an
//! envelope with words that aren't understood.

use bridgehead_mail::{
    Address, BodyKind, DsnText, Envelope, Handling, MessageId, Notify, Orcpt, Origin, Recipient,
    Ret, ReversePath, Timestamp,
};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::io;

/// The envelope of a message that is carried as a file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct CarriedEnvelope {
    /// Its id in the queue that it came from.
    id: String,
    /// The reverse-path; empty for the null reverse-path.
    from: String,
    /// The recipients that were left.
    recipients: Vec<CarriedRecipient>,
    /// `7BIT`, `8BITMIME` or `BINARYMIME`.
    body: String,
    /// Whether SMTPUTF8 was asked for.
    smtputf8: bool,
    /// `FULL` or `HDRS`.
    #[serde(skip_serializing_if = "Option::is_none")]
    ret: Option<String>,
    /// The sender's own name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    envid: Option<String>,
    /// MT-PRIORITY.
    level: i8,
    /// When it was accepted first.
    accepted: u64,
}

/// One recipient of it.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct CarriedRecipient {
    /// The address.
    address: String,
    /// As in `NOTIFY=`.
    #[serde(skip_serializing_if = "Option::is_none")]
    notify: Option<String>,
    /// As in `ORCPT=`, decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    orcpt: Option<String>,
}

/// The first lines of a file: the envelope, for these recipients.
///
/// # Errors
/// If it can't be written as JSON.
pub fn carried_lines(
    id: MessageId,
    envelope: &Envelope,
    recipients: &[Recipient],
) -> io::Result<String> {
    let from = envelope.reverse_path.address();
    let carried = CarriedEnvelope {
        id: id.to_string(),
        from: from.map(ToString::to_string).unwrap_or_default(),
        recipients: recipients.iter().map(carried).collect(),
        body: envelope.body.as_str().to_owned(),
        smtputf8: envelope.smtputf8,
        ret: envelope.ret.map(|ret| ret.as_str().to_owned()),
        envid: envelope.envid.as_ref().map(|id| id.as_str().to_owned()),
        level: envelope.handling.level,
        accepted: envelope.accepted.as_millis(),
    };
    let mut lines = format!("X-Sender: {}\r\n", carried.from);
    for recipient in &carried.recipients {
        lines.push_str(&format!("X-Receiver: {}\r\n", recipient.address));
    }
    let all = serde_json::to_string(&carried)?;
    lines.push_str(&format!("X-Envelope: {all}\r\n"));
    Ok(lines)
}

fn carried(recipient: &Recipient) -> CarriedRecipient {
    CarriedRecipient {
        address: recipient.address.to_string(),
        notify: recipient.notify.words(),
        orcpt: recipient.orcpt.as_ref().map(|orcpt| {
            let kind = orcpt.kind.as_str();
            format!("{kind};{}", orcpt.address.as_str())
        }),
    }
}

/// The envelope and the content of a file. The message is a new one, accepted now and made by this room; its content has the
/// line ends that SMTP needs.
///
/// # Errors
/// What of the envelope can't be understood.
pub fn read_carried<'a>(
    octets: &'a [u8],
    room: &str,
    now: Timestamp,
) -> Result<(Envelope, Cow<'a, [u8]>), String> {
    let (said, content) = split(octets);
    let envelope = envelope(&said, room, now)?;
    let content = match envelope.body {
        BodyKind::BinaryMime => content.into(),
        _ => with_line_ends(content),
    };
    Ok((envelope, content))
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

fn envelope(said: &Said, room: &str, now: Timestamp) -> Result<Envelope, String> {
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
        origin: Origin::of_room(room),
        accepted: now,
        journey: None,
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
            envelope(&said, "import", Timestamp::EPOCH).map(|envelope| envelope.recipients)
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
