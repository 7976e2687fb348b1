//! The vocabulary of the mail path, shared by every room.
//!
//! What it is: addresses, envelopes, recipients, outcomes, the reply table, enhanced status codes, ids,
//! next hops and tracking events, as plain values. What it guards: a value that exists is well formed (private fields, one door
//! each), so nobody checks twice. What it may refuse: text that does not fit the grammar, with the byte where
//! it stopped fitting. Deliberately absent: sockets, clocks, files, async, serialisation formats.

mod address;
mod addressee;
mod content;
mod envelope;
mod handling;
mod hop;
mod hours;
mod id;
mod journey;
mod network;
mod outcome;
mod phase;
mod priority;
mod rate;
mod reply;
mod status;
mod time;
mod tracking;
mod units;
mod wish_words;

pub use address::{Address, AddressError, Domain, LocalPart};
pub use addressee::{Addressee, Destination};
pub use content::Content;
pub use envelope::{
    BodyKind, DsnText, DsnTextError, Envelope, Notify, Orcpt, Origin, Protocol, Recipient, Ret,
    ReversePath,
};
pub use handling::{ByMode, DeliverBy, Handling, Hold};
pub use hop::{Host, LinkName, NextHop};
pub use hours::{Hours, Opening, opening};
pub use id::{MessageId, MessageIdError, SessionId};
pub use journey::Journey;
pub use network::{IpNetwork, IpNetworkError};
pub use outcome::{Attempt, Failure, Outcome, RemoteReply};
pub use phase::Phase;
pub use priority::Priority;
pub use rate::Rate;
pub use reply::{Assent, Refusal, Reply, Row};
pub use status::{StatusClass, StatusCode, StatusCodeError};
pub use time::Timestamp;
pub use tracking::{Event, EventKind, Track};
pub use units::{Size, Wait};
