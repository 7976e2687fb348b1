//! What came of a run.

use crate::latency::Histogram;
use serde::Serialize;
use std::time::Duration;

/// The result of a run. Every message that was begun is in exactly one of accepted, deferred, refused and lost.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// Answered 2xx after the content.
    pub accepted: u64,
    /// Answered 4xx, to whatever command.
    pub deferred: u64,
    /// Answered 5xx, to whatever command.
    pub refused: u64,
    /// Begun, but the connection broke or the time was over before the last answer.
    pub lost: u64,
    /// Of the plan, never begun.
    pub unsent: u64,
    /// Recipients that were refused, also of messages that others got.
    pub recipients_refused: u64,
    /// Connections that were greeted.
    pub connections: u64,
    /// Connections that couldn't be made, or broke before QUIT was answered.
    pub connections_lost: u64,
    /// Whether every server that greeted offered PIPELINING, and it was made use of.
    pub pipelined: bool,
    /// From the first connection to the last answer.
    pub seconds: f64,
    /// Accepted messages a second.
    pub messages_per_second: f64,
    /// From the first octet of MAIL to the last answer, of accepted messages.
    pub latency_ms: Latency,
    /// CPU time that the generator itself used.
    pub cpu_seconds: f64,
}

/// Milliseconds that so many of the accepted messages stayed within.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "their names say it")]
pub struct Latency {
    pub median: f64,
    pub percent_90: f64,
    pub percent_99: f64,
    pub per_mille_999: f64,
    pub longest: f64,
}

/// What is counted during a run.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Messages of the plan that nobody has taken up.
    pub(crate) left: u64,
    pub(crate) accepted: u64,
    pub(crate) deferred: u64,
    pub(crate) refused: u64,
    pub(crate) lost: u64,
    pub(crate) recipients_refused: u64,
    pub(crate) connections: u64,
    pub(crate) connections_lost: u64,
    /// Connections that offered no PIPELINING although it was wanted.
    pub(crate) unpipelined: u64,
    pub(crate) latency: Histogram,
}

impl Tally {
    pub(crate) fn new(messages: u64) -> Self {
        Self {
            left: messages,
            accepted: 0,
            deferred: 0,
            refused: 0,
            lost: 0,
            recipients_refused: 0,
            connections: 0,
            connections_lost: 0,
            unpipelined: 0,
            latency: Histogram::new(),
        }
    }

    /// Takes up a message, if there is one left.
    pub(crate) const fn take(&mut self) -> bool {
        let some = self.left > 0;
        self.left = self.left.saturating_sub(1);
        some
    }

    /// Messages whose fate is known.
    pub(crate) const fn ended(&self) -> u64 {
        self.accepted + self.deferred + self.refused + self.lost
    }

    pub(crate) fn report(&self, pipelined: bool, took: Duration, cpu: Duration) -> Report {
        let within = |of_thousand| millis(self.latency.within(of_thousand));
        Report {
            accepted: self.accepted,
            deferred: self.deferred,
            refused: self.refused,
            lost: self.lost,
            unsent: self.left,
            recipients_refused: self.recipients_refused,
            connections: self.connections,
            connections_lost: self.connections_lost,
            pipelined: pipelined && self.connections > 0 && self.unpipelined == 0,
            seconds: took.as_secs_f64(),
            messages_per_second: per_second(self.accepted, took),
            latency_ms: Latency {
                median: within(500),
                percent_90: within(900),
                percent_99: within(990),
                per_mille_999: within(999),
                longest: millis(self.latency.longest()),
            },
            cpu_seconds: cpu.as_secs_f64(),
        }
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[allow(clippy::cast_precision_loss, reason = "a rate for people")]
fn per_second(count: u64, took: Duration) -> f64 {
    if took.is_zero() {
        return 0.0;
    }
    count as f64 / took.as_secs_f64()
}
