//! Crashes, what is found after them, and the end of a run.

use crate::act;
use crate::model::{Owing, Since, Status, name};
use crate::world::{Shared, World};
use bridgehead_mail::{Content, MessageId, NextHop};
use bridgehead_queue::{Lease, OpenError, Order, Queue, Recovery};
use bridgehead_testkit::disk::Faults;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The machine or the process stops, now or at one of the next calls.
pub(crate) fn crash(shared: &Shared) {
    let mut world = shared.lock();
    let orderly = !world.disk.is_off() && world.one_in(6);
    if orderly && let Some(queue) = world.queue.take() {
        world.disk.set_faults(Faults::default());
        queue.close();
        world.kill();
    } else if world.one_in(3) {
        world.kill();
    } else {
        world.lose_power();
    }
    world.forget();
    drop(world);
    open(shared);
}

/// Opens the queue, however often it takes, and compares what it found with what was promised.
pub(crate) fn open(shared: &Shared) {
    let mut world = shared.lock();
    let mut tries = 0;
    let (recovery, fresh) = loop {
        tries += 1;
        let mut faulty = false;
        if tries < 4 && world.one_in(4) {
            let calls = world.pick(0..20);
            world.disk.cut_power_after(calls);
        } else if tries < 4 && world.one_in(8) {
            faulty = true;
            world.disk.set_faults(Faults {
                read: 100,
                write: 100,
                sync: 100,
                sync_dir: 100,
                name: 100,
            });
        }
        let opened = world.start(faulty);
        let off = world.disk.is_off();
        world.note((8, opened.is_ok(), off));
        match opened {
            Ok(opened) if !off => break opened,
            Ok(_) => world.forget(),
            Err(error) => {
                world.tell(error.to_string());
                world.forget();
            }
        }
        assert!(
            tries < 5,
            "the queue can't be opened on a disk without faults"
        );
        if off {
            world.counts.crashes_in_recovery += 1;
        }
        if off && world.one_in(2) {
            world.lose_power();
        } else {
            world.kill();
        }
    };
    world.disk.set_faults(Faults::default());
    world.disk.cut_power_after(u64::MAX);
    world.sync_failures_seen = world.sync_failures();
    world.compare(&recovery, fresh);
}

impl World {
    /// Opens the queue. On a disk without faults some mail may come before all is read; how much there is then is given back as well.
    fn start(&mut self, faulty: bool) -> Result<(Recovery, u64), OpenError> {
        let (settings, disk) = (self.settings.clone(), Arc::new(self.disk.clone()));
        let (queue, unread) = Queue::begin_without_committer(settings, disk, self.at())?;
        self.queue = Some(queue);
        if !faulty && self.one_in(3) {
            self.early_mail();
        }
        let fresh = self.queue().len() as u64;
        Ok((unread.read()?, fresh))
    }

    /// Clients send mail, and are answered, while the spool is still being read.
    fn early_mail(&mut self) {
        for _ in 0..self.pick(1..4) {
            self.accept(true);
        }
        // Another's lease on a new message comes back unused.
        drop(self.queue().take());
        let stamp = self.tick();
        let committed = self.queue().commit_now();
        let waiting: Vec<MessageId> = self.waiting.iter().map(|(id, ..)| *id).collect();
        self.answers(committed.then_some(stamp));
        if committed {
            for id in waiting {
                self.told.get_mut(&id).expect("submitted").committed(stamp);
                self.counts.taken_early += 1;
            }
        }
    }

    fn lose_power(&mut self) {
        self.counts.power_losses += 1;
        self.disk = self.disk.power_loss();
    }

    fn kill(&mut self) {
        self.counts.kills += 1;
        self.disk = self.disk.kill();
    }

    /// What was in memory is gone.
    fn forget(&mut self) {
        self.queue = None;
        self.leases.clear();
        self.parts.clear();
        self.active.clear();
        self.drafts.clear();
        self.waiting.clear();
        self.must_refuse = false;
        self.failing = false;
    }

    /// Compares everything that was found with the model; then the model learns what was found.
    fn compare(&mut self, recovery: &Recovery, fresh: u64) {
        assert_eq!(recovery.damage, Vec::<String>::new(), "no damage was done");
        self.counts.torn += recovery.torn.len() as u64;
        self.counts.orphans += recovery.orphans;
        self.note((9, recovery.messages, recovery.torn.len(), recovery.orphans));
        let queue = self.queue();
        self.learn_begun();
        let leases: Vec<Lease> = std::iter::from_fn(|| queue.take()).collect();
        self.compare_orders();
        let mut found = BTreeMap::new();
        for lease in &leases {
            let told = self.told.get(&lease.id());
            assert!(
                !told.is_some_and(|told| told.adopting),
                "{} isn't ours yet",
                lease.id()
            );
            found.insert(lease.id(), self.found(lease));
        }
        // What operators keep isn't taken.
        for id in queue.ids() {
            if let Entry::Vacant(vacant) = found.entry(id) {
                let told = &self.told[&id];
                let stands = told.decided.is_kept() || told.adopting;
                assert!(stands, "{id} can't be read");
                vacant.insert(self.found_kept(id));
            }
        }
        assert_eq!(recovery.messages + fresh, found.len() as u64);
        let ids: Vec<MessageId> = self.told.keys().copied().collect();
        for id in &ids {
            self.check_promise(*id, found.get(id));
        }
        self.check_reports(&found);
        for id in &ids {
            self.learn(*id, found.get(id));
        }
    }

    /// Who is owed of a message that was found. It must be exactly the one that was given.
    fn found(&self, lease: &Lease) -> BTreeSet<String> {
        let id = lease.id();
        let told = self
            .told
            .get(&id)
            .unwrap_or_else(|| panic!("{id} is a stranger"));
        assert_eq!(*lease.envelope, told.envelope, "{id}");
        assert_eq!(read(&*lease.content), told.content, "{id}: its content");
        let all = crate::made::concerned(&lease.work, &lease.envelope);
        let names: BTreeSet<String> = all.iter().map(name).collect();
        assert_eq!(names.len(), all.len(), "{id}: somebody is owed twice");
        names
    }

    /// The same of a message that operators keep from its way.
    fn found_kept(&self, id: MessageId) -> BTreeSet<String> {
        let shown = self.queue().show(id).unwrap().expect("it is there");
        let told = &self.told[&id];
        assert_eq!(*shown.envelope, told.envelope, "{id}");
        assert_eq!(read(&*shown.content), told.content, "{id}: its content");
        let left = match shown.left.is_empty() {
            true => crate::made::categorize(&shown.envelope),
            false => shown.left,
        };
        left.iter().map(name).collect()
    }

    fn check_promise(&self, id: MessageId, found: Option<&BTreeSet<String>>) {
        let told = &self.told[&id];
        let Some(found) = found else {
            assert!(
                told.status != Status::Queued(Since::Durable),
                "{id} is lost: {told:?}"
            );
            return;
        };
        match told.status {
            Status::Refused(Since::Durable) => panic!("{id} was refused and came back"),
            Status::Ended(Since::Durable) => panic!("{id} had ended and came back: {told:?}"),
            Status::Gone => panic!("{id} was gone and came back"),
            _ => {}
        }
        for (addressee, owing) in &told.owing {
            match owing {
                Owing::Owed => {
                    // A deleted message may have lost what was owed.
                    let dropped = matches!(told.status, Status::Ended(_));
                    assert!(
                        dropped || found.contains(addressee),
                        "{id}: {addressee} is forgotten; found {found:?}, {told:?}"
                    );
                }
                // A torn copy of another spool's message is made whole before it begins its way.
                Owing::Done { since, .. } => assert!(
                    told.adopting || !since.is_durable() || !found.contains(addressee),
                    "{id}: {addressee} was settled durably and is owed again; found {found:?}, {told:?}"
                ),
            }
        }
    }

    /// Where somebody isn't owed any more because of a report, the report is there, or was and is done.
    fn check_reports(&self, found: &BTreeMap<MessageId, BTreeSet<String>>) {
        for (id, told) in &self.told {
            let promised = matches!(told.status, Status::Queued(_) | Status::Ended(_));
            if !promised {
                continue;
            }
            for (addressee, owing) in &told.owing {
                let Owing::Done {
                    report: Some(report),
                    since: Since::Tick(_),
                } = owing
                else {
                    continue;
                };
                let owed = found.get(id).is_some_and(|found| found.contains(addressee));
                let ended = matches!(self.told[report].status, Status::Ended(_));
                // One that nobody was promised may go, with everything about it.
                let gone = !told.promised && !found.contains_key(id);
                assert!(
                    owed || ended || gone || found.contains_key(report),
                    "{id}: {addressee} is settled, but the report {report} is lost"
                );
            }
        }
    }

    fn learn(&mut self, id: MessageId, found: Option<&BTreeSet<String>>) {
        let tick = self.tick();
        let told = self.told.get_mut(&id).expect("known");
        let Some(found) = found else {
            told.status = match told.status {
                Status::Ended(since) => Status::Ended(since),
                // A refusal that wasn't durable: the message may come back until it is.
                Status::Refused(since) => Status::Refused(since),
                _ => Status::Gone,
            };
            return;
        };
        if !matches!(
            told.status,
            Status::Queued(_) | Status::Ended(_) | Status::Gathered(_)
        ) {
            self.counts.unpromised += 1;
        }
        let since = match told.status {
            Status::Queued(since) => since,
            _ => Since::Tick(tick),
        };
        told.status = Status::Queued(since);
        let stands = told.adopting;
        for (addressee, owing) in &mut told.owing {
            // What its own spool says holds for a copy that is torn.
            let settled = matches!(owing, Owing::Done { since, .. } if since.is_durable());
            if stands && settled {
                continue;
            }
            if found.contains(addressee) {
                *owing = Owing::Owed;
            } else if *owing == Owing::Owed {
                // Of a deleted message that came back.
                *owing = Owing::Done {
                    since: Since::Tick(tick),
                    report: None,
                };
            }
        }
    }
}

fn read(content: &dyn Content) -> Vec<u8> {
    let mut octets = vec![0; usize::try_from(content.size()).unwrap()];
    let count = content
        .read_at(0, &mut octets)
        .expect("the content can be read");
    assert_eq!(count, octets.len());
    octets
}

/// The disk is well again: everything that is owed is delivered, and nothing is left.
pub(crate) fn finish(shared: &Shared) {
    let mut world = shared.lock();
    world.disk.set_faults(Faults::default());
    world.disk.cut_power_after(u64::MAX);
    world.disk.set_free_space(u64::MAX);
    world.now += 10_000;
    world.drafts.clear();
    world.calm = true;
    if world.disk.is_off() {
        drop(world);
        crash(shared);
        world = shared.lock();
        world.disk.set_faults(Faults::default());
    }
    world.resume();
    // Also when it was finished, and what begins with it wasn't durable at a crash.
    let stands = world.told.values().any(|told| told.adopting);
    if stands || world.dead.as_ref().is_some_and(|dead| !dead.adopted) {
        world.adopt();
    }
    let kept: Vec<MessageId> = world.queued().collect();
    for id in kept {
        world.obey(id, &Order::Thaw);
        world.obey(id, &Order::Restore);
    }
    world.release_everything();
    drop(world);
    for _ in 0..1_000 {
        act::commit(shared);
        let mut world = shared.lock();
        if world.queue().is_empty() && world.waiting.is_empty() {
            break;
        }
        world.now += 3_600_000;
        world.leases.clear();
        while let Some(lease) = world.parts.pop() {
            world.release(&lease);
        }
        let queue = world.queue();
        // Whatever way was lost is back.
        world.way += u64::from(world.way % 4 == 3);
        queue.reroute_links(&|hop| matches!(hop, NextHop::Unreachable { .. }));
        while let Some(lease) = queue.take() {
            world.check_lease(&lease);
            world.assign_lease(lease, false, false);
        }
        for link in queue.ready_links(world.at()) {
            queue.release_link(&link.link);
            while let Some(lease) = queue.next(link.number, world.at()) {
                world.settle_lease(lease, false, false);
            }
        }
    }
    world_is_empty(shared);
}

fn world_is_empty(shared: &Shared) {
    let mut world = shared.lock();
    let queue = world.queue();
    let left = world.queued().next();
    if let Some(id) = left {
        let shown = queue.show(id).map(|shown| shown.map(|shown| shown.summary));
        panic!("{id} is never delivered: {shown:?}, {:?}", world.told[&id]);
    }
    assert!(
        queue.is_empty(),
        "something is in the queue that nobody gave"
    );
    for (id, told) in &world.told {
        let settled = told.owing.values().all(|owing| *owing != Owing::Owed);
        let deleted = matches!(told.status, Status::Ended(_));
        let never = matches!(told.status, Status::Refused(_) | Status::Gone);
        assert!(settled || deleted || never, "{id} is owed: {told:?}");
    }
    drop(queue);
    world.kill();
    world.forget();
    let (settings, disk) = (world.settings.clone(), Arc::new(world.disk.clone()));
    let (queue, recovery) = Queue::open_without_committer(settings, disk, world.at()).unwrap();
    assert_eq!((recovery.messages, recovery.damage), (0, Vec::new()));
    world.queue = Some(queue);
    // One more commit (small, so that it has no file of its own), and the segments go.
    world.accept(true);
    assert!(!world.waiting.is_empty(), "nothing is there to commit");
    drop(world);
    act::commit(shared);
    let world = shared.lock();
    let left: Vec<_> = world.disk.files();
    let contents = left
        .iter()
        .filter(|(path, _)| !path.to_string_lossy().contains("/dead"))
        .filter(|(path, _)| path.to_string_lossy().ends_with(".content"));
    assert_eq!(contents.count(), 0, "contents are left: {left:?}");
    let segments = world.segments();
    assert!(segments <= 2, "segments are left: {left:?}");
}
