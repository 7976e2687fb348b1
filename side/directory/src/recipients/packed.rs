//! Recipients as few octets: what a record of the table holds, and the metabase's file.
//!
//! Guards: every key is packed, or this doesn't compile; octets of another version or damaged ones are refused as a whole.

use crate::{
    Contact, DynamicGroup, Filter, Found, Group, Mailbox, Member, Name, Password, ReportTo, Size,
    Words,
};
use bridgehead_mail::Address;
use std::sync::Arc;

/// Changes whenever the octets of any object do.
pub(crate) const VERSION: u8 = 3;

/// What can be packed.
trait Packed: Sized {
    fn pack(&self, out: &mut Vec<u8>);
    fn unpack(from: &mut Octets<'_>) -> Option<Self>;
}

/// Octets still to be read.
pub(crate) struct Octets<'a>(pub(crate) &'a [u8]);

impl<'a> Octets<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    pub(crate) fn octet(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// Seven bits in an octet, the lowest first.
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let octet = self.octet()?;
            number |= u64::from(octet & 0x7f) << shift;
            if octet < 0x80 {
                return Some(number);
            }
        }
        None
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let count = usize::try_from(self.number()?).ok()?;
        std::str::from_utf8(self.take(count)?).ok()
    }
}

fn number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(u8::try_from(number & 0x7f).unwrap_or_default() | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap_or_default());
}

pub(crate) fn text(text: &str, out: &mut Vec<u8>) {
    number(u64::try_from(text.len()).unwrap_or_default(), out);
    out.extend_from_slice(text.as_bytes());
}

impl<T: Packed> Packed for Option<T> {
    fn pack(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_some()));
        if let Some(value) = self {
            value.pack(out);
        }
    }

    fn unpack(from: &mut Octets<'_>) -> Option<Self> {
        match from.octet()? {
            0 => Some(None),
            1 => Some(Some(T::unpack(from)?)),
            _ => None,
        }
    }
}

impl<T: Packed> Packed for Vec<T> {
    fn pack(&self, out: &mut Vec<u8>) {
        number(u64::try_from(self.len()).unwrap_or_default(), out);
        for item in self {
            item.pack(out);
        }
    }

    fn unpack(from: &mut Octets<'_>) -> Option<Self> {
        let count = usize::try_from(from.number()?).ok()?;
        // Each item has an octet at least: a false count can't take memory.
        let mut items = Self::with_capacity(count.min(from.0.len()));
        for _ in 0..count {
            items.push(T::unpack(from)?);
        }
        Some(items)
    }
}

impl Packed for bool {
    fn pack(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn unpack(from: &mut Octets<'_>) -> Option<Self> {
        Some(from.octet()? == 1)
    }
}

impl Packed for u32 {
    fn pack(&self, out: &mut Vec<u8>) {
        number(u64::from(*self), out);
    }

    fn unpack(from: &mut Octets<'_>) -> Option<Self> {
        Self::try_from(from.number()?).ok()
    }
}

impl Packed for Size {
    fn pack(&self, out: &mut Vec<u8>) {
        number(self.0, out);
    }

    fn unpack(from: &mut Octets<'_>) -> Option<Self> {
        from.number().map(Self)
    }
}

impl Packed for Name {
    fn pack(&self, out: &mut Vec<u8>) {
        text(self.as_str(), out);
    }

    fn unpack(from: &mut Octets<'_>) -> Option<Self> {
        Self::parse(from.text()?)
    }
}

impl Packed for Words {
    fn pack(&self, out: &mut Vec<u8>) {
        text(&self.0, out);
    }

    fn unpack(from: &mut Octets<'_>) -> Option<Self> {
        Some(Self(from.text()?.into()))
    }
}

impl Packed for Address {
    fn pack(&self, out: &mut Vec<u8>) {
        text(self.local().as_str(), out);
        text(self.domain().as_str(), out);
    }

    fn unpack(from: &mut Octets<'_>) -> Option<Self> {
        let local = bridgehead_mail::LocalPart::from_plain(from.text()?).ok()?;
        let domain = bridgehead_mail::Domain::parse(from.text()?).ok()?;
        Some(Self::new(local, domain))
    }
}

impl Packed for Password {
    fn pack(&self, out: &mut Vec<u8>) {
        text(self.as_stored(), out);
    }

    fn unpack(from: &mut Octets<'_>) -> Option<Self> {
        Some(Self::stored(from.text()?))
    }
}

impl Packed for Filter {
    fn pack(&self, out: &mut Vec<u8>) {
        text(self.as_str(), out);
    }

    fn unpack(from: &mut Octets<'_>) -> Option<Self> {
        Self::parse(from.text()?).ok()
    }
}

impl Packed for ReportTo {
    fn pack(&self, out: &mut Vec<u8>) {
        out.push(match self {
            Self::Sender => 0,
            Self::Owner => 1,
            Self::Nobody => 2,
        });
    }

    fn unpack(from: &mut Octets<'_>) -> Option<Self> {
        match from.octet()? {
            0 => Some(Self::Sender),
            1 => Some(Self::Owner),
            2 => Some(Self::Nobody),
            _ => None,
        }
    }
}

impl Packed for Member {
    fn pack(&self, out: &mut Vec<u8>) {
        match self {
            Self::Name(name) => {
                out.push(0);
                name.pack(out);
            }
            Self::Address(address) => {
                out.push(1);
                address.pack(out);
            }
            Self::Entry(place) => {
                out.push(2);
                text(place, out);
            }
        }
    }

    fn unpack(from: &mut Octets<'_>) -> Option<Self> {
        match from.octet()? {
            0 => Name::unpack(from).map(Self::Name),
            1 => Address::unpack(from).map(Self::Address),
            2 => Some(Self::Entry(from.text()?.into())),
            _ => None,
        }
    }
}

macro_rules! packed {
    ($kind:ident { $($field:ident),+ $(,)? }) => {
        impl Packed for $kind {
            fn pack(&self, out: &mut Vec<u8>) {
                let Self { $($field),+ } = self;
                $( $field.pack(out); )+
            }

            fn unpack(from: &mut Octets<'_>) -> Option<Self> {
                $( let $field = Packed::unpack(from)?; )+
                Some(Self { $($field),+ })
            }
        }
    };
}

packed!(Mailbox {
    name,
    addresses,
    server,
    password,
    app_passwords,
    forward_to,
    keep_copy,
    disabled,
    display_name,
    given_name,
    surname,
    department,
    company,
    office,
    title,
    max_send_size,
    max_send_recipients,
    max_receive_size,
    accept_from,
    reject_from,
    authenticated_senders_only,
});

packed!(Group {
    name,
    addresses,
    members,
    owner,
    report_to,
    hidden_members,
    moderators,
    expansion_server,
    max_receive_size,
    accept_from,
    reject_from,
    authenticated_senders_only,
});

packed!(DynamicGroup {
    name,
    addresses,
    filter,
    owner,
    report_to,
    hidden_members,
    moderators,
    expansion_server,
    max_receive_size,
    accept_from,
    reject_from,
    authenticated_senders_only,
});

packed!(Contact {
    name,
    addresses,
    target,
    max_receive_size,
    accept_from,
    reject_from,
    authenticated_senders_only,
});

/// The name of a packed recipient: every kind begins with it.
pub(crate) fn name(octets: &[u8]) -> Option<&str> {
    let mut octets = Octets(octets);
    octets.octet()?;
    octets.text()
}

/// Whether something holds for any address of a packed recipient: they follow the name. It is given local part and
/// domain.
pub(crate) fn any_address(octets: &[u8], holds: impl Fn(&str, &str) -> bool) -> bool {
    let mut octets = Octets(octets);
    let mut any = || -> Option<bool> {
        octets.octet()?;
        octets.text()?;
        for _ in 0..octets.number()? {
            if holds(octets.text()?, octets.text()?) {
                return Some(true);
            }
        }
        Some(false)
    };
    any().unwrap_or_default()
}

/// An identity: a UUID takes its sixteen octets, anything else is text.
pub(crate) fn write_id(id: &str, out: &mut Vec<u8>) {
    match uuid(id) {
        Some(octets) => {
            out.push(1);
            out.extend_from_slice(&octets);
        }
        None => {
            out.push(0);
            text(id, out);
        }
    }
}

/// An identity as it is packed.
#[derive(Clone, Copy)]
pub(crate) enum Id<'a> {
    Uuid(&'a [u8]),
    Text(&'a str),
}

impl Id<'_> {
    pub(crate) fn is(&self, id: &str) -> bool {
        match self {
            Self::Uuid(octets) => uuid(id).is_some_and(|id| id == **octets),
            Self::Text(text) => *text == id,
        }
    }

    pub(crate) fn text(&self) -> Box<str> {
        let octets = match self {
            Self::Uuid(octets) => octets,
            Self::Text(text) => return (*text).into(),
        };
        let mut id = String::with_capacity(36);
        for (number, octet) in octets.iter().enumerate() {
            if matches!(number, 4 | 6 | 8 | 10) {
                id.push('-');
            }
            let halves = [octet >> 4, octet & 15].map(u32::from);
            id.extend(
                halves
                    .into_iter()
                    .filter_map(|half| char::from_digit(half, 16)),
            );
        }
        id.into_boxed_str()
    }
}

pub(crate) fn read_id<'a>(from: &mut Octets<'a>) -> Option<Id<'a>> {
    match from.octet()? {
        0 => from.text().map(Id::Text),
        1 => from.take(16).map(Id::Uuid),
        _ => None,
    }
}

/// The octets of a UUID in lower case with its hyphens (RFC 4122 §3); none if it isn't written just so.
fn uuid(text: &str) -> Option<[u8; 16]> {
    let mut octets = [0; 16];
    let mut letters = text.bytes();
    for (number, octet) in octets.iter_mut().enumerate() {
        if matches!(number, 4 | 6 | 8 | 10) && letters.next()? != b'-' {
            return None;
        }
        for _ in 0..2 {
            let half = match letters.next()? {
                digit @ b'0'..=b'9' => digit - b'0',
                letter @ b'a'..=b'f' => letter - b'a' + 10,
                _ => return None,
            };
            *octet = *octet << 4 | half;
        }
    }
    letters.next().is_none().then_some(octets)
}

/// Adds the octets of a recipient.
pub(crate) fn pack(found: &Found, out: &mut Vec<u8>) {
    match found {
        Found::Mailbox(object) => {
            out.push(0);
            object.pack(out);
        }
        Found::Group(object) => {
            out.push(1);
            object.pack(out);
        }
        Found::Contact(object) => {
            out.push(2);
            object.pack(out);
        }
        Found::DynamicGroup(object) => {
            out.push(3);
            object.pack(out);
        }
    }
}

/// The recipient that the octets are; none if they aren't exactly one.
pub(crate) fn unpack(mut from: Octets<'_>) -> Option<Found> {
    let octets = &mut from;
    let found = match octets.octet()? {
        0 => Found::Mailbox(Arc::new(Mailbox::unpack(octets)?)),
        1 => Found::Group(Arc::new(Group::unpack(octets)?)),
        2 => Found::Contact(Arc::new(Contact::unpack(octets)?)),
        3 => Found::DynamicGroup(Arc::new(DynamicGroup::unpack(octets)?)),
        _ => return None,
    };
    octets.0.is_empty().then_some(found)
}
