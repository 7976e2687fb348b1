//! Reverse-path and forward-path (RFC 5321 §4.1.2).
//!
//! Guards: the closing bracket is found outside quotes only, so that nothing can hide behind it. Source routes
//! are read and thrown away (RFC 5321 §4.1.1.3, appendix C).

use bridgehead_mail::{Address, ReversePath};

/// To whom a message goes, as RCPT names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForwardPath {
    /// `<postmaster>` without a domain: the postmaster of this very host (RFC 5321 §4.5.1).
    Postmaster,
    /// A mailbox.
    Address(Address),
}

/// What stands between the brackets, and what comes after them. None if there are no brackets.
pub(super) fn brackets(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('<')?;
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in inside.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => {
                return Some((inside.get(..at)?, inside.get(at + 1..)?));
            }
            _ => {}
        }
    }
    None
}

/// `Reverse-path = Path / "<>"`.
pub(super) fn reverse(inside: &str) -> Option<ReversePath> {
    if inside.is_empty() {
        return Some(ReversePath::Null);
    }
    let address = Address::parse(without_route(inside)?).ok()?;
    Some(ReversePath::Address(address))
}

/// `Forward-path = Path`, or the bare postmaster in any case.
pub(super) fn forward(inside: &str) -> Option<ForwardPath> {
    let mailbox = without_route(inside)?;
    if mailbox.eq_ignore_ascii_case("postmaster") {
        return Some(ForwardPath::Postmaster);
    }
    Address::parse(mailbox).ok().map(ForwardPath::Address)
}

/// `A-d-l ":"` in front of a mailbox is ignored (RFC 5321 §4.1.2: "MUST BE accepted, SHOULD NOT be generated,
/// and SHOULD be ignored").
fn without_route(inside: &str) -> Option<&str> {
    if inside.starts_with('@') {
        return inside.split_once(':').map(|(_, mailbox)| mailbox);
    }
    Some(inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bracket_inside_quotes_does_not_end_the_path() {
        let (inside, rest) = brackets("<\"a>b\"@x.test> SIZE=1").unwrap();
        assert_eq!((inside, rest), ("\"a>b\"@x.test", " SIZE=1"));
        let (inside, _) = brackets("<\"a\\\">b\"@x.test>").unwrap();
        assert_eq!(inside, "\"a\\\">b\"@x.test");
        assert_eq!(brackets("a@x.test"), None);
        assert_eq!(brackets("<a@x.test"), None);
        assert_eq!(brackets("<\"a@x.test>"), None);
    }

    #[test]
    fn source_routes_are_ignored() {
        let path = reverse("@a.test,@b.test:c@x.test").unwrap();
        assert_eq!(path.to_string(), "<c@x.test>");
        assert_eq!(reverse("@a.test"), None);
    }

    #[test]
    fn postmaster_needs_no_domain_and_others_do() {
        assert_eq!(forward("PostMaster"), Some(ForwardPath::Postmaster));
        assert_eq!(forward("alice"), None);
        assert_eq!(forward(""), None);
        assert_eq!(reverse("postmaster"), None);
    }
}
