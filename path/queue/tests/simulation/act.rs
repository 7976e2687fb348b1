//! The steps: what clients, the corridor and operators do.

use crate::crash;
use crate::made;
use crate::model::{Since, Status, Told, name};
use crate::world::{Shared, World};
use bridgehead_mail::{LinkName, MessageId, NextHop, Timestamp};
use bridgehead_queue::settings::Limits;
use bridgehead_queue::{Assignment, Lease, PartLease, Refused, Report, Settlement, Work};
use bridgehead_testkit::disk::Faults;
use rand::Rng;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Does one step, whatever the seed says.
pub(crate) fn step(shared: &Shared) {
    let mut world = shared.lock();
    let kind = world.pick(0..100);
    world.note(kind);
    match kind {
        0..=17 => {
            // Several clients at once.
            for _ in 0..world.pick(1..5) {
                world.accept(false);
            }
        }
        18..=43 => {
            drop(world);
            commit(shared);
            world = shared.lock();
        }
        44..=55 => world.assign(false),
        56..=66 => world.take_part(),
        67..=81 => world.settle(false),
        82..=88 => world.operate(),
        89..=92 => world.weather(),
        93 => world.space(),
        94..=96 => world.pass_time(),
        _ => {
            drop(world);
            crash::crash(shared);
            world = shared.lock();
        }
    }
    world.check();
    let off = world.disk.is_off();
    drop(world);
    // The fuse was burning.
    if off {
        crash::crash(shared);
    }
}

/// Commits; meanwhile other threads do a few steps of their own.
pub(crate) fn commit(shared: &Shared) {
    let mut world = shared.lock();
    let queue = world.queue();
    let stamp = world.tick();
    let (other, segments, marks) = (Arc::clone(shared), world.segments(), world.marks());
    let disk = world.disk.clone();
    drop(world);
    disk.set_hook(Some(Box::new(move || other.lock().meanwhile())));
    let committed = queue.commit_now();
    disk.set_hook(None);
    let mut world = shared.lock();
    world.committed(committed.then_some(stamp));
    let gone = segments.saturating_sub(world.segments());
    world.counts.segments_removed += gone as u64;
    world.counts.folders_given_up += marks.saturating_sub(world.marks());
    world.note((2, committed));
}

impl World {
    /// What other threads do while a sync runs. The log is locked: nothing that needs it.
    fn meanwhile(&mut self) {
        if self.calm || self.failing || self.must_refuse || self.disk.is_off() {
            return;
        }
        for _ in 0..self.pick(0..4) {
            self.counts.nested += 1;
            match self.pick(0..10) {
                0..=1 => self.accept(true),
                2..=3 => self.assign(true),
                4..=5 => self.take_part(),
                6..=8 => self.settle(true),
                _ => self.delete(),
            }
        }
    }

    /// A client sends a message, or a part of one.
    pub(crate) fn accept(&mut self, nested: bool) {
        self.now += 1;
        let most = self.settings.inline_octets_max;
        let largest = if nested || !self.one_in(4) {
            most
        } else {
            6_000
        };
        let content = made::content(&mut self.random, largest);
        let now = self.at();
        let envelope = made::envelope(&mut self.random, now);
        let mut draft = match self.queue().inlet().begin(self.at(), None) {
            Ok(draft) => draft,
            Err(refused) => {
                self.note((3, matches!(refused, Refused::DiskFull { .. })));
                self.counts.refused_for_space +=
                    u64::from(matches!(refused, Refused::DiskFull { .. }));
                return;
            }
        };
        assert!(!self.must_refuse, "a sync has failed, and mail is taken");
        let piece = self.random.random_range(1..2_000);
        for octets in content.chunks(piece) {
            if draft.write(octets).is_err() {
                return;
            }
        }
        if !nested && self.one_in(8) {
            // It dawdles: others pass it, or it goes away.
            self.drafts.push((draft, content));
            return;
        }
        self.submit(draft, content, envelope);
    }

    fn submit(
        &mut self,
        draft: bridgehead_queue::Draft,
        content: Vec<u8>,
        envelope: bridgehead_mail::Envelope,
    ) {
        let id = draft.id();
        let tick = self.tick();
        let told = Told::new(content, envelope.clone(), Status::Waiting);
        let answer = draft.submit(envelope);
        self.tell(("submit", id));
        self.note(("submitted", answer.is_ok()));
        // One that can't even be submitted never was.
        if let Ok(answer) = answer {
            self.waiting.push((id, answer, tick));
            self.told.insert(id, told);
        }
    }

    /// A report of the server itself.
    fn report(&mut self, nested: bool) -> Option<(Report, MessageId, Told)> {
        self.now += 1;
        let most = self.settings.inline_octets_max;
        let largest = if nested { most } else { most * 2 };
        let content = made::content(&mut self.random, largest);
        let now = self.at();
        let mut envelope = made::envelope(&mut self.random, now);
        envelope.reverse_path = bridgehead_mail::ReversePath::Null;
        let mut draft = self.queue().inlet().begin(self.at(), None).ok()?;
        draft.write(&content).ok()?;
        let id = draft.id();
        let told = Told::new(content, envelope.clone(), Status::Waiting);
        Some((Report { draft, envelope }, id, told))
    }

    /// The categorizer and the router do their work on a message.
    fn assign(&mut self, nested: bool) {
        let lease = match self.leases.pop() {
            Some(lease) => lease,
            None => match self.queue().take() {
                Some(lease) => {
                    self.check_kept(lease.id(), &lease.work);
                    lease
                }
                None => return,
            },
        };
        self.check_lease(&lease);
        match self.pick(0..10) {
            0 => return,
            1 => return self.leases.push(lease),
            _ => {}
        }
        self.assign_lease(lease, nested, true);
    }

    /// Assigns what a lease holds; some addressees are bounced, if `odd`.
    pub(crate) fn assign_lease(&mut self, lease: Lease, nested: bool, odd: bool) {
        let id = lease.id();
        let mut all = made::concerned(&lease.work, &lease.envelope);
        let returned = matches!(lease.work, Work::Return(..));
        let mut done = Vec::new();
        let mut reports = Vec::new();
        if returned || (odd && self.one_in(6)) {
            let count = match returned {
                true => 0,
                false => self.random.random_range(0..=all.len()),
            };
            let gone = all.split_off(count);
            let report = if self.one_in(5) {
                None
            } else {
                self.report(nested)
            };
            let report_id = report.as_ref().map(|(_, id, _)| *id);
            reports.extend(report);
            done.extend(gone.iter().map(|one| (name(one), report_id)));
        }
        let expires = self.now + self.pick(1_000..2_000_000);
        let (reports, told): (Vec<_>, Vec<_>) = reports
            .into_iter()
            .map(|(report, id, told)| (report, (id, told)))
            .unzip();
        let assignment = Assignment {
            parts: made::parts(all, self.way),
            reports,
            expires: Timestamp::from_millis(expires),
            delay_notice: Timestamp::from_millis(expires / 2),
        };
        let assigned = self.queue().assign(lease, assignment, self.at());
        self.tell(("assign", id, &done));
        self.note(("assigned", assigned.is_ok()));
        if assigned.is_ok() {
            self.settled(id, &done, told);
        }
    }

    /// The model learns that something was done for addressees of a message.
    fn settled(
        &mut self,
        id: MessageId,
        done: &[(String, Option<MessageId>)],
        reports: Vec<(MessageId, Told)>,
    ) {
        let tick = self.tick();
        for (report, mut told) in reports {
            told.status = Status::Gathered(tick);
            self.told.insert(report, told);
        }
        let told = self.told.get_mut(&id).expect("known");
        // One that was deleted meanwhile has ended already.
        if matches!(told.status, Status::Ended(_)) {
            return;
        }
        for (addressee, report) in done {
            told.done(addressee, *report, tick);
            self.counts.bounced += u64::from(report.is_some());
        }
    }

    /// The agent of a link takes what is ready, or what has expired.
    fn take_part(&mut self) {
        let queue = self.queue();
        let now = self.at();
        let lease = if self.one_in(4) {
            let taken = queue.take_expired(now);
            self.learn_ended();
            taken
        } else {
            // Sometimes whoever is at the other end asks for it.
            let asked = self.one_in(6);
            let any = |_: &LinkName| true;
            if asked && self.one_in(2) {
                queue.end_waits_on(&any);
            }
            let ready = match asked {
                true => queue.asked_links(&any, now),
                false => queue.ready_links(now),
            };
            if ready.is_empty() {
                return;
            }
            let chosen = self.random.random_range(0..ready.len());
            let local = ready[chosen].hop == NextHop::Local;
            assert!(
                local || self.outbound_unsure || self.outbound_held != Some(true),
                "outbound mail is held, and {} is ready",
                ready[chosen].link
            );
            assert!(
                self.outbound_unsure || !self.frozen_links.contains(ready[chosen].link.as_str()),
                "{} is frozen, and ready",
                ready[chosen].link
            );
            match asked {
                true => queue.next_asked(ready[chosen].number, now),
                false => queue.next(ready[chosen].number, now),
            }
        };
        let Some(lease) = lease else {
            return;
        };
        self.check_part(&lease);
        if now < lease.expires {
            let kept = self.told[&lease.id()].decided.is_kept();
            assert!(!kept, "{} is kept and handed over", lease.id());
        }
        for addressee in &lease.addressees {
            let fresh = self.active.insert((lease.id(), name(addressee)));
            assert!(
                fresh,
                "{} of {} is lent out twice",
                name(addressee),
                lease.id()
            );
        }
        self.parts.push(lease);
    }

    /// The agent of a link says what became of a part.
    fn settle(&mut self, nested: bool) {
        if self.parts.is_empty() {
            return;
        }
        let chosen = self.random.random_range(0..self.parts.len());
        let lease = self.parts.swap_remove(chosen);
        self.release(&lease);
        if self.one_in(10) {
            // The connection broke before anything was said.
            return;
        }
        self.settle_lease(lease, nested, true);
    }

    pub(crate) fn release(&mut self, lease: &PartLease) {
        for addressee in &lease.addressees {
            self.active.remove(&(lease.id(), name(addressee)));
        }
    }

    /// Settles a part: all delivered, unless `odd`.
    pub(crate) fn settle_lease(&mut self, lease: PartLease, nested: bool, odd: bool) {
        let id = lease.id();
        let report = if odd && self.one_in(4) {
            self.report(nested)
        } else {
            None
        };
        let report_id = report.as_ref().map(|(_, id, _)| *id);
        let (mut settlements, mut done, mut delivered) = (Vec::new(), Vec::new(), Vec::new());
        for addressee in &lease.addressees {
            let (this, fate) = (name(addressee), self.pick(0..4));
            if odd && fate == 0 {
                settlements.push(Settlement::Deferred {
                    until: Timestamp::from_millis(self.now + self.random.random_range(0..90_000)),
                    failure: made::failure(&mut self.random),
                });
            } else if fate == 1 && report_id.is_some() {
                settlements.push(Settlement::Done);
                done.push((this, report_id));
            } else {
                settlements.push(Settlement::Done);
                delivered.push(this.clone());
                done.push((this, None));
            }
        }
        let (reports, told): (Vec<_>, Vec<_>) = report
            .into_iter()
            .map(|(report, id, told)| (report, (id, told)))
            .unzip();
        let delay_told = self.random.random();
        // The next hop has them, whatever becomes of the record.
        let model = self.told.get_mut(&id).expect("known");
        for addressee in delivered {
            let times = model.delivered.entry(addressee).or_default();
            *times += 1;
            self.counts.delivered += 1;
            self.counts.repeated += u64::from(*times > 1);
        }
        model.attempts = model.attempts.max(lease.attempts + 1);
        let settled = self.queue().settle(lease, settlements, reports, delay_told);
        self.tell(("settle", id, &done));
        self.note(("settled", settled.is_ok()));
        if settled.is_ok() {
            self.settled(id, &done, told);
        }
    }

    /// An operator does something.
    fn operate(&mut self) {
        let queue = self.queue();
        let ready = queue.ready_links(Timestamp::NEVER);
        let link = ready.first().map(|ready| ready.link.clone());
        match (self.pick(0..20), link) {
            (0..=1, _) => self.delete(),
            (2, _) => self.note(queue.retry_all()),
            (3, _) => self.turn(),
            (4..=5, Some(link)) => {
                let until = self.at().after(Duration::from_secs(60));
                queue.hold_link(&link, until, &made::failure(&mut self.random));
            }
            (6, Some(link)) => queue.release_link(&link),
            (7, _) => {
                self.way += 1;
                self.note(queue.reroute());
            }
            (8, _) => {
                self.way += 1;
                let lost = |hop: &NextHop| matches!(hop, NextHop::Unreachable { .. });
                self.note(queue.reroute_links(&lost));
            }
            (9, _) => {
                let picture = queue.picture();
                let all = picture.messages + picture.deleted;
                assert_eq!(all, queue.len() as u64);
                for (id, told) in &self.told {
                    let shown = queue.show(*id);
                    if let (Ok(Some(shown)), Status::Queued(_)) = (shown, told.status) {
                        assert_eq!(*shown.envelope, told.envelope);
                    }
                }
            }
            (10..=16, _) => self.order(),
            (17, _) => self.adopt(),
            (18, _) if self.one_in(2) => self.steer(),
            (18, _) => self.hold_outbound(),
            _ => self.resume(),
        }
    }

    /// New mail goes to another folder.
    fn turn(&mut self) {
        let folders = ["/var/spool/queue", "/mnt/fast/queue", "/mnt/large/queue"];
        let folder = folders[self.random.random_range(0..folders.len())];
        let turned = self.queue().turn_to(Path::new(folder));
        self.note(("turn", folder, turned.is_ok()));
        self.counts.turned += u64::from(matches!(turned, Ok(true)));
        if matches!(turned, Ok(true)) {
            // It wasn't in use when it failed.
            self.sync_failures_seen = self.sync_failures();
        }
    }

    /// Folders beside the home.
    pub(crate) fn marks(&self) -> u64 {
        let files = self.disk.files();
        let marks = files.iter().filter(|(path, _)| {
            path.ends_with("folder") && !path.to_string_lossy().contains("/dead")
        });
        marks.count() as u64
    }

    pub(crate) fn resume(&mut self) {
        let stamp = self.tick();
        self.must_refuse = false;
        let still = self.queue().resume();
        self.counts.resumed += u64::from(still.is_none());
        self.committed(still.is_none().then_some(stamp));
        self.note(("resume", stamp, still.is_none()));
    }

    fn delete(&mut self) {
        let queued: Vec<MessageId> = self.queued().collect();
        if queued.is_empty() {
            return;
        }
        let id = queued[self.random.random_range(0..queued.len())];
        assert!(self.queue().delete(id), "{id} isn't in the queue");
        let since = Since::Tick(self.tick());
        self.counts.deleted += 1;
        self.told.get_mut(&id).expect("known").status = Status::Ended(since);
    }

    /// Messages that are in the queue.
    pub(crate) fn queued(&self) -> impl Iterator<Item = MessageId> {
        let queued = self.told.iter();
        queued
            .filter(|(_, told)| matches!(told.status, Status::Queued(_)) && !told.adopting)
            .map(|(id, _)| *id)
    }

    /// The disk gets worse or better; the power may go soon.
    fn weather(&mut self) {
        let bad = self.random.random_range(0..4);
        let rate = |random: &mut rand::rngs::StdRng| [0, 0, 30, 200][random.random_range(0..4)];
        let faults = match bad {
            0 => Faults::default(),
            _ => Faults {
                write: rate(&mut self.random),
                read: rate(&mut self.random) / 4,
                sync: rate(&mut self.random),
                sync_dir: rate(&mut self.random) / 2,
                name: rate(&mut self.random) / 2,
            },
        };
        self.disk.set_faults(faults);
        if self.one_in(2) {
            let calls = self.pick(0..40);
            self.disk.cut_power_after(calls);
        }
    }

    /// The disk fills, or is cleaned up; the operator may move the floor.
    fn space(&mut self) {
        let free = [0, 900, 1_100, u64::MAX][self.random.random_range(0..4)];
        self.disk.set_free_space(free);
        self.now += 1_000;
        if free < 1_000 && !self.must_refuse {
            let refused = self.queue().inlet().begin(self.at(), None).map(|_| ());
            let seen = matches!(
                refused,
                Err(Refused::DiskFull { .. } | Refused::Storage(_) | Refused::Draining)
            );
            assert!(seen || self.disk.is_off(), "mail is taken onto a full disk");
        }
        self.queue().apply(Limits {
            free_space_floor: 1_000,
            ..self.settings.limits
        });
    }

    fn pass_time(&mut self) {
        self.now += self.random.random_range(1..120_000);
        if let Some((draft, content)) = self.drafts.pop() {
            if self.one_in(3) {
                return;
            }
            let now = self.at();
            let envelope = made::envelope(&mut self.random, now);
            self.submit(draft, content, envelope);
        }
    }
}
