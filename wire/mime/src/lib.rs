//! Reading and writing messages: trace fields, headers, delivery reports.
//!
//! What it is: the formats of RFC 5322, 3464 and their kin, as functions from values to octets and back. What it guards: nothing
//! written here holds a CR or LF that isn't a line end of ours; reading takes bounded memory whatever the message
//! holds. What it may refuse: nothing; broken messages are read as far as they make sense. Deliberately absent: content
//! conversion, the clock.

mod carried;
mod date;
mod headers;
mod journal;
mod report;
mod trace;

pub use carried::{carried_lines, read_carried};
pub use date::date_time;
pub use headers::{HEADER_OCTETS_MAX, Headers, read_headers};
pub use journal::JournalReport;
pub use report::{
    Action, Kind, Language, Report, Reported, Returned, TEXT_OCTETS_MAX, TextFault, Texts,
};
pub use trace::{TraceFacts, received, return_path};
