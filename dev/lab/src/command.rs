//! What may be typed, or stand in a script.

use std::time::Duration;

/// An order to the lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Something about a link.
    Link {
        /// Its name, in the direction meant.
        name: String,
        /// Only that direction.
        one_way: bool,
        /// What becomes of it.
        mode: Mode,
    },
    /// End a server at once, as by a power cut.
    Kill(String),
    /// Ask a server to stop.
    Stop(String),
    /// Start it again.
    Start(String),
    /// Show the map now.
    Map,
    /// Show what waits in queues.
    Queues,
    /// Send no more, and account.
    Quit,
}

/// How a way between two servers behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Everything passes.
    #[default]
    Through,
    /// Connections are reset.
    Cut,
    /// Nothing is answered.
    BlackHole,
    /// Everything takes this much longer, and only so many octets pass in a second.
    Slow {
        /// The delay.
        delay: Duration,
        /// The octets, at least 1.
        rate: u32,
    },
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Through => f.write_str("open"),
            Self::Cut => f.write_str("CUT"),
            Self::BlackHole => f.write_str("BLACK HOLE"),
            Self::Slow { delay, rate } => {
                write!(f, "slow ({} ms, {rate} octets/s)", delay.as_millis())
            }
        }
    }
}

/// Why a line isn't a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CommandFault(String);

/// What there is.
pub(crate) const HELP: &str = "commands: cut|heal|blackhole LINK [one-way], slow LINK [DELAY] [OCTETS/S] [one-way], \
     kill|stop|start SERVER, map, queues, quit";
/// The longest delay and the longest wait of a script.
const SPAN_MAX: Duration = Duration::from_secs(24 * 60 * 60);

impl Command {
    /// From a line.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(line: &str) -> Result<Self, CommandFault> {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        let one_way = words.last() == Some(&"one-way");
        if one_way {
            words.pop();
        }
        let mode = |mode: Mode, name: &str| Self::Link {
            name: name.to_owned(),
            one_way,
            mode,
        };
        let command = match words.as_slice() {
            ["cut", link] => mode(Mode::Cut, link),
            ["heal", link] => mode(Mode::Through, link),
            ["blackhole", link] => mode(Mode::BlackHole, link),
            ["slow", link, more @ ..] if more.len() <= 2 => {
                let delay = more.first().map(|text| parse_span(text)).transpose();
                let delay = delay?.unwrap_or(Duration::from_millis(500));
                let rate = more.get(1).map(|text| text.parse::<u32>());
                let rate = rate.unwrap_or(Ok(10_000)).ok().filter(|rate| *rate > 0);
                let Some(rate) = rate else {
                    return Err(CommandFault("octets per second are a number from 1".into()));
                };
                mode(Mode::Slow { delay, rate }, link)
            }
            _ if one_way => return Err(unknown(line)),
            ["kill", server] => Self::Kill((*server).to_owned()),
            ["stop", server] => Self::Stop((*server).to_owned()),
            ["start", server] => Self::Start((*server).to_owned()),
            ["map"] => Self::Map,
            ["queues"] => Self::Queues,
            ["quit"] => Self::Quit,
            _ => return Err(unknown(line)),
        };
        Ok(command)
    }
}

fn unknown(line: &str) -> CommandFault {
    let line: String = line.chars().take(60).flat_map(char::escape_debug).collect();
    CommandFault(format!("'{line}' is no command; {HELP}"))
}

/// A span of time: `500ms`, `10s`, `2m`; a number alone is seconds.
///
/// # Errors
/// If it is none, or longer than a day.
pub fn parse_span(text: &str) -> Result<Duration, CommandFault> {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(end);
    let number: Option<u64> = number.parse().ok();
    let millis = number.and_then(|number| match unit {
        "ms" => Some(number),
        "" | "s" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        _ => None,
    });
    let span = millis.map(Duration::from_millis);
    span.filter(|span| *span <= SPAN_MAX).ok_or_else(|| {
        let text: String = text.chars().take(20).flat_map(char::escape_debug).collect();
        CommandFault(format!("'{text}' is no span of time, as 500ms, 10s or 2m"))
    })
}

/// Commands with the time after the beginning of the traffic at which each is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// In the order of time.
    pub steps: Vec<(Duration, Command)>,
}

impl Script {
    /// From lines as `after 10s cut ams-nyc`; empty ones and those that begin with `#` say nothing.
    ///
    /// # Errors
    /// With the line that can't be read.
    pub fn parse(text: &str) -> Result<Self, CommandFault> {
        let mut steps = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let at = |why: String| CommandFault(format!("line {}: {why}", number + 1));
            let rest = line.strip_prefix("after ");
            let rest = rest.and_then(|rest| rest.trim_start().split_once(' '));
            let Some((span, command)) = rest else {
                return Err(at("`after TIME COMMAND` is expected".to_owned()));
            };
            let span = parse_span(span).map_err(|fault| at(fault.0))?;
            let command = Command::parse(command).map_err(|fault| at(fault.0))?;
            steps.push((span, command));
        }
        steps.sort_by_key(|(span, _)| *span);
        Ok(Self { steps })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_commands() {
        let link = |name: &str, one_way, mode| Command::Link {
            name: name.to_owned(),
            one_way,
            mode,
        };
        for (line, command) in [
            ("cut ams-nyc", link("ams-nyc", false, Mode::Cut)),
            (
                " heal  ams-nyc one-way ",
                link("ams-nyc", true, Mode::Through),
            ),
            ("blackhole a-b", link("a-b", false, Mode::BlackHole)),
            (
                "slow a-b 2s 100 one-way",
                link(
                    "a-b",
                    true,
                    Mode::Slow {
                        delay: Duration::from_secs(2),
                        rate: 100,
                    },
                ),
            ),
            ("kill ams1", Command::Kill("ams1".to_owned())),
            ("quit", Command::Quit),
        ] {
            assert_eq!(Command::parse(line).unwrap(), command);
        }
        for line in [
            "",
            "cut",
            "kill ams1 one-way",
            "slow a-b 1s 0",
            "slow a-b 1h",
            "explode",
        ] {
            assert!(Command::parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_script_is_in_the_order_of_time_and_names_lines() {
        let script = Script::parse("# try\n\nafter 20s heal a-b\nafter 500ms cut a-b\n").unwrap();
        let times: Vec<u128> = script.steps.iter().map(|(at, _)| at.as_millis()).collect();
        assert_eq!(times, [500, 20_000]);
        let why = Script::parse("after 1s map\ncut a-b").unwrap_err();
        assert!(why.to_string().starts_with("line 2: "));
        assert!(Script::parse("after 99999999999999999999s map").is_err());
    }
}
