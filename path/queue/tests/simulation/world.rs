//! One run: the disk, the queue, everything that is lent out, and the model.

use crate::dead::Dead;
use crate::model::{Since, Status, Told};
use bridgehead_mail::{LinkName, MessageId, Timestamp};
use bridgehead_queue::settings::Limits;
use bridgehead_queue::view::{Group, QueuePicture};
use bridgehead_queue::{Committed, Draft, Lease, PartLease, Queue, Refused, Settings};
use bridgehead_testkit::disk::FaultDisk;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot::Receiver;

pub(crate) type Shared = Arc<Mutex<World>>;
pub(crate) type Answer = Receiver<Result<Committed, Refused>>;

/// What happened, over all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) acknowledged: u64,
    pub(crate) refused: u64,
    pub(crate) delivered: u64,
    /// Deliveries again, because the record of the first was not durable when the power went.
    pub(crate) repeated: u64,
    pub(crate) bounced: u64,
    pub(crate) deleted: u64,
    /// Messages that were found although nobody had been told that they were stored.
    pub(crate) unpromised: u64,
    pub(crate) power_losses: u64,
    pub(crate) kills: u64,
    pub(crate) crashes_in_recovery: u64,
    pub(crate) torn: u64,
    pub(crate) orphans: u64,
    pub(crate) failed_syncs: u64,
    pub(crate) resumed: u64,
    pub(crate) refused_for_space: u64,
    pub(crate) nested: u64,
    pub(crate) segments_removed: u64,
    /// Orders of operators about messages.
    pub(crate) ordered: u64,
    /// Messages that ended with their undo window.
    pub(crate) purged: u64,
    /// New mail went to another folder.
    pub(crate) turned: u64,
    /// Folders in which nothing was left.
    pub(crate) folders_given_up: u64,
    /// Messages that were acknowledged while the spool was still being read.
    pub(crate) taken_early: u64,
    /// Messages that were taken over from another spool.
    pub(crate) adopted: u64,
    /// Messages that were set aside.
    pub(crate) poisoned: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: &Self) {
        let Self {
            acknowledged,
            refused,
            delivered,
            repeated,
            bounced,
            deleted,
            unpromised,
            power_losses,
            kills,
            crashes_in_recovery,
            torn,
            orphans,
            failed_syncs,
            resumed,
            refused_for_space,
            nested,
            segments_removed,
            ordered,
            purged,
            turned,
            folders_given_up,
            taken_early,
            adopted,
            poisoned,
        } = other;
        self.acknowledged += acknowledged;
        self.refused += refused;
        self.delivered += delivered;
        self.repeated += repeated;
        self.bounced += bounced;
        self.deleted += deleted;
        self.unpromised += unpromised;
        self.power_losses += power_losses;
        self.kills += kills;
        self.crashes_in_recovery += crashes_in_recovery;
        self.torn += torn;
        self.orphans += orphans;
        self.failed_syncs += failed_syncs;
        self.resumed += resumed;
        self.refused_for_space += refused_for_space;
        self.nested += nested;
        self.segments_removed += segments_removed;
        self.ordered += ordered;
        self.purged += purged;
        self.turned += turned;
        self.folders_given_up += folders_given_up;
        self.taken_early += taken_early;
        self.adopted += adopted;
        self.poisoned += poisoned;
    }

    /// How often the power went, the process was killed, or a start was cut short.
    pub(crate) const fn crash_points(&self) -> u64 {
        self.power_losses + self.kills + self.crashes_in_recovery
    }

    /// A simulation in which something never happens proves nothing about it.
    pub(crate) fn assert_that_all_happened(&self) {
        let Self {
            acknowledged,
            refused,
            delivered,
            repeated,
            bounced,
            deleted,
            unpromised,
            power_losses,
            kills,
            crashes_in_recovery,
            torn,
            orphans,
            failed_syncs,
            resumed,
            refused_for_space,
            nested,
            segments_removed,
            ordered,
            purged,
            turned,
            folders_given_up,
            taken_early,
            adopted,
            poisoned,
        } = self;
        for count in [
            acknowledged,
            refused,
            delivered,
            repeated,
            bounced,
            deleted,
            unpromised,
            power_losses,
            kills,
            crashes_in_recovery,
            torn,
            orphans,
            failed_syncs,
            resumed,
            refused_for_space,
            nested,
            segments_removed,
            ordered,
            purged,
            turned,
            folders_given_up,
            taken_early,
            adopted,
            poisoned,
        ] {
            assert!(*count > 0, "something never happened: {self:?}");
        }
    }
}

pub(crate) struct World {
    pub(crate) random: StdRng,
    pub(crate) disk: FaultDisk,
    pub(crate) settings: Settings,
    pub(crate) queue: Option<Queue>,
    pub(crate) now: u64,
    /// Every fact is noted with the moment, and every commit begins at one.
    pub(crate) tick: u64,
    pub(crate) told: BTreeMap<MessageId, Told>,
    pub(crate) waiting: Vec<(MessageId, Answer, u64)>,
    pub(crate) drafts: Vec<(Draft, Vec<u8>)>,
    pub(crate) leases: Vec<Lease>,
    pub(crate) parts: Vec<PartLease>,
    /// Addressees that are being handed over.
    pub(crate) active: BTreeSet<(MessageId, String)>,
    /// A sync has failed and nobody resumed.
    pub(crate) must_refuse: bool,
    pub(crate) failing: bool,
    pub(crate) sync_failures_seen: u64,
    /// The run is over: what is left is delivered, and nobody else does anything.
    pub(crate) calm: bool,
    /// Whether an operator holds what goes out, if that is known.
    pub(crate) outbound_held: Option<bool>,
    /// Links that an operator holds.
    pub(crate) frozen_links: BTreeSet<String>,
    /// Whether a failure left these open.
    pub(crate) outbound_unsure: bool,
    /// Which way mail is routed now.
    pub(crate) way: u64,
    /// The spool of a server that is gone.
    pub(crate) dead: Option<Dead>,
    pub(crate) counts: Counts,
    trace: DefaultHasher,
    /// Every step is printed.
    tells: bool,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let settings = Settings {
            directory: PathBuf::from("/var/spool/queue"),
            inline_octets_max: random.random_range(64..1500),
            segment_octets: random.random_range(1..24) * 1024,
            limits: Limits {
                free_space_floor: 1000,
                expire_after: Duration::from_secs(random.random_range(10..5_000)),
                ..Limits::default()
            },
            ride_along: Duration::ZERO,
            hot_messages: random.random_range(0..8),
            segments_before_compaction: random.random_range(2..5),
        };
        Self {
            disk: FaultDisk::new(random.random()),
            random,
            settings,
            queue: None,
            now: 1_000_000,
            tick: 0,
            told: BTreeMap::new(),
            waiting: Vec::new(),
            drafts: Vec::new(),
            leases: Vec::new(),
            parts: Vec::new(),
            active: BTreeSet::new(),
            must_refuse: false,
            failing: false,
            sync_failures_seen: 0,
            calm: false,
            outbound_held: None,
            frozen_links: BTreeSet::new(),
            outbound_unsure: false,
            way: 0,
            dead: None,
            counts: Counts::default(),
            trace: DefaultHasher::new(),
            tells: std::env::var_os("SEED").is_some(),
        }
    }

    pub(crate) fn queue(&self) -> Queue {
        self.queue.clone().expect("the queue is open")
    }

    pub(crate) fn at(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }

    pub(crate) fn pick(&mut self, range: Range<u64>) -> u64 {
        self.random.random_range(range)
    }

    pub(crate) fn one_in(&mut self, count: u64) -> bool {
        self.pick(0..count) == 0
    }

    pub(crate) fn tick(&mut self) -> u64 {
        self.tick += 1;
        self.tick
    }

    /// Adds to the print of the run.
    pub(crate) fn note(&mut self, what: impl Hash + Debug) {
        self.tell(&what);
        what.hash(&mut self.trace);
        self.disk.calls().hash(&mut self.trace);
    }

    /// Says what happens, if only one seed is run. Ids are told and never noted: they are random.
    pub(crate) fn tell(&self, what: impl Debug) {
        if self.tells {
            eprintln!("{} {what:?}", self.tick);
        }
    }

    pub(crate) fn print(&self) -> u64 {
        self.trace.finish()
    }

    pub(crate) fn segments(&self) -> usize {
        let files = self.disk.files();
        let files = files
            .iter()
            .filter(|(path, _)| !path.to_string_lossy().contains("/dead"));
        let names = files.map(|(path, _)| path.to_string_lossy());
        names.filter(|name| name.ends_with(".log")).count()
    }

    /// Takes the answers that a commit gave. `stamp` is when it began, if it succeeded.
    pub(crate) fn committed(&mut self, stamp: Option<u64>) {
        self.answers(stamp);
        if let Some(stamp) = stamp {
            for told in self.told.values_mut() {
                told.committed(stamp);
            }
        }
        self.failing = stamp.is_none();
    }

    /// What the clients who wait were told.
    pub(crate) fn answers(&mut self, stamp: Option<u64>) {
        let tick = self.tick();
        for (id, mut answer, submitted) in std::mem::take(&mut self.waiting) {
            let status = match answer.try_recv() {
                Ok(Ok(committed)) => {
                    assert_eq!(committed.id(), id);
                    self.counts.acknowledged += 1;
                    Status::Queued(Since::Durable)
                }
                Ok(Err(_)) => {
                    self.counts.refused += 1;
                    Status::Refused(Since::Tick(tick))
                }
                Err(_) => {
                    let missed = stamp.is_some_and(|stamp| stamp >= submitted);
                    assert!(!missed, "{id} was committed, and its client not told");
                    self.waiting.push((id, answer, submitted));
                    continue;
                }
            };
            self.note((1, matches!(status, Status::Queued(_))));
            let told = self.told.get_mut(&id).expect("submitted");
            told.promised |= matches!(status, Status::Queued(_));
            // While contents were moved behind the commit, it may have ended already.
            if !matches!(told.status, Status::Ended(_)) {
                told.status = status;
            }
        }
    }

    /// Syncs that failed where mail is stored now.
    pub(crate) fn sync_failures(&self) -> u64 {
        let folders = self.queue().folders();
        let home = self.settings.directory.as_path();
        let present = folders.first().expect("one is for new mail");
        self.disk.sync_failures(&[home, present])
    }

    /// What must hold after every step.
    pub(crate) fn check(&mut self) {
        self.compare_counts();
        let failures = self.sync_failures();
        if failures > self.sync_failures_seen && !self.disk.is_off() {
            self.counts.failed_syncs += failures - self.sync_failures_seen;
            self.sync_failures_seen = failures;
            self.must_refuse = true;
        }
        if self.must_refuse && !self.disk.is_off() {
            let refused = self.queue().inlet().begin(self.at(), None).map(|_| ());
            assert!(
                matches!(refused, Err(Refused::Storage(_) | Refused::DiskFull { .. })),
                "a sync has failed, and mail is taken: {refused:?}"
            );
        }
        assert_eq!(self.disk.sins(), Vec::<String>::new());
    }

    /// The counts that are kept are those of the messages.
    fn compare_counts(&self) {
        let Some(queue) = &self.queue else {
            return;
        };
        let (kept, counted) = (queue.picture(), queue.picture_counted_anew());
        let is_local = |link: &LinkName| link.as_str() == "local";
        let (local, others) = (
            queue.waiting_on(&is_local),
            queue.waiting_on(&|link| !is_local(link)),
        );
        let with_link = kept.groups.iter().filter(|group| group.link.is_some());
        assert_eq!(local.len() + others.len(), with_link.count());
        let in_some: u64 = local.iter().map(|group| group.count).sum();
        let here = kept.groups.iter();
        let here = here.filter(|group| group.link.as_ref().is_some_and(is_local));
        assert_eq!(in_some, here.map(|group| group.count).sum::<u64>());
        assert_eq!(comparable(kept), comparable(counted));
    }
}

/// All of a picture but which of several failures is the last, and the order of links with one name.
fn comparable(picture: QueuePicture) -> (String, Vec<String>) {
    let all = (picture.messages, picture.octets, picture.deleted);
    let groups = picture.groups.into_iter().map(|group| {
        let failed = group.last_failure.is_some();
        let group = Group {
            last_failure: None,
            ..group
        };
        format!("{group:?}, failed: {failed}")
    });
    let mut groups: Vec<String> = groups.collect();
    groups.sort();
    (format!("{all:?}, {:?}", picture.refusing), groups)
}

pub(crate) use crate::act::step;
pub(crate) use crate::crash::{finish, open};
