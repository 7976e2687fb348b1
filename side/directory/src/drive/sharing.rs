//! The organisation that several servers share: changes are written to its directory first, and come into force from there.
//!
//! Guards: one change at a time from this server; against others the head is compared and set. What comes back is checked
//! like a file before it counts; else the last good version stays in force.

use super::{Directory, Wish, conflict, local_trouble};
use crate::embedded::Author;
use crate::organisation::{Knowledge, parse_knowing, parse_unchecked};
use crate::password::hash_passwords;
use crate::shared::{
    Later, Link, SharedError, Versions, moved_head, new_change, objects, parts_to_prune,
};
use crate::stamp::stamp;
use crate::view::{Shared, Trial};
use crate::{Change, Fault, Name, Organisation, SharedDirectory, Step, StoredPart};
use bridgehead_mail::Timestamp;
use parking_lot::Mutex;
use std::sync::Arc;

/// Changes that can be gone back behind.
const KEPT_CHANGES: usize = 500;
/// How old parts are that belong to no chain before they are taken away, in milliseconds.
const LEFT_OVER_MILLIS: u64 = 24 * 60 * 60 * 1000;

/// Where the organisation is shared, and by which name this server is in it.
#[derive(Debug)]
pub(super) struct Sharing {
    store: Arc<dyn SharedDirectory>,
    server: Name,
    /// Held while a change is made.
    changing: Mutex<()>,
}

/// What the shared directory says now.
struct Present {
    versions: Versions,
    organisation: Organisation,
    version: u64,
}

impl Sharing {
    pub(super) fn new(store: Arc<dyn SharedDirectory>, server: Name) -> Self {
        Self {
            store,
            server,
            changing: Mutex::new(()),
        }
    }

    fn read(&self) -> Result<Versions, SharedError> {
        let parts = wait(self.store.read())?;
        Ok(Versions::of(parts.iter()))
    }

    fn write(&self, steps: &[Step]) -> Result<(), SharedError> {
        wait(self.store.write(steps))
    }

    /// Moves the head by this step; `is_done` tells from what is there whether it has been.
    fn move_head(
        &self,
        step: Step,
        is_done: impl Fn(&Versions) -> bool,
    ) -> Result<(), SharedError> {
        match self.write(&[step]) {
            // The answer may have been lost, and not the step.
            Err(SharedError::Away(reason)) => match self.read() {
                Ok(versions) if is_done(&versions) => Ok(()),
                Ok(_) => Err(SharedError::Away(reason)),
                Err(_) => Err(SharedError::Away(format!(
                    "{reason}; whether the change is in force isn't known: look at it when the \
                     directory answers again"
                ))),
            },
            other => other,
        }
    }

    /// Takes away the parts of a change that came to nothing. What can't be is taken away a day later.
    fn give_up(&self, id: &str) {
        if let Ok(versions) = self.read() {
            let _ = self.write(&removal(versions.parts_of(id)));
        }
    }

    /// Takes away what nobody needs any more.
    fn prune(&self, now: Timestamp) {
        let Ok(versions) = self.read() else { return };
        let Some(head) = versions.head() else { return };
        let Ok(chain) = versions.chain(&head.part.change.0) else {
            return;
        };
        let mut steps = parts_to_prune(&chain, KEPT_CHANGES);
        let old = now.as_millis().saturating_sub(LEFT_OVER_MILLIS);
        steps.extend(removal(versions.left_over(&chain, old)));
        let _ = self.write(&steps);
    }
}

fn removal(places: Vec<String>) -> Vec<Step> {
    let places = places.into_iter();
    places.map(|place| Step::Remove { place }).collect()
}

/// Waits for an answer on a thread that may block.
fn wait<T>(answer: Later<'_, T>) -> Result<T, SharedError> {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => runtime.block_on(answer),
        Err(error) => Err(SharedError::Away(error.to_string())),
    }
}

impl Directory {
    /// From now on the organisation is the one that several servers share.
    pub(crate) fn share(&self, store: Arc<dyn SharedDirectory>, server: Name) {
        let _ = self.shared.sharing.set(Sharing::new(store, server));
    }

    /// Why what this server should have in force of the shared organisation isn't.
    #[must_use]
    pub fn waits_for(&self) -> Option<String> {
        let shared = self.shared.shared_view.lock();
        shared.as_ref()?.waiting.clone()
    }

    /// Puts in force what the shared directory says, if it can be.
    pub(crate) fn adopt<'a>(&self, parts: impl Iterator<Item = &'a StoredPart>) {
        let Some(sharing) = self.shared.sharing.get() else {
            return;
        };
        let versions = Versions::of(parts);
        let mut shared = Shared::default();
        if let Some(head) = versions.head() {
            shared.version = versions.version(&head.part.change.0);
            shared.trial = head.part.trial.as_ref().map(|trial| Trial {
                version: versions.version(&trial.0),
                on: head.part.trial_on.iter().map(ToString::to_string).collect(),
            });
            let server = sharing.server.as_str();
            let wanted = versions.wanted(server).unwrap_or_default();
            shared.waiting = self.adopt_change(&versions, wanted).err();
        }
        shared.rejected.clone_from(&versions.rejected);
        *self.shared.shared_view.lock() = Some(shared);
    }

    fn adopt_change(&self, versions: &Versions, id: &str) -> Result<(), String> {
        let trouble = |error: &dyn std::fmt::Display| format!("it can't be stored here: {error}");
        let embedded = &self.shared.embedded;
        let here = embedded.shared_change().map_err(|error| trouble(&error))?;
        if here.as_deref() == Some(id) {
            return Ok(());
        }
        let chain = versions.chain(id)?;
        let version = versions.version(id);
        let file = format!("version {version} of the shared organisation");
        let text = text_of(&chain);
        parse_knowing(&text, &file, Knowledge::Configuration).map_err(|faults| {
            let first = faults.first().map(Fault::reason_with_key);
            format!("{file} can't be used: {}", first.unwrap_or_default())
        })?;
        let mut layers = self.shared.layers.lock();
        let (_, before) = embedded.load().map_err(|error| trouble(&error))?;
        embedded.adopt(&chain).map_err(|error| trouble(&error))?;
        let (version, after) = embedded.load().map_err(|error| trouble(&error))?;
        let (old, new) = (before.texts(), after.texts());
        let (configuration, recipients) = after.split();
        layers.embedded = configuration;
        self.publish(&mut layers, |snapshot| {
            snapshot.version = version;
            super::replace(&mut snapshot.embedded, &old, &new, &recipients);
        });
        Ok(())
    }

    /// What the shared directory says now, for a change on it.
    fn present(&self, sharing: &Sharing, file: &str) -> Result<Present, Vec<Fault>> {
        let refused = |reason: String| local_trouble(file, &reason);
        let versions = sharing.read().map_err(|error| refused(error.to_string()))?;
        let (here, embedded) = self
            .organisation()
            .map_err(|error| local_trouble(file, &error))?;
        let Some(head) = versions.head() else {
            return Ok(Present {
                versions,
                organisation: embedded,
                version: here,
            });
        };
        let change = &head.part.change.0;
        let chain = versions.chain(change).map_err(&refused)?;
        let organisation = parse_unchecked(&text_of(&chain), file)?;
        let version = versions.version(change);
        Ok(Present {
            versions,
            organisation,
            version,
        })
    }

    /// [`Directory::apply`] where the organisation is shared.
    pub(super) fn apply_shared(
        &self,
        sharing: &Sharing,
        wish: &Wish<'_>,
    ) -> Result<Change, Vec<Fault>> {
        let file = wish.file;
        let here = self.snapshot();
        let knowledge = self.knowledge(&here);
        let (mut organisation, warnings) = parse_knowing(wish.text, file, knowledge)?;
        stamp(&mut organisation);
        let mut trial_on = servers(&organisation, wish)?;
        let _one_at_a_time = sharing.changing.lock();
        let present = self.present(sharing, file)?;
        let Present {
            versions, version, ..
        } = &present;
        if let Some(trial) = versions.head().and_then(|head| head.part.trial.as_ref()) {
            return Err(tried(file, versions.version(&trial.0)));
        }
        if let Some(expected) = wish.expected.filter(|expected| expected != version) {
            return Err(conflict(file, expected, *version));
        }
        hash_passwords(&mut organisation, &present.organisation)
            .map_err(|error| local_trouble(file, &error))?;
        // Before the first change nothing is shared, whatever is here; there is nothing to stay at, either.
        let first = versions.head().is_none();
        if first {
            trial_on.clear();
        }
        let old = if first {
            Organisation::default().texts()
        } else {
            present.organisation.texts()
        };
        let new = organisation.texts();
        let mut change = Change::between(&old, &new);
        change.warnings = warnings;
        change.version = *version;
        if change.is_empty() {
            return Ok(change);
        }
        change.version = versions.next_version().max(version.saturating_add(1));
        change.trial_on = trial_on.iter().map(ToString::to_string).collect();
        change.elsewhere = !trial_on.is_empty() && !trial_on.contains(&sharing.server);
        if wish.dry_run {
            change.differences = Change::differences(&old, &new);
            let here = self.organisation();
            let (_, here) = here.map_err(|error| local_trouble(file, &error))?;
            change.effects = self.effects(organisation, &here.texts(), &new);
            return Ok(change);
        }
        let written = write(sharing, versions, (&old, &new), &change, wish, trial_on);
        written.map_err(|error| lost(file, &error))?;
        Ok(change)
    }

    /// Ends the trial of a change: it comes into force on all servers, or on none. Returns the version that is in force
    /// then, and the one that was tried. Blocks.
    ///
    /// # Errors
    /// If nothing is tried, or the directory can't be written to.
    pub fn end_trial(&self, keep: bool) -> Result<(u64, u64), Vec<Fault>> {
        let file = "trial";
        let sharing = self.shared.sharing.get();
        let sharing = sharing.ok_or_else(|| not_shared(file))?;
        let _one_at_a_time = sharing.changing.lock();
        let Present { versions, .. } = self.present(sharing, file)?;
        let head = versions.head();
        let tried = head.and_then(|head| Some((head, head.part.trial.as_ref()?)));
        let Some((head, trial)) = tried else {
            return Err(fault(file, "no change is on trial".to_owned()));
        };
        let change = if keep { &trial.0 } else { &head.part.change.0 };
        let ended = |versions: &Versions| {
            versions
                .head()
                .is_some_and(|now| now.part.trial.is_none() && now.part.change.0 == *change)
        };
        let step = moved_head(Some(head), change, None);
        let moved = sharing.move_head(step, ended);
        moved.map_err(|error| lost(file, &error))?;
        Ok((versions.version(change), versions.version(&trial.0)))
    }
}

/// Writes the parts of a change, then moves the head.
fn write(
    sharing: &Sharing,
    versions: &Versions,
    texts: (&crate::change::Texts, &crate::change::Texts),
    change: &Change,
    wish: &Wish<'_>,
    trial_on: Vec<Name>,
) -> Result<(), SharedError> {
    let author = Author {
        who: wish.who,
        why: wish.why,
        now: wish.now,
    };
    let id = format!(
        "{:012x}-{:08x}",
        wish.now.as_millis(),
        rand::random::<u32>()
    );
    let head = versions.head();
    let before = head.map(|head| &*head.part.change.0);
    let written = sharing
        .write(&new_change(&id, before, texts, change, author))
        .and_then(|()| match before.filter(|_| !trial_on.is_empty()) {
            Some(before) => {
                let step = moved_head(head, before, Some((&id, trial_on)));
                sharing.move_head(step, |now| now.tries(&id))
            }
            None => {
                let step = moved_head(head, &id, None);
                sharing.move_head(step, |now| now.is_in_force(&id))
            }
        });
    match &written {
        Ok(()) => sharing.prune(wish.now),
        Err(SharedError::Away(_)) => {}
        Err(_) => sharing.give_up(&id),
    }
    written
}

/// The servers that shall try a change: those that are named, and those of routing groups that are.
fn servers(organisation: &Organisation, wish: &Wish<'_>) -> Result<Vec<Name>, Vec<Fault>> {
    let mut names = Vec::new();
    for wanted in wish.trial_on {
        let wanted = wanted.to_lowercase();
        let alone = organisation.routing_groups.len() < 2;
        let group = organisation.routing_groups.iter();
        let is_group = { group }.any(|group| *group.name.folded() == *wanted);
        let chosen = organisation.servers.iter().filter(|server| {
            let group = server.routing_group.as_ref();
            let inside = group.map_or(alone, |group| *group.folded() == *wanted);
            *server.name.folded() == *wanted || is_group && inside
        });
        let before = names.len();
        names.extend(chosen.map(|server| server.name.clone()));
        if names.len() == before {
            let reason = format!("there is no server or routing group \"{wanted}\" with servers");
            return Err(fault(wish.file, reason));
        }
    }
    names.sort();
    names.dedup();
    Ok(names)
}

/// All objects of a chain as one text.
fn text_of(chain: &[Link<'_>]) -> String {
    let bodies = objects(chain)
        .into_values()
        .map(|form| form.part.1.as_str());
    bodies.collect::<Vec<_>>().join("\n")
}

pub(super) fn not_shared(file: &str) -> Vec<Fault> {
    let reason = "only servers that share an organisation can try a change before others do; this \
                  server has its organisation for itself (shared-organization in [ldap])";
    fault(file, reason.to_owned())
}

fn tried(file: &str, version: u64) -> Vec<Fault> {
    let reason = format!(
        "version {version} is on trial: promote or withdraw it first (bridgehead config promote, \
         bridgehead config withdraw)"
    );
    fault(file, reason)
}

/// A change that the shared directory didn't take.
fn lost(file: &str, error: &SharedError) -> Vec<Fault> {
    fault(
        file,
        match error {
            SharedError::Conflict(reason) => format!(
                "somebody else changes the organisation at this moment; nothing of this change is \
                 in force; look at what changed, and apply again ({reason})"
            ),
            SharedError::Refused(reason) => {
                format!(
                    "the directory doesn't take the change; nothing of it is in force: {reason}"
                )
            }
            SharedError::Away(reason) => format!("the directory can't be written to: {reason}"),
        },
    )
}

fn fault(file: &str, reason: String) -> Vec<Fault> {
    vec![Fault {
        file: file.to_owned(),
        line: 0,
        key: "directory".to_owned(),
        reason,
    }]
}
