//! Decisions of operators as octets (docs/formats/spool.md, "Values").

use crate::codec::{Malformed, Reader, Writer};
use crate::control::{Control, Decision, Deletion, Steering};
use bridgehead_mail::{LinkName, Priority, Timestamp};
use std::collections::BTreeMap;

pub(crate) fn write_control(to: &mut Writer<'_>, control: &Control) {
    to.option(control.frozen.as_ref(), write_decision);
    to.option(control.deleted.as_ref(), |to, deletion| {
        write_decision(to, &deletion.decision);
        to.u64(deletion.until.as_millis());
        to.bool(deletion.report);
    });
    to.u8(match control.priority {
        None => 0,
        Some(Priority::Low) => 1,
        Some(Priority::Normal) => 2,
        Some(Priority::High) => 3,
    });
    to.option(control.expires, |to, at| to.u64(at.as_millis()));
    to.option(control.redirect.as_deref(), Writer::text);
    to.bool(control.resubmit);
    to.option(control.poison.as_deref(), Writer::text);
}

pub(crate) fn read_control(from: &mut Reader<'_>) -> Result<Control, Malformed> {
    Ok(Control {
        frozen: from.option(read_decision)?,
        deleted: from.option(|from| {
            Ok(Deletion {
                decision: read_decision(from)?,
                until: Timestamp::from_millis(from.u64()?),
                report: from.bool()?,
            })
        })?,
        priority: match from.u8()? {
            0 => None,
            1 => Some(Priority::Low),
            2 => Some(Priority::Normal),
            3 => Some(Priority::High),
            _ => return Err(Malformed("an unknown priority")),
        },
        expires: from.option(|from| Ok(Timestamp::from_millis(from.u64()?)))?,
        redirect: from.option(Reader::boxed)?,
        resubmit: from.bool()?,
        poison: from.option(Reader::boxed)?,
    })
}

fn write_decision(to: &mut Writer<'_>, decision: &Decision) {
    to.text(&decision.by);
    to.u64(decision.at.as_millis());
}

fn read_decision(from: &mut Reader<'_>) -> Result<Decision, Malformed> {
    Ok(Decision {
        by: from.boxed()?,
        at: Timestamp::from_millis(from.u64()?),
    })
}

pub(crate) fn write_steering(to: &mut Writer<'_>, steering: &Steering) {
    to.option(steering.outbound.as_ref(), write_decision);
    to.option(steering.draining.as_ref(), write_decision);
    to.count(steering.links.len());
    for (link, decision) in &steering.links {
        to.text(link.as_str());
        write_decision(to, decision);
    }
}

pub(crate) fn read_steering(from: &mut Reader<'_>) -> Result<Steering, Malformed> {
    let outbound = from.option(read_decision)?;
    let draining = from.option(read_decision)?;
    // A text's count, another's, and a time.
    let count = from.count(16)?;
    let mut links = BTreeMap::new();
    for _ in 0..count {
        let link = LinkName::new(from.text()?);
        links.insert(link, read_decision(from)?);
    }
    Ok(Steering {
        outbound,
        draining,
        links,
    })
}
