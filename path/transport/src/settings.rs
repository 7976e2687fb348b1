//! What the operator may set of the corridor. Plain and checked; the config room fills it.

pub use bridgehead_mime::{TEXT_OCTETS_MAX, TextFault, Texts};

use bridgehead_mail::{Domain, Priority};
use std::sync::Arc;
use std::time::Duration;

/// When and how often delivery is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The waits between attempts on one part of a message; the last one repeats. Unit: time, from one second
    /// up. Default: four glitch retries of one minute, then 15 m, 30 m, 1 h, 2 h, 4 h. Never empty in effect: an
    /// empty list means one minute.
    pub schedule: Vec<Duration>,
    /// How long messages may take, by priority.
    pub patience: ByPriority,
}

/// How long a message may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long after acceptance it is given up and reported.
    pub expire_after: Duration,
    /// How long after acceptance its sender is told, once, that it is late.
    pub delay_notice_after: Duration,
}

/// The same for each priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByPriority {
    /// Default: one day, notice after four hours.
    pub high: Patience,
    /// Default: two days, as in the original; notice after 12 hours.
    pub normal: Patience,
    /// Default: two days, notice after a day.
    pub low: Patience,
}

impl Default for Retry {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        const HOUR: u64 = 60 * MINUTE;
        let schedule = [
            MINUTE,
            MINUTE,
            MINUTE,
            MINUTE,
            15 * MINUTE,
            30 * MINUTE,
            HOUR,
            2 * HOUR,
            4 * HOUR,
        ];
        Self {
            schedule: schedule.map(Duration::from_secs).to_vec(),
            patience: ByPriority {
                high: Patience::hours(24, 4),
                normal: Patience::hours(48, 12),
                low: Patience::hours(48, 24),
            },
        }
    }
}

impl Patience {
    const fn hours(expire: u64, notice: u64) -> Self {
        Self {
            expire_after: Duration::from_secs(expire * 3600),
            delay_notice_after: Duration::from_secs(notice * 3600),
        }
    }
}

impl Retry {
    /// How long a message of this priority may take.
    #[must_use]
    pub const fn patience(&self, priority: Priority) -> Patience {
        match priority {
            Priority::High => self.patience.high,
            Priority::Normal => self.patience.normal,
            Priority::Low => self.patience.low,
        }
    }

    /// The wait after attempt number `attempts` (the first is 1) has failed.
    #[must_use]
    pub fn wait_after(&self, attempts: u32) -> Duration {
        let place = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
        let last = self.schedule.last().copied();
        let wait = self.schedule.get(place).copied().or(last);
        wait.unwrap_or(Duration::from_secs(60))
    }
}

/// Up to a tenth later, so that what failed together isn't tried together. `jitter` is a number from 0 to 1.
pub(crate) fn spread(wait: Duration, jitter: f64) -> Duration {
    wait.saturating_add(wait.mul_f64(jitter.clamp(0.0, 1.0) * 0.1))
}

/// All settings of the corridor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The server's own name in trace fields and reports.
    pub hostname: Domain,
    /// The server's name in the directory, which goes along with mail to other servers of the organisation.
    pub server: Box<str>,
    /// The routing group that it is in; empty if it is in none.
    pub routing_group: Box<str>,
    /// The domain of the address that reports come from (`postmaster@`). Default: the host name.
    pub report_domain: Domain,
    /// When delivery is tried again.
    pub retry: Retry,
    /// How many local deliveries are under way at once; they share syncs. Default: 64. Bound: 1 to 1,000.
    pub local_deliveries: usize,
    /// How many messages must wait on a link for each further connection to it, up to the connector's own
    /// bound. Default: 5 (the original: 20). Bound: from 1 up.
    pub messages_per_further_connection: usize,
    /// How long a connection is kept open after its last message, to be used again. Default: 5 s.
    pub idle_connection: Duration,
    /// The most octets of a failed message that come back with RET=FULL; a larger one comes back as
    /// headers. Default: 1 MiB.
    pub return_full_octets_max: u64,
    /// The texts of reports. Default: those that are built in.
    pub texts: Arc<Texts>,
    /// The language of reports about messages that don't say which their sender reads. Default: English.
    pub report_language: Box<str>,
}

impl Settings {
    /// The defaults for a server of this name.
    #[must_use]
    pub fn for_host(hostname: Domain) -> Self {
        Self {
            report_domain: hostname.clone(),
            server: hostname.as_str().into(),
            routing_group: Box::default(),
            hostname,
            retry: Retry::default(),
            local_deliveries: 64,
            messages_per_further_connection: 5,
            idle_connection: Duration::from_secs(5),
            return_full_octets_max: 1024 * 1024,
            texts: Arc::new(Texts::built_in()),
            report_language: "en".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_is_followed_and_its_last_wait_repeats() {
        let retry = Retry {
            schedule: [1, 5].map(Duration::from_secs).to_vec(),
            ..Retry::default()
        };
        let waits: Vec<u64> = (0..4).map(|n| retry.wait_after(n).as_secs()).collect();
        assert_eq!(waits, [1, 1, 5, 5]);
        let none = Retry {
            schedule: Vec::new(),
            ..Retry::default()
        };
        assert_eq!(none.wait_after(3).as_secs(), 60);
    }
}
