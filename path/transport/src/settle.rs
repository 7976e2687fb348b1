//! Step five: from outcomes to settlements, and what has to be reported of them. Pure.
//!
//! Guards: every addressee gets exactly one settlement; what expired is never tried again; a delay is told once.

use crate::report::{Notice, Told};
use crate::settings::{Retry, spread};
use bridgehead_mail::{
    Addressee, EventKind, Failure, Notify, Outcome, Recipient, RemoteReply, StatusClass,
    StatusCode, Timestamp,
};
use bridgehead_queue::Settlement;

/// What the queue knows of a part that was handed over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// When it is given up.
    pub(crate) expires: Timestamp,
    /// When its sender is told that it is late.
    pub(crate) delay_notice: Timestamp,
    /// Whether the sender was told already.
    pub(crate) delay_reported: bool,
    /// Whether the sender wants to be told of each relay (RFC 2852).
    pub(crate) trace: bool,
    /// Whether nobody can be told of a failure, so that it is badmail.
    pub(crate) nobody: bool,
    /// Attempts before this one.
    pub(crate) attempts: u32,
}

/// What follows from one attempt.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// One for each addressee, in their order.
    pub(crate) settlements: Vec<Settlement>,
    /// What the sender is to be told.
    pub(crate) notices: Vec<Notice>,
    /// Who failed where nobody can be told.
    pub(crate) bad: Vec<(Recipient, Failure)>,
    /// What tracking is told.
    pub(crate) events: Vec<EventKind>,
    /// Whether one of the notices tells of the delay.
    pub(crate) delay_told: bool,
}

/// Settles one attempt. `jitter` is a number from 0 to 1 that spreads the next tries.
pub(crate) fn settle(
    facts: Facts,
    retry: &Retry,
    addressees: &[Addressee],
    outcomes: Vec<Outcome>,
    jitter: f64,
    now: Timestamp,
) -> Settled {
    let wait = spread(retry.wait_after(facts.attempts.saturating_add(1)), jitter);
    let until = now.after(wait).min(facts.expires);
    let mut settled = Settled::default();
    // A missing outcome is local trouble: the addressee stays, nothing is lost.
    let missing = std::iter::repeat_with(|| Outcome::Deferred(no_outcome()));
    for (addressee, outcome) in addressees.iter().zip(outcomes.into_iter().chain(missing)) {
        match outcome {
            Outcome::Delivered { mailbox } => settled.delivered(addressee, mailbox),
            Outcome::Relayed { reply, dsn, over } => {
                settled.told_of_relay(addressee, &reply, dsn, facts.trace);
                settled.relayed(addressee, reply, over);
            }
            Outcome::Failed(failure) => settled.failed(addressee, failure, facts.nobody),
            Outcome::Deferred(failure) if now >= facts.expires => {
                settled.failed(addressee, expired(failure), facts.nobody);
            }
            Outcome::Deferred(failure) => settled.deferred(addressee, failure, until, facts, now),
        }
    }
    settled
}

impl Settled {
    fn delivered(&mut self, addressee: &Addressee, mailbox: Box<str>) {
        if addressee.notify.wants_success() {
            self.notices.push(Notice::new(addressee, Told::Delivered));
        }
        self.events.push(EventKind::Delivered {
            recipient: addressee.address.clone(),
            mailbox,
        });
        self.settlements.push(Settlement::Done);
    }

    fn told_of_relay(
        &mut self,
        addressee: &Addressee,
        reply: &RemoteReply,
        dsn: bool,
        trace: bool,
    ) {
        // RFC 3461 §5.2.2: where the next hop can't report success, we say that it was relayed.
        let traced = trace && addressee.notify != Notify::Never;
        if traced || (!dsn && addressee.notify.wants_success()) {
            let told = Told::Relayed(reply.clone());
            self.notices.push(Notice::new(addressee, told));
        }
    }

    fn relayed(&mut self, addressee: &Addressee, reply: RemoteReply, over: Box<str>) {
        self.events.push(EventKind::Relayed {
            recipient: addressee.address.clone(),
            reply,
            over,
        });
        self.settlements.push(Settlement::Done);
    }

    fn failed(&mut self, addressee: &Addressee, failure: Failure, nobody: bool) {
        if nobody {
            self.bad.push((addressee.into(), failure.clone()));
        }
        if addressee.notify.wants_failure() {
            let told = Told::Failed(failure.clone());
            self.notices.push(Notice::new(addressee, told));
        }
        self.events.push(EventKind::Failed {
            recipient: addressee.address.clone(),
            failure,
        });
        self.settlements.push(Settlement::Done);
    }

    fn deferred(
        &mut self,
        addressee: &Addressee,
        failure: Failure,
        until: Timestamp,
        facts: Facts,
        now: Timestamp,
    ) {
        let late = now >= facts.delay_notice && !facts.delay_reported;
        if late && addressee.notify.wants_delay() {
            let told = Told::Delayed(failure.clone(), facts.expires);
            self.notices.push(Notice::new(addressee, told));
            self.delay_told = true;
        }
        self.events.push(EventKind::Deferred {
            recipient: addressee.address.clone(),
            failure: failure.clone(),
            until,
        });
        self.settlements
            .push(Settlement::Deferred { until, failure });
    }
}

/// What was temporary for too long is permanent (RFC 3463 §3.5: X.4.7), with the last words kept.
pub(crate) fn expired(last: Failure) -> Failure {
    let text = format!(
        "Not delivered before its time ran out; the last failure was: {}",
        last.text
    );
    Failure {
        status: StatusCode::new(StatusClass::Permanent, 4, 7),
        text: text.into(),
        ..last
    }
}

fn no_outcome() -> Failure {
    Failure::new(StatusCode::transient(3, 0), "the attempt had no outcome")
}

#[cfg(test)]
mod tests {
    use super::*;
    use bridgehead_mail::{Address, Destination};

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn facts() -> Facts {
        Facts {
            expires: at(1000),
            delay_notice: at(500),
            delay_reported: false,
            trace: false,
            nobody: false,
            attempts: 0,
        }
    }

    fn to(notify: Notify) -> Addressee {
        Addressee {
            address: Address::parse("bob@example.test").unwrap(),
            destination: Destination::Remote,
            notify,
            orcpt: None,
        }
    }

    fn busy() -> Outcome {
        Outcome::Deferred(Failure::new(StatusCode::transient(4, 1), "no answer"))
    }

    fn gone() -> Outcome {
        Outcome::Failed(Failure::new(StatusCode::permanent(1, 1), "no such mailbox"))
    }

    fn relayed(dsn: bool) -> Outcome {
        let reply = RemoteReply {
            host: "mx".into(),
            code: 250,
            text: "ok".into(),
        };
        let over = Box::default();
        Outcome::Relayed { reply, dsn, over }
    }

    fn one(facts: Facts, notify: Notify, outcome: Outcome, now: u64) -> Settled {
        let retry = Retry::default();
        settle(facts, &retry, &[to(notify)], vec![outcome], 0.0, at(now))
    }

    #[test]
    fn a_temporary_failure_waits_as_scheduled_but_not_past_expiry() {
        let settled = one(facts(), Notify::Unsaid, busy(), 10);
        assert!(
            matches!(settled.settlements[0], Settlement::Deferred { until, .. } if until == at(70))
        );
        let settled = one(facts(), Notify::Unsaid, busy(), 980);
        assert!(
            matches!(settled.settlements[0], Settlement::Deferred { until, .. } if until == at(1000))
        );
    }

    #[test]
    fn at_expiry_a_temporary_failure_becomes_permanent_and_is_told() {
        let settled = one(facts(), Notify::Unsaid, busy(), 1000);
        assert!(matches!(settled.settlements[0], Settlement::Done));
        let Told::Failed(failure) = &settled.notices[0].told else {
            panic!("not told as failed: {settled:?}");
        };
        assert_eq!(failure.status.to_string(), "5.4.7");
        assert!(failure.text.contains("no answer"));
    }

    #[test]
    fn a_delay_is_told_once_and_only_if_wanted() {
        assert!(one(facts(), Notify::Unsaid, busy(), 400).notices.is_empty());
        assert!(one(facts(), Notify::Unsaid, busy(), 500).delay_told);
        let told = Facts {
            delay_reported: true,
            ..facts()
        };
        assert!(!one(told, Notify::Unsaid, busy(), 600).delay_told);
        assert!(one(facts(), Notify::Never, busy(), 600).notices.is_empty());
    }

    #[test]
    fn notify_decides_what_is_told() {
        let success = Notify::On {
            success: true,
            failure: false,
            delay: false,
        };
        assert!(one(facts(), Notify::Never, gone(), 1).notices.is_empty());
        assert!(one(facts(), success, gone(), 1).notices.is_empty());
        assert_eq!(one(facts(), Notify::Unsaid, gone(), 1).notices.len(), 1);
        assert_eq!(one(facts(), success, relayed(false), 1).notices.len(), 1);
        assert!(one(facts(), success, relayed(true), 1).notices.is_empty());
        assert!(
            one(facts(), Notify::Unsaid, relayed(false), 1)
                .notices
                .is_empty()
        );
    }

    #[test]
    fn who_asked_for_a_trace_is_told_of_each_relay() {
        let traced = Facts {
            trace: true,
            ..facts()
        };
        let count = |facts, notify| one(facts, notify, relayed(true), 1).notices.len();
        assert_eq!(count(traced, Notify::Unsaid), 1);
        assert_eq!(count(traced, Notify::Never), 0);
        assert_eq!(count(facts(), Notify::Unsaid), 0);
    }

    #[test]
    fn where_nobody_can_be_told_a_failure_is_badmail_whatever_was_wished() {
        let nobody = Facts {
            nobody: true,
            ..facts()
        };
        assert_eq!(one(nobody, Notify::Never, gone(), 1).bad.len(), 1);
        assert_eq!(one(nobody, Notify::Never, busy(), 1000).bad.len(), 1);
        assert!(one(nobody, Notify::Never, busy(), 1).bad.is_empty());
        assert!(one(facts(), Notify::Never, gone(), 1).bad.is_empty());
    }

    #[test]
    fn a_missing_outcome_keeps_the_recipient() {
        let settled = settle(
            facts(),
            &Retry::default(),
            &[to(Notify::Unsaid), to(Notify::Unsaid)],
            vec![relayed(true)],
            0.0,
            at(1),
        );
        assert!(matches!(
            settled.settlements[1],
            Settlement::Deferred { .. }
        ));
    }
}
