//! How the directory is, for those who run it.

use crate::copying;
use crate::metabase::Kept;
use crate::{Found, Mailbox, Rejected, Snapshot};
use bridgehead_mail::Timestamp;
use std::collections::HashSet;

/// Objects in doubt that are named; it is the same with the others.
const DOUBTFUL_MAX: usize = 10_000;

/// How the directory is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// The version of the organisation that is in force here.
    pub version: u64,
    /// Grows with every change.
    pub revision: u64,
    /// Whether all recipients are known.
    pub complete: bool,
    /// The mailboxes.
    pub mailboxes: u64,
    /// The groups, dynamic ones as well.
    pub groups: u64,
    /// The contacts.
    pub contacts: u64,
    /// The copy of another directory, if one is followed.
    pub copied: Option<Copied>,
    /// The organisation that several servers share, if this one does.
    pub shared: Option<Shared>,
    /// What isn't in force, or not in its newest form.
    pub rejected: Vec<Rejected>,
    /// What is in force, but hardly as it was meant.
    pub doubtful: Vec<Rejected>,
}

/// What the shared organisation is at, as the copy of its directory says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shared {
    /// The version for all servers; 0 before the first.
    pub version: u64,
    /// A change that some servers try.
    pub trial: Option<Trial>,
    /// Why what this server should have in force isn't.
    pub waiting: Option<String>,
    /// Parts that can't be read.
    pub(crate) rejected: Vec<Rejected>,
}

/// A change on trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// Its version.
    pub version: u64,
    /// The servers that try it.
    pub on: Vec<String>,
}

/// How the copy of another directory is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// What it is a copy of.
    pub source: String,
    /// Whether the directory answers.
    pub connected: bool,
    /// Whether the copy is older than allowed.
    pub stale: bool,
    /// When the directory was heard of last.
    pub heard: Option<Timestamp>,
    /// When something changed last.
    pub committed: Option<Timestamp>,
    /// What was wrong last, and when.
    pub trouble: Option<(Timestamp, String)>,
    /// How many recipients are copied.
    pub recipients: u64,
    /// Entries that can't be used in their newest form.
    pub(crate) rejected: Vec<Rejected>,
}

/// The names under which mailboxes may name a home server.
struct Servers {
    names: HashSet<Box<str>>,
    /// With one server everybody is at home there.
    several: bool,
}

impl Servers {
    fn of(snapshot: &Snapshot) -> Self {
        let servers = snapshot.configuration().servers.iter();
        let names = servers.flat_map(|server| {
            let host = server.hostname.as_ref().map(|host| host.as_str().into());
            [Some(server.name.folded()), host].into_iter().flatten()
        });
        Self {
            names: names.collect(),
            several: snapshot.configuration().servers.len() > 1,
        }
    }

    /// What is to be said of a mailbox whose home server isn't there.
    fn homeless(&self, mailbox: &Mailbox, place: &str) -> Option<Rejected> {
        let home = mailbox.server.as_ref()?;
        if !self.several || self.names.contains(&home.folded()) {
            return None;
        }
        let place = match place {
            "" => mailbox.name.as_str(),
            place => place,
        };
        Some(Rejected {
            place: place.into(),
            reason: format!(
                "the organisation has no server {home}: mail for {} stays on whichever server it arrives at",
                mailbox.name
            ),
        })
    }
}

impl Copied {
    pub(crate) fn of(source: &str, kept: &Kept) -> Self {
        let mut copied = Self {
            source: source.to_owned(),
            heard: (kept.heard > 0).then(|| Timestamp::from_millis(kept.heard)),
            ..Self::default()
        };
        copied.count(kept);
        copied
    }

    fn count(&mut self, kept: &Kept) {
        self.recipients = u64::try_from(kept.recipients.len()).unwrap_or(u64::MAX);
        self.rejected = copying::rejected(kept);
    }

    pub(crate) fn committed(&mut self, kept: &Kept, now: Timestamp) {
        self.committed = Some(now);
        self.count(kept);
    }

    pub(crate) fn heard(&mut self, now: Timestamp) {
        self.connected = true;
        self.heard = Some(now);
    }

    pub(crate) fn trouble(&mut self, words: String, now: Timestamp) {
        self.connected = false;
        self.trouble = Some((now, words));
    }
}

impl View {
    pub(crate) fn of(
        snapshot: &Snapshot,
        copied: Option<Copied>,
        shared: Option<Shared>,
        mut rejected: Vec<Rejected>,
    ) -> Self {
        let mut view = Self {
            version: snapshot.version(),
            revision: snapshot.revision(),
            complete: snapshot.is_complete(),
            ..Self::default()
        };
        let servers = Servers::of(snapshot);
        for stored in snapshot.stored() {
            match &stored.found {
                Found::Mailbox(mailbox) => {
                    view.mailboxes += 1;
                    if view.doubtful.len() < DOUBTFUL_MAX {
                        view.doubtful
                            .extend(servers.homeless(mailbox, stored.place()));
                    }
                }
                Found::Group(_) | Found::DynamicGroup(_) => view.groups += 1,
                Found::Contact(_) => view.contacts += 1,
            }
        }
        if let Some(copied) = &copied {
            rejected.extend(copied.rejected.iter().cloned());
        }
        if let Some(shared) = &shared {
            rejected.extend(shared.rejected.iter().cloned());
        }
        rejected.sort_by(|one, other| one.place.cmp(&other.place));
        view.rejected = rejected;
        view.doubtful
            .sort_by(|one, other| one.place.cmp(&other.place));
        view.copied = copied;
        view.shared = shared;
        view
    }
}
