//! The map: sites and links with their state, as text.

use std::fmt::Write;
use std::time::Duration;

/// What the map shows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Map {
    pub(crate) elapsed: Duration,
    pub(crate) sent: u64,
    pub(crate) delivered: u64,
    /// Messages in a second since the last map: sent, delivered.
    pub(crate) rates: (f64, f64),
    pub(crate) sites: Vec<(String, Vec<ServerFacts>)>,
    pub(crate) links: Vec<LinkFacts>,
    /// What happened last, where it would be out of sight otherwise.
    pub(crate) lately: Vec<String>,
}

/// A server.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServerFacts {
    pub(crate) name: String,
    /// None: it is down, or doesn't answer.
    pub(crate) queued: Option<u64>,
    pub(crate) delivered: u64,
    /// How many of its neighbours don't answer it, and of how many.
    pub(crate) away: Option<(usize, usize)>,
}

/// One direction of a link.
#[derive(Clone, Debug, Default)]
pub(crate) struct LinkFacts {
    pub(crate) name: String,
    pub(crate) cost: u32,
    /// What was done to it, in words.
    pub(crate) state: String,
    /// Octets in a second.
    pub(crate) rate: f64,
    /// How many servers say that it is down, and of how many that were asked.
    pub(crate) known_down: (usize, usize),
    /// What load adds to its cost, as the first that knows says.
    pub(crate) surcharge: u32,
    /// Parts of messages that wait for it.
    pub(crate) waits: u64,
    /// How long it has been so: what was done to it, and what servers say.
    pub(crate) unchanged: Duration,
}

impl Map {
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |words: std::fmt::Arguments<'_>| {
            let _ = text.write_fmt(format_args!("{words}\n"));
        };
        let seconds = self.elapsed.as_secs();
        line(format_args!(
            "[{}:{:02}] sent {} ({:.1}/s), delivered {} ({:.1}/s), on the way {}",
            seconds / 60,
            seconds % 60,
            self.sent,
            self.rates.0,
            self.delivered,
            self.rates.1,
            self.sent.saturating_sub(self.delivered)
        ));
        for (site, servers) in &self.sites {
            let servers: Vec<String> = servers.iter().map(server).collect();
            line(format_args!("  site {site:<8} {}", servers.join("   ")));
        }
        for link in &self.links {
            line(format_args!("  link {}", link.words()));
        }
        for event in &self.lately {
            line(format_args!("  {event}"));
        }
        text
    }
}

impl LinkFacts {
    fn words(&self) -> String {
        let cost = match self.surcharge {
            0 => self.cost.to_string(),
            more => format!("{}+{more}", self.cost),
        };
        let known = match self.known_down {
            (_, 0) => "nobody knows it",
            (0, _) => "known as up",
            (down, all) => &format!("known as DOWN to {down} of {all}"),
        };
        format!(
            "{:<12} cost {cost:<6} {}, {known}, for {}; {:.0} octets/s, {} wait",
            self.name,
            self.state,
            span(self.unchanged),
            self.rate,
            self.waits
        )
    }
}

fn span(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

fn server(server: &ServerFacts) -> String {
    let name = &server.name;
    let Some(queued) = server.queued else {
        return format!("{name} DOWN");
    };
    let away = match server.away {
        Some((away @ 1.., all)) => format!(", misses {away} of {all} neighbours"),
        _ => String::new(),
    };
    format!(
        "{name} up (queue {queued}, delivered {}{away})",
        server.delivered
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_in_words() {
        let map = Map {
            elapsed: Duration::from_secs(65),
            sent: 20,
            delivered: 18,
            rates: (1.0, 0.5),
            sites: vec![(
                "ams".to_owned(),
                vec![
                    ServerFacts {
                        name: "ams1".to_owned(),
                        queued: Some(2),
                        delivered: 7,
                        away: Some((1, 3)),
                    },
                    ServerFacts {
                        name: "ams2".to_owned(),
                        ..ServerFacts::default()
                    },
                ],
            )],
            links: vec![LinkFacts {
                name: "ams-nyc".to_owned(),
                cost: 10,
                state: "CUT".to_owned(),
                rate: 0.0,
                known_down: (2, 3),
                surcharge: 5,
                waits: 4,
                unchanged: Duration::from_secs(62),
            }],
            lately: vec!["link ams-nyc: CUT".to_owned()],
        };
        let text = map.text();
        for line in [
            "[1:05] sent 20 (1.0/s), delivered 18 (0.5/s), on the way 2",
            "ams1 up (queue 2, delivered 7, misses 1 of 3 neighbours)   ams2 DOWN",
            "link ams-nyc      cost 10+5   CUT, known as DOWN to 2 of 3, for 1 min 2 s; 0 octets/s, 4 wait",
            "\n  link ams-nyc: CUT\n",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
