//! `bridgehead queue check`: the spool of a stopped server.

use crate::admin_client::AdminError;
use crate::command::print;
use bridgehead_disk::RealDisk;
use bridgehead_mail::Timestamp;
use bridgehead_queue::{OpenError, Queue, Settings};
use std::path::Path;
use std::sync::Arc;

/// Looks at a spool, and mends it if that is wanted.
pub(crate) fn check(spool: &Path, repair: bool) -> Result<(), AdminError> {
    let refused = |error: OpenError| {
        let cause = std::error::Error::source(&error);
        let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
        AdminError::Refused(format!("{error}{cause}"))
    };
    let checked = bridgehead_queue::check(&RealDisk, spool).map_err(refused)?;
    print(&format!(
        "{} messages, {} octets, in {} segments",
        checked.messages, checked.octets, checked.segments
    ))?;
    for (heading, lines) in [
        ("DAMAGE", &checked.damage),
        ("harmless", &checked.harmless),
        ("foreign, left alone", &checked.foreign),
    ] {
        for line in lines {
            print(&format!("{heading}: {line}"))?;
        }
    }
    if repair {
        return print(&mend(spool).map_err(refused)?);
    }
    match checked.damage.len() {
        0 => print("nothing is damaged"),
        count => Err(AdminError::Refused(format!(
            "{count} damage(s); what is readable is kept by a start of the server, or by --repair"
        ))),
    }
}

/// Does what a start of the server does, and says what came of it: cuts torn tails, keeps damaged files under another name, keeps what is
/// readable.
fn mend(spool: &Path) -> Result<String, OpenError> {
    let settings = Settings::for_directory(spool.to_owned());
    let (queue, recovery) =
        Queue::open_without_committer(settings, Arc::new(RealDisk), Timestamp::EPOCH)?;
    queue.commit_now();
    queue.close();
    let kept = format!("repaired: {} messages are kept", recovery.messages);
    let aside = match recovery.damage.is_empty() {
        true => String::new(),
        false => "; damaged files have a second name that ends in .damaged".to_owned(),
    };
    Ok(format!("{kept}{aside}"))
}
