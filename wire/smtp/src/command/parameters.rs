//! The arguments of MAIL and RCPT: a path, then ESMTP parameters (RFC 5321 §4.1.2).
//!
//! Guards: each parameter at most once, each value inside its own grammar and length.

use super::{Mail, Rcpt, path, wishes};
use crate::journey;
use bridgehead_mail::{BodyKind, DsnText, Handling, Notify, Orcpt, Refusal, Ret};

/// RFC 3461 §4.4.
const ENVID_OCTETS_MAX: usize = 100;

/// `FROM:` and what follows.
pub(super) fn mail(rest: &str) -> Result<Mail, Refusal> {
    let (inside, parameters) = split(rest, "FROM:").ok_or(Refusal::BadSender)?;
    let mut mail = Mail {
        reverse_path: path::reverse(inside).ok_or(Refusal::BadSender)?,
        size: None,
        body: BodyKind::SevenBit,
        smtputf8: false,
        ret: None,
        envid: None,
        handling: Handling::default(),
        level_said: false,
        journey: None,
        extended: false,
        international: !rest.is_ascii(),
    };
    let mut seen = 0;
    for parameter in parameters.split(' ').filter(|word| !word.is_empty()) {
        mail.extended = true;
        let (key, value) = key_and_value(parameter);
        once(&mut seen, mail_parameter(&mut mail, key, value)?)?;
    }
    Ok(mail)
}

/// Takes one parameter; gives the bit that stands for it.
fn mail_parameter(mail: &mut Mail, key: &str, value: Option<&str>) -> Result<u16, Refusal> {
    const BAD: Refusal = Refusal::BadArguments;
    let is = |name: &str| key.eq_ignore_ascii_case(name);
    if is("SIZE") {
        mail.size = Some(value.and_then(number).ok_or(BAD)?);
        return Ok(1);
    }
    if is("BODY") {
        mail.body = value.and_then(BodyKind::parse).ok_or(BAD)?;
        return Ok(1 << 1);
    }
    if is("SMTPUTF8") {
        mail.smtputf8 = true;
        return if value.is_none() {
            Ok(1 << 2)
        } else {
            Err(BAD)
        };
    }
    if is("RET") {
        mail.ret = Some(value.and_then(Ret::parse).ok_or(BAD)?);
        return Ok(1 << 3);
    }
    if is("ENVID") {
        let fits = value.filter(|text| text.len() <= ENVID_OCTETS_MAX);
        mail.envid = Some(fits.and_then(xtext).ok_or(BAD)?);
        return Ok(1 << 4);
    }
    if is("AUTH") {
        // RFC 4954 §5: who submitted it, by another server's word. We trust nobody's word for it, and a server
        // that doesn't acts as if `<>` had been said.
        let known = value.filter(|text| *text == "<>" || xtext(text).is_some());
        return known.map(|_| 1 << 5).ok_or(BAD);
    }
    if is("X-JOURNEY") {
        let journey = value.and_then(journey::parse).map(Box::new);
        mail.journey = Some(journey.ok_or(BAD));
        return Ok(1 << 9);
    }
    let bit = wish(&mut mail.handling, key, value)?;
    mail.level_said |= is("MT-PRIORITY");
    Ok(bit)
}

/// Takes a wish for the handling of the message.
fn wish(handling: &mut Handling, key: &str, value: Option<&str>) -> Result<u16, Refusal> {
    const BAD: Refusal = Refusal::BadArguments;
    let is = |name: &str| key.eq_ignore_ascii_case(name);
    if is("MT-PRIORITY") {
        handling.level = value.and_then(wishes::level).ok_or(BAD)?;
        return Ok(1 << 6);
    }
    // RFC 4865: one of the two at the most.
    if is("HOLDFOR") {
        handling.hold = Some(value.and_then(wishes::hold_for).ok_or(BAD)?);
        return Ok(1 << 7);
    }
    if is("HOLDUNTIL") {
        handling.hold = Some(value.and_then(wishes::hold_until).ok_or(BAD)?);
        return Ok(1 << 7);
    }
    if is("BY") {
        handling.deliver_by = Some(value.and_then(wishes::by).ok_or(BAD)?);
        return Ok(1 << 8);
    }
    Err(Refusal::UnknownParameter)
}

/// `TO:` and what follows.
pub(super) fn rcpt(rest: &str) -> Result<Rcpt, Refusal> {
    let (inside, parameters) = split(rest, "TO:").ok_or(Refusal::BadRecipient)?;
    let mut rcpt = Rcpt {
        forward_path: path::forward(inside).ok_or(Refusal::BadRecipient)?,
        notify: Notify::Unsaid,
        orcpt: None,
        extended: false,
        international: !rest.is_ascii(),
    };
    let mut seen = 0;
    for parameter in parameters.split(' ').filter(|word| !word.is_empty()) {
        rcpt.extended = true;
        let (key, value) = key_and_value(parameter);
        let bit = if key.eq_ignore_ascii_case("NOTIFY") {
            rcpt.notify = value.and_then(Notify::parse).ok_or(Refusal::BadArguments)?;
            1
        } else if key.eq_ignore_ascii_case("ORCPT") {
            rcpt.orcpt = Some(value.and_then(orcpt).ok_or(Refusal::BadArguments)?);
            1 << 1
        } else {
            return Err(Refusal::UnknownParameter);
        };
        once(&mut seen, bit)?;
    }
    Ok(rcpt)
}

fn once(seen: &mut u16, bit: u16) -> Result<(), Refusal> {
    if *seen & bit != 0 {
        return Err(Refusal::BadArguments);
    }
    *seen |= bit;
    Ok(())
}

/// The inside of the brackets and the parameters. A space after the colon is against the grammar and common.
fn split<'a>(rest: &'a str, keyword: &str) -> Option<(&'a str, &'a str)> {
    let head = rest.get(..keyword.len())?;
    if !head.eq_ignore_ascii_case(keyword) {
        return None;
    }
    let text = rest.get(keyword.len()..)?.trim_start_matches(' ');
    let (inside, after) = path::brackets(text)?;
    // RFC 5321 §4.1.1.2: parameters are set apart by a space.
    (after.is_empty() || after.starts_with(' ')).then_some((inside, after))
}

fn key_and_value(parameter: &str) -> (&str, Option<&str>) {
    match parameter.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (parameter, None),
    }
}

/// Digits only; more than a number can hold is the largest number (RFC 1870 §4: up to 20 digits).
pub(super) fn number(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

/// `addr-type ";" xtext` (RFC 3461 §4.2). The `\x{..}` of the type `utf-8` (RFC 6533 §3) is kept as written.
fn orcpt(value: &str) -> Option<Orcpt> {
    let (kind, address) = value.split_once(';')?;
    let atom = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if !kind.bytes().all(atom) {
        return None;
    }
    Some(Orcpt {
        kind: DsnText::new(kind).ok()?,
        address: xtext(address)?,
    })
}

/// Decodes `xtext` (RFC 3461 §4): `+` and two upper-case hexadecimal digits stand for any octet. UTF-8 may stand
/// for itself (RFC 6533 §3).
pub(crate) fn xtext(text: &str) -> Option<DsnText> {
    if !text.contains('+') && !text.contains('=') {
        return DsnText::new(text).ok();
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => plain.push(hex(bytes.next()?)? << 4 | hex(bytes.next()?)?),
            b'=' => return None,
            _ => plain.push(byte),
        }
    }
    DsnText::new(std::str::from_utf8(&plain).ok()?).ok()
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_of_mail_is_read() {
        let line = "FROM:<a@x.test> size=100 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=Q+2B1 AUTH=<>";
        let mail = mail(line).unwrap();
        assert_eq!(mail.size, Some(100));
        assert_eq!(mail.body, BodyKind::EightBitMime);
        assert!(mail.smtputf8);
        assert_eq!(mail.ret, Some(Ret::Headers));
        assert_eq!(mail.envid.unwrap().as_str(), "Q+1");
    }

    #[test]
    fn every_parameter_of_rcpt_is_read() {
        let rcpt = rcpt("TO:<a@x.test> NOTIFY=success,DELAY ORCPT=rfc822;b+40y.test").unwrap();
        assert!(rcpt.notify.wants_success() && rcpt.notify.wants_delay());
        assert!(!rcpt.notify.wants_failure());
        assert_eq!(rcpt.orcpt.unwrap().address.as_str(), "b@y.test");
    }

    #[test]
    fn bad_parameters_are_refused_with_their_reason() {
        for line in [
            "FROM:<> SIZE",
            "FROM:<> SIZE=",
            "FROM:<> SIZE=-1",
            "FROM:<> SIZE=1 SIZE=1",
            "FROM:<> BODY=9BIT",
            "FROM:<> SMTPUTF8=1",
            "FROM:<> RET=SOME",
            "FROM:<> ENVID=",
            "FROM:<> ENVID=a=b",
            "FROM:<> ENVID=+0D",
            "FROM:<> ENVID=+4",
            "FROM:<> ENVID=+4a",
            "FROM:<> AUTH=",
        ] {
            assert_eq!(mail(line), Err(Refusal::BadArguments), "{line}");
        }
        for line in [
            "TO:<a@x.test> NOTIFY=",
            "TO:<a@x.test> NOTIFY=NEVER,DELAY",
            "TO:<a@x.test> NOTIFY=DELAY,DELAY",
            "TO:<a@x.test> ORCPT=b@y.test",
            "TO:<a@x.test> ORCPT=;b@y.test",
            "TO:<a@x.test> ORCPT=rfc822;",
            "TO:<a@x.test> ORCPT=rfc822;a+0Ab",
        ] {
            assert_eq!(rcpt(line), Err(Refusal::BadArguments), "{line}");
        }
        assert_eq!(mail("FROM:<> FOO=1"), Err(Refusal::UnknownParameter));
        assert_eq!(rcpt("TO:<a@x.test> SIZE=1"), Err(Refusal::UnknownParameter));
        let long = format!("FROM:<> ENVID={}", "a".repeat(101));
        assert_eq!(mail(&long), Err(Refusal::BadArguments));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for line in [
            "",
            "FROM",
            "FROM:",
            "FROM:a@x.test",
            "FROM:<a@x.test",
            "FROM:<a b@x.test>",
            "FROM:<a@x.test>x",
            "TO:<a@x.test>",
        ] {
            assert_eq!(mail(line), Err(Refusal::BadSender), "{line}");
        }
        for line in ["TO:<>", "TO:<alice>", "FROM:<a@x.test>"] {
            assert_eq!(rcpt(line), Err(Refusal::BadRecipient), "{line}");
        }
        assert!(mail("from: <a@x.test>").is_ok());
    }

    #[test]
    fn a_size_beyond_all_numbers_is_the_largest() {
        let mail = mail("FROM:<> SIZE=99999999999999999999").unwrap();
        assert_eq!(mail.size, Some(u64::MAX));
    }
}
