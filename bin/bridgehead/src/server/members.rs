//! The membership of this server: its own key, whether the directory names it, and how it gets there.

use super::now;
use bridgehead_delivery::settings::Member;
use bridgehead_directory::{Directory, MemberKey, Server, Snapshot, Wish};
use bridgehead_membership::{OwnKey, Roster};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The folder of the key in the data directory.
pub(crate) fn folder(data: &Path) -> PathBuf {
    data.join("member")
}

/// The keys of the other servers.
pub(super) fn roster(members: &HashMap<Box<str>, Member>) -> Roster {
    Roster::new(
        members
            .iter()
            .map(|(name, member)| (&**name, &*member.keys)),
    )
}

/// Whether the others can know this server by its key.
pub(super) enum Standing {
    /// They can, or there are no others.
    Known,
    /// The directory has no key of this server at all.
    Keyless,
    /// The directory has others.
    OtherKeys,
}

pub(super) fn standing(snapshot: &Snapshot, server: &str, own: &OwnKey) -> Standing {
    let servers = &snapshot.configuration().servers;
    match servers.iter().find(|known| is_called(known, server)) {
        Some(known) if known.member_keys.is_empty() => Standing::Keyless,
        Some(known) if !known.member_keys.contains(&MemberKey(own.public())) => Standing::OtherKeys,
        // Without its object the server does nothing at all, and says so.
        _ => Standing::Known,
    }
}

fn is_called(server: &Server, name: &str) -> bool {
    *server.name.folded() == *name.to_lowercase()
}

/// Whether there is anybody who would have to know it.
pub(super) fn has_others(snapshot: &Snapshot) -> bool {
    snapshot.configuration().servers.len() > 1
}

/// Says that the others can't know this server, with what helps.
pub(super) fn warn(server: &str, own: &OwnKey) {
    let key = MemberKey(own.public());
    tracing::warn!(
        server,
        %key,
        "the directory doesn't name this server's key, so that the other servers take nothing from it: put it into member-keys of its \
         server object (`bridgehead member key` prints it) and apply that"
    );
}

/// Writes the key into this server's own object: a change like any other. Blocks. Returns why not, if it can't.
pub(super) fn publish(directory: &Directory, server: &str, own: &OwnKey) -> Result<(), String> {
    let (version, mut organisation) = directory
        .organisation()
        .map_err(|error| crate::chain(&error))?;
    let mut servers = organisation.servers.iter_mut();
    let Some(object) = servers.find(|known| is_called(known, server)) else {
        return Err("the server's object isn't part of the shared organisation".to_owned());
    };
    if !object.member_keys.is_empty() {
        return Ok(());
    }
    object.member_keys.push(MemberKey(own.public()));
    let who = format!("server {server}");
    let wish = Wish {
        text: &organisation.to_text(),
        file: "the shared organisation with this server's key",
        who: &who,
        why: "its key, by which the other servers know it",
        now: now(),
        expected: Some(version),
        dry_run: false,
        trial_on: &[],
    };
    match directory.apply(&wish) {
        Ok(_) => Ok(()),
        Err(faults) => {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            Err(faults.join("; "))
        }
    }
}
