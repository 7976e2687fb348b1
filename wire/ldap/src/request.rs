//! What is asked of a server (RFC 4511 §4).

use crate::ber::{BOOLEAN, ENUMERATED, INTEGER, SEQUENCE, SET, Writer};
use crate::{Control, Filter};

/// How far a search goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The entry itself.
    Base,
    /// What stands directly below it.
    OneLevel,
    /// It and everything below.
    Subtree,
}

/// A search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search<'a> {
    /// The DN to start at.
    pub base: &'a str,
    /// How far.
    pub scope: Scope,
    /// Which entries.
    pub filter: &'a Filter,
    /// Which attributes; none means all that aren't operational.
    pub attributes: &'a [&'a str],
}

/// What to do with an attribute (RFC 4511 §4.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// Add values.
    Add,
    /// Delete values, or all of them.
    Delete,
    /// Put these in the place of all.
    Replace,
}

/// One change of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change<'a> {
    /// What to do.
    pub kind: ChangeKind,
    /// The attribute.
    pub attribute: &'a str,
    /// The values.
    pub values: Vec<&'a [u8]>,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// A simple bind (RFC 4511 §4.2).
    Bind {
        /// The DN; empty for nobody.
        name: &'a str,
        /// The password.
        password: &'a [u8],
    },
    /// A step of a bind by SASL (RFC 4511 §4.2, RFC 4513 §5.2).
    Sasl {
        /// The mechanism, as `GSSAPI`.
        mechanism: &'a str,
        /// What the mechanism says.
        credentials: &'a [u8],
    },
    /// Goodbye.
    Unbind,
    /// A search.
    Search(Search<'a>),
    /// Changes of an entry, all or none.
    Modify {
        /// Its DN.
        name: &'a str,
        /// In this order.
        changes: &'a [Change<'a>],
    },
    /// A new entry.
    Add {
        /// Its DN.
        name: &'a str,
        /// Its attributes with their values.
        attributes: &'a [(&'a str, Vec<&'a [u8]>)],
    },
    /// An entry goes.
    Delete {
        /// Its DN.
        name: &'a str,
    },
    /// STARTTLS (RFC 4511 §4.14).
    StartTls,
    /// A search isn't wanted any more.
    Abandon(u32),
}

/// The octets of a request with its number and controls.
#[must_use]
pub fn encode(id: u32, request: &Request<'_>, controls: &[Control]) -> Vec<u8> {
    let mut out = Writer::default();
    out.inside(SEQUENCE, |message| {
        message.integer(INTEGER, i64::from(id));
        operation(request, message);
        if !controls.is_empty() {
            message.inside(0xa0, |list| {
                for control in controls {
                    list.inside(SEQUENCE, |one| {
                        one.octets(&control.oid);
                        if control.critical {
                            one.boolean(BOOLEAN, true);
                        }
                        if let Some(value) = &control.value {
                            one.octets(value);
                        }
                    });
                }
            });
        }
    });
    out.out
}

fn operation(request: &Request<'_>, out: &mut Writer) {
    /// RFC 4511 §4.14.
    const START_TLS: &str = "1.3.6.1.4.1.1466.20037";
    match request {
        Request::Bind { name, password } => out.inside(0x60, |bind| {
            bind.integer(INTEGER, 3);
            bind.octets(name);
            bind.element(0x80, password);
        }),
        Request::Sasl {
            mechanism,
            credentials,
        } => out.inside(0x60, |bind| {
            bind.integer(INTEGER, 3);
            bind.octets("");
            bind.inside(0xa3, |sasl| {
                sasl.octets(mechanism);
                sasl.octets(credentials);
            });
        }),
        Request::Unbind => out.element(0x42, &[]),
        Request::Search(search) => out.inside(0x63, |inner| write_search(search, inner)),
        Request::Modify { name, changes } => out.inside(0x66, |modify| {
            modify.octets(name);
            modify.inside(SEQUENCE, |list| {
                changes.iter().for_each(|change| write_change(change, list));
            });
        }),
        Request::Add { name, attributes } => out.inside(0x68, |add| {
            add.octets(name);
            add.inside(SEQUENCE, |list| {
                for (attribute, values) in *attributes {
                    write_attribute(attribute, values, list);
                }
            });
        }),
        Request::Delete { name } => out.element(0x4a, name.as_bytes()),
        Request::StartTls => {
            out.inside(0x77, |extended| {
                extended.element(0x80, START_TLS.as_bytes());
            });
        }
        Request::Abandon(id) => out.integer(0x50, i64::from(*id)),
    }
}

fn write_search(search: &Search<'_>, out: &mut Writer) {
    out.octets(search.base);
    out.integer(
        ENUMERATED,
        match search.scope {
            Scope::Base => 0,
            Scope::OneLevel => 1,
            Scope::Subtree => 2,
        },
    );
    // Aliases are never followed: what they lead to is found by itself.
    out.integer(ENUMERATED, 0);
    out.integer(INTEGER, 0);
    out.integer(INTEGER, 0);
    out.boolean(BOOLEAN, false);
    out.out.extend_from_slice(search.filter.octets());
    out.inside(SEQUENCE, |list| {
        search.attributes.iter().for_each(|name| list.octets(name));
    });
}

fn write_change(change: &Change<'_>, out: &mut Writer) {
    out.inside(SEQUENCE, |one| {
        one.integer(
            ENUMERATED,
            match change.kind {
                ChangeKind::Add => 0,
                ChangeKind::Delete => 1,
                ChangeKind::Replace => 2,
            },
        );
        write_attribute(change.attribute, &change.values, one);
    });
}

fn write_attribute(attribute: &str, values: &[&[u8]], out: &mut Writer) {
    out.inside(SEQUENCE, |one| {
        one.octets(attribute);
        one.inside(SET, |set| values.iter().for_each(|value| set.octets(value)));
    });
}
