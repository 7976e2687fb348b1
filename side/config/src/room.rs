//! From a snapshot of the directory to what each room is to do on one server.
//!
//! Guards: what isn't written gets the default of its room, or the one that the reference names. Faults found here
//! are those no single object shows.

use crate::fetches::fetches;
use crate::members::{members, own_group};
use crate::report_texts::read_report_texts;
use crate::topology::{routing_settings, topology, zone};
use bridgehead_badmail::settings as badmail;
use bridgehead_delivery::settings as delivery;
use bridgehead_directory::{
    BareLineEnds, Connector, ConnectorTls, DomainLimit, EightBit, Fault, Name, Pattern, Role,
    Server, Snapshot, VirtualServer, Wait,
};
use bridgehead_linkstate::Topology;
use bridgehead_listener::settings::{
    self as listener, BareLineEnds as ListenerLineEnds, CertificateFiles, Role as ListenerRole,
    TlsMode,
};
use bridgehead_mail::Domain;
use bridgehead_queue::settings as queue;
use bridgehead_routing::settings as routing;
use bridgehead_transport::settings as transport;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Received fields after which a message counts as looping, if the server object doesn't say.
const HOPS_MAX: u32 = 30;
/// Sessions at once from one client, if the virtual server doesn't say.
const CLIENT_SESSIONS_MAX: usize = 50;
/// The file of faults that are of no file.
pub(crate) const DIRECTORY: &str = "directory";
/// RFC 5321 §4.5.4.2.
pub(crate) const SMTP: u16 = 25;

/// What each room is to do on one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomSettings {
    /// The virtual servers.
    pub listener: listener::Settings,
    /// The ways out.
    pub routing: routing::Settings,
    /// The organisation's routing groups with their servers and connectors; none where it has no groups.
    pub topology: Option<Arc<Topology>>,
    /// Connections to next hops, for each connector.
    pub delivery: delivery::Settings,
    /// The corridor: names, retries, expiry.
    pub transport: transport::Settings,
    /// What can be changed of the queue while it runs.
    pub queue: queue::Limits,
    /// The folder of the queue; that of the server file if none.
    pub queue_folder: Option<PathBuf>,
    /// How much badmail is kept.
    pub badmail: badmail::Settings,
    /// What is wrong, and what holds in its place is in force.
    pub faults: Vec<Fault>,
}

/// What each room is to do on the server of this name. Relative paths start at `data`; where that is empty, the texts of
/// reports in a relative folder aren't looked at.
///
/// # Errors
/// What keeps the server from doing anything, with the object and key; the file and line are not known here.
pub fn settings(
    snapshot: &Snapshot,
    server: &str,
    data: &Path,
) -> Result<RoomSettings, Vec<Fault>> {
    let organisation = snapshot.configuration();
    let folded = server.to_lowercase();
    let mut servers = organisation.servers.iter();
    let Some(server) = servers.find(|known| *known.name.folded() == *folded) else {
        let reason = format!("the organisation has no server \"{server}\"");
        return Err(vec![fault(&format!("server {server}"), reason)]);
    };
    let hostname = match &server.hostname {
        Some(hostname) => hostname.clone(),
        None => Domain::parse(server.name.as_str()).map_err(|error| {
            let key = format!("server {}: hostname", server.name);
            vec![fault(
                &key,
                format!("is missing, and the name can't take its place: {error}"),
            )]
        })?,
    };
    let connectors = connectors(snapshot, server);
    let (topology, wrong) = topology(snapshot);
    // RFC 3030 §3: content that can't be passed on must not be taken; routes change, so one way out is enough.
    let organisation = snapshot.configuration();
    let alone = organisation.servers.len() < 2;
    let binarymime = alone && organisation.connectors.is_empty();
    let virtual_servers = organisation.virtual_servers.iter();
    let ours = virtual_servers.filter(|known| known.server.folded() == server.name.folded());
    let listener = listener::Settings {
        hostname: hostname.clone(),
        postmaster_domain: default_domain(snapshot, server),
        etrn: connectors
            .iter()
            .any(|connector| connector.wait_for_etrn == Some(true)),
        atrn: connectors
            .iter()
            .any(|connector| !connector.asked_by.is_empty()),
        virtual_servers: ours
            .map(|ours| virtual_server(ours, server, data, binarymime))
            .collect(),
    };
    let (transport, mut faults) = corridor(snapshot, server, hostname.clone(), data);
    faults.extend(wrong);
    Ok(RoomSettings {
        delivery: delivery::Settings {
            members: members(snapshot, server),
            fetches: fetches(server, &connectors, &listener.virtual_servers),
            ..handover(hostname, &listener, &connectors, data)
        },
        listener,
        routing: routing_settings(snapshot, server, topology.clone()),
        topology,
        queue: limits(server),
        queue_folder: server.queue_folder.as_ref().map(|folder| data.join(folder)),
        transport,
        badmail: bad(server),
        faults,
    })
}

fn fault(key: &str, reason: String) -> Fault {
    Fault {
        file: DIRECTORY.to_owned(),
        line: 0,
        key: key.to_owned(),
        reason,
    }
}

fn default_domain(snapshot: &Snapshot, server: &Server) -> Option<Domain> {
    let own = server.default_domain.as_ref();
    own.or(snapshot.default_domain()).cloned()
}

/// The connectors out of the routing group of this server.
fn connectors<'s>(snapshot: &'s Snapshot, server: &Server) -> Vec<&'s Connector> {
    let organisation = snapshot.configuration();
    let only = match organisation.routing_groups.as_slice() {
        [only] => Some(&only.name),
        _ => None,
    };
    let group = |name: Option<&Name>| name.or(only).map(Name::folded);
    let here = group(server.routing_group.as_ref());
    let connectors = organisation.connectors.iter();
    connectors
        .filter(|connector| group(connector.routing_group.as_ref()) == here)
        .collect()
}

fn virtual_server(
    written: &VirtualServer,
    server: &Server,
    data: &Path,
    binarymime: bool,
) -> listener::VirtualServer {
    let role = match written.role.unwrap_or_default() {
        Role::Mx => ListenerRole::Mx,
        Role::Submission => ListenerRole::Submission,
    };
    let base = listener::VirtualServer::new(written.name.as_str(), role);
    let own = certificate(written.certificate.as_ref(), written.key.as_ref(), data);
    let servers = certificate(server.certificate.as_ref(), server.key.as_ref(), data);
    listener::VirtualServer {
        listen: written.listen.clone(),
        hostname: written.hostname.clone(),
        relay_from: written.relay_from.clone(),
        tls: tls(written),
        certificate: own.or(servers),
        require_tls: written.require_tls.unwrap_or(base.require_tls),
        auth: written
            .auth
            .unwrap_or(base.auth || written.require_auth == Some(true)),
        require_auth: written.require_auth.unwrap_or(base.require_auth),
        own_addresses_only: written.sender_must_match.unwrap_or(base.own_addresses_only),
        bare_line_ends: match written.bare_line_ends.unwrap_or_default() {
            BareLineEnds::Refuse => ListenerLineEnds::Refuse,
            BareLineEnds::Normalise => ListenerLineEnds::Normalise,
        },
        binarymime,
        max_hold: written.max_hold.map(Wait::duration).or(base.max_hold),
        max_message_size: written
            .max_message_size
            .map_or(base.max_message_size, |size| size.0),
        max_recipients: written.max_recipients.map_or(base.max_recipients, count),
        priority_from_header: written
            .priority_from_header
            .unwrap_or(base.priority_from_header),
        max_header_size: written
            .max_header_size
            .map_or(base.max_header_size, |size| size.0),
        max_hops: server.max_hops.unwrap_or(HOPS_MAX),
        max_errors: written.max_errors.unwrap_or(base.max_errors),
        max_sessions: written.max_sessions.map_or(base.max_sessions, count),
        max_sessions_per_client: written
            .max_sessions_per_client
            .map_or(CLIENT_SESSIONS_MAX, count),
        command_timeout: written
            .command_timeout
            .map_or(base.command_timeout, |wait| wait.duration()),
        data_timeout: written
            .data_timeout
            .map_or(base.data_timeout, |wait| wait.duration()),
        ..base
    }
}

const fn tls(written: &VirtualServer) -> TlsMode {
    match (written.implicit_tls, written.starttls) {
        (Some(true), _) => TlsMode::Implicit,
        (_, Some(false)) => TlsMode::Off,
        _ => TlsMode::StartTls,
    }
}

fn certificate(
    certificate: Option<&PathBuf>,
    key: Option<&PathBuf>,
    data: &Path,
) -> Option<CertificateFiles> {
    let (certificate, key) = certificate.zip(key)?;
    Some(CertificateFiles {
        certificate: data.join(certificate),
        key: data.join(key),
    })
}

fn count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn handover(
    hostname: Domain,
    listener: &listener::Settings,
    connectors: &[&Connector],
    data: &Path,
) -> delivery::Settings {
    let virtual_servers = listener.virtual_servers.iter();
    let own = virtual_servers.flat_map(|server| server.listen.iter().copied());
    let each = connectors.iter().map(|connector| {
        let name = connector.name.as_str().into();
        (name, Arc::new(connection(connector, data)))
    });
    delivery::Settings {
        own_addresses: own.collect(),
        connectors: each.collect(),
        ..delivery::Settings::for_host(hostname)
    }
}

fn connection(written: &Connector, data: &Path) -> delivery::ConnectorSettings {
    let base = delivery::ConnectorSettings::default();
    let credentials = written.username.as_ref().zip(written.password.as_ref());
    let tls = match written.tls {
        Some(ConnectorTls::Off) => delivery::Tls::Never,
        Some(ConnectorTls::Opportunistic) => delivery::Tls::Opportunistic,
        Some(ConnectorTls::Required) => delivery::Tls::Required,
        Some(ConnectorTls::Verify) => delivery::Tls::Verify,
        // A password is only for the host it is meant for.
        None if credentials.is_some() => delivery::Tls::Verify,
        None => base.tls,
    };
    let seconds = |wait: Option<Wait>, base| wait.map_or(base, Wait::duration);
    let connections_max = written.max_connections.map_or(base.connections_max, count);
    let per_address = match written.smart_hosts.is_empty() {
        true => base.connections_per_address.max(connections_max),
        false => connections_max,
    };
    delivery::ConnectorSettings {
        tls,
        trusted_certificates: written
            .trusted_certificates
            .as_ref()
            .map(|file| data.join(file)),
        mx_port: written.port.unwrap_or(SMTP),
        credentials: credentials.map(|(user, password)| delivery::Credentials {
            user: user.0.clone(),
            password: password.0.clone(),
        }),
        eight_bit: match written.eight_bit.unwrap_or_default() {
            EightBit::Send => delivery::EightBit::Send,
            EightBit::Fail => delivery::EightBit::Fail,
        },
        connect_timeout: seconds(written.connect_timeout, base.connect_timeout),
        hosts_timeout: seconds(written.hosts_timeout, base.hosts_timeout),
        command_timeout: seconds(written.command_timeout, base.command_timeout),
        data_timeout: seconds(written.data_timeout, base.data_timeout),
        message_timeout: seconds(written.message_timeout, base.message_timeout),
        dns_timeout: seconds(written.dns_timeout, base.dns_timeout),
        connections_max,
        connections_first: written
            .initial_connections
            .map_or(base.connections_first, count),
        connections_per_address: written
            .max_connections_per_address
            .map_or(per_address, count),
        message_rate: written.message_rate,
        connection_rate: written.connection_rate,
        limits: written.limits.iter().map(domain_limit).collect(),
        hours: written.schedule.clone(),
        asked_for_by: match (written.wait_for_etrn, written.asked_by.is_empty()) {
            (Some(true), true) => Some("ETRN"),
            (Some(true), false) => Some("ETRN or ATRN"),
            (_, false) => Some("ATRN"),
            (_, true) => None,
        },
        zone: zone(written),
        messages_per_connection: written
            .max_messages_per_connection
            .map_or(base.messages_per_connection, count),
        recipients_per_transaction: written
            .max_recipients_per_transaction
            .map_or(base.recipients_per_transaction, count),
        nameservers: written.nameservers.iter().map(|server| server.0).collect(),
    }
}

fn domain_limit(written: &DomainLimit) -> delivery::DomainLimit {
    delivery::DomainLimit {
        domains: match &written.domain {
            Pattern::Any => delivery::Domains::All,
            Pattern::Domain(domain) => delivery::Domains::One(domain.clone()),
            Pattern::Below(domain) => delivery::Domains::Below(domain.clone()),
        },
        connections_max: written.max_connections.map(count),
        message_rate: written.message_rate,
        connection_rate: written.connection_rate,
    }
}

fn limits(server: &Server) -> queue::Limits {
    let base = queue::Limits::default();
    let or = |written: Option<Wait>, otherwise| written.map_or(otherwise, Wait::duration);
    queue::Limits {
        free_space_floor: server
            .free_space_floor
            .map_or(base.free_space_floor, |size| size.0),
        expire_after: or(server.expire_after, base.expire_after),
        max_messages: server
            .max_queued_messages
            .map_or(base.max_messages, u64::from),
        max_memory: server.memory_limit.map(|limit| limit.0),
        undo_window: or(server.undo_window, base.undo_window),
    }
}

/// How long messages of each priority may take.
fn patience(server: &Server, base: transport::ByPriority) -> transport::ByPriority {
    let or = |written: Option<Wait>, otherwise| written.map_or(otherwise, Wait::duration);
    let normal = transport::Patience {
        expire_after: or(server.expire_after, base.normal.expire_after),
        delay_notice_after: or(server.delay_notice_after, base.normal.delay_notice_after),
    };
    let (high, low) = (base.high, base.low);
    transport::ByPriority {
        high: transport::Patience {
            expire_after: or(
                server.expire_after_high,
                high.expire_after.min(normal.expire_after),
            ),
            delay_notice_after: or(
                server.delay_notice_after_high,
                high.delay_notice_after.min(normal.delay_notice_after),
            ),
        },
        normal,
        low: transport::Patience {
            expire_after: or(server.expire_after_low, normal.expire_after),
            delay_notice_after: or(
                server.delay_notice_after_low.or(server.delay_notice_after),
                low.delay_notice_after,
            ),
        },
    }
}

fn bad(server: &Server) -> badmail::Settings {
    let base = badmail::Settings::default();
    badmail::Settings {
        octets_max: server
            .badmail_max_size
            .map_or(base.octets_max, |size| size.0),
        messages_max: server.badmail_max_messages.map_or(base.messages_max, count),
    }
}

/// The corridor's settings, and what is wrong with the texts of reports.
fn corridor(
    snapshot: &Snapshot,
    server: &Server,
    hostname: Domain,
    data: &Path,
) -> (transport::Settings, Vec<Fault>) {
    let base = transport::Settings::for_host(hostname);
    let schedule = server.retry_schedule.iter().map(|wait| wait.duration());
    let schedule: Vec<_> = schedule.collect();
    let retry = transport::Retry {
        schedule: match schedule.is_empty() {
            true => base.retry.schedule,
            false => schedule,
        },
        patience: patience(server, base.retry.patience),
    };
    let (texts, mut faults) = report_texts(server, data, &base.texts);
    let organization = snapshot.configuration().organization.as_ref();
    let language = server.report_language.as_ref();
    let language =
        language.or_else(|| organization.and_then(|whole| whole.report_language.as_ref()));
    let language: Box<str> = language.map_or(base.report_language, |one| one.as_str().into());
    match &texts {
        Some(texts) if texts.find(&language).is_none() => {
            let known: Vec<&str> = texts.tags().collect();
            let known = known.join(", ");
            let reason = format!("there are no texts in \"{language}\"; there are in {known}");
            let key = format!("server {}: report-language", server.name);
            faults.push(fault(&key, reason));
        }
        _ => {}
    }
    let settings = transport::Settings {
        report_domain: default_domain(snapshot, server).unwrap_or(base.report_domain),
        retry,
        report_language: language,
        server: server.name.as_str().into(),
        routing_group: own_group(snapshot, server),
        texts: texts.unwrap_or(base.texts),
        ..base
    };
    (settings, faults)
}

/// The texts of reports, and what is wrong with them; none where it isn't known in which folder they are, because a file is
/// looked at away from its server.
fn report_texts(
    server: &Server,
    data: &Path,
    built_in: &Arc<transport::Texts>,
) -> (Option<Arc<transport::Texts>>, Vec<Fault>) {
    match &server.report_templates {
        None => (Some(Arc::clone(built_in)), Vec::new()),
        Some(folder) if folder.is_relative() && data.as_os_str().is_empty() => (None, Vec::new()),
        Some(folder) => {
            let (texts, faults) = read_report_texts(&data.join(folder));
            (Some(Arc::new(texts)), faults)
        }
    }
}
