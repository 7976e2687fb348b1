//! Step four: a part of a message, made ready for delivery with its trace fields.

use crate::settings::Settings;
use bridgehead_delivery::Handover;
use bridgehead_mail::{DeliverBy, Envelope, Journey, NextHop, Timestamp};
use bridgehead_mime::{TraceFacts, received, return_path};
use bridgehead_queue::PartLease;

/// What delivery is given. Received goes in front of what leaves; what stays in a mailbox has the Return-Path as well
/// (RFC 5321 §4.4).
pub(crate) fn handover(lease: &PartLease, settings: &Settings, now: Timestamp) -> Handover {
    let envelope = &lease.envelope;
    let only = match envelope.recipients.as_slice() {
        [only] => Some(&only.address),
        _ => None,
    };
    let facts = TraceFacts {
        id: lease.id(),
        by: &settings.hostname,
        only,
    };
    let mut prefix = match lease.hop {
        NextHop::Local => return_path(&envelope.reverse_path),
        NextHop::SmartHosts { .. }
        | NextHop::Mx { .. }
        | NextHop::Servers { .. }
        | NextHop::Unreachable { .. } => Vec::new(),
    };
    prefix.extend_from_slice(&received(envelope, facts));
    Handover {
        id: lease.id(),
        reverse_path: envelope.reverse_path.clone(),
        body: envelope.body,
        smtputf8: envelope.smtputf8,
        ret: envelope.ret,
        envid: envelope.envid.clone(),
        level: envelope.handling.level,
        deliver_by: envelope.handling.deliver_by.map(|by| DeliverBy {
            seconds: by.left(envelope.accepted, now),
            ..by
        }),
        journey: journey(envelope, &lease.hop, settings),
        addressees: lease.addressees.clone(),
        prefix,
        content: lease.content.clone(),
        at: now,
    }
}

/// What another server of the organisation is told of the message's way; nobody else is told anything of it.
fn journey(envelope: &Envelope, hop: &NextHop, settings: &Settings) -> Option<Journey> {
    let NextHop::Servers { connector, .. } = hop else {
        return None;
    };
    let (server, group) = (&settings.server, &settings.routing_group);
    let first = Journey::default();
    let so_far = envelope.journey.as_deref().unwrap_or(&first);
    // Only a connector leads out of the group.
    Some(so_far.onward(server, group, connector.is_some()))
}
