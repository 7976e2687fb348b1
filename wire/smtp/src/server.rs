//! The server's side of an SMTP session (RFC 5321 §3, §4) as a state machine: octets, time and verdicts go in,
//! actions come out. No socket, no clock.
//!
//! A driver loops: handle what [`Session::poll`] gives until it gives nothing; hand octets to
//! [`Session::receive`]; when that makes no progress, poll once more and then read. [`Action::Write`] comes only
//! then, so that replies to pipelined commands go out together.
//!
//! Guards: the `250` after a message can be made only from a [`Proof`] that it is stored; a transaction is one
//! value that is dropped as a whole; plaintext never crosses into TLS. May refuse, always by a row of the table.

mod asked;
mod auth;
mod commands;
mod content;
mod member;
mod policy;
mod session;
mod state;

use bridgehead_mail::{
    Address, BodyKind, Domain, Envelope, Handling, MessageId, Refusal, ReversePath, Timestamp,
};
pub use policy::Policy;
pub use session::Session;
use std::fmt;
use std::net::IpAddr;

/// The proof that a message is on stable storage. Only who can store should be able to make one.
pub trait Proof {
    /// The message's id, which the client is told.
    fn id(&self) -> MessageId;
}

/// Who connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address, if it has one.
    pub address: Option<IpAddr>,
    /// Whether it may send without authenticating where others must not.
    pub trusted: bool,
    /// When it connected.
    pub connected: Timestamp,
}

/// What became of octets that were handed to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken<'a> {
    /// Octets that the session is done with; the others must be handed in again, with more behind them.
    pub eaten: usize,
    /// Content of the message that was begun last: write it before anything else is done.
    pub body: &'a [u8],
}

impl Taken<'_> {
    /// Whether the session neither ate nor gave: it wants more octets, or is waiting for something else.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.eaten == 0 && self.body.is_empty()
    }
}

/// What the driver is to do.
#[derive(Debug)]
pub enum Action<'a> {
    /// Send these octets.
    Write(&'a [u8]),
    /// Find out and tell with [`Session::answer`].
    Ask(Ask<'a>),
    /// Throw away the message that was begun.
    Discard,
    /// Do the TLS handshake, then call [`Session::tls_started`].
    StartTls,
    /// The connection is turned round (RFC 2645 §5.3): from now on the client is the server. Nothing more comes. If input is left,
    /// the connection is to be closed.
    Turn {
        /// What the client called itself, with nothing in it that could break a header field.
        hello: &'a str,
        /// The description of TLS, if it has started.
        tls: Option<&'a str>,
    },
    /// Close the connection; nothing more comes.
    Close,
}

/// A question to the driver; the session stands still until the answer.
#[derive(Debug)]
pub enum Ask<'a> {
    /// May mail come from here? Answer: admit or refuse.
    Sender(SenderQuestion<'a>),
    /// Do we serve this recipient? Answer: admit or refuse.
    Recipient(RecipientQuestion<'a>),
    /// Begin to store a message. Answer: admit or refuse.
    Begin {
        /// Its size in octets as far as the client said it.
        size: Option<u64>,
    },
    /// The content is complete: store it. `accepted` and the name of the virtual server are for the driver to
    /// fill in. Answer: stored or refuse.
    Commit(Box<Envelope>),
    /// A member tells something about links. Answer: admit or reject.
    LinkState(LinkStateQuestion<'a>),
    /// Send what waits for this domain (RFC 1985). Answer: started or refuse.
    Start {
        /// The domain.
        domain: &'a Domain,
        /// The authenticated user.
        user: Option<&'a str>,
    },
    /// Hand over what waits for these domains on this connection, or all that waits for the user (RFC 2645). Answer: turn or refuse.
    Turn {
        /// The authenticated user.
        user: &'a str,
        /// The domains; without any, all that the user may fetch.
        domains: &'a [Domain],
    },
    /// Check a password. Answer: authenticated or refuse.
    Authenticate(&'a Credentials),
}

/// What MAIL said.
#[derive(Clone, Copy, Debug)]
pub struct SenderQuestion<'a> {
    /// The reverse-path.
    pub reverse_path: &'a ReversePath,
    /// The size that was said, in octets.
    pub size: Option<u64>,
    /// The kind of body that was said.
    pub body: BodyKind,
    /// The wishes that were said.
    pub handling: Handling,
    /// The authenticated user.
    pub user: Option<&'a str>,
    /// Whether the message has a journey: a member has taken it already, and has found out whom it is for.
    pub resolved: bool,
}

/// What RCPT said.
#[derive(Clone, Copy, Debug)]
pub struct RecipientQuestion<'a> {
    /// The forward-path.
    pub address: &'a Address,
    /// What MAIL said.
    pub reverse_path: &'a ReversePath,
    /// The size that MAIL declared, in octets (RFC 1870).
    pub size: Option<u64>,
    /// The authenticated user.
    pub user: Option<&'a str>,
    /// Whether the message has a journey: a member has taken it already, and has found out whom it is for.
    pub resolved: bool,
}

/// A chunk of a message about links.
#[derive(Clone, Copy, Debug)]
pub struct LinkStateQuestion<'a> {
    /// The server that says it.
    pub member: &'a str,
    /// Where it stands in its message: ONLY, FIRST, NEXT or LAST.
    pub place: &'static str,
    /// Its number in the message.
    pub number: u32,
    /// Its octets.
    pub octets: &'a [u8],
}

/// A name and a password, as the client gave them.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name.
    pub user: Box<str>,
    /// The password.
    pub password: Box<[u8]>,
}

impl fmt::Debug for Credentials {
    /// Without the password: it must not get into a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials {{ user: {:?}, .. }}", self.user)
    }
}

/// The answer to an [`Ask`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<P> {
    /// Yes.
    Admit,
    /// The password is right; this is whom the session belongs to.
    Authenticated(Box<str>),
    /// So many messages wait, and are sent now.
    Started(u64),
    /// Mail waits, and goes over this connection.
    Turn,
    /// The message is on stable storage.
    Stored(P),
    /// No to what a member says of links, with the reason.
    Reject(Box<str>),
    /// No. While content comes in, this may be said unasked: the rest is swallowed, and then it is said.
    Refuse(Refusal),
}
