//! One mail transaction (RFC 5321 §3.3): what to send, and what each reply means for each recipient.

use crate::client::Extensions;
use crate::journey;
use crate::reply::ServerReply;
use bridgehead_mail::{
    Addressee, BodyKind, ByMode, DeliverBy, DsnText, Failure, Journey, Orcpt, Outcome, RemoteReply,
    Ret, ReversePath, StatusClass, StatusCode,
};
use std::collections::VecDeque;

/// What to do with 8-bit content where the server doesn't offer 8BITMIME.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EightBit {
    /// Send it as it is: every server met today takes it (docs/spec/exceptions.md).
    #[default]
    Send,
    /// Return it to its sender (RFC 6152 §3).
    Fail,
}

/// What is to be sent.
pub struct Order<'a> {
    /// The sender.
    pub reverse_path: &'a ReversePath,
    /// The recipients; at least one.
    pub addressees: &'a [Addressee],
    /// What the content is declared to be.
    pub body: BodyKind,
    /// Whether SMTPUTF8 was asked for.
    pub smtputf8: bool,
    /// How much comes back with a failure.
    pub ret: Option<Ret>,
    /// The sender's own name for the transaction.
    pub envid: Option<&'a DsnText>,
    /// How urgent it is (`MT-PRIORITY`).
    pub level: i8,
    /// By when it should be delivered, in seconds from now.
    pub deliver_by: Option<DeliverBy>,
    /// Its way inside the organisation, for another server of it (`X-JOURNEY`).
    pub journey: Option<&'a Journey>,
    /// Octets of the content as it will be sent, before dots are doubled.
    pub size: u64,
    /// Whether the content ends without a line end, which DATA can't carry as it is.
    pub unfinished: bool,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Send this, then read a reply.
    Send(Vec<u8>),
    /// Read another reply.
    Read,
    /// Send the content through an [`crate::client::Encoder`], then read a reply.
    Content,
    /// Send the content as it is, after these octets, then read a reply.
    Chunk(Vec<u8>),
    /// It is over: one outcome for each addressee, in order.
    Done(Vec<Outcome>),
}

/// What a reply answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answering {
    /// MAIL.
    Mail,
    /// RCPT.
    Recipient {
        /// Whether nobody was accepted before.
        first: bool,
    },
    /// DATA, or the content.
    Content,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Mail,
    Recipient(usize),
    Data,
    Final,
}

/// One transaction.
pub struct Transaction {
    host: Box<str>,
    dsn: bool,
    /// Commands that weren't sent yet, and those whose replies haven't come.
    unsent: VecDeque<(Step, Vec<u8>)>,
    awaited: VecDeque<Step>,
    pipelining: bool,
    outcomes: Vec<Option<Outcome>>,
    accepted: Vec<usize>,
    /// The size of the content if it goes in a chunk.
    chunk_octets: Option<u64>,
    mail_accepted: bool,
    finished: bool,
    hosts_trouble: bool,
    lost_in_step: bool,
}

/// Commands that leave in one write: small enough for the buffers of both sides, so that neither waits for the other to
/// read (RFC 2920 §3.1).
const BATCH_OCTETS_MAX: usize = 16 * 1024;

impl Transaction {
    /// Prepares a transaction; the first thing to do comes with it. `host` names the server in outcomes.
    #[must_use]
    pub fn start(
        order: &Order<'_>,
        offered: &Extensions,
        eight_bit: EightBit,
        host: &str,
    ) -> (Self, Next) {
        let mut transaction = Self {
            host: host.into(),
            dsn: offered.dsn,
            unsent: VecDeque::new(),
            awaited: VecDeque::new(),
            pipelining: offered.pipelining,
            outcomes: vec![None; order.addressees.len()],
            accepted: Vec::new(),
            chunk_octets: goes_in_a_chunk(order, offered).then_some(order.size),
            mail_accepted: false,
            finished: false,
            hosts_trouble: false,
            lost_in_step: false,
        };
        if let Some(failure) = cannot_carry(order, offered, eight_bit) {
            let outcomes = transaction.broken(&failure);
            return (transaction, Next::Done(outcomes));
        }
        transaction
            .unsent
            .push_back((Step::Mail, mail_command(order, offered)));
        for (number, addressee) in order.addressees.iter().enumerate() {
            let command = recipient_command(addressee, offered);
            transaction
                .unsent
                .push_back((Step::Recipient(number), command));
        }
        if transaction.chunk_octets.is_none() {
            transaction
                .unsent
                .push_back((Step::Data, b"DATA\r\n".to_vec()));
        }
        let next = transaction.send();
        (transaction, next)
    }

    /// Whether the transaction is still open on the server, so that RSET must be said before another.
    #[must_use]
    pub const fn needs_reset(&self) -> bool {
        self.mail_accepted && !self.finished
    }

    /// Whether what went wrong is temporary and about the host, not about sender, recipients or content: another host may
    /// be asked at once (RFC 5321 §5.1).
    #[must_use]
    pub const fn is_hosts_trouble(&self) -> bool {
        self.hosts_trouble
    }

    /// Whether the two sides no longer mean the same, so that the connection is of no further use.
    #[must_use]
    pub const fn must_close(&self) -> bool {
        self.lost_in_step
    }

    /// What the next reply will answer; none if no command waits for one.
    #[must_use]
    pub fn awaits(&self) -> Option<Answering> {
        Some(match self.awaited.front()? {
            Step::Mail => Answering::Mail,
            Step::Recipient(_) => Answering::Recipient {
                first: self.accepted.is_empty(),
            },
            Step::Data | Step::Final => Answering::Content,
        })
    }

    /// Takes the reply to the oldest command that has none.
    pub fn receive(&mut self, reply: &ServerReply) -> Next {
        let Some(step) = self.awaited.pop_front() else {
            return self.done();
        };
        match step {
            Step::Mail if reply.is_success() => self.mail_accepted = true,
            Step::Mail => {
                self.hosts_trouble = reply.code / 100 != 5;
                self.all_not_decided(reply);
            }
            Step::Recipient(number) => self.recipient(number, reply),
            Step::Data => return self.data(reply),
            Step::Final => {
                self.finished = true;
                self.accepted_get(reply);
                return self.done();
            }
        }
        // RFC 5321 §3.8: 421 means that the server closes the connection.
        if reply.code == 421 {
            self.hosts_trouble = true;
            self.all_not_decided(reply);
            return self.done();
        }
        self.go_on()
    }

    /// The connection broke or fell silent: who has no outcome gets this one.
    #[must_use]
    pub fn broken(&mut self, failure: &Failure) -> Vec<Outcome> {
        let outcome = failure.clone().into_outcome();
        let outcomes = self.outcomes.drain(..);
        outcomes
            .map(|one| one.unwrap_or_else(|| outcome.clone()))
            .collect()
    }

    fn go_on(&mut self) -> Next {
        if !self.awaited.is_empty() {
            return Next::Read;
        }
        let decided = self.outcomes.iter().all(Option::is_some);
        match self.unsent.front() {
            _ if decided => self.done(),
            Some(_) => self.send(),
            None => match self.chunk_octets {
                // All recipients have answered: RFC 3030 §2 sends the content in one chunk.
                Some(octets) => {
                    self.awaited.push_back(Step::Final);
                    Next::Chunk(format!("BDAT {octets} LAST\r\n").into_bytes())
                }
                None => self.done(),
            },
        }
    }

    /// Everything at once if the server takes it, else one command.
    fn send(&mut self) -> Next {
        let mut octets = Vec::new();
        while let Some((step, command)) = self.unsent.pop_front() {
            octets.extend_from_slice(&command);
            self.awaited.push_back(step);
            if !self.pipelining || octets.len() >= BATCH_OCTETS_MAX {
                break;
            }
        }
        Next::Send(octets)
    }

    fn recipient(&mut self, number: usize, reply: &ServerReply) {
        if reply.is_success() {
            self.accepted.push(number);
        } else {
            let outcome = self.recipient_refused(reply);
            self.decide(number, outcome);
        }
    }

    fn recipient_refused(&self, reply: &ServerReply) -> Outcome {
        const TOO_MANY: StatusCode = StatusCode::transient(5, 3);
        let status = reply.status();
        let too_many = match reply.code {
            452 => status.is_none(),
            // RFC 5321 §4.5.3.1.10: 552 was said for too many recipients and is taken as 452. An enhanced code that
            // speaks of something else, as 5.2.2 does of a full mailbox, is believed.
            552 => {
                status.is_none_or(|status| status.with_class(StatusClass::Transient) == TOO_MANY)
            }
            _ => false,
        };
        if !too_many {
            return self.refused(reply);
        }
        let text = "The other server takes no more recipients at once";
        Failure::new(TOO_MANY, text)
            .said(self.said(reply))
            .into_outcome()
    }

    fn data(&mut self, reply: &ServerReply) -> Next {
        if reply.code != 354 {
            self.hosts_trouble |= reply.code == 421;
            let outcome = self.refused(reply);
            self.accepted_are(&outcome);
            self.all_not_decided(reply);
            return self.done();
        }
        if !self.mail_accepted {
            // It refused the sender and wants the content all the same: whatever it has in mind, nothing is sent.
            self.lost_in_step = true;
            return self.done();
        }
        self.awaited.push_back(Step::Final);
        if self.accepted.is_empty() {
            // RFC 2920 §3.1: nobody was accepted and DATA was sent all the same: an empty message ends it.
            return Next::Send(b".\r\n".to_vec());
        }
        Next::Content
    }

    /// The final reply decides for all that were accepted.
    fn accepted_get(&mut self, reply: &ServerReply) {
        let outcome = if reply.is_success() {
            Outcome::Relayed {
                reply: self.said(reply),
                dsn: self.dsn,
                over: Box::default(),
            }
        } else {
            self.refused(reply)
        };
        self.accepted_are(&outcome);
    }

    fn accepted_are(&mut self, outcome: &Outcome) {
        for number in std::mem::take(&mut self.accepted) {
            self.decide(number, outcome.clone());
        }
    }

    fn all_not_decided(&mut self, reply: &ServerReply) {
        let outcome = self.refused(reply);
        for place in self.outcomes.iter_mut().filter(|place| place.is_none()) {
            *place = Some(outcome.clone());
        }
    }

    fn decide(&mut self, number: usize, outcome: Outcome) {
        if let Some(place) = self.outcomes.get_mut(number) {
            place.get_or_insert(outcome);
        }
    }

    fn done(&mut self) -> Next {
        let failure = Failure::new(
            StatusCode::transient(5, 0),
            "The other server left the recipient without an answer",
        );
        Next::Done(self.broken(&failure))
    }

    fn said(&self, reply: &ServerReply) -> RemoteReply {
        RemoteReply {
            host: self.host.clone(),
            code: reply.code,
            text: reply.text().into(),
        }
    }

    fn refused(&self, reply: &ServerReply) -> Outcome {
        let class = match reply.code / 100 {
            5 => StatusClass::Permanent,
            _ => StatusClass::Transient,
        };
        let status = reply
            .status()
            .unwrap_or_else(|| StatusCode::new(class, 0, 0))
            .with_class(class);
        let text = match class {
            StatusClass::Permanent => "The other server refused the message",
            _ => "The other server can't take the message now",
        };
        Failure::new(status, text)
            .said(self.said(reply))
            .into_outcome()
    }
}

/// Why the server can't carry the message, if it can't.
fn cannot_carry(order: &Order<'_>, offered: &Extensions, eight_bit: EightBit) -> Option<Failure> {
    if needs_smtputf8(order) && !offered.smtputf8 {
        // RFC 6531 §3.5, with the code of §3.6.
        let text = "The next server does not take internationalised mail (SMTPUTF8)";
        return Some(Failure::new(StatusCode::permanent(6, 7), text));
    }
    if order.body == BodyKind::BinaryMime && !(offered.binary_mime && offered.chunking) {
        let text = "The next server does not take binary content (BINARYMIME)";
        return Some(Failure::new(StatusCode::permanent(6, 3), text));
    }
    if order.body == BodyKind::EightBitMime
        && !offered.eight_bit_mime
        && eight_bit == EightBit::Fail
    {
        let text = "The next server does not take 8-bit content (8BITMIME)";
        return Some(Failure::new(StatusCode::permanent(6, 3), text));
    }
    let returned_in_time = order.deliver_by.is_some_and(|by| by.mode == ByMode::Return);
    if returned_in_time && !offered.deliver_by {
        // RFC 2852: by-mode R isn't relayed to a server that can't keep it.
        let text = "The next server does not keep delivery times (DELIVERBY)";
        return Some(Failure::new(StatusCode::permanent(3, 3), text));
    }
    if order.journey.is_some() && !offered.journey {
        let text = "The next server of the organisation does not take journeys (X-JOURNEY)";
        return Some(Failure::new(StatusCode::transient(3, 3), text));
    }
    if order
        .journey
        .is_some_and(|way| journey::write(way).is_none())
    {
        let text = "The message has been at too many groups and servers of the organisation";
        return Some(Failure::new(StatusCode::permanent(4, 6), text));
    }
    match offered.size {
        Some(Some(limit)) if order.size > limit => {
            let text = format!(
                "The message has {} octets, the next server takes {limit}",
                order.size
            );
            Some(Failure::new(StatusCode::permanent(3, 4), &text))
        }
        _ => None,
    }
}

/// RFC 3030: binary content has no other way, and content without a last line end stays as it is.
fn goes_in_a_chunk(order: &Order<'_>, offered: &Extensions) -> bool {
    order.body == BodyKind::BinaryMime || (order.unfinished && offered.chunking)
}

/// RFC 6531 §3.4: asked for by the sender, or made necessary since by an address.
fn needs_smtputf8(order: &Order<'_>) -> bool {
    let recipients = order.addressees.iter().map(|one| &one.address);
    let mut all = order.reverse_path.address().into_iter().chain(recipients);
    order.smtputf8 || all.any(bridgehead_mail::Address::needs_smtputf8)
}

fn mail_command(order: &Order<'_>, offered: &Extensions) -> Vec<u8> {
    let mut line = format!("MAIL FROM:{}", order.reverse_path);
    if offered.size.is_some() {
        line.push_str(&format!(" SIZE={}", order.size));
    }
    match order.body {
        BodyKind::EightBitMime if offered.eight_bit_mime => line.push_str(" BODY=8BITMIME"),
        BodyKind::BinaryMime => line.push_str(" BODY=BINARYMIME"),
        _ => {}
    }
    if needs_smtputf8(order) {
        line.push_str(" SMTPUTF8");
    }
    if offered.dsn {
        if let Some(ret) = order.ret {
            line.push_str(&format!(" RET={}", ret.as_str()));
        }
        if let Some(envid) = order.envid.filter(|envid| envid.as_str().is_ascii()) {
            line.push_str(&format!(" ENVID={}", xtext(envid.as_str())));
        }
    }
    // RFC 6710: passed on where it can be.
    if offered.mt_priority && order.level != 0 {
        line.push_str(&format!(" MT-PRIORITY={}", order.level));
    }
    if let (true, Some(by)) = (offered.deliver_by, order.deliver_by) {
        let mode = match by.mode {
            ByMode::Return => "R",
            ByMode::Notify => "N",
        };
        let trace = if by.trace { "T" } else { "" };
        line.push_str(&format!(" BY={};{mode}{trace}", by.seconds));
    }
    if let Some(value) = order.journey.and_then(journey::write) {
        line.push_str(&format!(" X-JOURNEY={value}"));
    }
    line.push_str("\r\n");
    line.into_bytes()
}

fn recipient_command(addressee: &Addressee, offered: &Extensions) -> Vec<u8> {
    let mut line = format!("RCPT TO:<{}>", addressee.address);
    if offered.dsn {
        if let Some(wishes) = addressee.notify.words() {
            line.push_str(&format!(" NOTIFY={wishes}"));
        }
        let original = addressee.orcpt.as_ref().and_then(original_recipient);
        if let Some(original) = original {
            line.push_str(&format!(" ORCPT={original}"));
        }
    }
    line.push_str("\r\n");
    line.into_bytes()
}

/// `addr-type ";" xtext` (RFC 3461 §4.2). Letters beyond ASCII have a form of their own in the type `utf-8`, `\x{..}`, that
/// every server can take (RFC 6533 §3); in other types they have none.
fn original_recipient(orcpt: &Orcpt) -> Option<String> {
    let kind = orcpt.kind.as_str();
    let mut address = xtext(orcpt.address.as_str());
    if !orcpt.address.as_str().is_ascii() {
        if !kind.eq_ignore_ascii_case("utf-8") {
            return None;
        }
        address.clear();
        for letter in orcpt.address.as_str().chars() {
            match letter.is_ascii() {
                true => address.push_str(&xtext(letter.encode_utf8(&mut [0; 4]))),
                false => address.push_str(&format!("\\x{{{:X}}}", u32::from(letter))),
            }
        }
    }
    kind.is_ascii().then(|| format!("{kind};{address}"))
}

/// RFC 3461 §4: what isn't printable, and `+` and `=`, as `+` and two hexadecimal digits.
fn xtext(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'+' | b'=' => encoded.push_str(&format!("+{byte:02X}")),
            b'!'..=b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("+{byte:02X}")),
        }
    }
    encoded
}
