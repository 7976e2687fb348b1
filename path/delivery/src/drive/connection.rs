//! A connection to another server, used for transactions.
//!
//! Guards: every write and every reply has a time limit, and so has each message; no reply is taken for the answer to
//! anything but what was asked; after a failure in the middle of the content nothing is taken as delivered.

mod talk;

use super::doubt::Progress;
use super::stream::{Line, Stream};
use super::tls::traced;
use crate::handover::Handover;
use crate::pace::{Slowed, asks_to_slow_down};
use crate::settings::ConnectorSettings;
use bridgehead_mail::{Addressee, BodyKind, Failure, Outcome, RemoteReply, StatusCode, Timestamp};
use bridgehead_membership::peer_key;
use bridgehead_smtp::client::{Answering, EightBit, Encoder, Extensions, Next, Order, Transaction};
use bridgehead_smtp::reply::ServerReply;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::Instant;

const WINDOW: usize = 64 * 1024;
const READ_OCTETS: usize = 4 * 1024;
/// For words that change nothing any more.
const LEAVE_PATIENCE: Duration = Duration::from_secs(5);

/// An open connection.
pub(super) struct Connection {
    stream: Option<Stream>,
    /// `name [address]:port`.
    label: Box<str>,
    /// How it is secured, and which hosts were tried before it: for the operator.
    over: String,
    pub(super) offered: Extensions,
    connector: Arc<ConnectorSettings>,
    /// For the reply to a command.
    patience: Duration,
    progress: Progress,
    unread: Vec<u8>,
    transactions: usize,
    reset_first: bool,
    /// Content of the transaction was sent.
    content_begun: bool,
    /// The connection broke before it was known what became of the content.
    in_doubt: bool,
    /// The last message met trouble of this host.
    elsewhere: bool,
    /// When the message that is handed over must be through.
    deadline: Option<Instant>,
    /// What was said in the last message that means "too much".
    slowed: Option<Slowed>,
    /// Reused for what is written.
    out: Vec<u8>,
}

impl Connection {
    /// A connection on which nothing was said yet. `label` is `name [address]:port`; a reply to a command may take `patience`.
    pub(super) fn new(
        stream: Stream,
        label: Box<str>,
        connector: Arc<ConnectorSettings>,
        (patience, progress): (Duration, Progress),
    ) -> Self {
        Self {
            stream: Some(stream),
            label,
            over: String::new(),
            offered: Extensions::default(),
            connector,
            patience,
            progress,
            unread: Vec::new(),
            transactions: 0,
            reset_first: false,
            content_begun: false,
            in_doubt: false,
            elsewhere: false,
            deadline: None,
            slowed: None,
            out: Vec::new(),
        }
    }

    pub(super) fn is_usable(&self) -> bool {
        self.is_open() && self.transactions < self.connector.messages_per_connection
    }

    /// The settings of another connector hold from now on.
    pub(super) fn serve(&mut self, connector: Arc<ConnectorSettings>) {
        self.patience = connector.command_timeout;
        self.connector = connector;
    }

    /// How long one message may take.
    pub(super) fn message_timeout(&self) -> Duration {
        self.connector.message_timeout
    }

    /// Messages that it was used for.
    pub(super) const fn transactions(&self) -> usize {
        self.transactions
    }

    /// What was said in the last message that means "too much".
    pub(super) const fn take_slowed(&mut self) -> Option<Slowed> {
        self.slowed.take()
    }

    /// When something came of a step last.
    pub(super) const fn progress(&self) -> &Progress {
        &self.progress
    }

    pub(super) const fn is_open(&self) -> bool {
        self.stream.is_some()
    }

    pub(super) const fn is_clear(&self) -> bool {
        matches!(self.stream, Some(Stream::Clear(_)))
    }

    /// `name [address]:port`.
    pub(super) fn label(&self) -> &str {
        &self.label
    }

    /// How it is secured, in words.
    pub(super) fn secured(&mut self, how: &str) {
        how.clone_into(&mut self.over);
    }

    /// Hosts were tried before it.
    pub(super) fn came_after(&mut self, others: &str) {
        self.over.push_str(&format!("; {others}"));
    }

    /// Takes the socket for a handshake; none if octets stand before it.
    pub(super) fn take_clear(&mut self) -> Option<TcpStream> {
        match self.stream.take() {
            Some(Stream::Clear(stream)) if self.unread.is_empty() => Some(stream),
            _ => None,
        }
    }

    /// The key of a member, which the other side has proved to have.
    pub(super) fn peer_key(&self) -> Option<[u8; 32]> {
        match &self.stream {
            Some(Stream::Tls(stream)) => peer_key(stream.get_ref().1),
            _ => None,
        }
    }

    /// Takes the connection, for a session in which the other side is the client; none if octets of it stand before that.
    pub(super) fn turn_round(mut self) -> Option<Box<dyn Line>> {
        let stream = self.stream.take().filter(|_| self.unread.is_empty())?;
        Some(Box::new(stream))
    }

    /// Version and cipher of TLS, for a trace field.
    pub(super) fn tls(&self) -> Option<Box<str>> {
        match &self.stream {
            Some(Stream::Tls(stream)) => Some(traced(stream.get_ref().1).into()),
            _ => None,
        }
    }

    pub(super) fn set_stream(&mut self, stream: Stream) {
        self.stream = Some(stream);
    }

    /// Whether the last message met trouble of this host before any of its content was sent: another host, or a new
    /// connection, may take it at once without a risk of delivering twice.
    pub(super) const fn is_for_elsewhere(&self) -> bool {
        self.elsewhere && !self.in_doubt
    }

    /// Hands a message over, in as many transactions as its recipients need; none of it goes on after `deadline`.
    pub(super) async fn deliver(
        &mut self,
        handover: &Handover,
        addressees: &[Addressee],
        deadline: Instant,
    ) -> Vec<Outcome> {
        self.deadline = Some(deadline);
        self.in_doubt = false;
        self.elsewhere = false;
        self.slowed = None;
        let mut outcomes = Vec::with_capacity(addressees.len());
        let most = self.connector.recipients_per_transaction.max(1);
        for addressees in addressees.chunks(most) {
            let mut some = self.transaction(handover, addressees).await;
            self.offer_again(handover, addressees, &mut some).await;
            outcomes.extend(some.into_iter().map(|one| self.noted(one)));
        }
        outcomes
    }

    /// An outcome with what the operator wants to know of the connection.
    fn noted(&self, outcome: Outcome) -> Outcome {
        let note = |failure: Failure| {
            let says_where = failure.remote.is_some() || failure.text.contains(&*self.label);
            match says_where {
                true => failure.noting(&self.over),
                false => failure.noting(&format!("{}, {}", self.label, self.over)),
            }
        };
        match outcome {
            Outcome::Relayed { reply, dsn, .. } => Outcome::Relayed {
                reply,
                dsn,
                over: self.over.as_str().into(),
            },
            Outcome::Failed(failure) => Outcome::Failed(note(failure)),
            Outcome::Deferred(failure) => Outcome::Deferred(note(failure)),
            delivered @ Outcome::Delivered { .. } => delivered,
        }
    }

    /// RFC 5321 §4.5.3.1.10: those who were too many for one transaction get another, as long as each takes some of them.
    async fn offer_again(
        &mut self,
        handover: &Handover,
        addressees: &[Addressee],
        outcomes: &mut [Outcome],
    ) {
        let mut progress = outcomes.iter().any(is_relayed);
        while progress && self.is_open() {
            let too_many = |outcome: &Outcome| matches!(outcome, Outcome::Deferred(failure) if failure.status == StatusCode::transient(5, 3));
            let (places, left): (Vec<_>, Vec<_>) = outcomes
                .iter_mut()
                .zip(addressees)
                .filter(|(outcome, _)| too_many(outcome))
                .map(|(outcome, addressee)| (outcome, addressee.clone()))
                .unzip();
            if left.is_empty() {
                return;
            }
            let more = self.transaction(handover, &left).await;
            progress = more.iter().any(is_relayed);
            for (place, outcome) in places.into_iter().zip(more) {
                *place = outcome;
            }
        }
    }

    /// One transaction.
    async fn transaction(&mut self, handover: &Handover, addressees: &[Addressee]) -> Vec<Outcome> {
        let eight_bit = self.connector.eight_bit;
        let (body, smtputf8) = self.needs(handover);
        let order = Order {
            reverse_path: &handover.reverse_path,
            addressees,
            body,
            smtputf8,
            ret: handover.ret,
            envid: handover.envid.as_ref(),
            level: handover.level,
            deliver_by: handover.deliver_by,
            journey: handover.journey.as_ref(),
            size: handover.size(),
            unfinished: self.offered.chunking && handover.is_unfinished(),
        };
        let (mut transaction, next) =
            Transaction::start(&order, &self.offered, eight_bit, &self.label);
        self.content_begun = false;
        let outcomes = match self.run(&mut transaction, next, handover).await {
            Ok(outcomes) => {
                self.elsewhere |= transaction.is_hosts_trouble();
                outcomes
            }
            Err(failure) => {
                // Nothing is known of what the other server made of it: the connection is of no further use.
                self.stream = None;
                self.elsewhere = true;
                self.in_doubt |= self.content_begun;
                transaction.broken(&failure)
            }
        };
        if transaction.must_close() {
            self.stream = None;
        }
        self.reset_first |= transaction.needs_reset();
        self.transactions += 1;
        outcomes
    }

    /// What the message needs to be declared as. One that its sender declared as more than it is, is no reason for a
    /// server without the extension to be refused: content that is ASCII throughout is neither internationalised (RFC
    /// 6531 §2.3) nor 8-bit (RFC 6152 §3).
    fn needs(&self, handover: &Handover) -> (BodyKind, bool) {
        let refused = self.connector.eight_bit == EightBit::Fail && !self.offered.eight_bit_mime;
        let eight = handover.body == BodyKind::EightBitMime && refused;
        let international = handover.smtputf8 && !self.offered.smtputf8;
        if (eight || international) && handover.is_ascii() {
            let body = match handover.body {
                BodyKind::EightBitMime => BodyKind::SevenBit,
                other => other,
            };
            return (body, false);
        }
        (handover.body, handover.smtputf8)
    }

    async fn run(
        &mut self,
        transaction: &mut Transaction,
        mut next: Next,
        handover: &Handover,
    ) -> Result<Vec<Outcome>, Failure> {
        if !matches!(next, Next::Done(_)) {
            self.must_be_quiet().await?;
            if std::mem::take(&mut self.reset_first) {
                self.write(b"RSET\r\n").await?;
                self.reply(self.patience).await?;
            }
        }
        loop {
            let mut patience = self.patience;
            // What is said before content, or in the middle of it, may be a refusal of it.
            if matches!(next, Next::Send(_)) && !self.unread.is_empty() {
                return Err(out_of_step(&self.label));
            }
            let sent = match next {
                Next::Send(octets) => self.write(&octets).await,
                Next::Read => Ok(()),
                Next::Content => {
                    self.content_begun = true;
                    patience = self.connector.data_timeout;
                    self.content(handover).await
                }
                Next::Chunk(head) => {
                    self.content_begun = true;
                    patience = self.connector.data_timeout;
                    self.raw(&head, handover).await
                }
                Next::Done(outcomes) => return Ok(outcomes),
            };
            let reply = match sent {
                Ok(()) => self.reply(patience).await?,
                Err(failure) => self.last_words(failure).await?,
            };
            let closing = reply.code == 421 || !self.is_open();
            self.listen(transaction.awaits(), &reply, handover.at);
            next = transaction.receive(&reply);
            if closing {
                self.stream = None;
            }
        }
    }

    /// Whether the other side says that it is too much.
    fn listen(&mut self, answers: Option<Answering>, reply: &ServerReply, at: Timestamp) {
        let means = answers.and_then(|step| asks_to_slow_down(step, reply));
        if let Some(means) = means {
            let said = RemoteReply {
                host: self.label.clone(),
                code: reply.code,
                text: reply.text().into(),
            };
            self.slowed = Some(Slowed { at, said, means });
        }
    }

    /// A server that stopped to listen may have said why: its refusal counts, anything else doesn't.
    async fn last_words(&mut self, failure: Failure) -> Result<ServerReply, Failure> {
        if !self.content_begun || failure.status != LOST {
            return Err(failure);
        }
        let reply = self
            .reply(LEAVE_PATIENCE)
            .await
            .map_err(|_| failure.clone())?;
        self.stream = None;
        match reply.code {
            400.. => Ok(reply),
            _ => Err(failure),
        }
    }

    /// Between transactions the other side has nothing to say. What it says all the same, be it its leave or a reply too
    /// many, must not be taken for an answer to what comes now.
    async fn must_be_quiet(&mut self) -> Result<(), Failure> {
        let Some(stream) = &mut self.stream else {
            return Err(lost(&self.label, &"it was closed"));
        };
        let mut octet = [0];
        let quiet = self.unread.is_empty()
            && tokio::select! {
                biased;
                _ = stream.read(&mut octet) => false,
                () = std::future::ready(()) => true,
            };
        if quiet {
            Ok(())
        } else {
            Err(out_of_step(&self.label))
        }
    }

    /// As long as the content hasn't ended there is nothing to answer: a 250 is not about it. A refusal may come early, and is
    /// found among the last words.
    async fn nothing_said(&mut self) -> Result<(), Failure> {
        let Some(stream) = &mut self.stream else {
            return Err(lost(&self.label, &"it was closed"));
        };
        let mut octets = [0; READ_OCTETS];
        let said = tokio::select! {
            biased;
            read = stream.read(&mut octets) => Some(read),
            () = std::future::ready(()) => None,
        };
        match said {
            None if self.unread.is_empty() => Ok(()),
            None => Err(out_of_step(&self.label)),
            Some(Ok(0)) => Err(lost(&self.label, &"the other side closed it")),
            Some(Ok(count)) => {
                let octets = octets.get(..count).unwrap_or_default();
                self.unread.extend_from_slice(octets);
                Err(out_of_step(&self.label))
            }
            Some(Err(error)) => Err(lost(&self.label, &error)),
        }
    }

    /// The content after DATA, in windows; small content leaves in one write.
    async fn content(&mut self, handover: &Handover) -> Result<(), Failure> {
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        let mut encoder = Encoder::default();
        encoder.encode(&handover.prefix, &mut out);
        let size = handover.content.size();
        let window = usize::try_from(size).unwrap_or(WINDOW).min(WINDOW);
        let mut window = vec![0; window.max(1)];
        let mut at = 0;
        while at < size {
            let piece = handover.read(at, &mut window)?;
            at += piece.len() as u64;
            encoder.encode(piece, &mut out);
            if out.len() >= WINDOW && at < size {
                self.nothing_said().await?;
                self.write(&out).await?;
                out.clear();
            }
        }
        encoder.finish(&mut out);
        self.nothing_said().await?;
        self.write(&out).await?;
        // A small buffer is kept for the next message; a large one isn't.
        if out.capacity() <= 4 * WINDOW {
            self.out = out;
        }
        Ok(())
    }

    /// The content as it is, after BDAT.
    async fn raw(&mut self, head: &[u8], handover: &Handover) -> Result<(), Failure> {
        self.nothing_said().await?;
        self.write(&[head, &handover.prefix].concat()).await?;
        let mut window = vec![0; WINDOW];
        let mut at = 0;
        while at < handover.content.size() {
            let count = handover.read(at, &mut window)?.len();
            self.nothing_said().await?;
            self.write(window.get(..count).unwrap_or_default()).await?;
            at += count as u64;
        }
        Ok(())
    }
}

/// The status of a connection that was lost.
const LOST: StatusCode = StatusCode::transient(4, 2);

fn lost(label: &str, why: &dyn Display) -> Failure {
    let text = format!("The connection to {label} was lost");
    Failure::new(LOST, &text).because(&why)
}

fn out_of_step(label: &str) -> Failure {
    lost(label, &"it said something that nothing had asked for")
}

const fn is_relayed(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Relayed { .. })
}
