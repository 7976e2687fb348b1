//! Envelopes, addressees and failures as octets (docs/formats/spool.md, "Values").

use crate::codec::{Malformed, Reader, Writer};
use bridgehead_mail::{
    Addressee, BodyKind, ByMode, DeliverBy, Destination, DsnText, Envelope, Failure, Handling,
    Hold, Journey, Notify, Orcpt, Origin, Protocol, Recipient, RemoteReply, Ret, ReversePath,
    StatusClass, StatusCode, Timestamp,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(crate) fn write_envelope(to: &mut Writer<'_>, envelope: &Envelope) {
    to.u64(envelope.accepted.as_millis());
    to.option(envelope.reverse_path.address(), |to, address| {
        to.address(address);
    });
    to.u8(match envelope.body {
        BodyKind::SevenBit => 0,
        BodyKind::EightBitMime => 1,
        BodyKind::BinaryMime => 2,
    });
    to.bool(envelope.smtputf8);
    to.u8(match envelope.ret {
        None => 0,
        Some(Ret::Full) => 1,
        Some(Ret::Headers) => 2,
    });
    to.option(envelope.envid.as_ref(), |to, id| to.text(id.as_str()));
    write_origin(to, &envelope.origin);
    to.count(envelope.recipients.len());
    for recipient in &envelope.recipients {
        to.address(&recipient.address);
        write_wishes(to, recipient.notify, recipient.orcpt.as_ref());
    }
}

pub(crate) fn read_envelope(from: &mut Reader<'_>) -> Result<Envelope, Malformed> {
    let accepted = Timestamp::from_millis(from.u64()?);
    let reverse_path = match from.option(Reader::address)? {
        None => ReversePath::Null,
        Some(address) => ReversePath::Address(address),
    };
    let body = match from.u8()? {
        0 => BodyKind::SevenBit,
        1 => BodyKind::EightBitMime,
        2 => BodyKind::BinaryMime,
        _ => return Err(Malformed("an unknown kind of body")),
    };
    let smtputf8 = from.bool()?;
    let ret = match from.u8()? {
        0 => None,
        1 => Some(Ret::Full),
        2 => Some(Ret::Headers),
        _ => return Err(Malformed("an unknown RET")),
    };
    let envid = from.option(read_dsn_text)?;
    let origin = read_origin(from)?;
    let count = from.count(10)?;
    let mut recipients = Vec::with_capacity(count);
    for _ in 0..count {
        let address = from.address()?;
        let (notify, orcpt) = read_wishes(from)?;
        recipients.push(Recipient {
            address,
            notify,
            orcpt,
        });
    }
    Ok(Envelope {
        handling: Handling::default(),

        reverse_path,
        recipients,
        body,
        smtputf8,
        ret,
        envid,
        origin,
        accepted,
        journey: None,
    })
}

/// What the sender asked for beyond delivery.
pub(crate) fn write_handling(to: &mut Writer<'_>, handling: &Handling) {
    to.u8(handling.level.to_le_bytes()[0]);
    match handling.hold {
        None => to.u8(0),
        Some(Hold::For(seconds)) => {
            to.u8(1);
            to.u32(seconds);
        }
        Some(Hold::Until(at)) => {
            to.u8(2);
            to.u64(at.as_millis());
        }
    }
    to.option(handling.deliver_by, |to, by| {
        to.u32(by.seconds.cast_unsigned());
        to.bool(by.mode == ByMode::Return);
        to.bool(by.trace);
    });
}

pub(crate) fn read_handling(from: &mut Reader<'_>) -> Result<Handling, Malformed> {
    Ok(Handling {
        level: i8::from_le_bytes([from.u8()?]),
        hold: match from.u8()? {
            0 => None,
            1 => Some(Hold::For(from.u32()?)),
            2 => Some(Hold::Until(Timestamp::from_millis(from.u64()?))),
            _ => return Err(Malformed("an unknown kind of hold")),
        },
        deliver_by: from.option(|from| {
            Ok(DeliverBy {
                seconds: from.u32()?.cast_signed(),
                mode: match from.bool()? {
                    true => ByMode::Return,
                    false => ByMode::Notify,
                },
                trace: from.bool()?,
            })
        })?,
    })
}

/// The way inside the organisation.
pub(crate) fn write_journey(to: &mut Writer<'_>, journey: &Journey) {
    for names in [&journey.groups, &journey.servers] {
        to.count(names.len());
        for name in names {
            to.text(name);
        }
    }
}

pub(crate) fn read_journey(from: &mut Reader<'_>) -> Result<Journey, Malformed> {
    let mut names = || {
        let count = from.count(4)?;
        (0..count)
            .map(|_| from.boxed())
            .collect::<Result<Vec<_>, _>>()
    };
    Ok(Journey {
        groups: names()?,
        servers: names()?,
    })
}

fn read_dsn_text(from: &mut Reader<'_>) -> Result<DsnText, Malformed> {
    DsnText::new(from.text()?).map_err(|_| Malformed("a text for reports isn't one"))
}

fn write_origin(to: &mut Writer<'_>, origin: &Origin) {
    to.text(&origin.virtual_server);
    match origin.client {
        None => to.u8(0),
        Some(IpAddr::V4(four)) => {
            to.u8(4);
            to.u32(four.to_bits());
        }
        Some(IpAddr::V6(six)) => {
            to.u8(6);
            let bits = six.to_bits();
            to.u64((bits >> 64) as u64);
            to.u64(bits as u64);
        }
    }
    to.text(&origin.helo);
    to.bool(origin.protocol.extended);
    to.bool(origin.protocol.tls);
    to.bool(origin.protocol.authenticated);
    to.bool(origin.protocol.utf8);
    to.option(origin.tls.as_deref(), Writer::text);
    to.option(origin.user.as_deref(), Writer::text);
}

fn read_origin(from: &mut Reader<'_>) -> Result<Origin, Malformed> {
    let virtual_server = from.boxed()?;
    let client = match from.u8()? {
        0 => None,
        4 => Some(IpAddr::V4(Ipv4Addr::from_bits(from.u32()?))),
        6 => {
            let high = u128::from(from.u64()?);
            let low = u128::from(from.u64()?);
            Some(IpAddr::V6(Ipv6Addr::from_bits((high << 64) | low)))
        }
        _ => return Err(Malformed("an unknown kind of network address")),
    };
    let helo = from.boxed()?;
    let protocol = Protocol {
        extended: from.bool()?,
        tls: from.bool()?,
        authenticated: from.bool()?,
        utf8: from.bool()?,
    };
    Ok(Origin {
        virtual_server,
        client,
        helo,
        protocol,
        tls: from.option(Reader::boxed)?,
        user: from.option(Reader::boxed)?,
    })
}

/// NOTIFY in one octet: 0 unsaid, 1 never, else 8 plus bits.
fn write_wishes(to: &mut Writer<'_>, notify: Notify, orcpt: Option<&Orcpt>) {
    to.u8(match notify {
        Notify::Unsaid => 0,
        Notify::Never => 1,
        Notify::On {
            success,
            failure,
            delay,
        } => 8 | u8::from(success) | (u8::from(failure) << 1) | (u8::from(delay) << 2),
    });
    to.option(orcpt, |to, orcpt| {
        to.text(orcpt.kind.as_str());
        to.text(orcpt.address.as_str());
    });
}

fn read_wishes(from: &mut Reader<'_>) -> Result<(Notify, Option<Orcpt>), Malformed> {
    let notify = match from.u8()? {
        0 => Notify::Unsaid,
        1 => Notify::Never,
        bits @ 8..=15 => Notify::On {
            success: bits & 1 != 0,
            failure: bits & 2 != 0,
            delay: bits & 4 != 0,
        },
        _ => return Err(Malformed("an unknown NOTIFY")),
    };
    let orcpt = from.option(|from| {
        Ok(Orcpt {
            kind: read_dsn_text(from)?,
            address: read_dsn_text(from)?,
        })
    })?;
    Ok((notify, orcpt))
}

pub(crate) fn write_addressee(to: &mut Writer<'_>, addressee: &Addressee) {
    to.address(&addressee.address);
    match &addressee.destination {
        Destination::Remote => to.u8(0),
        Destination::Mailbox(name) => {
            to.u8(1);
            to.text(name);
        }
    }
    write_wishes(to, addressee.notify, addressee.orcpt.as_ref());
}

pub(crate) fn read_addressee(from: &mut Reader<'_>) -> Result<Addressee, Malformed> {
    let address = from.address()?;
    let destination = match from.u8()? {
        0 => Destination::Remote,
        1 => Destination::Mailbox(from.boxed()?),
        _ => return Err(Malformed("an unknown destination")),
    };
    let (notify, orcpt) = read_wishes(from)?;
    Ok(Addressee {
        address,
        destination,
        notify,
        orcpt,
    })
}

pub(crate) fn write_failure(to: &mut Writer<'_>, failure: &Failure) {
    to.u8(match failure.status.class() {
        StatusClass::Success => 2,
        StatusClass::Transient => 4,
        StatusClass::Permanent => 5,
    });
    to.u16(failure.status.subject());
    to.u16(failure.status.detail());
    to.text(&failure.text);
    to.option(failure.remote.as_ref(), |to, remote| {
        to.text(&remote.host);
        to.u16(remote.code);
        to.text(&remote.text);
    });
    to.option(failure.cause.as_deref(), Writer::text);
}

pub(crate) fn read_failure(from: &mut Reader<'_>) -> Result<Failure, Malformed> {
    let class = match from.u8()? {
        2 => StatusClass::Success,
        4 => StatusClass::Transient,
        5 => StatusClass::Permanent,
        _ => return Err(Malformed("an unknown class of status")),
    };
    let status = StatusCode::new(class, from.u16()?, from.u16()?);
    let text = from.boxed()?;
    let remote = from.option(|from| {
        Ok(RemoteReply {
            host: from.boxed()?,
            code: from.u16()?,
            text: from.boxed()?,
        })
    })?;
    Ok(Failure {
        status,
        text,
        remote,
        cause: from.option(Reader::boxed)?,
    })
}
