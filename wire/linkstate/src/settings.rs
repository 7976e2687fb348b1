//! Times and thresholds of the protocol. The defaults are what the targets in `docs/formats/linkstate.md` are measured with.

use std::time::Duration;

/// What may be tuned. All servers of an organisation should have the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How many failures after the first a link may have before it counts as down.
    pub glitch_retries: u32,
    /// How far apart failures must be to count, and when a suspected link is tried again.
    pub glitch_interval: Duration,
    /// When a link that is down is tried for the first time; the wait doubles.
    pub probe_interval: Duration,
    /// The longest wait between two tries.
    pub probe_interval_max: Duration,
    /// When an order to try a link that nobody answered is given again.
    pub probe_timeout: Duration,
    /// What flapping costs.
    pub damping: DampingSettings,
    /// What load costs: the steps, the lowest delay first.
    pub load_steps: Vec<LoadStep>,
    /// The shortest time between two changes of what load costs.
    pub load_interval: Duration,
    /// A record older than this is forgotten.
    pub max_age: Duration,
    /// A server says again what it has said after this time.
    pub refresh: Duration,
    /// The shortest time between two records of one server.
    pub originate_interval: Duration,
    /// The shortest time between passing on two records of one origin.
    pub relay_interval: Duration,
    /// How long records for one neighbour are gathered into one message.
    pub gather: Duration,
    /// How long an acknowledgement may take until digests are compared instead, as long as it isn't known how long they take; the wait
    /// doubles.
    pub patience: Duration,
    /// The shortest wait for one, however soon they come.
    pub patience_min: Duration,
    /// The longest wait for one.
    pub patience_max: Duration,
    /// How often neighbours compare digests.
    pub digest_interval: Duration,
    /// How often a neighbour that doesn't answer is asked.
    pub away_interval: Duration,
}

/// What flapping costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DampingSettings {
    /// What each loss of a link adds.
    pub flap: f64,
    /// From here on the link is held down.
    pub suppress: f64,
    /// Below this it is let up again.
    pub reuse: f64,
    /// The most that can gather; bounds how long a link that has come to rest is held down.
    pub ceiling: f64,
    /// After this time half of it is left.
    pub half_life: Duration,
}

/// From this delay of mail on, a link costs this much more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadStep {
    /// How long the oldest message has waited for the link.
    pub delay: Duration,
    /// What is added to the connector's cost.
    pub surcharge: u8,
}

impl Default for Settings {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        let step = |minutes: u64, surcharge| LoadStep {
            delay: seconds(minutes * 60),
            surcharge,
        };
        Self {
            glitch_retries: 2,
            glitch_interval: seconds(1),
            probe_interval: seconds(5),
            probe_interval_max: seconds(60),
            probe_timeout: seconds(30),
            damping: DampingSettings::default(),
            load_steps: vec![step(1, 5), step(5, 20), step(20, 50)],
            load_interval: seconds(120),
            max_age: seconds(30 * 60),
            refresh: seconds(12 * 60),
            originate_interval: seconds(2),
            relay_interval: seconds(1),
            gather: Duration::from_millis(20),
            patience: seconds(2),
            patience_min: Duration::from_millis(500),
            patience_max: seconds(30),
            digest_interval: seconds(60),
            away_interval: seconds(15),
        }
    }
}

impl Default for DampingSettings {
    fn default() -> Self {
        Self {
            flap: 1000.0,
            suppress: 2500.0,
            reuse: 1000.0,
            ceiling: 4000.0,
            half_life: Duration::from_secs(300),
        }
    }
}
