//! `X-JOURNEY=groups/servers`: the parameter of MAIL by which servers of an organisation tell each other the way of a message.
//!
//! The names are xtext (RFC 3461 §4), in which `,` and `/` are written as hexadecimal too; both lists may be empty. Guards: what is
//! written can be read, and fits a command line of a member session.

use crate::command::xtext;
use bridgehead_mail::Journey;

/// Octets of a command line that a member may send.
pub const MEMBER_COMMAND_OCTETS_MAX: usize = 16 * 1024;
/// What is left of it for the journey: paths, sizes and wishes need the rest.
const JOURNEY_OCTETS_MAX: usize = 12 * 1024;

/// From the value of the parameter; none if it is no journey.
pub(crate) fn parse(value: &str) -> Option<Journey> {
    let (groups, servers) = value.split_once('/')?;
    let journey = Journey {
        groups: names(groups)?,
        servers: names(servers)?,
    };
    fits(&journey).then_some(journey)
}

fn names(text: &str) -> Option<Vec<Box<str>>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let plain = |name: &str| !name.contains('/') && name.is_ascii();
    text.split(',')
        .take(Journey::NAMES_MAX + 1)
        .map(|name| {
            let text = plain(name).then(|| xtext(name))??;
            Some(text.as_str().into())
        })
        .collect()
}

fn fits(journey: &Journey) -> bool {
    journey.groups.len().saturating_add(journey.servers.len()) <= Journey::NAMES_MAX
}

/// The value of the parameter; none if the journey is too long to be told.
pub(crate) fn write(journey: &Journey) -> Option<String> {
    let mut value = String::new();
    write_names(&journey.groups, &mut value);
    value.push('/');
    write_names(&journey.servers, &mut value);
    (fits(journey) && value.len() <= JOURNEY_OCTETS_MAX).then_some(value)
}

fn write_names(names: &[Box<str>], value: &mut String) {
    for (number, name) in names.iter().enumerate() {
        if number > 0 {
            value.push(',');
        }
        for byte in name.bytes() {
            match byte {
                b'+' | b'=' | b',' | b'/' => value.push_str(&format!("+{byte:02X}")),
                b'!'..=b'~' => value.push(char::from(byte)),
                _ => value.push_str(&format!("+{byte:02X}")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journey(groups: &[&str], servers: &[&str]) -> Journey {
        let boxed = |names: &[&str]| names.iter().map(|name| (*name).into()).collect();
        Journey {
            groups: boxed(groups),
            servers: boxed(servers),
        }
    }

    #[test]
    fn what_is_written_can_be_read() {
        for journey in [
            journey(&[], &[]),
            journey(&["a"], &[]),
            journey(&[], &["s1", "s2"]),
            journey(&["a,b", "c/d", "e+f=g"], &["K\u{f6}ln", "x y"]),
        ] {
            let written = write(&journey).unwrap();
            assert!(
                written.bytes().all(|byte| byte.is_ascii_graphic()),
                "{written}"
            );
            assert_eq!(parse(&written), Some(journey));
        }
        assert_eq!(write(&journey(&[], &[])).unwrap(), "/");
        assert_eq!(write(&journey(&["a", "b"], &["s"])).unwrap(), "a,b/s");
    }

    #[test]
    fn what_is_no_journey_is_not_read() {
        for value in [
            "",
            "a",
            "a,b",
            "a/b/c",
            ",/",
            "a,/",
            "/,",
            "/a,,b",
            "+4/",
            "+4a/",
            "+00/",
            "a=b/",
            "K\u{f6}ln/",
        ] {
            assert_eq!(parse(value), None, "{value}");
        }
    }

    #[test]
    fn names_are_counted() {
        let most = vec!["a"; Journey::NAMES_MAX - 1];
        let full = journey(&most, &["s"]);
        assert_eq!(parse(&write(&full).unwrap()), Some(full));
        let beyond = journey(&most, &["s", "t"]);
        assert_eq!(write(&beyond), None);
        let text = format!("{}/s,t", most.join(","));
        assert_eq!(parse(&text), None);
        let long = "a".repeat(400);
        let many = vec![&*long; 40];
        assert_eq!(write(&journey(&many, &[])), None, "too long for a line");
    }
}
