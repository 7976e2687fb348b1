//! Orders of operators, and what must hold of them: each says exactly what it changed, what is frozen or deleted isn't handed
//! over, and what was durable before a crash is in force after it.

use crate::model::{Since, Status};
use crate::world::World;
use bridgehead_mail::{MessageId, Priority, Timestamp};
use bridgehead_queue::{Decision, Effect, Order, Returned, Work};
use rand::Rng;

/// A value that operators change, as it was last durable and as it was set since.
#[derive(Clone, Debug)]
pub(crate) struct Tracked<T> {
    durable: T,
    later: Vec<(u64, T)>,
}

impl<T: Copy + PartialEq> Tracked<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            durable: value,
            later: Vec::new(),
        }
    }

    pub(crate) fn now(&self) -> T {
        self.later.last().map_or(self.durable, |(_, value)| *value)
    }

    pub(crate) fn set(&mut self, tick: u64, value: T) {
        self.later.push((tick, value));
    }

    /// A commit that began at `stamp` has succeeded.
    pub(crate) fn committed(&mut self, stamp: u64) {
        let count = self.later.iter().filter(|(tick, _)| *tick <= stamp).count();
        if let Some((_, value)) = self.later.drain(..count).next_back() {
            self.durable = value;
        }
    }

    /// A start has found a value. What it found may be in memory only, until the next commit.
    fn found(&mut self, tick: u64, value: T) -> bool {
        let possible = value == self.durable || self.later.iter().any(|(_, later)| *later == value);
        self.later = vec![(tick, value)];
        possible
    }
}

/// What operators have decided about a message.
#[derive(Clone, Debug)]
pub(crate) struct Decided {
    pub(crate) frozen: Tracked<bool>,
    /// Until when it can be had back, and whether its sender is told.
    pub(crate) deleted: Tracked<Option<(Timestamp, bool)>>,
    pub(crate) priority: Tracked<Option<Priority>>,
    pub(crate) expires: Tracked<Option<Timestamp>>,
    /// Its processing has ended two workers.
    pub(crate) poison: Tracked<bool>,
}

impl Decided {
    pub(crate) fn new() -> Self {
        Self {
            frozen: Tracked::new(false),
            deleted: Tracked::new(None),
            priority: Tracked::new(None),
            expires: Tracked::new(None),
            poison: Tracked::new(false),
        }
    }

    pub(crate) fn committed(&mut self, stamp: u64) {
        self.frozen.committed(stamp);
        self.deleted.committed(stamp);
        self.priority.committed(stamp);
        self.expires.committed(stamp);
        self.poison.committed(stamp);
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.frozen.now() || self.deleted.now().is_some() || self.poison.now()
    }
}

impl World {
    pub(crate) fn decision(&self) -> Decision {
        Decision {
            by: "somebody".into(),
            at: self.at(),
        }
    }

    /// An operator gives an order about a message.
    pub(crate) fn order(&mut self) {
        let queued: Vec<MessageId> = self.queued().collect();
        if queued.is_empty() {
            return;
        }
        let id = queued[self.random.random_range(0..queued.len())];
        let order = match self.pick(0..14) {
            0..=2 => Order::Freeze,
            3..=4 => Order::Thaw,
            5 => Order::Delete {
                until: Timestamp::from_millis(self.now + self.random.random_range(0..60_000)),
                report: self.random.random(),
            },
            6..=7 => Order::Restore,
            8 => Order::Prioritize(Priority::ALL[self.random.random_range(0..3)]),
            9 => Order::Resubmit,
            10 => Order::Redirect(Some("elsewhere".into())),
            11 => Order::Expire(Timestamp::from_millis(
                self.now + self.random.random_range(0..600_000),
            )),
            12 => return self.poison(id),
            _ => Order::Retry,
        };
        self.obey(id, &order);
    }

    pub(crate) fn obey(&mut self, id: MessageId, order: &Order) {
        let effects = self.queue().control(&[id], order, &self.decision());
        let tick = self.tick();
        self.counts.ordered += 1;
        self.tell((&order, id, &effects));
        self.note((order.as_str(), effects == [Effect::Changed]));
        let decided = &mut self.told.get_mut(&id).expect("known").decided;
        let expected = match order {
            Order::Freeze if decided.frozen.now() => Effect::Already,
            Order::Thaw if !decided.frozen.now() && !decided.poison.now() => Effect::Already,
            Order::Restore if decided.deleted.now().is_none() => Effect::Already,
            Order::Delete { until, report }
                if decided
                    .deleted
                    .now()
                    .is_some_and(|(before, told)| told == *report && *until >= before) =>
            {
                Effect::Already
            }
            Order::Prioritize(priority) if decided.priority.now() == Some(*priority) => {
                Effect::Already
            }
            Order::Expire(at) if decided.expires.now() == Some(*at) => Effect::Already,
            Order::Resubmit | Order::Retry | Order::Redirect(_) => return,
            _ => Effect::Changed,
        };
        if effects == [Effect::Busy] && matches!(order, Order::Restore | Order::Expire(_)) {
            return;
        }
        assert_eq!(effects, [expected], "{id}: {order:?}");
        if expected == Effect::Already {
            return;
        }
        match order {
            Order::Freeze => decided.frozen.set(tick, true),
            Order::Thaw => {
                decided.frozen.set(tick, false);
                decided.poison.set(tick, false);
            }
            Order::Expire(at) => decided.expires.set(tick, Some(*at)),
            Order::Restore => decided.deleted.set(tick, None),
            Order::Delete { until, report } => decided.deleted.set(tick, Some((*until, *report))),
            Order::Prioritize(priority) => decided.priority.set(tick, Some(*priority)),
            _ => {}
        }
    }

    /// The processing of a message ends two workers.
    fn poison(&mut self, id: MessageId) {
        let queue = self.queue();
        let set_aside = queue.note_crash(id, "a worker ended") || queue.note_crash(id, "again");
        assert!(set_aside, "{id} isn't set aside");
        let tick = self.tick();
        self.counts.poisoned += 1;
        let decided = &mut self.told.get_mut(&id).expect("known").decided;
        decided.poison.set(tick, true);
    }

    /// An operator holds a link or lets it go, or has the server drained.
    pub(crate) fn steer(&mut self) {
        let decision = Some(self.decision());
        if self.one_in(4) {
            let drain = self.queue().steering().draining.is_none();
            let outcome = self.queue().drain(decision.filter(|_| drain));
            self.note(("drain", drain, outcome.is_ok()));
            return;
        }
        let name = format!("way-{}/one.example", self.pick(0..3));
        let hold = !self.frozen_links.contains(&name);
        let link = bridgehead_mail::LinkName::new(&name);
        let outcome = self.queue().freeze_link(&link, decision.filter(|_| hold));
        self.note(("link", hold, outcome.is_ok()));
        match outcome {
            Ok(_) if hold => self.frozen_links.insert(name),
            Ok(_) => self.frozen_links.remove(&name),
            Err(_) => {
                self.outbound_unsure = true;
                false
            }
        };
    }

    /// Nothing is held any more.
    pub(crate) fn release_everything(&mut self) {
        let queue = self.queue();
        queue.hold_outbound(None).expect("the disk is well");
        queue.drain(None).expect("the disk is well");
        for link in queue.steering().links.into_keys() {
            queue.freeze_link(&link, None).expect("the disk is well");
        }
        self.outbound_held = Some(false);
        self.frozen_links.clear();
    }

    /// An operator throws the switch for all mail that goes out, or back.
    pub(crate) fn hold_outbound(&mut self) {
        let hold = !self.outbound_held.unwrap_or(false);
        let held = hold.then(|| self.decision());
        let outcome = self.queue().hold_outbound(held);
        self.note(("outbound", hold, outcome.is_ok()));
        match outcome {
            Ok(_) => self.outbound_held = Some(hold),
            // It may have become durable all the same.
            Err(_) => self.outbound_unsure = true,
        }
    }

    /// What the queue ended by itself, because an undo window was over.
    pub(crate) fn learn_ended(&mut self) {
        let queued: Vec<MessageId> = self.queued().collect();
        for id in queued {
            let decided = &self.told[&id].decided;
            // To tell the sender of what ends workers might end another.
            let silent = |report: bool| !report || decided.poison.now();
            let over = |(until, report): (Timestamp, bool)| until <= self.at() && silent(report);
            let deleted = decided.deleted.now();
            if deleted.is_some_and(over) && self.queue().summaries(&[id]).is_empty() {
                let since = Since::Tick(self.tick());
                self.counts.purged += 1;
                self.told.get_mut(&id).expect("known").status = Status::Ended(since);
            }
        }
    }

    /// What a start found of the orders of before.
    pub(crate) fn compare_orders(&mut self) {
        let queue = self.queue();
        for summary in queue.summaries(&queue.ids()) {
            let tick = self.tick();
            let told = self.told.get_mut(&summary.id).expect("known");
            let (control, id) = (&summary.control, summary.id);
            let deleted = control.deleted.as_ref();
            let decided = &mut told.decided;
            let frozen = decided.frozen.found(tick, control.frozen.is_some());
            assert!(frozen, "{id}: frozen is {:?}", control.frozen);
            let deleted = deleted.map(|deletion| (deletion.until, deletion.report));
            assert!(
                decided.deleted.found(tick, deleted),
                "{id}: deleted is {deleted:?}"
            );
            let priority = decided.priority.found(tick, control.priority);
            assert!(priority, "{id}: its priority is {:?}", control.priority);
            let expires = decided.expires.found(tick, control.expires);
            assert!(expires, "{id}: it expires at {:?}", control.expires);
            let poison = decided.poison.found(tick, control.poison.is_some());
            assert!(poison, "{id}: set aside is {:?}", control.poison);
        }
        let steering = queue.steering();
        let links = steering.links.keys().map(ToString::to_string).collect();
        assert!(
            self.outbound_unsure || self.frozen_links == links,
            "links are frozen: {links:?}, not {:?}",
            self.frozen_links
        );
        self.frozen_links = links;
        let held = steering.outbound.is_some();
        let known = self.outbound_held.unwrap_or(false);
        assert!(
            self.outbound_unsure || held == known,
            "outbound mail is held: {held}"
        );
        self.outbound_held = Some(held);
        self.outbound_unsure = false;
    }

    /// A message that was taken may be kept by nobody.
    pub(crate) fn check_kept(&self, id: MessageId, work: &Work) {
        let told = &self.told[&id];
        if matches!(told.status, Status::Ended(_)) {
            return;
        }
        match (told.decided.deleted.now(), work) {
            (Some((until, true)), Work::Return(_, Returned::Deleted { report: true })) => {
                assert!(until <= self.at(), "{id} can be had back still");
            }
            (Some(deleted), _) => panic!("{id} was deleted ({deleted:?}): {work:?}"),
            (None, Work::Return(_, Returned::Deleted { .. })) => panic!("{id} wasn't deleted"),
            (None, Work::Categorize | Work::Again { .. }) => {
                assert!(!told.decided.frozen.now(), "{id} is frozen: {work:?}");
            }
            (None, _) => {}
        }
    }
}
