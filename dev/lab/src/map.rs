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
            let LinkFacts {
                name, cost, state, ..
            } = link;
            let surcharge = match link.surcharge {
                0 => String::new(),
                more => format!("+{more}"),
            };
            let known = match link.known_down {
                (_, 0) => String::new(),
                (0, _) => ", known as up".to_owned(),
                (down, all) => format!(", known as DOWN to {down} of {all}"),
            };
            line(format_args!(
                "  link {name:<12} cost {cost}{surcharge:<4} {state}, {:.0} octets/s{known}",
                link.rate
            ));
        }
        text
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
            }],
        };
        let text = map.text();
        for line in [
            "[1:05] sent 20 (1.0/s), delivered 18 (0.5/s), on the way 2",
            "ams1 up (queue 2, delivered 7, misses 1 of 3 neighbours)   ams2 DOWN",
            "link ams-nyc      cost 10+5   CUT, 0 octets/s, known as DOWN to 2 of 3",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
