//! Checks across objects: names and addresses are unique, references lead somewhere, nothing contradicts itself.
//!
//! Guards: what passes here can be put in force. Objects that couldn't be read count as known, so that one fault
//! isn't told twice.

mod asking;
mod connectors;
mod members;
mod recipients;

use crate::lookup::Table;
use crate::organisation::{Knowledge, Named, Places};
use crate::recipients::{Key, fold};
use crate::{
    Contact, DomainKind, DynamicGroup, Group, Mailbox, Name, Organisation, Organization, Place,
    Report, Role, RoutingGroup, Schema, Server, VirtualServer,
};
use bridgehead_mail::{Address, IpNetwork};
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

pub(crate) fn check(
    organisation: &Organisation,
    places: &Places,
    report: &mut Report,
    knowledge: Knowledge<'_>,
) {
    let mut check = Check::new(organisation, places, report, knowledge);
    check.unique_names();
    check.accepted_domains();
    check.unique_addresses();
    check.postmaster();
    check.configuration();
    check.mailboxes();
    check.homes();
    check.groups();
    check.dynamic_groups();
    check.contacts();
    check.journal_rules();
}

/// The checks that don't need the recipients.
pub(crate) fn check_configuration(
    organisation: &Organisation,
    places: &Places,
    report: &mut Report,
) {
    let mut check = Check::new(organisation, places, report, Knowledge::Configuration);
    check.configuration();
    check.journal_rules();
}

/// Names in lower case of the kinds that are referred to.
struct Names {
    groups: HashSet<String>,
    servers: HashSet<String>,
    recipients: HashSet<String>,
}

impl Names {
    fn collect(organisation: &Organisation, places: &Places) -> Self {
        let mut recipients = known(&organisation.mailboxes, places);
        recipients.extend(known(&organisation.groups, places));
        recipients.extend(known(&organisation.contacts, places));
        recipients.extend(known(&organisation.dynamic_groups, places));
        Self {
            groups: known(&organisation.routing_groups, places),
            servers: known(&organisation.servers, places),
            recipients,
        }
    }
}

fn known<S: Named>(objects: &[S], places: &Places) -> HashSet<String> {
    let names = objects.iter().map(|object| object.name().to_lowercase());
    let broken = places.broken.iter().filter(|(kind, _)| *kind == S::KIND);
    names.chain(broken.map(|(_, name)| name.clone())).collect()
}

/// A listening address, whose it is, and its line.
type Listener = (SocketAddr, String, u64);

struct Check<'a> {
    knowledge: Knowledge<'a>,
    table: Table,
    names: Names,
    organisation: &'a Organisation,
    places: &'a Places,
    report: &'a mut Report,
}

impl<'a> Check<'a> {
    fn new(
        organisation: &'a Organisation,
        places: &'a Places,
        report: &'a mut Report,
        knowledge: Knowledge<'a>,
    ) -> Self {
        Self {
            knowledge,
            table: Table::build(organisation),
            names: Names::collect(organisation, places),
            organisation,
            places,
            report,
        }
    }

    fn configuration(&mut self) {
        self.servers();
        self.members();
        self.virtual_servers();
        self.listeners();
        self.connectors();
        self.empty_groups();
        self.reach();
    }

    fn unique_names(&mut self) {
        let organisation = self.organisation;
        self.unique(&organisation.accepted_domains, &mut HashMap::new());
        self.unique(&organisation.routing_groups, &mut HashMap::new());
        self.unique(&organisation.servers, &mut HashMap::new());
        self.unique(&organisation.virtual_servers, &mut HashMap::new());
        self.unique(&organisation.connectors, &mut HashMap::new());
        self.unique(&organisation.administrators, &mut HashMap::new());
        // A member is named without its kind, so these share one space of names.
        let mut recipients = HashMap::new();
        self.unique(&organisation.mailboxes, &mut recipients);
        self.unique(&organisation.groups, &mut recipients);
        self.unique(&organisation.contacts, &mut recipients);
        self.unique(&organisation.dynamic_groups, &mut recipients);
        self.unique(&organisation.address_policies, &mut HashMap::new());
        self.unique(&organisation.journal_rules, &mut HashMap::new());
    }

    fn unique<S: Named>(&mut self, objects: &[S], seen: &mut HashMap<String, (String, u64)>) {
        for (index, object) in objects.iter().enumerate() {
            let place = self.places.of::<S>(index);
            let line = place.key("name");
            match seen.get(&object.name().to_lowercase()) {
                Some((other, at)) => {
                    let reason = format!("the name is taken by {other} in line {at}");
                    self.report.fault(line, place.name("name"), reason);
                }
                None => {
                    let entry = (place.label.clone(), line);
                    seen.insert(object.name().to_lowercase(), entry);
                }
            }
        }
    }

    fn accepted_domains(&mut self) {
        if self.organisation.accepted_domains.is_empty()
            && self
                .places
                .broken
                .iter()
                .all(|(kind, _)| *kind != "accepted-domain")
        {
            let reason = "there is none, so mail is taken for nobody";
            self.report.warn(0, "accepted-domain", reason);
        }
    }

    fn unique_addresses(&mut self) {
        let organisation = self.organisation;
        let mut seen = HashMap::new();
        for (index, object) in organisation.mailboxes.iter().enumerate() {
            let place = self.places.of::<Mailbox>(index);
            self.addresses(place, &object.addresses, &mut seen);
        }
        for (index, object) in organisation.groups.iter().enumerate() {
            let place = self.places.of::<Group>(index);
            self.addresses(place, &object.addresses, &mut seen);
        }
        for (index, object) in organisation.contacts.iter().enumerate() {
            let place = self.places.of::<Contact>(index);
            self.addresses(place, &object.addresses, &mut seen);
        }
        for (index, object) in organisation.dynamic_groups.iter().enumerate() {
            let place = self.places.of::<DynamicGroup>(index);
            self.addresses(place, &object.addresses, &mut seen);
        }
    }

    fn addresses(
        &mut self,
        place: &Place,
        addresses: &[Address],
        seen: &mut HashMap<String, (String, u64)>,
    ) {
        for (index, address) in addresses.iter().enumerate() {
            let line = place.item("addresses", index);
            let domain = address.domain();
            let fault = match self.table.domain_kind(domain) {
                None if !self.is_broken_domain(domain.as_str()) => {
                    Some(format!("{address}: {domain} is no accepted domain"))
                }
                Some(DomainKind::ExternalRelay) => Some(format!(
                    "{address}: {domain} is external-relay: all its mail is passed on, \
                     so nobody can have an address in it"
                )),
                _ => None,
            };
            if let Some(reason) = fault {
                self.report.fault(line, place.name("addresses"), reason);
            }
            match seen.get(&fold(address)) {
                Some((other, at)) => {
                    let reason = format!("{address} is taken by {other} in line {at}");
                    self.report.fault(line, place.name("addresses"), reason);
                }
                None => {
                    seen.insert(fold(address), (place.label.clone(), line));
                }
            }
        }
    }

    fn is_broken_domain(&self, domain: &str) -> bool {
        let key = ("accepted-domain", domain.to_owned());
        self.places.broken.contains(&key)
    }

    fn postmaster(&mut self) {
        let Some(organization) = &self.organisation.organization else {
            return;
        };
        let place = self.places.of::<Organization>(0);
        self.address_exists(&organization.postmaster, place, "postmaster", 0);
    }

    /// An address in an authoritative domain must be somebody's.
    fn address_exists(&mut self, address: &Address, place: &Place, key: &str, index: usize) {
        let authoritative =
            self.table.domain_kind(address.domain()) == Some(DomainKind::Authoritative);
        let role_is_fine = key != "postmaster" && self.table.is_role(address);
        let unsure = self.places.broken.iter().any(|(kind, _)| {
            [
                Mailbox::KIND,
                Group::KIND,
                DynamicGroup::KIND,
                Contact::KIND,
                Organization::KIND,
            ]
            .contains(kind)
        });
        if authoritative && self.table.find(address).is_none() && !role_is_fine && !unsure {
            let reason = format!("nobody has the address {address}");
            let line = place.item(key, index);
            self.nobody(Key::Address(&fold(address)), line, place.name(key), reason);
        }
    }

    /// Notes that somebody who is named isn't in the text, unless another directory has or may have them.
    fn nobody(&mut self, who: Key<'_>, line: u64, key: String, reason: String) {
        match self.knowledge {
            Knowledge::Everything => self.report.fault(line, key, reason),
            Knowledge::Configuration => {}
            Knowledge::Copy(copy) if copy.count(who) > 0 => {}
            Knowledge::Copy(_) => {
                let reason = format!("{reason}, here or in the copy of the directory");
                self.report.warn(line, key, reason);
            }
        }
    }

    fn reference<S: Schema>(&mut self, name: Option<&Name>, place: &Place, key: &str) {
        let names = match S::KIND {
            RoutingGroup::KIND => &self.names.groups,
            _ => &self.names.servers,
        };
        let Some(name) = name.filter(|name| !names.contains(&*name.folded())) else {
            return;
        };
        let reason = format!("there is no {} \"{name}\"", S::KIND);
        self.report.fault(place.key(key), place.name(key), reason);
    }

    fn needs_group(&mut self, group: Option<&Name>, place: &Place) {
        if group.is_none() && self.names.groups.len() > 1 {
            let reason = "is missing; there is more than one routing group";
            self.report
                .fault(place.line, place.name("routing-group"), reason);
        }
    }

    fn key_pair(&mut self, certificate: bool, key: bool, place: &Place) {
        let (there, absent) = match (certificate, key) {
            (true, false) => ("certificate", "key"),
            (false, true) => ("key", "certificate"),
            _ => return,
        };
        let reason = format!("{there} without {absent}: both are needed");
        self.report
            .fault(place.key(there), place.name(there), reason);
    }

    fn servers(&mut self) {
        let organisation = self.organisation;
        for (index, server) in organisation.servers.iter().enumerate() {
            let place = self.places.of::<Server>(index);
            self.reference::<RoutingGroup>(server.routing_group.as_ref(), place, "routing-group");
            self.needs_group(server.routing_group.as_ref(), place);
            self.key_pair(server.certificate.is_some(), server.key.is_some(), place);
            let named = server.hostname.is_some();
            if !named && bridgehead_mail::Domain::parse(server.name.as_str()).is_err() {
                let reason = "is missing; the server's name can't be a host name";
                self.report
                    .fault(place.line, place.name("hostname"), reason);
            }
            let late = server.delay_notice_after.zip(server.expire_after);
            if late.is_some_and(|(notice, expire)| notice >= expire) {
                let reason = "not before expire-after, so nobody is ever told of a delay";
                let line = place.key("delay-notice-after");
                self.report
                    .warn(line, place.name("delay-notice-after"), reason);
            }
            let default = server.default_domain.as_ref();
            if default.is_some_and(|domain| self.table.domain_kind(domain).is_none()) {
                let reason = "is no accepted domain";
                let line = place.key("default-domain");
                self.report
                    .fault(line, place.name("default-domain"), reason);
            }
        }
    }

    fn virtual_servers(&mut self) {
        let organisation = self.organisation;
        for (index, server) in organisation.virtual_servers.iter().enumerate() {
            let place = self.places.of::<VirtualServer>(index);
            self.reference::<Server>(Some(&server.server), place, "server");
            self.key_pair(server.certificate.is_some(), server.key.is_some(), place);
            if server.starttls == Some(false) && server.implicit_tls != Some(true) {
                self.needs_tls(server, place);
            }
            let everybody = server.relay_from.iter().position(is_everybody);
            let open = !server
                .require_auth
                .unwrap_or(server.role == Some(Role::Submission));
            if let Some(item) = everybody.filter(|_| open) {
                let reason = "the whole Internet may send to anywhere through this server";
                let line = place.item("relay-from", item);
                self.report.warn(line, place.name("relay-from"), reason);
            }
        }
    }

    /// AUTH is offered inside TLS only, so that both must be on where one is asked for.
    fn needs_tls(&mut self, server: &VirtualServer, place: &Place) {
        let submission = server.role == Some(Role::Submission);
        let asks = [
            ("require-tls", server.require_tls == Some(true)),
            ("auth", server.auth == Some(true)),
            ("require-auth", server.require_auth.unwrap_or(submission)),
        ];
        if let Some((key, _)) = asks.iter().find(|(_, asked)| *asked) {
            let reason = format!("without TLS nobody can satisfy {key}");
            self.report
                .fault(place.key("starttls"), place.name("starttls"), reason);
        }
    }

    fn listeners(&mut self) {
        let organisation = self.organisation;
        let mut taken: HashMap<(Box<str>, u16), Vec<Listener>> = HashMap::new();
        for (index, server) in organisation.virtual_servers.iter().enumerate() {
            let place = self.places.of::<VirtualServer>(index);
            for (item, listen) in server.listen.iter().enumerate() {
                // Port 0 means any free one, which is never taken.
                if listen.port() == 0 {
                    continue;
                }
                let line = place.item("listen", item);
                let others = taken
                    .entry((server.server.folded(), listen.port()))
                    .or_default();
                let clash = others.iter().find(|(other, ..)| overlap(*other, *listen));
                if let Some((other, label, at)) = clash {
                    let reason = format!("{listen} overlaps {other} of {label} in line {at}");
                    self.report.fault(line, place.name("listen"), reason);
                } else {
                    others.push((*listen, place.label.clone(), line));
                }
            }
        }
    }
}

/// Whether both can't listen at once: the same port, and the same address or one for all.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    one.ip() == other.ip()
        || one.ip().is_unspecified() && (one.is_ipv6() || other.is_ipv4())
        || other.ip().is_unspecified() && (other.is_ipv6() || one.is_ipv4())
}

fn is_everybody(network: &IpNetwork) -> bool {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
    let ends = [
        IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V4(Ipv4Addr::BROADCAST),
    ];
    let six = [
        IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        IpAddr::V6(Ipv6Addr::from_bits(u128::MAX)),
    ];
    ends.iter().all(|end| network.contains(*end)) || six.iter().all(|end| network.contains(*end))
}
