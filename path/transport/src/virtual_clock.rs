//! Five days of retries in a moment: the queue, the schedule of retries and settling, at times that the tests make.

use crate::report::Told;
use crate::settings::{Retry, spread};
use crate::settle::{Facts, Settled, settle};
use bridgehead_disk::RealDisk;
use bridgehead_mail::{
    Address, Addressee, BodyKind, Destination, Domain, Envelope, Failure, Handling, NextHop,
    Notify, Origin, Outcome, Protocol, Recipient, ReversePath, StatusCode, Timestamp,
};
use bridgehead_queue::{Assignment, Part, PartLease, Queue, Settings};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// Sunday, 2026-10-25T00:00:00Z: an hour later the clocks of Central Europe are set back.
const BEGIN: u64 = 1_792_886_400;

/// A queue with one message for a host that can't be reached, and two clocks: the true one and the machine's.
struct World {
    queue: Queue,
    retry: Retry,
    /// Seconds since the begin.
    elapsed: u64,
    /// How far the machine's clock was set back by now.
    behind: u64,
    failures: u32,
    /// When it was tried, in true time.
    tried: Vec<u64>,
    _folder: tempfile::TempDir,
}

fn envelope(accepted: Timestamp) -> Envelope {
    let to = Address::parse("bob@example.net").unwrap();
    Envelope {
        handling: Handling::default(),
        reverse_path: ReversePath::Address(Address::parse("a@example.test").unwrap()),
        recipients: vec![Recipient::plain(to)],
        body: BodyKind::SevenBit,
        smtputf8: false,
        ret: None,
        envid: None,
        origin: Origin {
            virtual_server: "inbound".into(),
            client: None,
            helo: "".into(),
            protocol: Protocol {
                extended: true,
                tls: false,
                authenticated: false,
                utf8: false,
            },
            tls: None,
            user: None,
        },
        accepted,
        journey: None,
    }
}

fn poll<F: Future>(future: Pin<&mut F>) -> Option<F::Output> {
    let mut context = Context::from_waker(Waker::noop());
    match future.poll(&mut context) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

fn unreachable() -> Failure {
    Failure::new(StatusCode::transient(4, 1), "no answer")
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::for_directory(folder.path().join("queue"));
        settings.limits.free_space_floor = 0;
        let begin = Timestamp::from_millis(BEGIN * 1000);
        let (queue, _) =
            Queue::open_without_committer(settings, Arc::new(RealDisk), begin).unwrap();
        let mut draft = queue.inlet().begin(begin, None).unwrap();
        draft.write(b"Subject: x\r\n\r\n").unwrap();
        let mut commit = pin!(draft.commit(envelope(begin)));
        assert!(poll(commit.as_mut()).is_none());
        queue.commit_now();
        assert!(poll(commit).unwrap().is_ok());
        let lease = queue.take().unwrap();
        let addressee = Addressee {
            address: Address::parse("bob@example.net").unwrap(),
            destination: Destination::Remote,
            notify: Notify::Unsaid,
            orcpt: None,
        };
        let hop = NextHop::Mx {
            connector: "internet".into(),
            domain: Domain::parse("example.net").unwrap(),
        };
        let assignment = Assignment {
            parts: vec![Part {
                hop,
                addressees: vec![addressee],
            }],
            reports: Vec::new(),
            expires: begin.after(Duration::from_secs(5 * DAY)),
            delay_notice: begin.after(Duration::from_secs(4 * HOUR)),
        };
        queue.assign(lease, assignment, begin).unwrap();
        Self {
            queue,
            retry: Retry::default(),
            elapsed: 0,
            behind: 0,
            failures: 0,
            tried: Vec::new(),
            _folder: folder,
        }
    }

    /// What the machine's clock shows.
    fn now(&self) -> Timestamp {
        Timestamp::from_millis((BEGIN + self.elapsed - self.behind) * 1000)
    }

    fn settled(&self, lease: &PartLease) -> Settled {
        let facts = Facts {
            expires: lease.expires,
            delay_notice: lease.delay_notice,
            delay_reported: lease.delay_reported,
            trace: false,
            nobody: false,
            attempts: lease.attempts,
        };
        let outcomes = vec![Outcome::Deferred(unreachable())];
        let now = self.now();
        settle(facts, &self.retry, &lease.addressees, outcomes, 0.5, now)
    }

    /// One attempt, if it is time for one: the link fails, and its mail waits.
    fn attempt(&mut self) {
        let now = self.now();
        for ready in self.queue.ready_links(now) {
            let Some(lease) = self.queue.next(ready.number, now) else {
                continue;
            };
            self.tried.push(self.elapsed);
            self.failures += 1;
            let wait = spread(self.retry.wait_after(self.failures), 0.5);
            self.queue
                .hold_link(&ready.link, now.after(wait), &unreachable());
            let settled = self.settled(&lease);
            let told = settled.delay_told;
            self.queue
                .settle(lease, settled.settlements, Vec::new(), told)
                .unwrap();
        }
    }

    /// Goes on from one time at which something is due to the next; returns when the message is given up, in true time.
    fn live(&mut self, set_back_at: u64) -> u64 {
        loop {
            if self.elapsed >= set_back_at && self.behind == 0 {
                // The dispatcher looks at least once in a second, so also just before.
                let _ = self.queue.ready_links(self.now());
                self.behind = HOUR;
            }
            let now = self.now();
            if let Some(lease) = self.queue.take_expired(now) {
                let settled = self.settled(&lease);
                assert!(matches!(settled.notices[0].told, Told::Failed(_)));
                return self.elapsed;
            }
            self.attempt();
            let due = self.queue.next_due(self.now()).unwrap();
            // To the second, and never past the moment in which the clock is set back.
            let wait = due.since(self.now()).as_millis().div_ceil(1000);
            let due = self.elapsed + u64::try_from(wait).unwrap().max(1);
            self.elapsed = match self.behind == 0 && self.elapsed < set_back_at {
                true => due.min(set_back_at),
                false => due,
            };
        }
    }

    fn gaps(&self) -> Vec<u64> {
        let pairs = self.tried.windows(2);
        pairs.map(|pair| pair[1] - pair[0]).collect()
    }
}

/// The schedule, a twentieth longer and to the second, as long as the gaps go.
fn expected(count: usize) -> Vec<u64> {
    let schedule = Retry::default().schedule;
    let last = schedule.last().unwrap();
    let waits = schedule.iter().chain(std::iter::repeat(last));
    let waits = waits.map(|wait| (wait.mul_f64(1.05).as_millis().div_ceil(1000)) as u64);
    waits.take(count).collect()
}

#[test]
fn five_days_of_retries_follow_the_schedule_and_then_it_is_given_up() {
    let mut world = World::new();
    let end = world.live(u64::MAX);
    assert_eq!(end, 5 * DAY, "whatever the clocks of the zone do");
    let gaps = world.gaps();
    assert_eq!(gaps, expected(gaps.len()));
    assert_eq!(gaps.len(), 35);
    let more: bool = gaps.windows(2).all(|pair| pair[0] <= pair[1]);
    assert!(more, "the gaps grow");
    world.queue.close();
}

#[test]
fn a_clock_set_back_by_an_hour_delays_no_retry_and_gives_nothing_up_early() {
    // Within the first minutes, and in the middle of a long wait.
    for set_back_at in [90, 30 * MINUTE, DAY + HOUR] {
        let mut world = World::new();
        let end = world.live(set_back_at);
        let gaps = world.gaps();
        for (gap, expected) in gaps.iter().zip(expected(gaps.len())) {
            assert!(gap.abs_diff(expected) <= 1, "{set_back_at}: {gaps:?}");
        }
        assert_eq!(end, 5 * DAY + HOUR, "by the time of day");
        world.queue.close();
    }
}
