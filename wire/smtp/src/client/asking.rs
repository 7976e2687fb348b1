//! Asking another server for mail that waits there: ETRN (RFC 1985) and ATRN (RFC 2645).
//!
//! Guards: a line that is too long for other servers isn't made; only the one reply that says so turns the connection round.

use crate::reply::ServerReply;
use bridgehead_mail::Domain;

/// RFC 5321 §4.5.3.1.4: so many octets of a command line any server takes, its CRLF included.
const LINE_OCTETS_MAX: usize = 512;

/// A question for mail that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking<'a> {
    /// ETRN: the other server sends what waits for this domain to where it would send it anyway.
    Etrn(&'a Domain),
    /// ATRN: what waits for these domains comes over this connection; without any, all that the user may have.
    Atrn(&'a [Domain]),
}

/// What the other server makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Mail is on its way, over connections of its own.
    Sends,
    /// Nothing waits.
    Nothing,
    /// This side is the server now, and says so by its greeting (RFC 2645 §5.3).
    Turned,
    /// Not now.
    NotNow,
    /// Not this user or this domain, or not by this command.
    Never,
}

impl Asking<'_> {
    /// The command, without its CRLF; none if it would be too long.
    #[must_use]
    pub fn line(&self) -> Option<String> {
        let line = match self {
            Self::Etrn(domain) => format!("ETRN {domain}"),
            Self::Atrn([]) => "ATRN".to_owned(),
            Self::Atrn(domains) => {
                let domains: Vec<&str> = domains.iter().map(Domain::as_str).collect();
                format!("ATRN {}", domains.join(","))
            }
        };
        (line.len() + 2 <= LINE_OCTETS_MAX).then_some(line)
    }

    /// What the reply means.
    #[must_use]
    pub const fn answer(&self, reply: &ServerReply) -> Answer {
        match (self, reply.code) {
            // RFC 1985 §5.2: 251 is the one that says that nothing waits.
            (Self::Etrn(_), 251) => Answer::Nothing,
            (Self::Etrn(_), 200..300) => Answer::Sends,
            // RFC 1985 §5.2: not allowed to do this for the domain, whatever its first digit says.
            (Self::Etrn(_), 459) => Answer::Never,
            // RFC 2645 §5.2: only 250 turns; no other success is known.
            (Self::Atrn(_), 250) => Answer::Turned,
            (Self::Atrn(_), 453) => Answer::Nothing,
            (Self::Atrn(_), 450) => Answer::Never,
            (_, 400..500) => Answer::NotNow,
            _ => Answer::Never,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_the_domains() {
        let one = Domain::parse("a.example").unwrap();
        let two = [one.clone(), Domain::parse("b.example").unwrap()];
        let line = |asking: Asking<'_>| asking.line().unwrap();
        assert_eq!(line(Asking::Etrn(&one)), "ETRN a.example");
        assert_eq!(line(Asking::Atrn(&two)), "ATRN a.example,b.example");
        assert_eq!(line(Asking::Atrn(&[])), "ATRN");
        let long = vec![Domain::parse(&format!("{}.example", "a".repeat(60))).unwrap(); 8];
        assert_eq!(Asking::Atrn(&long).line(), None);
        let fits = &long[..7];
        assert!(Asking::Atrn(fits).line().unwrap().len() <= 510);
    }

    #[test]
    fn replies_mean_what_the_rfcs_say() {
        let domain = Domain::parse("a.example").unwrap();
        let mean = |asking: Asking<'_>, code| {
            let lines = vec![String::new()];
            asking.answer(&ServerReply { code, lines })
        };
        for (code, etrn, atrn) in [
            (250, Answer::Sends, Answer::Turned),
            (251, Answer::Nothing, Answer::Never),
            (252, Answer::Sends, Answer::Never),
            (253, Answer::Sends, Answer::Never),
            (354, Answer::Never, Answer::Never),
            (450, Answer::NotNow, Answer::Never),
            (451, Answer::NotNow, Answer::NotNow),
            (453, Answer::NotNow, Answer::Nothing),
            (458, Answer::NotNow, Answer::NotNow),
            (459, Answer::Never, Answer::NotNow),
            (500, Answer::Never, Answer::Never),
            (502, Answer::Never, Answer::Never),
            (530, Answer::Never, Answer::Never),
        ] {
            assert_eq!(mean(Asking::Etrn(&domain), code), etrn, "{code}");
            assert_eq!(mean(Asking::Atrn(&[]), code), atrn, "{code}");
        }
    }
}
