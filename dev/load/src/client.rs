//! One session as the client sees it: which reply leads to which octets, and what became of each message.
//!
//! Guards: a message that was taken up gets exactly one outcome, whatever the server says and wherever the connection breaks.

use crate::plan::{Connections, Pipelining, Plan};
use crate::replies::{Heard, Replies};
use crate::report::Tally;
use crate::script::{Part, Script};
use std::time::Instant;

/// Whose reply comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Greeting,
    Hello,
    Mail,
    Rcpt(u32),
    Data,
    Final,
    Reset,
    Quit,
    /// All is said, or nothing more can be.
    Over,
}

/// A session.
#[derive(Debug)]
pub(crate) struct Client {
    stage: Stage,
    replies: Replies,
    /// What is being sent, and how much of it is out.
    out: Option<(Part, usize)>,
    connections: Connections,
    pipelining: Pipelining,
    recipients: u32,
    good_recipients: u32,
    /// The first bad reply to the message in hand.
    fault: Option<u16>,
    /// Since when the message in hand is under way.
    begun: Option<Instant>,
    /// The same for the message whose envelope is out already.
    ahead: Option<Instant>,
    /// A message is kept for this session that it hasn't begun.
    reserved: bool,
}

impl Client {
    /// A session that begins with a message which was taken up for it.
    pub(crate) const fn new(plan: &Plan) -> Self {
        Self {
            stage: Stage::Greeting,
            replies: Replies::new(),
            out: None,
            connections: plan.connections,
            pipelining: plan.pipelining,
            recipients: plan.recipients,
            good_recipients: 0,
            fault: None,
            begun: None,
            ahead: None,
            reserved: true,
        }
    }

    /// What is to be written now.
    pub(crate) fn pending<'a>(&self, script: &'a Script) -> &'a [u8] {
        let rest = self
            .out
            .and_then(|(part, sent)| script.octets(part).get(sent..));
        rest.unwrap_or_default()
    }

    /// So many octets of it are out.
    pub(crate) fn wrote(&mut self, count: usize, script: &Script) {
        if let Some((part, sent)) = self.out {
            let sent = sent.saturating_add(count);
            self.out = (sent < script.octets(part).len()).then_some((part, sent));
        }
    }

    /// Whether the connection is of no more use.
    pub(crate) fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// Whether the server has greeted.
    pub(crate) fn is_greeted(&self) -> bool {
        self.stage != Stage::Greeting
    }

    /// Takes what the server said.
    pub(crate) fn receive(&mut self, mut octets: &[u8], now: Instant, tally: &mut Tally) {
        while !self.is_over() {
            match self.replies.next(octets) {
                Heard::More => return,
                Heard::Nonsense => return self.broken(tally),
                Heard::Reply { code, eaten } => {
                    octets = octets.get(eaten..).unwrap_or_default();
                    self.reply(code, now, tally);
                }
            }
        }
    }

    /// The connection is gone, or good for nothing.
    pub(crate) fn broken(&mut self, tally: &mut Tally) {
        if self.stage == Stage::Over {
            return;
        }
        self.stage = Stage::Over;
        self.out = None;
        tally.connections_lost += 1;
        if std::mem::take(&mut self.reserved) {
            tally.left += 1;
        }
        if self.begun.take().is_some() {
            match self.fault.take() {
                Some(code) => count(code, tally),
                None => tally.lost += 1,
            }
        }
        if self.ahead.take().is_some() {
            tally.lost += 1;
        }
    }

    fn reply(&mut self, code: u16, now: Instant, tally: &mut Tally) {
        let good = code / 100 == 2;
        match self.stage {
            Stage::Greeting if good => {
                tally.connections += 1;
                self.stage = Stage::Hello;
                self.send(Part::Ehlo, tally);
            }
            Stage::Hello if good => {
                if self.pipelining != Pipelining::Off && !self.replies.offered_pipelining() {
                    self.pipelining = Pipelining::Off;
                    tally.unpipelined += 1;
                }
                self.next(now, tally);
            }
            Stage::Mail => self.mail(good, code, tally),
            Stage::Rcpt(number) => self.rcpt(number, good, code, tally),
            Stage::Data => self.data(code, now, tally),
            Stage::Final => self.last(code, now, tally),
            Stage::Reset if good => self.next(now, tally),
            Stage::Quit => self.stage = Stage::Over,
            _ => self.broken(tally),
        }
    }

    fn mail(&mut self, good: bool, code: u16, tally: &mut Tally) {
        self.note(good, code);
        if self.pipelining != Pipelining::Off {
            self.stage = Stage::Rcpt(0);
        } else if good {
            self.stage = Stage::Rcpt(0);
            self.send(Part::Rcpt(0), tally);
        } else {
            self.give_up(tally);
        }
    }

    fn rcpt(&mut self, number: u32, good: bool, code: u16, tally: &mut Tally) {
        if good {
            self.good_recipients += 1;
        } else {
            tally.recipients_refused += 1;
        }
        let next = number + 1;
        let all = next >= self.recipients;
        if all && self.good_recipients == 0 {
            self.note(good, code);
        }
        self.stage = if all { Stage::Data } else { Stage::Rcpt(next) };
        if self.pipelining != Pipelining::Off {
            return;
        }
        match (all, self.good_recipients) {
            (false, _) => self.send(Part::Rcpt(next), tally),
            (true, 0) => self.give_up(tally),
            (true, _) => self.send(Part::Data, tally),
        }
    }

    fn data(&mut self, code: u16, now: Instant, tally: &mut Tally) {
        if code / 100 != 3 {
            self.note(false, code);
            return self.give_up(tally);
        }
        self.stage = Stage::Final;
        let through = self.pipelining == Pipelining::Through
            && self.connections == Connections::Reused
            && self.fault.is_none();
        if self.fault.is_some() {
            // RFC 2920 §3.1: a server may say 354 although nobody is there to get it.
            self.send(Part::Dot, tally);
        } else if through && tally.take() {
            self.ahead = Some(now);
            self.send(Part::ContentAndEnvelope, tally);
        } else {
            self.send(Part::Content, tally);
        }
    }

    fn last(&mut self, code: u16, now: Instant, tally: &mut Tally) {
        let outcome = self.fault.take().unwrap_or(code);
        if let (2, Some(begun)) = (outcome / 100, self.begun) {
            tally.latency.count(now.saturating_duration_since(begun));
        }
        count(outcome, tally);
        self.begun = self.ahead.take();
        self.good_recipients = 0;
        if self.begun.is_some() {
            self.stage = Stage::Mail;
        } else {
            self.next(now, tally);
        }
    }

    /// The first bad reply is the one that counts.
    fn note(&mut self, good: bool, code: u16) {
        if !good {
            self.fault.get_or_insert(code);
        }
    }

    /// The message in hand won't be taken: the transaction is dropped.
    fn give_up(&mut self, tally: &mut Tally) {
        if let Some(code) = self.fault.take() {
            count(code, tally);
        }
        self.begun = None;
        self.stage = Stage::Reset;
        self.send(Part::Rset, tally);
    }

    /// Begins the next message, or ends.
    fn next(&mut self, now: Instant, tally: &mut Tally) {
        let reserved = std::mem::take(&mut self.reserved);
        let another = self.connections == Connections::Reused && !reserved && tally.take();
        if reserved || another {
            self.begun = Some(now);
            self.good_recipients = 0;
            self.stage = Stage::Mail;
            self.send(
                match self.pipelining {
                    Pipelining::Off => Part::Mail,
                    Pipelining::Envelope | Pipelining::Through => Part::Envelope,
                },
                tally,
            );
        } else {
            self.stage = Stage::Quit;
            self.send(Part::Quit, tally);
        }
    }

    /// A server that answers before it has everything can't be talked to any longer.
    fn send(&mut self, part: Part, tally: &mut Tally) {
        if self.out.is_some() {
            return self.broken(tally);
        }
        self.out = Some((part, 0));
    }
}

fn count(code: u16, tally: &mut Tally) {
    match code / 100 {
        2 => tally.accepted += 1,
        4 => tally.deferred += 1,
        _ => tally.refused += 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Talk {
        client: Client,
        tally: Tally,
        script: Script,
        now: Instant,
    }

    impl Talk {
        fn new(plan: &Plan) -> Self {
            let mut tally = Tally::new(plan.messages);
            assert!(tally.take());
            Self {
                client: Client::new(plan),
                tally,
                script: Script::of(plan),
                now: Instant::now(),
            }
        }

        /// The server says something; what the client writes then.
        fn hear(&mut self, said: &str) -> String {
            self.client
                .receive(said.as_bytes(), self.now, &mut self.tally);
            let text = self.client.pending(&self.script).to_vec();
            self.client.wrote(text.len(), &self.script);
            String::from_utf8(text).unwrap()
        }

        fn outcomes(&self) -> [u64; 5] {
            let tally = &self.tally;
            [
                tally.accepted,
                tally.deferred,
                tally.refused,
                tally.lost,
                tally.left,
            ]
        }
    }

    fn plan(messages: u64, pipelining: Pipelining) -> Plan {
        Plan {
            messages,
            pipelining,
            recipients: 2,
            size: 64,
            ..Plan::to(([127, 0, 0, 1], 25).into())
        }
    }

    const EHLO: &str = "250-x\r\n250-PIPELINING\r\n250 HELP\r\n";

    #[test]
    fn without_pipelining_each_command_waits_for_its_reply() {
        let mut talk = Talk::new(&plan(1, Pipelining::Off));
        assert!(talk.hear("220 x\r\n").starts_with("EHLO "));
        assert!(talk.hear(EHLO).starts_with("MAIL "));
        assert!(talk.hear("250 ok\r\n").starts_with("RCPT TO:<b@"));
        assert!(talk.hear("250 ok\r\n").starts_with("RCPT TO:<1b@"));
        assert_eq!(talk.hear("250 ok\r\n"), "DATA\r\n");
        assert!(talk.hear("354 go\r\n").ends_with("\r\n.\r\n"));
        assert_eq!(talk.hear("250 ok\r\n"), "QUIT\r\n");
        assert!(!talk.client.is_over());
        talk.hear("221 bye\r\n");
        assert!(talk.client.is_over());
        assert_eq!(talk.outcomes(), [1, 0, 0, 0, 0]);
    }

    #[test]
    fn through_sends_the_next_envelope_with_the_content() {
        let mut talk = Talk::new(&plan(2, Pipelining::Through));
        talk.hear("220 x\r\n");
        assert!(talk.hear(EHLO).ends_with("DATA\r\n"));
        let sent = talk.hear("250 a\r\n250 b\r\n250 c\r\n354 d\r\n");
        assert!(
            sent.contains("\r\n.\r\nMAIL ") && sent.ends_with("DATA\r\n"),
            "{sent}"
        );
        assert_eq!(talk.hear("250 ok\r\n250 a\r\n250 b\r\n250 c\r\n"), "");
        let sent = talk.hear("354 d\r\n");
        assert!(sent.ends_with("\r\n.\r\n"));
        assert_eq!(talk.hear("250 ok\r\n"), "QUIT\r\n");
        assert_eq!(talk.outcomes(), [2, 0, 0, 0, 0]);
    }

    #[test]
    fn a_server_without_pipelining_is_talked_to_step_by_step() {
        let mut talk = Talk::new(&plan(1, Pipelining::Through));
        talk.hear("220 x\r\n");
        assert_eq!(talk.hear("250 x\r\n"), "MAIL FROM:<a@example.org>\r\n");
        assert_eq!(talk.tally.unpipelined, 1);
    }

    #[test]
    fn refusals_are_counted_by_their_first_digit_and_the_session_goes_on() {
        for pipelining in [Pipelining::Off, Pipelining::Envelope] {
            let mut talk = Talk::new(&plan(3, pipelining));
            talk.hear("220 x\r\n");
            talk.hear(EHLO);
            let off = pipelining == Pipelining::Off;
            // MAIL is deferred.
            let sent = match off {
                true => talk.hear("451 no\r\n"),
                false => talk.hear("451 no\r\n503 no\r\n503 no\r\n503 no\r\n"),
            };
            assert_eq!(sent, "RSET\r\n");
            assert!(talk.hear("250 ok\r\n").starts_with("MAIL "));
            // No recipient is good.
            let sent = match off {
                true => {
                    talk.hear("250 ok\r\n");
                    talk.hear("550 no\r\n");
                    talk.hear("550 no\r\n")
                }
                false => talk.hear("250 ok\r\n550 no\r\n550 no\r\n554 no\r\n"),
            };
            assert_eq!(sent, "RSET\r\n");
            talk.hear("250 ok\r\n");
            // One recipient is enough; the content is refused.
            if off {
                talk.hear("250 ok\r\n");
                talk.hear("550 no\r\n");
                talk.hear("250 ok\r\n");
                talk.hear("354 ok\r\n");
            } else {
                talk.hear("250 ok\r\n550 no\r\n250 ok\r\n354 ok\r\n");
            }
            assert_eq!(talk.hear("554 no\r\n"), "QUIT\r\n");
            assert_eq!(talk.outcomes(), [0, 1, 2, 0, 0]);
            assert_eq!(talk.tally.recipients_refused, if off { 3 } else { 5 });
        }
    }

    #[test]
    fn a_server_that_wants_content_for_nobody_gets_a_dot() {
        let mut talk = Talk::new(&plan(1, Pipelining::Envelope));
        talk.hear("220 x\r\n");
        talk.hear(EHLO);
        assert_eq!(talk.hear("250 ok\r\n550 a\r\n550 b\r\n354 go\r\n"), ".\r\n");
        talk.hear("554 none\r\n");
        assert_eq!(talk.outcomes(), [0, 0, 1, 0, 0]);
    }

    #[test]
    fn wherever_the_connection_breaks_each_message_has_one_outcome() {
        let said = [
            "220 x\r\n",
            EHLO,
            "250 a\r\n250 b\r\n250 c\r\n",
            "354 d\r\n",
            "250 ok\r\n",
            "250 a\r\n",
        ];
        let expected = [
            [0, 0, 0, 0, 3],
            [0, 0, 0, 0, 3],
            [0, 0, 0, 1, 2],
            [0, 0, 0, 1, 2],
            [0, 0, 0, 2, 1],
            [1, 0, 0, 1, 1],
            [1, 0, 0, 1, 1],
        ];
        for (spoken, expected) in expected.into_iter().enumerate() {
            let mut talk = Talk::new(&plan(3, Pipelining::Through));
            for line in &said[..spoken] {
                talk.hear(line);
            }
            talk.client.broken(&mut talk.tally);
            talk.client.broken(&mut talk.tally);
            assert!(talk.client.is_over());
            assert_eq!(talk.outcomes(), expected, "after {spoken}");
            assert_eq!(talk.tally.connections_lost, 1);
        }
    }

    #[test]
    fn a_reply_before_all_is_sent_ends_the_session_and_counts() {
        let mut talk = Talk::new(&plan(1, Pipelining::Envelope));
        talk.hear("220 x\r\n");
        talk.hear(EHLO);
        let now = talk.now;
        talk.client.receive(
            b"250 a\r\n250 b\r\n250 c\r\n354 d\r\n552 too much\r\n",
            now,
            &mut talk.tally,
        );
        assert!(talk.client.is_over());
        assert_eq!(talk.outcomes(), [0, 0, 1, 0, 0]);
        let mut talk = Talk::new(&plan(1, Pipelining::Envelope));
        talk.hear("HTTP/1.1 400 Bad\r\n");
        assert!(talk.client.is_over());
        assert_eq!(talk.outcomes(), [0, 0, 0, 0, 1]);
    }
}
