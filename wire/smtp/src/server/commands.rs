//! What each command does in each state. Commands that are legal everywhere come first, in one place.

use super::Proof;
use super::policy::Policy;
use super::session::{Hello, Session};
use super::state::{Addressing, Chunk, Opened, Question, State, Way};
use crate::command::{Command, ForwardPath, Mail, Rcpt};
use bridgehead_mail::{Address, Assent, BodyKind, Hold, LocalPart, Recipient, Refusal};
use std::io::Write;
use std::time::{Duration, Instant};

impl<P: Proof> Session<P> {
    /// Does what a line asks for. `behind` octets of input wait behind it.
    pub(super) fn command(&mut self, now: Instant, line: &[u8], behind: usize) {
        if self.member_command(now, line) {
            return;
        }
        let command = match Command::parse(line) {
            Ok(command) => command,
            Err(refusal) => return self.refuse(refusal),
        };
        if behind > 0 && self.policy.refuse_early_talk && self.synchronises(&command) {
            return self.refuse(Refusal::EarlyTalk);
        }
        match command {
            Command::Noop => self.idle_command(Assent::Noop),
            Command::Help => self.idle_command(Assent::Help),
            // RFC 5321 §3.5.3: 252 is right for a server that won't tell.
            Command::Vrfy | Command::Expn => self.idle_command(Assent::CannotVerify),
            Command::Rset => {
                // RFC 5321 §4.1.1.5: everything of the transaction is dropped.
                self.reset();
                self.idle_command(Assent::Reset);
            }
            Command::Quit => {
                self.say(Assent::Bye);
                self.quit = true;
                self.close();
            }
            Command::Ehlo(name) => self.hello(name, true),
            Command::Helo(name) => self.hello(name, false),
            Command::Etrn(domain) => self.etrn(domain),
            Command::Atrn(domains) => self.atrn(domains, behind),
            Command::StartTls => self.start_tls(behind),
            Command::Auth { mechanism, initial } => self.auth(mechanism, initial),
            Command::Bdat { size, last } => self.bdat(now, size, last),
            Command::Mail(mail) => self.mail(mail),
            Command::Rcpt(rcpt) => self.rcpt(rcpt),
            Command::Data => self.data(),
        }
    }

    /// Whether the client must wait for the answer before it goes on: RFC 2920 §3.1 names the commands, and a
    /// client that said HELO was offered no pipelining at all. QUIT ends it anyway, BDAT is followed by its chunk,
    /// and what waits behind STARTTLS and ATRN is judged there.
    fn synchronises(&self, command: &Command<'_>) -> bool {
        let extended = self.hello.as_ref().is_some_and(|hello| hello.extended);
        match command {
            Command::Ehlo(_) | Command::Helo(_) | Command::Data => true,
            Command::Bdat { .. } | Command::Quit | Command::StartTls | Command::Atrn(_) => false,
            _ => !extended,
        }
    }

    /// A command that brings no mail: a few are fine, many in a row are abuse.
    pub(super) fn idle_command(&mut self, assent: Assent) {
        self.say(assent);
        self.count_idle_command();
    }

    pub(super) fn count_idle_command(&mut self) {
        self.tally.idle_commands = self.tally.idle_commands.saturating_add(1);
        if self.tally.idle_commands > self.policy.max_idle_commands {
            self.refuse(Refusal::TooManyCommands);
        }
    }

    /// RFC 5321 §4.1.4: EHLO and HELO reset the transaction.
    fn hello(&mut self, name: &str, extended: bool) {
        self.reset();
        self.hello = Some(Hello {
            name: harmless(name),
            extended,
        });
        if extended {
            self.offer();
        } else {
            let policy = self.policy.clone();
            self.say_with(Assent::Hello, &policy.hostname);
        }
        self.count_idle_command();
    }

    /// The reply to EHLO (RFC 5321 §4.1.1.1): what is offered now.
    fn offer(&mut self) {
        let policy = self.policy.clone();
        let in_tls = self.tls.is_some();
        let out = self.out();
        // Writing into memory can't fail.
        let _ = write!(
            out,
            "250-{}\r\n250-PIPELINING\r\n250-SIZE {}\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n250-DSN\r\n250-DELIVERBY\r\n250-MT-PRIORITY\r\n",
            policy.hostname, policy.max_message_size
        );
        if let Some(most) = policy.max_hold {
            // RFC 4865 §3: the longest interval, and the latest date, which is that of the session's end at the least.
            let latest = self
                .client
                .connected
                .after(Duration::from_secs(u64::from(most)));
            let out = self.out();
            let _ = write!(out, "250-FUTURERELEASE {most} {}\r\n", latest.rfc3339());
        }
        let out = self.out();
        let offers: [(bool, &[u8]); 5] = [
            (policy.etrn, b"250-ETRN\r\n"),
            (policy.atrn, b"250-ATRN\r\n"),
            (policy.binarymime, b"250-BINARYMIME\r\n"),
            (policy.starttls && !in_tls, b"250-STARTTLS\r\n"),
            // RFC 4954 §4: mechanisms with the password in clear are offered only under TLS.
            (policy.auth && in_tls, b"250-AUTH PLAIN LOGIN\r\n"),
        ];
        for (_, line) in offers.iter().filter(|(offered, _)| *offered) {
            out.extend_from_slice(line);
        }
        if self.member.is_some() {
            self.out()
                .extend_from_slice(b"250-X-JOURNEY\r\n250-X-LINK2STATE\r\n");
        }
        let out = self.out();
        out.extend_from_slice(b"250-ENHANCEDSTATUSCODES\r\n250 HELP\r\n");
    }

    /// RFC 3207 §4. What waits behind the command was sent in clear and must never be read as if it had come
    /// through TLS: the connection is dropped.
    fn start_tls(&mut self, behind: usize) {
        if !self.policy.starttls || self.tls.is_some() {
            let refusal = match self.tls {
                Some(_) => Refusal::BadSequence,
                None => Refusal::NotOffered,
            };
            return self.refuse(refusal);
        }
        self.reset();
        if behind > 0 {
            self.out().clear();
            return self.close();
        }
        self.say(Assent::ReadyForTls);
        self.state = State::StartTls;
    }

    fn mail(&mut self, mail: Mail) {
        if let Err(refusal) = self.judge_mail(&mail) {
            return self.refuse(refusal);
        }
        self.count_idle_command();
        if self.is_open() {
            self.state = State::Asked(Question::Sender(Opened { mail }));
        }
    }

    fn judge_mail(&self, mail: &Mail) -> Result<(), Refusal> {
        let policy: &Policy = &self.policy;
        // RFC 5321 §4.1.4: MAIL needs a session that was opened, and no transaction.
        let hello = self.hello.as_ref().ok_or(Refusal::HelloFirst)?;
        if !matches!(self.state, State::Idle) {
            return Err(Refusal::BadSequence);
        }
        if policy.require_tls && self.tls.is_none() {
            return Err(Refusal::TlsRequired);
        }
        let known = self.user.is_some() || self.client.trusted || self.member.is_some();
        if policy.require_auth && !known {
            return Err(Refusal::AuthRequired);
        }
        let binary = mail.body == BodyKind::BinaryMime && !policy.binarymime;
        if binary || (mail.extended && !hello.extended) {
            return Err(Refusal::UnknownParameter);
        }
        match &mail.journey {
            Some(_) if self.member.is_none() => return Err(Refusal::UnknownParameter),
            Some(Err(refusal)) => return Err(*refusal),
            _ => {}
        }
        if mail.international && !mail.smtputf8 {
            return Err(Refusal::NeedsSmtputf8);
        }
        if mail.handling.hold.is_some() && policy.max_hold.is_none() {
            return Err(Refusal::UnknownParameter);
        }
        // RFC 4865, and RFC 2852: what can't be had isn't accepted.
        if let (Some(Hold::For(seconds)), Some(most)) = (mail.handling.hold, policy.max_hold)
            && seconds > most
        {
            return Err(Refusal::HoldTooLong);
        }
        // RFC 1870 §6.1.
        if mail.size.is_some_and(|size| size > policy.max_message_size) {
            return Err(Refusal::TooLarge);
        }
        Ok(())
    }

    fn rcpt(&mut self, rcpt: Rcpt) {
        let addressing = match std::mem::replace(&mut self.state, State::Idle) {
            State::Opened(opened) => Addressing::First(opened),
            State::Addressed(addressed) => Addressing::Next(addressed),
            other => {
                let refusal = self.needs_mail(&other);
                self.state = other;
                return self.refuse(refusal);
            }
        };
        match self.judge_rcpt(&addressing, rcpt) {
            Ok(recipient) => {
                self.state = State::Asked(Question::Recipient(addressing, recipient));
            }
            Err(refusal) => {
                self.state = addressing.back();
                self.refuse(refusal);
            }
        }
    }

    fn judge_rcpt(&self, to: &Addressing, rcpt: Rcpt) -> Result<Recipient, Refusal> {
        let (mail, count) = match to {
            Addressing::First(opened) => (&opened.mail, 0),
            Addressing::Next(addressed) => (addressed.mail(), addressed.count()),
        };
        if rcpt.extended && !self.hello.as_ref().is_some_and(|hello| hello.extended) {
            return Err(Refusal::UnknownParameter);
        }
        if rcpt.international && !mail.smtputf8 {
            return Err(Refusal::NeedsSmtputf8);
        }
        // RFC 5321 §4.5.3.1.10.
        if count >= self.policy.max_recipients {
            return Err(Refusal::TooManyRecipients);
        }
        let address = match rcpt.forward_path {
            ForwardPath::Address(address) => address,
            ForwardPath::Postmaster => {
                let local = LocalPart::parse("postmaster").map_err(|_| Refusal::Internal)?;
                Address::new(local, self.policy.postmaster_domain.clone())
            }
        };
        Ok(Recipient {
            address,
            notify: rcpt.notify,
            orcpt: rcpt.orcpt,
        })
    }

    /// Why a command that needs a transaction can't have one.
    const fn needs_mail(&self, state: &State) -> Refusal {
        match state {
            State::Idle if self.hello.is_none() => Refusal::HelloFirst,
            State::Idle => Refusal::MailFirst,
            State::Opened(_) => Refusal::NoRecipients,
            _ => Refusal::BadSequence,
        }
    }

    fn data(&mut self) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Addressed(addressed) if addressed.mail().body == BodyKind::BinaryMime => {
                // RFC 3030 §3: 503, and the transaction stays for BDAT.
                self.state = State::Addressed(addressed);
                self.refuse(Refusal::BinaryNeedsBdat);
            }
            State::Addressed(addressed) => {
                self.state = State::Asked(Question::Begin(addressed, Way::Data));
            }
            other => {
                let refusal = self.needs_mail(&other);
                self.state = other;
                self.refuse(refusal);
            }
        }
    }

    /// RFC 3030 §2. Whatever is wrong, the octets of the chunk are on their way and must pass first.
    fn bdat(&mut self, now: Instant, size: u64, last: bool) {
        if size == 0 && !last {
            self.count_idle_command();
        }
        let chunk = Chunk {
            size,
            left: size,
            last,
        };
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Closing => self.state = State::Closing,
            State::Addressed(addressed) if size > self.policy.max_message_size => {
                drop(addressed);
                self.swallow(now, size, Refusal::TooLarge);
            }
            State::Addressed(addressed) => {
                self.state = State::Asked(Question::Begin(addressed, Way::Bdat(chunk)));
            }
            State::Between(mut incoming) => {
                if incoming.size().saturating_add(size) > self.policy.max_message_size {
                    incoming.fail(Refusal::TooLarge);
                    self.discard = true;
                }
                self.enter_chunk(now, incoming, chunk);
            }
            other => {
                // R6: a failed BDAT leaves no transaction behind.
                let refusal = self.needs_mail(&other);
                self.swallow(now, size, refusal);
            }
        }
    }
}

/// What a client calls itself, fit for a comment in a Received field: letters that could end it are replaced.
fn harmless(name: &str) -> Box<str> {
    name.chars()
        .map(|letter| match letter {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_' | ':' | '[' | ']' => letter,
            _ => '?',
        })
        .collect()
}
