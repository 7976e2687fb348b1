//! The spool of a server that is gone, and its adoption by this one, interrupted or not.

use crate::made;
use crate::model::{Since, Status, Told, name};
use crate::world::World;
use bridgehead_mail::{MessageId, Timestamp};
use bridgehead_queue::{AdoptError, Assignment, Queue, Settings, Settlement};
use rand::Rng;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is known of it.
pub(crate) struct Dead {
    pub(crate) home: PathBuf,
    /// Its messages with what is owed of each.
    pub(crate) messages: Vec<(MessageId, Told)>,
    /// Whether all of them are this server's by now.
    pub(crate) adopted: bool,
}

impl World {
    /// A server fills its queue, delivers some of it, and is gone.
    pub(crate) fn let_one_die(&mut self) {
        let home = PathBuf::from("/var/spool/dead");
        let settings = Settings {
            directory: home.clone(),
            ..self.settings.clone()
        };
        let disk = Arc::new(self.disk.clone());
        let opened = Queue::open_without_committer(settings, disk, self.at());
        let (queue, _) = opened.expect("the disk is well");
        if self.one_in(3) {
            queue
                .turn_to(Path::new("/mnt/dead"))
                .expect("the disk is well");
        }
        let mut messages = Vec::new();
        for _ in 0..self.pick(1..8) {
            self.now += 1;
            let content = made::content(&mut self.random, 2_000);
            let now = self.at();
            let envelope = made::envelope(&mut self.random, now);
            let mut draft = queue.inlet().begin(now, None).expect("there is room");
            draft.write(&content).expect("the disk is well");
            let id = draft.id();
            draft.submit(envelope.clone()).expect("it can be stored");
            let told = Told::new(content, envelope, Status::Waiting);
            messages.push((id, told));
        }
        assert!(queue.commit_now());
        self.work_before_death(&queue, &mut messages);
        // What isn't settled yet is owed by whoever comes after.
        assert!(queue.commit_now());
        if self.one_in(2) {
            queue.close();
        }
        self.dead = Some(Dead {
            home,
            messages,
            adopted: false,
        });
    }

    fn work_before_death(&mut self, queue: &Queue, messages: &mut [(MessageId, Told)]) {
        while let Some(lease) = queue.take() {
            if self.one_in(3) {
                continue;
            }
            let all = made::concerned(&lease.work, &lease.envelope);
            let expires = Timestamp::from_millis(self.now + 5_000_000);
            let assignment = Assignment {
                parts: made::parts(all, 0),
                reports: Vec::new(),
                expires,
                delay_notice: expires,
            };
            queue
                .assign(lease, assignment, self.at())
                .expect("no reports");
        }
        let now = self.at();
        for link in queue.ready_links(now) {
            if self.one_in(2) {
                continue;
            }
            let Some(lease) = queue.next(link.number, now) else {
                continue;
            };
            let (id, done) = (lease.id(), self.random.random::<bool>());
            let names: Vec<String> = lease.addressees.iter().map(name).collect();
            let settlement = match done {
                true => Settlement::Done,
                false => Settlement::Deferred {
                    until: now,
                    failure: made::failure(&mut self.random),
                },
            };
            let settlements = vec![settlement; names.len()];
            let settled = queue.settle(lease, settlements, Vec::new(), false);
            settled.expect("no reports");
            let (_, told) = messages
                .iter_mut()
                .find(|(known, _)| *known == id)
                .expect("its own");
            told.attempts += 1;
            for name in names.iter().filter(|_| done) {
                told.done(name, None, 0);
            }
        }
        let tick = self.tick();
        for (_, told) in messages {
            told.committed(tick);
        }
    }

    /// This server takes the dead one's spool over, or goes on with that.
    pub(crate) fn adopt(&mut self) {
        let Some(home) = self.dead.as_ref().map(|dead| dead.home.clone()) else {
            return;
        };
        let stamp = self.tick();
        // The model knows of them from here on: after a crash some may be here, standing still.
        for (id, told) in self.dead.iter().flat_map(|dead| &dead.messages) {
            if !matches!(told.status, Status::Ended(_)) {
                let known = self.told.entry(*id).or_insert_with(|| Told {
                    adopting: true,
                    ..told.clone()
                });
                // An earlier try left nothing here: this one may.
                if known.adopting && known.status == Status::Gone {
                    known.status = Status::Waiting;
                }
            }
        }
        let outcome = self.queue().adopt_now(&home);
        self.note(("adopt", outcome.is_ok()));
        self.tell(&outcome);
        match outcome {
            Ok(adopted) => {
                assert_eq!(adopted.damage, Vec::<String>::new());
                self.committed(Some(stamp));
                self.learn_adopted(&adopted.messages);
            }
            Err(AdoptError::NotOurs { why, .. }) => assert!(why.contains("octets"), "{why}"),
            // A part may be here by now, or all of it, and not be durable.
            Err(_) => {
                self.committed(None);
                self.learn_begun();
            }
        }
    }

    /// What stands still no longer, or does again, because that it began its way wasn't durable.
    pub(crate) fn learn_begun(&mut self) {
        let ids: Vec<MessageId> = self.told.keys().copied().collect();
        for summary in self.queue().summaries(&ids) {
            let tick = self.tick();
            let told = self.told.get_mut(&summary.id).expect("known");
            let adopting = summary.control.adopting.is_some();
            if adopting && !told.adopting {
                let durable = told.status == Status::Queued(Since::Durable);
                assert!(!durable, "{} stands still again: {told:?}", summary.id);
            }
            if adopting != told.adopting {
                told.adopting = adopting;
                told.status = Status::Queued(Since::Tick(tick));
            }
        }
    }

    /// The dead spool was given away: what was copied of it is this server's.
    pub(crate) fn learn_adopted(&mut self, begun: &[MessageId]) {
        for id in begun {
            let told = self.told.get_mut(id).expect("of the dead spool");
            assert!(told.adopting, "{id} was taken over twice: {told:?}");
            told.adopting = false;
            told.status = Status::Queued(Since::Durable);
            told.promised = true;
            self.counts.adopted += 1;
        }
        let dead = self.dead.as_mut().expect("there is one");
        dead.adopted = true;
        for (id, told) in &self.told {
            assert!(!told.adopting, "{id} stands still for ever: {told:?}");
        }
    }
}
