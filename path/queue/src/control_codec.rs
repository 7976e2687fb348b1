//! Decisions of operators as octets (docs/formats/spool.md, "Values").

use crate::codec::{Malformed, Reader, Writer};
use crate::control::{Adoption, Control, Decision, Deletion, Steering};
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
    to.option(control.adopting.as_ref(), write_adoption);
}

pub(crate) fn write_adoption(to: &mut Writer<'_>, adoption: &Adoption) {
    to.u64((adoption.number >> 64) as u64);
    to.u64(adoption.number as u64);
    to.text(&adoption.home);
}

/// `adoptions` says whether the record knows of them: those of version 2 don't.
pub(crate) fn read_control(from: &mut Reader<'_>, adoptions: bool) -> Result<Control, Malformed> {
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
        adopting: match adoptions {
            true => from.option(read_adoption)?,
            false => None,
        },
    })
}

pub(crate) fn read_adoption(from: &mut Reader<'_>) -> Result<Adoption, Malformed> {
    let (high, low) = (from.u64()?, from.u64()?);
    Ok(Adoption {
        number: (u128::from(high) << 64) | u128::from(low),
        home: from.boxed()?,
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
