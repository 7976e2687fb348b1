//! Commands (RFC 5321 §4.1) as values.
//!
//! Guards: a command that parsed has well-formed arguments and holds no control character. Refuses everything
//! else with the row of the reply table that says why; whether a command is allowed *now* is the session's matter.

mod link_state;
mod parameters;
mod path;
mod wishes;

use bridgehead_mail::{BodyKind, Domain, DsnText, Handling, Journey, Refusal, Ret, ReversePath};
pub use link_state::{LINK_STATE_OCTETS_MAX, LinkState};
pub(crate) use parameters::xtext;
pub use path::ForwardPath;

/// One command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// `EHLO`, with what the client calls itself (RFC 5321 §4.1.1.1).
    Ehlo(&'a str),
    /// `HELO`, with what the client calls itself.
    Helo(&'a str),
    /// `MAIL FROM:` (RFC 5321 §4.1.1.2).
    Mail(Mail),
    /// `RCPT TO:` (RFC 5321 §4.1.1.3).
    Rcpt(Rcpt),
    /// `DATA` (RFC 5321 §4.1.1.4).
    Data,
    /// `BDAT` (RFC 3030 §2): so many octets follow.
    Bdat {
        /// Octets in the chunk; a number that is too large to hold is the largest.
        size: u64,
        /// Whether the message ends with it.
        last: bool,
    },
    /// `RSET` (RFC 5321 §4.1.1.5).
    Rset,
    /// `VRFY` (RFC 5321 §4.1.1.6); its argument is never looked at.
    Vrfy,
    /// `EXPN` (RFC 5321 §4.1.1.7); its argument is never looked at.
    Expn,
    /// `HELP` (RFC 5321 §4.1.1.8).
    Help,
    /// `NOOP` (RFC 5321 §4.1.1.9).
    Noop,
    /// `QUIT` (RFC 5321 §4.1.1.10).
    Quit,
    /// `ETRN` (RFC 1985 §5): send what waits for a domain.
    Etrn(Domain),
    /// `ATRN` (RFC 2645 §5.2): turn the connection round, for what waits for these domains; without any, for all that waits.
    Atrn(Vec<Domain>),
    /// `STARTTLS` (RFC 3207).
    StartTls,
    /// `AUTH` (RFC 4954 §4).
    Auth {
        /// The SASL mechanism as written.
        mechanism: &'a str,
        /// The initial response in base 64; `=` (empty) is given as it is.
        initial: Option<&'a str>,
    },
}

/// The arguments of MAIL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Who is told of failures.
    pub reverse_path: ReversePath,
    /// `SIZE=` (RFC 1870 §5), in octets.
    pub size: Option<u64>,
    /// `BODY=` (RFC 6152 §2, RFC 3030 §3).
    pub body: BodyKind,
    /// `SMTPUTF8` (RFC 6531 §3.4).
    pub smtputf8: bool,
    /// `RET=` (RFC 3461 §4.3).
    pub ret: Option<Ret>,
    /// `ENVID=` (RFC 3461 §4.4).
    pub envid: Option<DsnText>,
    /// `MT-PRIORITY=`, `HOLDFOR=`, `HOLDUNTIL=` and `BY=` (RFC 6710, RFC 4865 §3, RFC 2852).
    pub handling: Handling,
    /// Whether MT-PRIORITY was said, be it 0.
    pub level_said: bool,
    /// `X-JOURNEY=`, which only members may say; that it can't be read is only told to them.
    pub journey: Option<Result<Box<Journey>, Refusal>>,
    /// Whether there was any parameter: only after EHLO are they offered.
    pub extended: bool,
    /// Whether the line has octets beyond ASCII.
    pub international: bool,
}

/// The arguments of RCPT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rcpt {
    /// To whom.
    pub forward_path: ForwardPath,
    /// `NOTIFY=` (RFC 3461 §4.1).
    pub notify: bridgehead_mail::Notify,
    /// `ORCPT=` (RFC 3461 §4.2).
    pub orcpt: Option<bridgehead_mail::Orcpt>,
    /// Whether there was any parameter: only after EHLO are they offered.
    pub extended: bool,
    /// Whether the line has octets beyond ASCII.
    pub international: bool,
}

impl<'a> Command<'a> {
    /// From a line without its line end.
    ///
    /// # Errors
    /// The refusal to answer with.
    pub fn parse(line: &'a [u8]) -> Result<Self, Refusal> {
        let text = std::str::from_utf8(line).map_err(|_| Refusal::BadCommandOctets)?;
        // A CR or LF alone can't hide in a command (RFC 5321 §2.3.8), nor can a NUL.
        if text.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(Refusal::BadCommandOctets);
        }
        // RFC 5321 §4.1.1: trailing white space is tolerated.
        let text = text.trim_end_matches(' ');
        let (verb, rest) = match text.split_once(' ') {
            Some((verb, rest)) => (verb, rest.trim_start_matches(' ')),
            None => (text, ""),
        };
        let mut upper = [0; 8];
        let Some(upper) = upper.get_mut(..verb.len()) else {
            return Err(Refusal::UnknownCommand);
        };
        upper.copy_from_slice(verb.as_bytes());
        upper.make_ascii_uppercase();
        Self::of_verb(upper, rest)
    }

    fn of_verb(verb: &[u8], rest: &'a str) -> Result<Self, Refusal> {
        match verb {
            b"MAIL" => parameters::mail(rest).map(Self::Mail),
            b"RCPT" => parameters::rcpt(rest).map(Self::Rcpt),
            b"BDAT" => bdat(rest),
            b"DATA" => alone(rest, Self::Data),
            b"EHLO" => Ok(Self::Ehlo(hello(rest)?)),
            b"HELO" => Ok(Self::Helo(hello(rest)?)),
            b"RSET" => alone(rest, Self::Rset),
            b"QUIT" => alone(rest, Self::Quit),
            b"ETRN" => etrn(rest),
            b"ATRN" => atrn(rest),
            b"STARTTLS" => alone(rest, Self::StartTls),
            // RFC 5321 §4.1.1.9: the argument of NOOP is ignored.
            b"NOOP" => Ok(Self::Noop),
            b"HELP" => Ok(Self::Help),
            b"VRFY" if rest.is_empty() => Err(Refusal::BadArguments),
            b"EXPN" if rest.is_empty() => Err(Refusal::BadArguments),
            b"VRFY" => Ok(Self::Vrfy),
            b"EXPN" => Ok(Self::Expn),
            b"AUTH" => auth(rest),
            _ => Err(Refusal::UnknownCommand),
        }
    }
}

fn alone<'a>(rest: &str, command: Command<'a>) -> Result<Command<'a>, Refusal> {
    if rest.is_empty() {
        Ok(command)
    } else {
        Err(Refusal::BadArguments)
    }
}

/// RFC 5321 §4.1.1.1 wants a domain or an address literal. Clients without either are common, so that any one
/// word is taken; nothing is decided by it.
fn hello(rest: &str) -> Result<&str, Refusal> {
    const NAME_OCTETS_MAX: usize = 255;
    if rest.is_empty() || rest.len() > NAME_OCTETS_MAX || rest.contains(' ') {
        return Err(Refusal::BadHello);
    }
    Ok(rest)
}

/// `ETRN SP [ "@" ] domain` (RFC 1985 §5.3). With `@` those below it are meant too; what waits for a domain waits with what is
/// below it, so that both are the same here. `#` names a queue of another kind of server.
fn etrn<'a>(rest: &str) -> Result<Command<'a>, Refusal> {
    let domain = Domain::parse(rest.strip_prefix('@').unwrap_or(rest));
    domain.map(Command::Etrn).map_err(|_| Refusal::BadArguments)
}

/// `ATRN [ SP domain *( "," domain ) ]` (RFC 2645 §5.2).
fn atrn<'a>(rest: &str) -> Result<Command<'a>, Refusal> {
    if rest.is_empty() {
        return Ok(Command::Atrn(Vec::new()));
    }
    let domains: Result<Vec<Domain>, _> = rest.split(',').map(Domain::parse).collect();
    domains
        .map(Command::Atrn)
        .map_err(|_| Refusal::BadArguments)
}

/// `BDAT SP chunk-size [ SP "LAST" ]` (RFC 3030 §2).
fn bdat<'a>(rest: &str) -> Result<Command<'a>, Refusal> {
    let (size, end) = match rest.split_once(' ') {
        Some((size, end)) => (size, Some(end.trim_start_matches(' '))),
        None => (rest, None),
    };
    let last = match end {
        None => false,
        Some(word) if word.eq_ignore_ascii_case("LAST") => true,
        Some(_) => return Err(Refusal::BadChunk),
    };
    let size = parameters::number(size).ok_or(Refusal::BadChunk)?;
    Ok(Command::Bdat { size, last })
}

/// `AUTH SP mechanism [ SP initial-response ]` (RFC 4954 §4).
fn auth(rest: &str) -> Result<Command<'_>, Refusal> {
    let (mechanism, initial) = match rest.split_once(' ') {
        Some((mechanism, initial)) => (mechanism, Some(initial.trim_start_matches(' '))),
        None => (rest, None),
    };
    if mechanism.is_empty() {
        return Err(Refusal::BadArguments);
    }
    Ok(Command::Auth { mechanism, initial })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command<'_>, Refusal> {
        Command::parse(line.as_bytes())
    }

    #[test]
    fn verbs_ignore_case_and_trailing_spaces() {
        assert_eq!(parse("data"), Ok(Command::Data));
        assert_eq!(parse("QuIt  "), Ok(Command::Quit));
        assert_eq!(parse("EHLO  x.example "), Ok(Command::Ehlo("x.example")));
        assert_eq!(parse("NOOP what ever"), Ok(Command::Noop));
    }

    #[test]
    fn unknown_verbs_are_told_from_bad_arguments() {
        for line in [
            "",
            " ",
            "FOO",
            "MAILX",
            "AVERYLONGVERB x",
            "STARTTLSX",
            "\u{e4}\u{f6}",
        ] {
            assert_eq!(parse(line), Err(Refusal::UnknownCommand), "{line:?}");
        }
        for line in [
            "DATA now",
            "RSET x",
            "QUIT x",
            "STARTTLS x",
            "VRFY",
            "EXPN",
            "AUTH",
        ] {
            assert_eq!(parse(line), Err(Refusal::BadArguments), "{line:?}");
        }
    }

    #[test]
    fn control_characters_and_broken_utf8_are_refused() {
        for line in [
            &b"NOOP\rx"[..],
            b"NOOP\0",
            b"NOOP \t",
            b"NOOP \x7f",
            b"NOOP \xff",
            b"NO\nOP",
        ] {
            assert_eq!(Command::parse(line), Err(Refusal::BadCommandOctets));
        }
    }

    #[test]
    fn hello_needs_one_word() {
        assert_eq!(parse("EHLO"), Err(Refusal::BadHello));
        assert_eq!(parse("HELO a b"), Err(Refusal::BadHello));
        let long = format!("EHLO {}", "a".repeat(256));
        assert_eq!(parse(&long), Err(Refusal::BadHello));
    }

    #[test]
    fn chunks_have_a_size_that_cannot_be_misread() {
        let chunk = |size, last| Ok(Command::Bdat { size, last });
        assert_eq!(parse("BDAT 0 LAST"), chunk(0, true));
        assert_eq!(parse("bdat 17"), chunk(17, false));
        assert_eq!(
            parse("BDAT 99999999999999999999999"),
            chunk(u64::MAX, false)
        );
        for line in [
            "BDAT",
            "BDAT x",
            "BDAT -1",
            "BDAT +1",
            "BDAT 1 LST",
            "BDAT 0x10",
            "BDAT 1 LAST x",
        ] {
            assert_eq!(parse(line), Err(Refusal::BadChunk), "{line:?}");
        }
    }

    #[test]
    fn atrn_takes_domains_or_none() {
        let domain = |text| Domain::parse(text).unwrap();
        assert_eq!(parse("atrn"), Ok(Command::Atrn(Vec::new())));
        let two = vec![domain("a.example"), domain("b.example")];
        assert_eq!(parse("ATRN a.example,B.example "), Ok(Command::Atrn(two)));
        for line in [
            "ATRN ,",
            "ATRN a.example,",
            "ATRN a.example, b.example",
            "ATRN a.example b.example",
            "ATRN @a.example",
            "ATRN *",
        ] {
            assert_eq!(parse(line), Err(Refusal::BadArguments), "{line:?}");
        }
    }

    #[test]
    fn auth_gives_mechanism_and_initial_response() {
        let auth = |mechanism, initial| Ok(Command::Auth { mechanism, initial });
        assert_eq!(parse("AUTH PLAIN"), auth("PLAIN", None));
        assert_eq!(
            parse("AUTH PLAIN AGEAYg=="),
            auth("PLAIN", Some("AGEAYg=="))
        );
    }
}
