//! The decoder of message content: finds the end of DATA, undoes dot-stuffing (RFC 5321 §4.5.2), judges line ends.
//!
//! Guards: only CRLF.CRLF ends DATA, whatever stands around it (RFC 5321 §4.1.1.4), so that no other server can
//! see an end where we see none. Hands out slices of its input; nothing is copied. May refuse bare CR or LF, NUL,
//! and long lines: it then goes on to the true end, and the refusal is said there.

use bridgehead_mail::Refusal;

const CRLF: &[u8] = b"\r\n";

/// What a decoder lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Whether a dot on a line of its own ends the message: DATA yes, BDAT no.
    pub dots: bool,
    /// Whether a CR or LF that stands alone becomes CRLF; else it is a fault.
    pub normalise: bool,
    /// Octets of a line with its end; none is no limit.
    pub line_max: Option<u64>,
}

/// Where in the message the decoder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// After CRLF, or at the very beginning.
    LineStart,
    /// After a dot at the start of a line; the dot was not handed out.
    Dot,
    /// After that dot and a CR; neither was handed out.
    DotCr,
    /// In a line.
    Text,
    /// After a CR in a line; it was not handed out.
    Cr,
    /// A CRLF is to be handed out in the place of a bare CR or LF.
    Owed,
    /// The end was found.
    End,
}

/// What one step of the decoder gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step<'a> {
    /// Octets of input that are done with.
    pub eaten: usize,
    /// Content. Empty once there is a fault.
    pub text: &'a [u8],
    /// Whether the end of the message was reached.
    pub end: bool,
}

impl<'a> Step<'a> {
    const fn more(eaten: usize, text: &'a [u8]) -> Self {
        let end = false;
        Self { eaten, text, end }
    }
}

/// The decoder. Its memory doesn't grow.
#[derive(Clone, Debug)]
pub struct Decoder {
    rules: Rules,
    place: Place,
    /// Octets of the line so far.
    line: u64,
    fault: Option<Refusal>,
}

impl Decoder {
    /// At the beginning of a message.
    #[must_use]
    pub const fn new(rules: Rules) -> Self {
        Self {
            rules,
            place: Place::LineStart,
            line: 0,
            fault: None,
        }
    }

    /// The first fault of the content so far.
    #[must_use]
    pub const fn fault(&self) -> Option<Refusal> {
        self.fault
    }

    /// Goes on through `input`. Call it again with what was not eaten, until a step neither eats nor gives.
    pub fn step<'a>(&mut self, input: &'a [u8]) -> Step<'a> {
        let step = self.advance(input);
        if self.fault.is_some() {
            return Step { text: &[], ..step };
        }
        step
    }

    /// Whether nothing is held back: [`Self::finish`] would give nothing and find no fault.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        !matches!(self.place, Place::Cr | Place::Owed)
    }

    /// The end of content that has no dot: what is still owed to the reader. A CR at the very end stood alone.
    pub fn finish(&mut self) -> &'static [u8] {
        let owed = match self.place {
            Place::Cr => {
                self.bare();
                self.place == Place::Owed
            }
            Place::Owed => true,
            _ => false,
        };
        self.place = Place::End;
        if owed { CRLF } else { &[] }
    }

    fn advance<'a>(&mut self, input: &'a [u8]) -> Step<'a> {
        let Some(first) = input.first().copied() else {
            return match self.place {
                Place::Owed => self.pay(),
                _ => Step::more(0, &[]),
            };
        };
        match (self.place, first) {
            (Place::End, _) => Step::more(0, &[]),
            (Place::Owed, _) => self.pay(),
            // RFC 5321 §4.5.2: a line of a dot alone ends the mail data.
            (Place::DotCr, b'\n') => {
                self.place = Place::End;
                Step {
                    eaten: 1,
                    text: &[],
                    end: true,
                }
            }
            (Place::Cr, b'\n') => {
                self.place = Place::LineStart;
                self.end_line(2);
                Step::more(1, CRLF)
            }
            (Place::DotCr | Place::Cr, _) => {
                self.bare();
                match self.place {
                    Place::Owed => self.pay(),
                    _ => self.run(input),
                }
            }
            (Place::LineStart, b'.') if self.rules.dots => {
                self.place = Place::Dot;
                Step::more(1, &[])
            }
            (Place::Dot, b'\r') => {
                self.place = Place::DotCr;
                Step::more(1, &[])
            }
            (Place::LineStart | Place::Dot | Place::Text, _) => self.run(input),
        }
    }

    /// Hands out as many whole lines as lie together without a dot to take away.
    fn run<'a>(&mut self, input: &'a [u8]) -> Step<'a> {
        self.place = Place::Text;
        let mut at = 0;
        while let Some(rest) = input.get(at..) {
            let Some(offset) = memchr::memchr3(b'\r', b'\n', 0, rest) else {
                self.count(rest.len());
                return Step::more(input.len(), input);
            };
            let found = at + offset;
            self.count(offset);
            match (input.get(found), input.get(found + 1)) {
                (Some(b'\r'), Some(b'\n')) => {
                    at = found + 2;
                    self.end_line(2);
                    // RFC 5321 §4.5.2: a dot that begins a line is examined.
                    if self.rules.dots && input.get(at) == Some(&b'.') {
                        self.place = Place::Dot;
                        return Step::more(at + 1, head(input, at));
                    }
                    if at == input.len() {
                        self.place = Place::LineStart;
                        return Step::more(at, input);
                    }
                }
                (Some(b'\r'), None) => {
                    self.place = Place::Cr;
                    return Step::more(found + 1, head(input, found));
                }
                (Some(0), _) => {
                    // RFC 5321 §4.5.2 and RFC 6152: NUL is in neither kind of text.
                    self.fail(Refusal::NulOctet);
                    at = found + 1;
                }
                _ => {
                    self.bare();
                    return Step::more(found + 1, head(input, found));
                }
            }
        }
        Step::more(input.len(), input)
    }

    /// A CR or LF stood alone. The line goes on as far as dots are concerned: only CRLF begins a new one.
    fn bare(&mut self) {
        if self.rules.normalise {
            self.end_line(2);
        } else {
            self.fail(Refusal::BareLineEnd);
        }
        // After a fault nothing is handed out, so that nothing is owed.
        self.place = match self.fault {
            None => Place::Owed,
            Some(_) => Place::Text,
        };
    }

    fn pay<'a>(&mut self) -> Step<'a> {
        self.place = Place::Text;
        Step::more(0, CRLF)
    }

    fn count(&mut self, octets: usize) {
        self.line = self.line.saturating_add(octets as u64);
        if self.rules.line_max.is_some_and(|most| self.line > most) {
            self.fail(Refusal::TextLineTooLong);
        }
    }

    fn end_line(&mut self, octets: usize) {
        self.count(octets);
        self.line = 0;
    }

    fn fail(&mut self, refusal: Refusal) {
        self.fault.get_or_insert(refusal);
    }
}

fn head(input: &[u8], end: usize) -> &[u8] {
    input.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REFUSE: Rules = Rules {
        dots: true,
        normalise: false,
        line_max: None,
    };
    const NORMALISE: Rules = Rules {
        normalise: true,
        ..REFUSE
    };

    /// Decodes input that comes in pieces; gives content, fault and how many octets were eaten up to the end.
    fn decode(rules: Rules, pieces: &[&[u8]]) -> (Vec<u8>, Option<Refusal>, Option<usize>) {
        let mut decoder = Decoder::new(rules);
        let (mut text, mut eaten) = (Vec::new(), 0);
        for piece in pieces {
            let mut rest = *piece;
            loop {
                let step = decoder.step(rest);
                text.extend_from_slice(step.text);
                rest = &rest[step.eaten..];
                eaten += step.eaten;
                if step.end {
                    return (text, decoder.fault(), Some(eaten));
                }
                if step.eaten == 0 && step.text.is_empty() {
                    break;
                }
            }
            assert!(rest.is_empty(), "the decoder must eat all it is given");
        }
        (text, decoder.fault(), None)
    }

    fn whole(rules: Rules, input: &str) -> (String, Option<Refusal>, Option<usize>) {
        let (text, fault, end) = decode(rules, &[input.as_bytes()]);
        (String::from_utf8(text).unwrap(), fault, end)
    }

    #[test]
    fn dots_are_undone_and_the_end_is_found() {
        for (input, content) in [
            (".\r\n", ""),
            ("a\r\n.\r\n", "a\r\n"),
            ("..\r\n.\r\n", ".\r\n"),
            ("..a\r\n...\r\n.\r\n", ".a\r\n..\r\n"),
            (".a\r\n.\r\n", "a\r\n"),
            ("a.\r\n.b.\r\n\r\n.\r\n", "a.\r\nb.\r\n\r\n"),
        ] {
            assert_eq!(
                whole(REFUSE, input),
                (content.into(), None, Some(input.len())),
                "{input:?}"
            );
            assert_eq!(
                whole(NORMALISE, input),
                (content.into(), None, Some(input.len())),
                "{input:?}"
            );
        }
    }

    #[test]
    fn no_other_sequence_ends_data() {
        for not_end in [
            "\n.\n",
            "\n.\r\n",
            "\r.\r\n",
            "\r\n.\n",
            "\r\n.\r",
            "\r.\r",
            "\n.\r",
            "\r\n\0.\r\n",
            "\r\n.\r\r\n",
            "\r\n.\0\r\n",
            "\r\r\n.\n",
            "\n\n.\r\n",
            "\r\n .\r\n",
            "\r\n. \r\n",
        ] {
            let input = format!("a{not_end}b\r\n.\r\n");
            let plain = !not_end.contains('\0') && not_end.contains(' ');
            let (_, fault, end) = whole(REFUSE, &input);
            assert_eq!(
                (fault.is_none(), end),
                (plain, Some(input.len())),
                "{input:?}"
            );
            let (_, _, end) = whole(NORMALISE, &input);
            assert_eq!(end, Some(input.len()), "{input:?}");
        }
    }

    #[test]
    fn lone_line_ends_become_crlf_where_that_is_asked_for() {
        for (input, content) in [
            ("a\nb\r\n.\r\n", "a\r\nb\r\n"),
            ("a\rb\r\n.\r\n", "a\r\nb\r\n"),
            ("\n\n\r\r\r\n.\r\n", "\r\n\r\n\r\n\r\n\r\n"),
            ("a\n.\r\n.\r\n", "a\r\n.\r\n"),
            ("a\n..b\r\n.\r\n", "a\r\n..b\r\n"),
            ("a\r\n.\rb\r\n.\r\n", "a\r\n\r\nb\r\n"),
        ] {
            assert_eq!(
                whole(NORMALISE, input),
                (content.into(), None, Some(input.len())),
                "{input:?}"
            );
        }
    }

    #[test]
    fn a_fault_is_kept_and_nothing_is_handed_out_after_it() {
        let (text, fault, _) = whole(REFUSE, "abc\ndef\0\r\nghi\r\n.\r\n");
        assert_eq!((text.as_str(), fault), ("", Some(Refusal::BareLineEnd)));
        let (_, fault, _) = whole(NORMALISE, "abc\0\r\n.\r\n");
        assert_eq!(fault, Some(Refusal::NulOctet));
    }

    #[test]
    fn a_line_is_long_only_beyond_the_limit() {
        let rules = Rules {
            line_max: Some(5),
            ..REFUSE
        };
        assert_eq!(whole(rules, "abc\r\nabc\r\n.\r\n").1, None);
        assert_eq!(
            whole(rules, "abcd\r\n.\r\n").1,
            Some(Refusal::TextLineTooLong)
        );
        let (_, fault, _) = decode(rules, &[b"ab", b"cd", b"\r", b"\n"]);
        assert_eq!(fault, Some(Refusal::TextLineTooLong));
    }

    #[test]
    fn without_dots_the_end_is_said_from_outside() {
        let rules = Rules {
            dots: false,
            ..REFUSE
        };
        let mut decoder = Decoder::new(rules);
        let step = decoder.step(b".\r\n.\r\n\r");
        assert_eq!(
            (step.eaten, step.text, step.end),
            (7, &b".\r\n.\r\n"[..], false)
        );
        assert!(decoder.finish().is_empty());
        assert_eq!(decoder.fault(), Some(Refusal::BareLineEnd));
        let mut decoder = Decoder::new(Rules {
            normalise: true,
            ..rules
        });
        assert_eq!(decoder.step(b"a\r").text, b"a");
        assert_eq!(decoder.finish(), CRLF);
        assert_eq!(decoder.fault(), None);
    }

    /// Octets that mean something to the decoder, far more often than chance would have them.
    fn odd_octets() -> impl Strategy<Value = Vec<u8>> {
        let octet = prop_oneof![
            4 => Just(b'\r'), 4 => Just(b'\n'), 4 => Just(b'.'), 4 => Just(b'a'), 1 => Just(0), 1 => any::<u8>(),
        ];
        proptest::collection::vec(octet, 0..60)
    }

    proptest! {
        #[test]
        fn splitting_the_input_changes_nothing(input in odd_octets(), cut in 0_usize..60, cut_2 in 0_usize..60) {
            for rules in [REFUSE, NORMALISE] {
                let whole = decode(rules, &[&input]);
                let (a, b) = (cut.min(cut_2).min(input.len()), cut.max(cut_2).min(input.len()));
                let parts = decode(rules, &[&input[..a], &input[a..b], &input[b..]]);
                prop_assert_eq!(whole.1, parts.1);
                prop_assert_eq!(whole.2, parts.2);
                if whole.1.is_none() && whole.2.is_some() {
                    prop_assert_eq!(whole.0, parts.0);
                }
                let octets: Vec<&[u8]> = input.chunks(1).collect();
                let single = decode(rules, &octets);
                prop_assert_eq!((whole.1, whole.2), (single.1, single.2));
            }
        }

        #[test]
        fn the_end_is_the_first_crlf_dot_crlf(input in odd_octets()) {
            let mut framed = b"\r\n".to_vec();
            framed.extend_from_slice(&input);
            let end = framed.windows(5).position(|five| five == b"\r\n.\r\n").map(|at| at + 3);
            for rules in [REFUSE, NORMALISE] {
                prop_assert_eq!(decode(rules, &[&input]).2, end);
            }
        }

        #[test]
        fn clean_content_comes_out_as_it_was_and_has_no_lone_line_end(input in odd_octets()) {
            let mut stuffed = input.clone();
            stuffed.extend_from_slice(b"\r\n.\r\n");
            let (text, fault, end) = decode(NORMALISE, &[&stuffed]);
            if fault.is_none() && end == Some(stuffed.len()) {
                for (at, octet) in text.iter().enumerate() {
                    match octet {
                        b'\r' => prop_assert_eq!(text.get(at + 1), Some(&b'\n')),
                        b'\n' => prop_assert_eq!(text[at - 1], b'\r'),
                        _ => {}
                    }
                }
            }
        }
    }
}
