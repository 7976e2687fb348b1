//! The kinds of objects, as written in the file: each key once, with its meaning, default and bound.
//!
//! Guards: values are checked when they are read; what isn't written stays `None`, so that export shows only what
//! somebody decided. References between objects are the check's business.

use crate::object;
use crate::{
    AddressSpace, AddressTemplate, BareLineEnds, ConnectorTls, DomainKind, DomainLimit, EightBit,
    Fetch, Filter, Hours, Language, Member, MemberKey, Name, NameServer, NextHopKind, Password,
    Rate, ReportTo, Role, Scope, Secret, Size, SmartHost, Urgency, Wait, Words, Zone,
};
use bridgehead_mail::{Address, Domain, IpNetwork};
use std::net::SocketAddr;
use std::path::PathBuf;

object! {
    /// The organisation itself; there is exactly one.
    Organization = "organization" {
        /// Its name.
        name: required Words = "name", "";
        /// Who gets mail for postmaster and abuse in every accepted domain where no object has that address
        /// (RFC 5321 §4.5.1, RFC 2142 §2), except in external-relay domains.
        postmaster: required Address = "postmaster", "";
        /// Whether `name+anything@` reaches `name@` where nobody has that very address (RFC 5233).
        plus_addressing: optional bool = "plus-addressing", "true";
        /// The language of delivery reports about messages that don't say which language their sender reads
        /// (Accept-Language, Content-Language). Built in are `en`, `de`, `fr`, `nl` and `es`.
        report_language: optional Language = "report-language", "en";
    }
}

object! {
    /// A domain for which mail is taken.
    AcceptedDomain = "accepted-domain" {
        /// The domain.
        name: required Domain = "name", "";
        /// What it means that it is accepted.
        kind: optional DomainKind = "kind", "authoritative";
    }
}

object! {
    /// A site: servers that reach each other directly.
    RoutingGroup = "routing-group" {
        /// Its name.
        name: required Name = "name", "";
    }
}

object! {
    /// A machine that runs this software.
    Server = "server" {
        /// Its name, as in its server file.
        name: required Name = "name", "";
        /// The routing group it is in.
        routing_group: optional Name = "routing-group", "the only one there is";
        /// What it calls itself in greetings, trace fields and reports.
        hostname: optional Domain = "hostname", "its name";
        /// A PEM file with its certificate chain, its own first. Relative paths start at the data directory.
        certificate: optional PathBuf = "certificate", "a self-signed one, made on first start";
        /// A PEM file with the private key of the certificate.
        key: optional PathBuf = "key", "the key of the self-signed certificate";
        /// Where other servers of the organisation reach it, tried in this order.
        member_address: list SmartHost = "member-address", "its host name, port 25";
        /// The public keys by which other servers of the organisation recognise it: its present one, and while it is changed also
        /// the next. `bridgehead member key` prints them. Without one no other server talks to it.
        member_keys: list MemberKey = "member-keys", "none";
        /// Waits between attempts to deliver; the last one repeats.
        retry_schedule: list Wait = "retry-schedule", "1m, 1m, 1m, 1m, 15m, 30m, 1h, 2h, 4h", 1..=2592000;
        /// How long after acceptance a message is given up and its sender told.
        expire_after: optional Wait = "expire-after", "2d", 1..=2592000;
        /// How long after acceptance its sender is told, once, that it is late.
        delay_notice_after: optional Wait = "delay-notice-after", "12h", 1..=2592000;
        /// The same as `expire-after` for mail of high priority.
        expire_after_high: optional Wait = "expire-after-high", "1d, or `expire-after` if that is shorter", 1..=2592000;
        /// The same as `delay-notice-after` for mail of high priority.
        delay_notice_after_high: optional Wait = "delay-notice-after-high", "4h, or `delay-notice-after` if that is shorter", 1..=2592000;
        /// The same as `expire-after` for mail of low priority.
        expire_after_low: optional Wait = "expire-after-low", "`expire-after`", 1..=2592000;
        /// The same as `delay-notice-after` for mail of low priority.
        delay_notice_after_low: optional Wait = "delay-notice-after-low", "1d, or `delay-notice-after` if that was set", 1..=2592000;
        /// The language of delivery reports from this server.
        report_language: optional Language = "report-language", "the organisation's";
        /// A folder with texts of delivery reports in the place of the built-in ones: `LANGUAGE/failure.txt`, `delay.txt`,
        /// `delivered.txt`, `relayed.txt`, `expanded.txt` and `words.txt`. Relative paths start at the data directory.
        report_templates: optional PathBuf = "report-templates", "none";
        /// Octets of badmail: what failed and has no sender who could be told. The oldest go when there are more.
        badmail_max_size: optional Size = "badmail-max-size", "256 MiB", 1048576..=1099511627776;
        /// Messages of badmail.
        badmail_max_messages: optional u32 = "badmail-max-messages", "10000", 1..=1000000;
        /// With so many messages in the queue, mail is refused with `452 4.3.2`; from 80 % of it on, replies are delayed.
        max_queued_messages: optional u32 = "max-queued-messages", "5000000", 1..=4294967295;
        /// With so much resident memory, mail is refused with `452 4.3.2`; from 80 % of it on, replies are delayed.
        memory_limit: optional Size = "memory-limit", "none", 67108864..=1099511627776;
        /// How long a message that an operator deleted can be had back.
        undo_window: optional Wait = "undo-window", "1h", 1..=2592000;
        /// Received fields in a message after which it counts as looping (RFC 5321 §6.3).
        max_hops: optional u32 = "max-hops", "30", 5..=1000;
        /// The domain that `RCPT TO:<postmaster>` without a domain means.
        default_domain: optional Domain = "default-domain", "the domain of the organisation's postmaster";
        /// The folder of the queue; relative paths start at the data directory. It may be changed while the server runs: new
        /// mail goes to the new folder at once, and what lies in the old one is brought there in the background.
        queue_folder: optional PathBuf = "queue-folder", "the one of the server file";
        /// Below this much free space on the queue's disk, mail is refused with `452 4.3.1`.
        free_space_floor: optional Size = "free-space-floor", "256 MiB", 0..=1099511627776;
    }
}

object! {
    /// Addresses and ports of a server, with an identity and a policy.
    VirtualServer = "virtual-server" {
        /// Its name; unique in the organisation.
        name: required Name = "name", "";
        /// The server it runs on.
        server: required Name = "server", "";
        /// Whom it is for: `mx` for other servers, `submission` for our own users.
        role: optional Role = "role", "mx";
        /// Where it listens; port 0 takes a free one.
        listen: several SocketAddr = "listen", "";
        /// What it calls itself.
        hostname: optional Domain = "hostname", "the server's";
        /// A PEM file with its certificate chain.
        certificate: optional PathBuf = "certificate", "the server's";
        /// A PEM file with the private key of the certificate.
        key: optional PathBuf = "key", "the server's";
        /// Clients that may send to anywhere without authenticating.
        relay_from: list IpNetwork = "relay-from", "nobody";
        /// How long clients may have messages held (FUTURERELEASE, RFC 4865).
        max_hold: optional Wait = "max-hold", "7d where clients authenticate, else not offered", 1..=31536000;
        /// Octets of one message.
        max_message_size: optional Size = "max-message-size", "50 MiB", 65536..=1099511627776;
        /// Recipients of one message; RFC 5321 §4.5.3.1.8 asks for 100 at least.
        max_recipients: optional u32 = "max-recipients", "1000", 1..=100000;
        /// Errors in one session before it is closed.
        max_errors: optional u32 = "max-errors", "20", 1..=10000;
        /// Sessions at once.
        max_sessions: optional u32 = "max-sessions", "1000", 1..=100000;
        /// Sessions at once from one client address (one /64 in IPv6).
        max_sessions_per_client: optional u32 = "max-sessions-per-client", "50", 1..=100000;
        /// Without MT-PRIORITY, the header says how urgent a message is: Priority, Importance, X-Priority or X-MSMail-Priority.
        /// Who may not ask for more than normal by MT-PRIORITY can't do it so either.
        priority_from_header: optional bool = "priority-from-header", "false";
        /// Octets of the header of one message.
        max_header_size: optional Size = "max-header-size", "1 MiB", 1024..=67108864;
        /// How long to wait for the next command (RFC 5321 §4.5.3.2.7).
        command_timeout: optional Wait = "command-timeout", "5m", 1..=3600;
        /// How long to wait for more octets of a message (RFC 5321 §4.5.3.2.5).
        data_timeout: optional Wait = "data-timeout", "3m", 1..=3600;
        /// What to do with a CR or LF that stands alone: `refuse` or `normalise`.
        bare_line_ends: optional BareLineEnds = "bare-line-ends", "refuse";
        /// Offer STARTTLS (RFC 3207).
        starttls: optional bool = "starttls", "true";
        /// Start TLS at once, before the greeting (RFC 8314 §3).
        implicit_tls: optional bool = "implicit-tls", "false";
        /// Refuse mail outside TLS.
        require_tls: optional bool = "require-tls", "false";
        /// Offer AUTH, inside TLS only.
        auth: optional bool = "auth", "true for submission, false for mx";
        /// Refuse clients that neither authenticated nor are in `relay-from`.
        require_auth: optional bool = "require-auth", "true for submission, false for mx";
        /// An authenticated user may name only its own addresses as sender.
        sender_must_match: optional bool = "sender-must-match", "true";
    }
}

object! {
    /// A way out of a routing group: to an address space, or to another routing group.
    Connector = "connector" {
        /// Its name.
        name: required Name = "name", "";
        /// The routing group it leads out of.
        routing_group: optional Name = "routing-group", "the only one there is";
        /// Where it leads, with costs from 1 to 100: the most specific pattern wins, then the lowest cost, that of the path to this
        /// connector included. `SMTP:` may stand before a pattern.
        address_space: list AddressSpace = "address-space", "none";
        /// Which servers may use its address spaces: those of the `organisation`, or of its routing `group`.
        scope: optional Scope = "scope", "organisation";
        /// Its share of the load among connectors of equal cost that all have one.
        weight: optional u32 = "weight", "none: the first of them in name order takes all", 1..=100;
        /// Octets of a message it takes; larger ones take another way, or are returned with 5.3.4.
        max_message_size: optional Size = "max-message-size", "no limit", 1024..=1099511627776;
        /// The priorities of messages it takes: low, normal, high.
        priorities: list Urgency = "priorities", "all";
        /// Whose messages it takes: theirs, and those of members of these groups; others take another way, or are returned with
        /// 5.7.1.
        accept_from: list Member = "accept-from", "everybody's";
        /// Whose it doesn't: theirs, and those of members of these groups.
        reject_from: list Member = "reject-from", "nobody's";
        /// `mx`: the next hop is found by the MX records of the recipient's domain.
        next_hop: optional NextHopKind = "next-hop", "none; one of next-hop, smart-hosts and target-group is set";
        /// The next hops, tried in this order.
        smart_hosts: list SmartHost = "smart-hosts", "none";
        /// The routing group it leads to.
        target_group: optional Name = "target-group", "none";
        /// What it costs to go to the target group.
        cost: optional u32 = "cost", "10", 1..=100;
        /// The servers that may use it.
        source_bridgeheads: list Name = "source-bridgeheads", "all of its routing group";
        /// The servers of the target group that it leads to, tried in this order.
        target_bridgeheads: list Name = "target-bridgeheads", "all of the target group";
        /// TLS towards the next hop: off, opportunistic, required with any certificate, or verify.
        tls: optional ConnectorTls = "tls", "opportunistic; verify with username";
        /// A PEM file with the certificates to trust at next hops, and no others. It is read when the organisation changes. Relative
        /// paths start at the data directory.
        trusted_certificates: optional PathBuf = "trusted-certificates", "the public certificate authorities";
        /// The port of next hops that don't name one.
        port: optional u16 = "port", "25";
        /// Authenticate at the next hop as this user.
        username: optional Words = "username", "don't authenticate";
        /// The password for it. Kept and exported as written: the next hop wants it in clear text.
        password: optional Secret = "password", "none";
        /// What to do with 8-bit content where the next hop doesn't offer 8BITMIME: send or fail.
        eight_bit: optional EightBit = "eight-bit", "send";
        /// How long to wait for a connection.
        connect_timeout: optional Wait = "connect-timeout", "30s", 1..=600;
        /// How long to look for a host that takes mail, all hosts of a next hop together.
        hosts_timeout: optional Wait = "hosts-timeout", "15m", 1..=7200;
        /// How long to wait for a reply (RFC 5321 §4.5.3.2). Servers of the organisation have to say something within 15 seconds.
        command_timeout: optional Wait = "command-timeout", "5m", 1..=3600;
        /// How long to wait for the reply to the end of a message (RFC 5321 §4.5.3.2.6).
        data_timeout: optional Wait = "data-timeout", "10m", 1..=3600;
        /// How long one message with all its recipients may take.
        message_timeout: optional Wait = "message-timeout", "2h", 1..=86400;
        /// How long to wait for an answer from DNS, each time it is asked.
        dns_timeout: optional Wait = "dns-timeout", "10s", 1..=60;
        /// Connections at once to one next hop.
        max_connections: optional u32 = "max-connections", "10", 1..=1000;
        /// Connections to begin with; as long as mail goes through there are more, up to the bounds.
        initial_connections: optional u32 = "initial-connections", "2", 1..=1000;
        /// Connections at once to one remote address and port, whatever domains are there.
        max_connections_per_address: optional u32 = "max-connections-per-address", "with smart hosts max-connections, else 20 or max-connections, whichever is more", 1..=10000;
        /// How often a message is handed over, for each next hop.
        message_rate: optional Rate = "message-rate", "no limit";
        /// How often a connection is made, for each next hop.
        connection_rate: optional Rate = "connection-rate", "no limit";
        /// Other limits for single final domains; the most specific one holds, for each domain that it covers.
        limits: list DomainLimit = "limits", "none";
        /// When mail is handed over; what waits goes as soon as a time begins. What ends no later than it begins ends the next day.
        schedule: list Hours = "schedule", "always";
        /// Mail waits until a client asks for it by ETRN (RFC 1985), naming a domain of the address space; then what waits goes to the next
        /// hop. With a schedule it also goes in those hours.
        wait_for_etrn: optional bool = "wait-for-etrn", "false";
        /// Mail waits until one of these mailboxes, authenticated, asks for it by ATRN (RFC 2645); then it goes over the connection of
        /// who asks, and next-hop and smart-hosts may be missing. ETRN is then answered to them only.
        asked_by: list Name = "asked-by", "nobody by ATRN, and anybody by ETRN";
        /// Ask another server for mail that waits there for this organisation, with username, password and tls of this connector: by
        /// `etrn` (it sends it) or `atrn` (it comes over the same connection, as to a client of the virtual server; the first one with role
        /// `mx` if none is named).
        fetch: optional Box<Fetch> = "fetch", "don't ask; every 15m if not said";
        /// The time zone of the schedule.
        schedule_zone: optional Zone = "schedule-zone", "that of the machine";
        /// Messages over one connection before it is closed.
        max_messages_per_connection: optional u32 = "max-messages-per-connection", "100", 1..=100000;
        /// Recipients in one transaction; RFC 5321 §4.5.3.1.8 promises 100.
        max_recipients_per_transaction: optional u32 = "max-recipients-per-transaction", "100", 1..=10000;
        /// The DNS servers to ask.
        nameservers: list NameServer = "nameservers", "those of the machine";
    }
}

object! {
    /// A mailbox in the store.
    Mailbox = "mailbox" {
        /// Its name; unique among mailboxes, groups and contacts.
        name: required Name = "name", "";
        /// Its addresses; the first is the primary one.
        addresses: several Address = "addresses", "";
        /// The server that has it in its store.
        server: optional Name = "server", "every server keeps what arrives there";
        /// Clear text, which is hashed on apply, or an argon2 hash, which is kept.
        password: optional Password = "password", "no login";
        /// Further passwords, each for one program or device; taken back one by one.
        app_passwords: list Password = "app-passwords", "none";
        /// Where its mail goes instead, or as well.
        forward_to: list Member = "forward-to", "nowhere";
        /// Whether a copy of forwarded mail stays in the mailbox.
        keep_copy: optional bool = "keep-copy", "false";
        /// Whether it may log in and send. It gets mail all the same.
        disabled: optional bool = "disabled", "false";
        /// Its name as people read it.
        display_name: optional Words = "display-name", "its name";
        /// The given name of the person; `%g` in templates.
        given_name: optional Words = "given-name", "none";
        /// The surname of the person; `%s` in templates.
        surname: optional Words = "surname", "none";
        /// The department.
        department: optional Words = "department", "none";
        /// The company.
        company: optional Words = "company", "none";
        /// The office.
        office: optional Words = "office", "none";
        /// The title.
        title: optional Words = "title", "none";
        /// Octets of a message it may send; larger ones are refused with 5.2.3.
        max_send_size: optional Size = "max-send-size", "no limit of its own", 1024..=1099511627776;
        /// Recipients of a message it may send; with more it is refused with 5.5.3.
        max_send_recipients: optional u32 = "max-send-recipients", "no limit of its own", 1..=1000000;
        /// Octets of a message it takes; larger ones are refused with 5.2.3.
        max_receive_size: optional Size = "max-receive-size", "no limit of its own", 1024..=1099511627776;
        /// Who may send to it: these, and members of these groups; empty: everybody.
        accept_from: list Member = "accept-from", "everybody";
        /// Who may not: these, and members of these groups.
        reject_from: list Member = "reject-from", "nobody";
        /// Whether only authenticated senders of this organisation may send to it.
        authenticated_senders_only: optional bool = "authenticated-senders-only", "false";
    }
}

object! {
    /// Addresses that stand for others.
    Group = "group" {
        /// Its name; unique among mailboxes, groups and contacts.
        name: required Name = "name", "";
        /// Its addresses.
        addresses: several Address = "addresses", "";
        /// Who gets its mail: mailboxes, groups and contacts by name, or addresses.
        members: list Member = "members", "nobody";
        /// Who answers for it.
        owner: optional Member = "owner", "nobody";
        /// Who is told when its mail can't be delivered to a member: `sender`, `owner` or `nobody`. For the others than the
        /// sender, members get it under another reverse-path.
        report_to: optional ReportTo = "report-to", "sender";
        /// Whether its members are kept secret: the sender is never told of one; the owner is, where there is one.
        hidden_members: optional bool = "hidden-members", "false";
        /// Who passes its mail on, by resending it (RFC 5322 §3.6.6): others' mail goes to them first.
        moderators: list Member = "moderators", "nobody: mail goes straight to the members";
        /// The server that expands it. Kept, not yet used: each server expands it.
        expansion_server: optional Name = "expansion-server", "any";
        /// Octets of a message it takes; larger ones are refused with 5.2.3.
        max_receive_size: optional Size = "max-receive-size", "no limit of its own", 1024..=1099511627776;
        /// Who may send to it: these, and members of these groups; empty: everybody.
        accept_from: list Member = "accept-from", "everybody";
        /// Who may not: these, and members of these groups.
        reject_from: list Member = "reject-from", "nobody";
        /// Whether only authenticated senders of this organisation may send to it.
        authenticated_senders_only: optional bool = "authenticated-senders-only", "false";
    }
}

object! {
    /// Addresses that stand for all recipients for whom a filter holds.
    DynamicGroup = "dynamic-group" {
        /// Its name; unique among mailboxes, groups and contacts.
        name: required Name = "name", "";
        /// Its addresses.
        addresses: several Address = "addresses", "";
        /// Who gets its mail (RFC 4515), over the attributes objectClass (mailbox, group or contact), name, mail,
        /// displayName, givenName, sn, department, company, physicalDeliveryOfficeName and title.
        filter: required Filter = "filter", "";
        /// Who answers for it.
        owner: optional Member = "owner", "nobody";
        /// Who is told when its mail can't be delivered to a member: `sender`, `owner` or `nobody`. For the others than the
        /// sender, members get it under another reverse-path.
        report_to: optional ReportTo = "report-to", "sender";
        /// Whether its members are kept secret: the sender is never told of one; the owner is, where there is one.
        hidden_members: optional bool = "hidden-members", "false";
        /// Who passes its mail on, by resending it (RFC 5322 §3.6.6): others' mail goes to them first.
        moderators: list Member = "moderators", "nobody: mail goes straight to the members";
        /// The server that expands it. Kept, not yet used: each server expands it.
        expansion_server: optional Name = "expansion-server", "any";
        /// Octets of a message it takes; larger ones are refused with 5.2.3.
        max_receive_size: optional Size = "max-receive-size", "no limit of its own", 1024..=1099511627776;
        /// Who may send to it: these, and members of these groups; empty: everybody.
        accept_from: list Member = "accept-from", "everybody";
        /// Who may not: these, and members of these groups.
        reject_from: list Member = "reject-from", "nobody";
        /// Whether only authenticated senders of this organisation may send to it.
        authenticated_senders_only: optional bool = "authenticated-senders-only", "false";
    }
}

object! {
    /// Addresses of somebody whose mailbox is elsewhere.
    Contact = "contact" {
        /// Its name; unique among mailboxes, groups and contacts.
        name: required Name = "name", "";
        /// Its addresses here.
        addresses: several Address = "addresses", "";
        /// The address elsewhere.
        target: required Address = "target", "";
        /// Octets of a message it takes; larger ones are refused with 5.2.3.
        max_receive_size: optional Size = "max-receive-size", "no limit of its own", 1024..=1099511627776;
        /// Who may send to it: these, and members of these groups; empty: everybody.
        accept_from: list Member = "accept-from", "everybody";
        /// Who may not: these, and members of these groups.
        reject_from: list Member = "reject-from", "nobody";
        /// Whether only authenticated senders of this organisation may send to it.
        authenticated_senders_only: optional bool = "authenticated-senders-only", "false";
    }
}

object! {
    /// Gives addresses to recipients by templates.
    AddressPolicy = "address-policy" {
        /// Its name.
        name: required Name = "name", "";
        /// Whom it concerns (RFC 4515), as in dynamic groups.
        filter: optional Filter = "filter", "every mailbox";
        /// Templates of addresses, the primary one first: `%g` given name, `%s` surname, `%d` display name, `%m` name,
        /// `%1g` its first letter, `%%` a percent sign.
        templates: several AddressTemplate = "templates", "";
        /// Of the policies that concern a recipient the one with the lowest number counts.
        priority: optional u32 = "priority", "100", 1..=10000;
    }
}

object! {
    /// Copies of messages go to an archive, each exactly once, as an envelope journal report.
    JournalRule = "journal-rule" {
        /// Its name.
        name: required Name = "name", "";
        /// Whether it concerns all mail.
        everything: optional bool = "everything", "false";
        /// Mail from or to these domains.
        domains: list Domain = "domains", "none";
        /// Mail from or to these, and members of these groups.
        members: list Member = "members", "none";
        /// Where the reports go.
        journal_to: required Address = "journal-to", "";
    }
}

object! {
    /// Somebody who may administer the organisation.
    Administrator = "administrator" {
        /// The name to log in with.
        name: required Name = "name", "";
        /// Clear text, which is hashed on apply, or an argon2 hash, which is kept.
        password: optional Password = "password", "no login but over the local admin socket";
    }
}
